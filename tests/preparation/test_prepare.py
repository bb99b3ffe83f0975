"""Whole preparations of small cohorts: packaged template brains, moved by known transforms, at 6 mm."""

import errno

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from filelock import FileLock

from nigra.cohort.scan import Scan
from nigra.cohort.store import open_cohort
from nigra.errors import NigraError
from nigra.files import read_json, read_tsv
from nigra.preparation import intensity, subject
from nigra.preparation.prepare import _participants, prepare
from nigra.preparation.settings import Execution, PrepareSettings
from tests.preparation.conftest import RESOLUTION, SPACE, write_psr

QUICK = PrepareSettings(space=SPACE, resolution=RESOLUTION, n4_iterations=(5,), syn_iterations=(15, 10))


def image_of(study, name):
    return study / name / "anat" / f"{name}_space-{SPACE}_desc-prepared_T1w.nii.gz"


def test_a_cohort_with_a_bad_subject_in_the_middle(make_source, tmp_path, small_template):
    source, study = make_source(4, blank=(2,)), tmp_path / "study"
    table = prepare(source, study, QUICK).set_index("participant_id")
    assert table["status"].tolist() == ["prepared", "failed", "prepared", "prepared"]
    assert table["reason"]["sub-02"].startswith("sub-02")
    good = table.drop("sub-02")
    assert good["dice"].min() > 0.95
    assert good["correlation"].min() > 0.8
    cohort = open_cohort(study)
    assert cohort.ids == ["sub-01", "sub-03", "sub-04"]
    assert cohort.space == SPACE
    assert not (cohort.mask & ~small_template.mask).any()
    assert cohort.mask.sum() > 0.85 * small_template.mask.sum()
    likeness = np.corrcoef(np.asarray(cohort.volumes[0, 0])[cohort.mask], small_template.brain[cohort.mask])[0, 1]
    assert likeness > 0.8  # RAS in the store, though stored as PSR
    assert not np.asarray(cohort.volumes)[:, :, ~cohort.mask].any()
    intake = read_tsv(study / "intake.tsv").set_index("participant_id")
    assert intake["kept"].tolist() == ["yes", "no", "yes", "yes"]
    assert intake["reason"]["sub-02"] == table["reason"]["sub-02"]
    white = intensity.white_matter(small_template)
    for row in range(3):
        assert np.median(cohort.volumes[row, 0][white & cohort.mask]) == pytest.approx(1, abs=0.02)


def test_what_is_prepared_is_used_again_and_a_kill_leaves_nothing_half(make_source, tmp_path, monkeypatch):
    source, study = make_source(2), tmp_path / "study"
    first = prepare(source, study, QUICK)
    images = {name: image_of(study, name).read_bytes() for name in ("sub-01", "sub-02")}
    volumes = (study / "cohort" / "volumes.npy").read_bytes()
    sidecar = image_of(study, "sub-02").with_suffix("").with_suffix(".json")
    sidecar.unlink()  # as a kill between the map and its sidecar leaves it
    image_of(study, "sub-02").write_bytes(b"half")
    (study / "sub-02" / "anat" / ".writing-x.nii.gz").write_bytes(b"half")
    again = prepare(source, study, QUICK)
    assert again["status"].tolist() == ["reused", "prepared"]
    assert again["dice"].tolist() == first["dice"].tolist()
    for name, content in images.items():
        assert image_of(study, name).read_bytes() == content, "same seed and threads, same bytes"
    assert (study / "cohort" / "volumes.npy").read_bytes() == volumes
    assert prepare(source, study, QUICK)["status"].tolist() == ["reused", "reused"]
    stricter = prepare(source, study, QUICK.model_copy(update={"coverage": 1.0}))
    assert stricter["status"].tolist() == ["reused", "reused"], "the cohort's mask concerns no subject's maps"
    monkeypatch.setattr(subject, "register_t1w", lambda *_: (_ for _ in ()).throw(RuntimeError("broken")))
    with pytest.raises(NigraError, match="no subject could be prepared"):
        prepare(source, study, QUICK.model_copy(update={"seed": 1}))
    reasons = read_tsv(study / "quality.tsv")["reason"]
    assert reasons.str.contains("RuntimeError: broken").all()


