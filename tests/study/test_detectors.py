"""Several detectors in one run: one pass per subject for all of them, fitted on the right controls, honest sets."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from scipy import ndimage

from nigra.config import settings_from
from nigra.detection.one_class_svm import VoxelwiseOneClassSVM
from nigra.errors import NigraError
from nigra.files import read_json, read_tsv
from nigra.scoring.scorer import Scorer
from nigra.study import features
from nigra.study.execution import Execution
from nigra.study.pipeline import plan, run_study
from nigra.study.run import Run
from nigra.study.score import read_scores
from nigra.study.settings import RunSettings
from nigra.study.train import trained
from nigra.units import Source
from tests.study.study_fixture import PATIENTS, SPACE, brain, make_study, planted, quick_settings

ONE = Execution(threads=1, device="cpu")
STAGES = ("train", "score", "evaluate")
DETECTORS = [
    {"kind": "error"},
    {"kind": "one-class-svm", "nu": 0.2},
    {"kind": "z"},
    {"kind": "nearest", "neighbours": 2},
    {"kind": "z", "name": "z-maps", "reads": "intensities"},
    {"kind": "student-mixture", "name": "mixture", "reads": "intensities", "components": 2},
]


def many(**changes: object) -> RunSettings:
    """A slice model, a patch model, six detectors, two of which read the maps themselves."""
    few = {"splits": {"draws": 1, "test_fraction": 0.27}, "figures": {"examples": 0}}
    return quick_settings(**{**few, "detectors": DETECTORS, **changes})


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_study(tmp_path_factory.mktemp("detectors"))
    run_study(folder, many(), ONE)
    return folder


def test_every_method_has_its_rows_and_slices_have_no_codes(study: Path) -> None:
    table = read_tsv(study / "runs/quick/regions.tsv")
    assert set(zip(table["model"], table["detector"], strict=True)) == {
        ("mlcn2021-ae", "error"), ("mlcn2021-ae", "z"),
        ("isbi2023-sae", "error"), ("isbi2023-sae", "one-class-svm"), ("isbi2023-sae", "z"),
        ("isbi2023-sae", "nearest"), ("intensities", "z-maps"), ("intensities", "mixture"),
    }  # fmt: skip
    assert len(set(table.groupby(["model", "detector"]).size())) == 1
    assert ["no one-class-svm" in line or "no nearest" in line for line in many().left_out] == [True, True]
    text = (study / "runs/quick/report.html").read_text()
    assert "isbi2023-sae+one-class-svm" in text
    assert "intensities+mixture" in text


def test_codes_are_not_left_behind(study: Path) -> None:
    assert sorted(path.name for path in (study / "runs/quick").glob("**/*.npy")) == ["scores.npy"] * 8


def test_scores_equal_a_detector_fitted_by_hand(study: Path) -> None:
    """Oracle: codes of each subject from the fold's own model, float16, one SVM fitted outside the run."""
    run = Run(study, many(), ONE)
    method = next(m for m in run.settings.methods if m.detector.kind == "one-class-svm")
    draw, scored = run.draws[0], read_scores(run, method, run.draws[0])
    for part, names, rows in (
        (run.parts(draw)[0], draw.test, scored.test),
        (run.parts(draw)[1], run.folds(draw)[0], scored.calibration),
    ):
        fit = next(f for f in run.fits(method.model, draw) if f.fold == part.fold)
        used = trained(run, fit)
        scorer, source = Scorer(used.model, run.unit(method.model)), Source.scaled(run.cohort, used.scaling)

        def codes(names: list[str], scorer: Scorer = scorer, source: Source = source) -> np.ndarray:
            return np.stack([scorer.codes(source, int(run.cohort.rows([name])[0])) for name in names])

        svm = VoxelwiseOneClassSVM(nu=0.2).fit(codes(list(part.train)).astype(np.float16))
        expected = svm.margin() - svm.decision_function(codes(list(names)))
        ids = scored.test_ids if names is draw.test else scored.calibration_ids
        got = rows[[ids.index(name) for name in names]]
        np.testing.assert_allclose(got, expected, atol=2e-5)
        assert got.std() > 3e-4  # a model of two epochs: its codes hardly differ
        assert not set(part.train) & set(names)


def test_z_of_the_maps_is_what_pandas_makes_of_them(study: Path) -> None:
    run = Run(study, many(), ONE)
    method = next(m for m in run.settings.methods if m.label == "intensities+z-maps")
    draw, scored = run.draws[0], read_scores(run, method, run.draws[0])
    reader = features.Reader(run, None, 0, run.parts(draw)[0], [method.detector])
    maps = np.stack([reader.source.volume(int(row))[:, brain()].T for row in run.cohort.rows(draw.train)])
    new = reader.source.volume(int(run.cohort.rows(["sub-P1"])[0]))[:, brain()].T
    z = (new - maps.mean(axis=0)) / maps.std(axis=0, ddof=1)
    expected = np.sqrt((z**2).mean(axis=1))
    got = scored.test[scored.test_ids.index("sub-P1")]
    np.testing.assert_allclose(np.diff(got), np.diff(expected), rtol=2e-3, atol=2e-3)  # less a constant offset


