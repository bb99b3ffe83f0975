import numpy as np
import pytest

from nigra.errors import NigraError
from nigra.figures import axial

NAMES = {1: "SN left", 2: "putamen left", 300: "thalamus right", 4: "frontal lobe left"}


def test_the_level_shows_most_nuclei_then_most_of_their_voxels():
    labels = np.zeros((11, 13, 9), dtype=np.int32)
    labels[:, :, 1] = 4  # a full slice of lobe must not win
    labels[0:5, 0, 3], labels[5, 0, 3] = 1, 2
    labels[0:6, 0, 5], labels[6, 0, 5] = 300, 2
    labels[0, 0, 7] = 300
    assert axial.slice_of_nuclei(labels, NAMES) == 5
    assert axial.slice_of_nuclei(labels, NAMES, wanted={"SN left"}) == 3
    assert axial.slice_of_nuclei(labels, {4: "frontal lobe left"}) == 1


def test_a_level_in_mm_is_the_nearest_slice(affine):
    assert [axial.slice_at(z, affine, 9) for z in (-12.25, -4.0, 11.75)] == [0, 3, 8]
    assert axial.level_of(3, affine) == -3.25
    with pytest.raises(NigraError, match=r"40 mm, but the maps reach from -12\.25 to 11\.75 mm"):
        axial.slice_at(40.0, affine, 9)


def test_upright_puts_the_front_up_and_the_first_x_left(affine):
    picture = np.zeros((11, 13))
    picture[0, 12] = 1
    assert axial.upright(picture)[0, 0] == 1
    assert axial.sides(affine) == ("L", "R")
    assert axial.sides(np.diag([-2.0, 1.5, 3.0, 1.0])) == ("R", "L")


def test_enlarged_labels_keep_every_voxel_centre_and_invent_no_label(rng):
    labels = rng.choice([0, 3, 7, 300], size=(11, 13))
    fine = axial.enlarge_labels(labels, 5)
    np.testing.assert_array_equal(fine[2::5, 2::5], labels)
    assert set(np.unique(fine)) == set(np.unique(labels))


def test_borders_lie_where_labels_change():
    labels = np.array([[1, 1, 2], [1, 1, 2]])
    np.testing.assert_array_equal(axial.borders(labels), [[False, False, True], [False, False, True]])
    assert not axial.borders(np.ones((4, 5), dtype=int)).any()


def test_the_bounding_box_holds_all_of_the_brain_and_little_more():
    inside = np.zeros((11, 13), dtype=bool)
    inside[4:6, 0:3] = True
    window = axial.bounding_box(inside)
    assert window == (slice(3, 7), slice(0, 4))
    assert inside[window].sum() == inside.sum()
    assert axial.bounding_box(~inside & inside) == (slice(None), slice(None))