@pytest.mark.slow
def test_jobs_do_not_change_the_result(make_source, tmp_path):
    source = make_source(2)
    settings = QUICK.model_copy(update={"syn_iterations": (2,), "n4_iterations": (2,)})
    prepare(source, tmp_path / "one", settings, Execution(jobs=1))
    prepare(source, tmp_path / "two", settings, Execution(jobs=2))
    for name in ("sub-01", "sub-02"):
        assert image_of(tmp_path / "one", name).read_bytes() == image_of(tmp_path / "two", name).read_bytes()


def test_a_misfit_is_a_reason(make_source, tmp_path):
    strict = QUICK.model_copy(update={"minimum_dice": 0.9999, "syn_iterations": ()})
    with pytest.raises(NigraError, match="no subject could be prepared"):
        prepare(make_source(1), tmp_path / "study", strict)
    reason = read_tsv(tmp_path / "study" / "quality.tsv")["reason"][0]
    assert "fills the template's, but found an overlap (Dice) of 0.9" in reason
    assert "mosaic" in reason


def test_dry_run_writes_nothing_and_labels_select(make_source, tmp_path):
    source, study = make_source(3), tmp_path / "study"
    table = prepare(source, study, QUICK, Execution(dry_run=True, participant_labels=("03", "sub-01")))
    assert table["participant_id"].tolist() == ["sub-01", "sub-03"]
    assert set(table["status"]) == {"would be prepared"}
    assert not study.exists()


def test_users_mistakes_are_sentences(make_source, tmp_path):
    source, study = make_source(1), tmp_path / "study"
    with pytest.raises(NigraError, match="registration prepares the channel T1w, but found FA MD"):
        prepare(source, study, QUICK.model_copy(update={"channels": ("FA", "MD")}))
    with pytest.raises(NigraError, match="not packaged"):
        prepare(source, study, QUICK.model_copy(update={"space": "MNI"}))
    study.mkdir()
    with FileLock(study / ".prepare.lock"), pytest.raises(NigraError, match="being prepared by another process"):
        prepare(source, study, QUICK)
    with pytest.raises(ValueError, match="Extra inputs"):
        PrepareSettings(smoothing=3)  # type: ignore[call-arg]


@pytest.fixture
def ready(tmp_path, rng, affine):
    """Six subjects with FA and MD in one space, stored as PSR; the last one's brain lacks its upper third."""
    source = tmp_path / "ready"
    x, y, z = np.indices((11, 13, 9))
    brain = ((x - 5) / 4.5) ** 2 + ((y - 6) / 5) ** 2 + ((z - 4) / 4) ** 2 <= 1
    maps, rows = {}, []
    for i in range(1, 7):
        own = brain & (z < 5) if i == 6 else brain
        fa, md = rng.uniform(0.1, 0.8, brain.shape), rng.uniform(6e-4, 1e-3, brain.shape)
        maps[f"sub-{i:02d}"] = np.where(own, np.stack([fa, md]), 0).astype(np.float32)
        for name, data in zip(("fa", "md"), maps[f"sub-{i:02d}"], strict=True):
            write_psr(source / f"sub-{i:02d}_{name}.nii.gz", data, affine)
        rows.append([f"sub-{i:02d}", "patient" if i > 4 else "control", 60 + i, "M", "A",
                     f"sub-{i:02d}_fa.nii.gz", f"sub-{i:02d}_md.nii.gz", "MNI152NLin2009cAsym"])  # fmt: skip
    columns = ["participant_id", "group", "age", "sex", "site", "FA", "MD", "space"]
    pd.DataFrame(rows, columns=columns).to_csv(source / "manifest.tsv", sep="\t", index=False)
    return source / "manifest.tsv", maps, brain, affine