def test_the_planted_region_is_found_by_the_maps_and_by_the_model(study: Path) -> None:
    table = read_tsv(study / "runs/quick/evaluation.tsv")
    auc = table[(table["measure"] == "auc") & (table["region"] == "putamen left")]
    auc = auc.set_index(["model", "detector"])["estimate"]
    assert auc["intensities", "mixture"] == 1
    assert auc["isbi2023-sae", "one-class-svm"] == 1
    assert (
        auc["intensities", "mixture"]
        > table[(table["measure"] == "auc")].groupby("region")["estimate"].min()["high"]
    )


@pytest.mark.parametrize("label", ["intensities+z-maps", "mlcn2021-ae+z"])
def test_z_is_higher_in_the_planted_region_of_every_patient(study: Path, label: str) -> None:
    """With four controls a fold the thresholds of z-scores are too high to count with; the scores are not."""
    run = Run(study, many(), ONE)
    method = next(m for m in run.settings.methods if m.label == label)
    scored = read_scores(run, method, run.draws[0])
    inside = np.nanmean(scored.test[:, planted()[brain()]], axis=1)
    patient = np.isin(scored.test_ids, PATIENTS)
    assert inside[patient].min() > inside[~patient].max()


def test_clusters_are_the_components_of_the_thresholded_map(study: Path) -> None:
    run = Run(study, many(), ONE)
    method, draw = run.settings.methods[0], run.draws[0]
    table = read_tsv(study / "runs/quick/clusters.tsv")
    rows = table[(table["model"] == "mlcn2021-ae") & (table["detector"] == "error")]
    assert set(rows["participant_id"]) <= set(draw.test)
    threshold = read_json(run.method_place(method, 0) / "thresholds.json")["value"]
    for name in PATIENTS:
        volume = np.full(brain().shape, np.nan)
        scored = read_scores(run, method, draw)
        volume[brain()] = scored.test[scored.test_ids.index(name)]
        components, count = ndimage.label(volume > threshold, np.ones((3, 3, 3)))
        own = rows[rows["participant_id"] == name]
        assert len(own) == min(count, 10)
        largest = np.bincount(components.ravel())[1:].max()
        assert own["voxels"].max() == largest
        image = nib.load(run.method_place(method, 0) / "maps" / f"{name}_space-{SPACE}_desc-clusters_dseg.nii.gz")
        labels = np.asarray(image.dataobj)
        first = labels == 1
        assert first.sum() == own.iloc[0]["voxels"]
        assert (volume[first] > threshold).all()
        places = own[["peak_x", "peak_y", "peak_z"]].to_numpy()
        voxels = (np.linalg.inv(run.cohort.affine) @ np.column_stack([places, np.ones(len(own))]).T)[:3]
        peaks = volume[tuple(np.rint(voxels).astype(int))]
        np.testing.assert_allclose(peaks, own["max_score"], rtol=1e-5)
    assert set(rows["region"]) <= {"low", "high", "putamen left", ""}


def test_one_more_detector_scores_only_itself(tmp_path: Path, monkeypatch) -> None:
    settings = quick_settings(
        splits={"draws": 1}, models=[{"preset": "isbi2023-ae", "epochs": 1, "units_per_subject": 20, "batch": 16}]
    )
    make_study(tmp_path)
    run_study(tmp_path, settings, ONE, STAGES)
    scores = tmp_path / "runs/quick/isbi2023-ae/draw-00/error/scores.npy"
    before = scores.stat().st_mtime_ns
    more = settings.model_copy(update={"detectors": many().detectors[:2]})
    assert plan(tmp_path, more)[:2] == [("train", 3, 3), ("score", 1, 0)]
    reads: list[str] = []
    plain = features.Reader.read
    monkeypatch.setattr(features.Reader, "read", lambda self, name: reads.append(name) or plain(self, name))
    run_study(tmp_path, more, ONE, STAGES)
    assert scores.stat().st_mtime_ns == before
    run = Run(tmp_path, more, ONE)
    controls = len(run.draws[0].train)
    fitting = controls + (len(run.folds(run.draws[0])) - 1) * controls
    assert len(reads) == fitting + controls + len(run.draws[0].test)


@pytest.mark.parametrize("detector", [{"kind": "one-class-svm"}, {"kind": "mahalanobis"}])
def test_training_controls_set_the_threshold_left_out_where_that_is_possible(
    tmp_path: Path, detector: dict[str, str]
) -> None:
    settings = quick_settings(
        splits={"draws": 1}, calibration={"controls": "training"}, detectors=[detector],
        models=[{"preset": "isbi2023-ae", "epochs": 1, "units_per_subject": 20, "batch": 16}],
    )  # fmt: skip
    make_study(tmp_path)
    run_study(tmp_path, settings, ONE, STAGES)
    table = read_tsv(tmp_path / "runs/quick/regions.tsv")
    whole = table[(table["region"] == "whole brain") & (table["group"] == "control")]
    percent = whole.groupby("set")["percent"].mean()
    # scored in-sample, an SVM would call next to nothing of new controls' own kind abnormal at this threshold
    assert percent["training"] == pytest.approx(2, abs=0.2)
    assert percent["test"] < 15


