"""The synthetic atlas: names there and back, nuclei where the published atlases have them."""

import nibabel as nib
import numpy as np
import pytest

from nigra.errors import NigraError
from nigra.files import read_tsv
from nigra.phantom.parcellation import NUCLEI, Ellipsoid, index_of, membership, radius, region_table


def test_names_survive_there_and_back(small_phantom):
    table = read_tsv(small_phantom / "atlas" / "space-MNI152NLin2009aSym_atlas-Synthetic_dseg.tsv")
    back = dict(zip(table["index"], table["name"], strict=True))
    assert table["index"].is_unique
    assert table["index"].max() > 127  # an int8 cast would be seen
    assert {name: index_of(name) for name in back.values()} == {name: index for index, name in back.items()}
    assert back == dict(zip(region_table()["index"], region_table()["name"], strict=True))


def test_every_label_of_the_image_has_a_name_and_every_name_a_voxel(small_phantom):
    image = nib.load(small_phantom / "atlas" / "space-MNI152NLin2009aSym_atlas-Synthetic_dseg.nii.gz")
    found = set(np.unique(np.asarray(image.dataobj))) - {0}
    assert found == set(region_table()["index"])


def test_nuclei_lie_at_published_coordinates(anatomy):
    """Centres of mass in mm against Tian 2020 (putamen, thalamus) and Vano 2024 (substantia nigra), within 6 mm."""
    published = {"putamen right": (26, 1, 0), "thalamus left": (-11, -18, 6), "SN left": (-10.5, -17, -14)}
    for name, centre in published.items():
        voxels = np.argwhere(anatomy.labels == index_of(name))
        assert len(voxels) > 0
        found = nib.affines.apply_affine(anatomy.affine, voxels).mean(axis=0)
        assert np.linalg.norm(found - centre) < 6, name


def test_left_is_negative_x(anatomy):
    for nucleus in NUCLEI:
        left, right = (np.argwhere(anatomy.labels == index_of(f"{nucleus.name} {s}")) for s in ("left", "right"))
        assert nib.affines.apply_affine(anatomy.affine, left)[:, 0].max() < 0
        assert nib.affines.apply_affine(anatomy.affine, right)[:, 0].min() > 0


def test_radius_and_membership_of_a_turned_ellipsoid():
    """Turned by 90 degrees the long axis x becomes y; its volume is 4/3 pi abc."""
    points = np.array([[0.0, 4.0, 0.0], [2.0, 0.0, 0.0], [0.0, 0.0, 3.0]])
    np.testing.assert_allclose(radius(points, Ellipsoid((0, 0, 0), (4, 2, 3), 90)), 1, atol=1e-12)
    turned = Ellipsoid((5, 0, 0), (4, 2, 3), 30)
    axis = np.arange(-6, 6.1, 0.5)
    lattice = np.stack(np.meshgrid(axis + 5, axis, axis, indexing="ij"), axis=-1)
    volume = membership(lattice, (turned,), "right", 0.5).sum() * 0.5**3
    assert volume == pytest.approx(4 / 3 * np.pi * 24, rel=0.03)
    assert membership(lattice, (turned,), "left", 0.5).sum() < 0.05 * volume / 0.5**3


def test_unknown_region_is_one_sentence():
    with pytest.raises(NigraError, match="no region 'amygdala left'"):
        index_of("amygdala left")
