"""The dataset on disk: BIDS names, tables, the same bytes again, and refusals."""

import json

import nibabel as nib
import numpy as np
import pytest

from nigra.errors import NigraError
from nigra.files import read_tsv
from nigra.phantom import write_phantom
from nigra.preparation.template import grid
from nigra.provenance import hash_file

STEM = "space-MNI152NLin2009aSym"


def hashes(folder):
    """Hash of every file that holds results, by its place."""
    return {str(p.relative_to(folder)): hash_file(p) for p in sorted(folder.rglob("*")) if p.is_file()}


def test_folder_holds_what_intake_reads(small_phantom):
    description = json.loads((small_phantom / "dataset_description.json").read_text())
    assert description["DatasetType"] == "derivative"
    assert "synthetic" in description["Name"]
    participants = read_tsv(small_phantom / "participants.tsv")
    assert participants["participant_id"].tolist() == [
        *(f"sub-C00{k}" for k in range(1, 5)),
        "sub-P001",
        "sub-P002",
    ]
    assert participants["hoehn_yahr"].isna().tolist() == [True] * 4 + [False] * 2
    assert set(participants["group"]) == {"control", "patient"}
    for name in participants["participant_id"]:
        folder = small_phantom / name / "dwi"
        for parameter, units in (("fa", "1"), ("md", "mm^2/s")):
            stem = f"{name}_{STEM}_model-tensor_param-{parameter}_dwimap"
            image = nib.load(folder / f"{stem}.nii.gz")
            assert image.shape == grid(4.0)[0]
            np.testing.assert_allclose(image.affine, grid(4.0)[1])
            sidecar = json.loads((folder / f"{stem}.json").read_text())
            assert sidecar["SkullStripped"] is True
            assert sidecar["Units"] == units
            assert sidecar["Synthetic"]["participant_id"] == name
        assert (folder / f"{name}_{STEM}_desc-brain_mask.nii.gz").exists()


def test_truth_table_agrees_with_the_truth_images(small_phantom):
    table = read_tsv(small_phantom / "truth.tsv")
    regions = read_tsv(small_phantom / "atlas" / f"{STEM}_atlas-Synthetic_dseg.tsv").set_index("name")["index"]
    assert len(table) == 2 * 6 * 2
    for row in table.itertuples():
        labels = nib.load(small_phantom / "truth" / f"{row.participant_id}_{STEM}_desc-planted_dseg.nii.gz")
        assert (np.asarray(labels.dataobj) == regions[row.region]).sum() == row.voxels
    fa, md = (table[table["channel"] == channel] for channel in ("FA", "MD"))
    assert (fa["change"] < 0).all()
    assert (md["change"] > 0).all()
    np.testing.assert_allclose(table["effect_sd"], table["change"] / table["healthy_sd"], rtol=2e-3)
    worse = fa[fa["worse_side"] == "yes"]
    assert 1.5 < worse["effect_sd"].abs().median() < 8


def test_same_seed_same_bytes_and_subjects_do_not_depend_on_cohort_size(small_phantom, tmp_path):
    write_phantom(tmp_path / "again", controls=4, patients=2, seed=3, resolution=4.0, progress=False)
    assert hashes(tmp_path / "again") == hashes(small_phantom)
    write_phantom(tmp_path / "small", controls=1, patients=1, seed=3, resolution=4.0, progress=False)
    small, whole = hashes(tmp_path / "small"), hashes(small_phantom)
    images = [name for name in small if name.startswith(("sub-", "truth/"))]
    assert len(images) == 11
    assert all(small[name] == whole[name] for name in images)
    write_phantom(tmp_path / "other", controls=1, patients=1, seed=4, resolution=4.0, progress=False)
    other = hashes(tmp_path / "other")
    assert all(other[name] != small[name] for name in images if name.startswith("sub-"))


def test_a_killed_run_is_finished_and_other_files_are_left_alone(small_phantom, tmp_path):
    out = tmp_path / "phantom"
    write_phantom(out, controls=1, patients=0, resolution=4.0, progress=False)
    before = hashes(out)
    (out / "truth.tsv").unlink()
    next(out.glob("sub-C001/dwi/*param-md*.nii.gz")).unlink()
    write_phantom(out, controls=1, patients=0, resolution=4.0, progress=False)
    assert hashes(out) == before
    with pytest.raises(NigraError, match="already holds other files"):
        write_phantom(out, controls=2, patients=0, resolution=4.0, progress=False)
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("years of work")
    with pytest.raises(NigraError, match="already holds other files"):
        write_phantom(mine, controls=1, patients=0, resolution=4.0, progress=False)
    assert [path.name for path in mine.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize(("arguments", "message"), [
    ({"controls": 0, "patients": 0}, "at least one subject"),
    ({"controls": -1}, "at least one subject"),
    ({"seed": -1}, "a seed is 0"),
    ({"resolution": 0.1}, "between 0.5 and 8"),
])  # fmt: skip
def test_impossible_cohorts_are_refused(tmp_path, arguments, message):
    with pytest.raises(NigraError, match=message):
        write_phantom(tmp_path / "out", progress=False, **arguments)
    assert not (tmp_path / "out").exists()


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(NigraError, match="is a file"):
        write_phantom(tmp_path / "file")
    assert (tmp_path / "file").read_text() == "mine"