def test_no_model_is_needed_where_maps_are_read(tmp_path: Path) -> None:
    settings = many(models=[], detectors=DETECTORS[4:])
    folder = run_study(make_study(tmp_path), settings, ONE)
    assert set(read_tsv(folder / "evaluation.tsv")["model"]) == {"intensities"}
    assert (folder / "report.html").exists()
    assert plan(tmp_path, settings)[:2] == [("train", 0, 0), ("score", 1, 1)]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({"detectors": [{"kind": "z", "nu": 0.1}]}, "nu is no setting of z"),
        ({"detectors": [{"kind": "svm"}]}, "input should be 'error', 'one-class-svm'"),
        ({"detectors": [{"kind": "z"}, {"kind": "z"}]}, "two detectors are both called z"),
        ({"detectors": [{"kind": "z", "name": "fold-1"}]}, "fold-1 is the name of a folder"),
        ({"models": [{"preset": "mlcn2021-ae"}], "detectors": [{"kind": "nearest"}]}, "mlcn2021-ae has no nearest"),
        ({"baselines": [], "models": []}, "name a model"),
        ({"models": [{"preset": "mlcn2021-ae", "name": "intensities"}]}, "scores without a model"),
        ({"detectors": [{"kind": "z", "name": "error"}]}, "error is the name of the reconstruction error"),
        ({"detectors": [{"kind": "ensemble-svm", "nu": 1}]}, "nu must be below 1 for ensemble-svm"),
        ({"detectors": [{"kind": "mahalanobis", "shrinkage": 3}]}, "less than or equal to 1"),
        ({"detectors": [{"kind": "student-mixture", "components": 0}]}, "greater than 0"),
        ({"detectors": [{"kind": "one-class-svm", "gamma": 2.0, "gamma_per": "global"}]}, "the same everywhere"),
        ({"detectors": [{"kind": "student-mixture", "online": True, "tolerance": 0.1}]}, "goes with batch EM"),
        ({"detectors": [{"kind": "ensemble-svm", "gamma": "median"}]}, "gamma: median is for one-class-svm"),
    ],
)
def test_detectors_that_make_no_sense_are_one_sentence(content: dict[str, object], sentence: str) -> None:
    with pytest.raises(NigraError, match=sentence):
        settings_from(content)


def test_too_few_controls_for_a_detector_are_told_before_any_training(tmp_path: Path) -> None:
    settings = many(detectors=[{"kind": "nearest", "neighbours": 9}])
    make_study(tmp_path)
    with pytest.raises(NigraError, match="nearest needs 11 controls, but a part of a draw has 4"):
        run_study(tmp_path, settings, ONE)
    assert not (tmp_path / "runs").exists()


def test_what_a_killed_scoring_left_is_removed(tmp_path: Path) -> None:
    stale = tmp_path / "runs/quick/.writing-abc.npy"
    make_study(tmp_path)
    stale.parent.mkdir(parents=True)
    stale.write_bytes(b"half")
    run_study(tmp_path, many(models=[], detectors=DETECTORS[4:5]), ONE, ("score",))
    assert not stale.exists()


def test_regions_of_methods_are_compared_on_the_same_subjects(study: Path) -> None:
    table: pd.DataFrame = read_tsv(study / "runs/quick/regions.tsv")
    subjects = (
        table[table["set"] == "test"]
        .groupby(["model", "detector"])["participant_id"]
        .agg(lambda x: tuple(sorted(set(x))))
    )
    assert len(set(subjects)) == 1


def test_a_subject_without_any_score_is_named_before_it_erases_everybody(tmp_path: Path) -> None:
    settings = many(models=[], detectors=DETECTORS[4:5])
    make_study(tmp_path)
    volumes = np.load(tmp_path / "cohort/volumes.npy", mmap_mode="r+")
    volumes[-1] = np.nan  # the last patient
    volumes.flush()
    with pytest.raises(NigraError, match=r"sub-P3 has no scored voxel by intensities\+z-maps"):
        run_study(tmp_path, settings, ONE, STAGES)


@pytest.mark.parametrize("rows", ["0", '["a"]', "[99]", "null"])
def test_a_damaged_note_of_rows_is_not_taken_up(tmp_path: Path, rows: str) -> None:
    settings = many(models=[], detectors=DETECTORS[4:5])
    make_study(tmp_path)
    run_study(tmp_path, settings, ONE, STAGES)
    folder = tmp_path / "runs/quick/intensities/draw-00/z-maps"
    before = (folder / "scores.npy").read_bytes()
    content = read_json(folder / "scores.json")
    (folder / "scores-so-far.json").write_text(f'{{"key": "{content["key"]}", "rows": {rows}}}')
    (folder / "scores-so-far.npy").write_bytes(before[:128] + bytes(len(before) - 128))
    (folder / "scores.json").unlink()
    run_study(tmp_path, settings, ONE, STAGES)
    assert (folder / "scores.npy").read_bytes() == before