def test_ready_maps_keep_their_grid_and_values(ready, tmp_path):
    manifest, maps, brain, affine = ready
    table = prepare(manifest, tmp_path / "study", PrepareSettings(registration=False, coverage=0.8))
    assert table["status"].tolist() == ["prepared"] * 6
    cohort = open_cohort(tmp_path / "study")
    assert cohort.channels == ("FA", "MD")
    assert cohort.space == "MNI152NLin2009cAsym"
    np.testing.assert_allclose(cohort.affine, affine, atol=1e-5)
    np.testing.assert_array_equal(cohort.mask, brain)
    for row, name in enumerate(cohort.ids):
        np.testing.assert_array_equal(cohort.volumes[row], maps[name])
    assert cohort.group("patient") == ["sub-05", "sub-06"]
    assert table["dice"].iloc[:5].tolist() == [1] * 5
    assert "low overlap" not in table["note"].iloc[0]
    assert table["dice"].iloc[5] < 0.85
    sidecar = next((tmp_path / "study").rglob("sub-01_*param-md_*.json"))
    assert read_json(sidecar)["SpatialReference"] == "MNI152NLin2009cAsym"


def test_coverage_decides_the_mask_of_ready_maps(ready, tmp_path):
    manifest, maps, brain, _ = ready
    prepare(manifest, tmp_path / "study", PrepareSettings(registration=False, coverage=0.9))
    np.testing.assert_array_equal(open_cohort(tmp_path / "study").mask, maps["sub-06"][0] != 0)
    assert (maps["sub-06"][0] != 0).sum() < brain.sum()


@pytest.mark.real
def test_two_real_subjects(real_data, tmp_path):
    settings = PrepareSettings(space=SPACE, resolution=4.0)
    table = prepare(
        real_data / "ixi", tmp_path / "study", settings, Execution(participant_labels=("IXI012", "IXI015"))
    )
    assert table["status"].tolist() == ["prepared"] * 2
    assert table["dice"].min() > 0.93
    assert table["correlation"].min() > 0.7
    assert table["volume_ml"].between(1200, 1900).all()
    image = nib.load(image_of(tmp_path / "study", "sub-IXI012"))
    assert nib.aff2axcodes(image.affine) == ("R", "A", "S")


def test_a_dataset_of_somebody_else_is_never_written_over(ready, tmp_path):
    tables = [tmp_path / name / "participants.tsv" for name in ("theirs", "described")]
    for table in tables:
        table.parent.mkdir()
        table.write_text("participant_id\tupdrs\nsub-1\t12\n")
    (tables[1].parent / "dataset_description.json").write_text('{"GeneratedBy": [{"Name": "fmriprep"}]}')
    (tmp_path / "file").write_text("")
    unregistered = PrepareSettings(registration=False)
    for source, study in ((ready[0], tables[0].parent), (ready[0], tables[1].parent), (tmp_path, tmp_path)):
        with pytest.raises(NigraError, match="STUDY is a folder of its own"):
            prepare(source, study, unregistered)
    with pytest.raises(NigraError, match="is a file"):
        prepare(ready[0], tmp_path / "file", unregistered)
    assert {table.read_text() for table in tables} == {"participant_id\tupdrs\nsub-1\t12\n"}
    assert not list(tmp_path.rglob("cohort"))


def test_a_full_disk_ends_the_preparation_instead_of_failing_each_subject(ready, tmp_path, monkeypatch):
    def full(*arguments: object, **named: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(subject.derivative, "write", full)
    with pytest.raises(OSError, match="No space left"):
        prepare(ready[0], tmp_path / "study", PrepareSettings(registration=False))
    assert not (tmp_path / "study/cohort").exists()


def test_what_else_the_source_tells_of_a_subject_stays_with_it():
    scans = [
        Scan("sub-1", {}, "patient", further={"NHY": "2", "scanner": "Trio"}),
        Scan("sub-2", {}, further={"laterality": "L"}),
    ]
    table = _participants(scans)
    assert list(table.columns[-3:]) == ["NHY", "scanner", "laterality"]
    assert table["NHY"].tolist()[0] == "2"
    assert table["laterality"].isna().tolist() == [True, False]
