"""Thresholds per voxel in a whole run: counted by hand, kept apart from the quantile's, refused where too few."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from nigra.detection.conformal import Conformal
from nigra.detection.settings import DetectorSettings
from nigra.errors import NigraError
from nigra.files import read_json, read_tsv
from nigra.study.calibrate import calibrate, map_key, refuse_conformal
from nigra.study.execution import Execution
from nigra.study.pipeline import run_study
from nigra.study.run import Run
from nigra.study.score import read_scores
from nigra.study.settings import RunSettings
from nigra.study.simulate import simulate
from tests.study.study_fixture import PATIENTS, SPACE, brain, make_study, planted, quick_settings
from tests.study.test_simulate import settings as simulation_settings

ONE = Execution(threads=1, device="cpu")
STAGES = ("train", "score", "evaluate")
PEOPLE = [f"sub-C{i:02d}" for i in range(20)]
TABLES = ("regions.tsv", "calibration.tsv", "clusters.tsv", "evaluation.tsv", "false_positives.tsv")


def settings(rule: str = "conformal", **changes: object) -> RunSettings:
    """z of the maps: 15 controls set the threshold in each of 2 draws, at each voxel the second highest of them."""
    plain = {
        "models": [], "detectors": [{"kind": "z", "reads": "intensities"}],
        "calibration": {"rule": rule, "quantile": 0.875, "folds": 5},
    }  # fmt: skip
    return quick_settings(**(plain | changes))


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_study(tmp_path_factory.mktemp("study"), PEOPLE)
    run_study(folder, settings(), ONE)
    return folder


def p_by_hand(controls: list[float], score: float) -> float:
    return (1 + sum(value >= score for value in controls)) / (1 + len(controls))


def test_every_voxel_has_the_threshold_of_the_controls_there(study: Path) -> None:
    run = Run(study, settings(), ONE)
    method = run.settings.methods[0]
    for draw in run.draws:
        folder, scored = run.method_place(method, draw.draw), read_scores(run, method, draw)
        values, said = np.load(folder / "thresholds.npy"), read_json(folder / "thresholds.json")
        assert values.dtype == np.float32
        second = [sorted(column)[-2] for column in scored.calibration.T.tolist()]  # k = floor(.125 x 16) = 2
        np.testing.assert_array_equal(values, np.array(second, np.float32))
        assert len(set(second)) > 500
        assert (said["rule"], said["value"], said["controls"]) == ("conformal", None, "held-out")
        assert said["fitted_on"] == draw.train
        assert (said["smallest_p"], said["expected_percent"]) == pytest.approx((1 / 16, 12.5))
        assert said["key"] == map_key(run, folder)


def test_maps_of_p_are_counted_voxel_by_voxel(study: Path) -> None:
    run = Run(study, settings(), ONE)
    method, draw = run.settings.methods[0], run.draws[0]
    scored, maps = read_scores(run, method, draw), run.method_place(method, 0) / "maps"
    values = np.load(maps.parent / "thresholds.npy")
    assert len(list(maps.glob("*_desc-p_map.nii.gz"))) == len(draw.test)
    for name in (draw.test[0], "sub-P2"):
        row = scored.test[scored.test_ids.index(name)]
        image = nib.load(maps / f"{name}_space-{SPACE}_desc-p_map.nii.gz")
        p = np.asarray(image.dataobj)
        assert np.isnan(p[~brain()]).all()
        found = [p_by_hand(own, score) for own, score in zip(scored.calibration.T.tolist(), row, strict=True)]
        np.testing.assert_allclose(p[brain()], found, rtol=1e-6)
        said = read_json(maps / f"{name}_space-{SPACE}_desc-p_map.json")
        assert (said["SmallestP"], said["Controls"]) == (pytest.approx(1 / 16), 15)
        np.testing.assert_array_equal(p[brain()] <= said["AbnormalUpTo"], row > values)
        scores = read_json(maps / f"{name}_space-{SPACE}_desc-score_map.json")
        assert scores["AbnormalAbove"] == "the voxel's value in thresholds.npy"
    assert not (run.method_place(method, 1) / "maps").exists(), "images are of the first draw"


def test_the_tables_count_what_lies_above_the_threshold_of_its_voxel(study: Path) -> None:
    run = Run(study, settings(), ONE)
    method, draw = run.settings.methods[0], run.draws[1]
    scored, values = read_scores(run, method, draw), np.load(run.method_place(method, 1) / "thresholds.npy")
    regions = read_tsv(run.folder / "regions.tsv")
    regions = regions[regions["fold"] == 1].set_index(["participant_id", "region"])
    inside = planted()[brain()]
    for name in (draw.test[0], "sub-P1"):
        row = scored.test[scored.test_ids.index(name)]
        assert regions.loc[(name, "putamen left"), "abnormal"] == (row > values)[inside].sum()
        assert regions.loc[(name, "whole brain"), "abnormal"] == (row > values).sum()
    for name in draw.train[:3]:  # a control meets the second highest score of the other controls
        own = np.array([member == name for member in scored.calibration_ids])
        above = scored.calibration[own][0] > np.sort(scored.calibration[~own], axis=0)[-2]
        assert regions.loc[(name, "whole brain"), "abnormal"] == above.sum()
    line = read_tsv(run.folder / "calibration.tsv").set_index("fold").loc[1]
    assert (line["rule"], line["controls"]) == ("conformal", "held-out")
    assert np.isnan(line["threshold"])
    assert line["expected_percent"] == pytest.approx(12.5)
    tested = [name for name in draw.test if name not in PATIENTS]
    shares = [100 * (scored.test[scored.test_ids.index(name)] > values).mean() for name in tested]
    assert line["observed_percent"] == pytest.approx(np.mean(shares))
    assert line["observed_percent"] == pytest.approx(12.5, abs=4)


def test_clusters_are_of_voxels_above_their_own_threshold_and_described_by_scores(study: Path) -> None:
    run = Run(study, settings(clusters={"at_most": 500}), ONE)
    method, draw = run.settings.methods[0], run.draws[0]
    scored, values = read_scores(run, method, draw), np.load(run.method_place(method, 0) / "thresholds.npy")
    row = scored.test[scored.test_ids.index("sub-P2")]
    score, abnormal = np.zeros(brain().shape), np.zeros(brain().shape, bool)
    score[brain()], abnormal[brain()] = row, row > values
    found, count = ndimage.label(abnormal, np.ones((3, 3, 3)))
    sizes = np.bincount(found.ravel())[1:]
    run_study(study, settings(clusters={"at_most": 500}), ONE, ("evaluate",))
    table = read_tsv(run.folder / "clusters.tsv")
    own = table[(table["fold"] == 0) & (table["participant_id"] == "sub-P2")]
    assert len(own) == count > 3
    assert sorted(own["voxels"]) == sorted(sizes)
    largest = own.sort_values("voxels").iloc[-1]
    assert largest["mean_score"] == pytest.approx(score[found == sizes.argmax() + 1].mean(), rel=1e-5)
    assert largest["max_score"] == pytest.approx(score[found == sizes.argmax() + 1].max())


@pytest.mark.parametrize(("controls", "folds", "beyond"), [("training", 2, 0.01), ("held-out", 10, 0.03)])
def test_p_is_superuniform_on_controls_and_not_on_the_ill(
    tmp_path: Path, controls: str, folds: int, beyond: float
) -> None:
    """Noise is drawn voxel by voxel here: 2 draws of 10 test controls are some 22 000 comparisons with 30 each.

    Left out one by one, controls are judged by fits of 29, a test control by one of 30: all but exchangeable. In
    folds it is 27, and p in the middle is a little too small (docs/concepts/calibration-panel.md).
    """
    make_study(tmp_path, [f"sub-C{i:02d}" for i in range(40)])
    asked = settings(
        splits={"draws": 2, "test_fraction": 0.25},
        calibration={"rule": "conformal", "quantile": 0.9, "folds": folds, "controls": controls},
    )
    run_study(tmp_path, asked, Execution(threads=1, device="cpu", maps="all"), ("train", "score"))
    run, steps = Run(tmp_path, asked, ONE), np.arange(1, 32) / 31
    healthy, ill = [], []
    for draw in run.draws:
        for name in draw.test:
            path = run.method_place(run.settings.methods[0], draw.draw) / "maps"
            p = np.asarray(nib.load(path / f"{name}_space-{SPACE}_desc-p_map.nii.gz").dataobj)
            (ill if name in PATIENTS else healthy).append(p[planted() if name in PATIENTS else brain()])
    reached = np.array([(np.concatenate(healthy) <= step + 1e-6).mean() for step in steps])
    assert (reached <= steps + beyond).all(), "the promise"
    assert (reached <= steps + 0.005)[:3].all(), "where voxels are called abnormal"
    assert reached[0] > 0.02, "and p is not 1 for everybody"
    assert (np.concatenate(ill) <= 1 / 31 + 1e-6).mean() > 0.8


def test_another_rule_scores_nobody_anew_and_leaves_nothing_of_the_last(tmp_path: Path) -> None:
    make_study(tmp_path, PEOPLE)
    folder = tmp_path / "runs/quick"
    run_study(tmp_path, settings("quantile"), ONE, STAGES)
    before = {name: (folder / name).read_bytes() for name in TABLES}
    place = folder / "intensities/draw-00/z"
    scores = [(place / name).stat().st_mtime_ns for name in ("scores.npy", "scores.json")]
    assert not (place / "thresholds.npy").exists()
    run_study(tmp_path, settings(), ONE, STAGES)
    conformal = {name: (folder / name).read_bytes() for name in TABLES}
    assert all(conformal[name] != before[name] for name in TABLES)
    assert read_json(place / "thresholds.json")["rule"] == "conformal"
    sidecar = read_json(place / f"maps/sub-P2_space-{SPACE}_desc-score_map.json")
    assert isinstance(sidecar["AbnormalAbove"], str)
    # evaluating alone is enough to change the rule of everything
    run_study(tmp_path, settings("quantile"), ONE, ("evaluate",))
    assert {name: (folder / name).read_bytes() for name in TABLES} == before
    assert read_json(place / "thresholds.json")["rule"] == "quantile"
    assert not (place / "thresholds.npy").exists()
    assert not list((place / "maps").glob("*_desc-p_map.*"))
    sidecar = read_json(place / f"maps/sub-P2_space-{SPACE}_desc-score_map.json")
    assert sidecar["AbnormalAbove"] == read_json(place / "thresholds.json")["value"]
    assert scores == [(place / name).stat().st_mtime_ns for name in ("scores.npy", "scores.json")]


def test_resumed_and_half_written_maps_are_made_whole(study: Path) -> None:
    run = Run(study, settings(), ONE)
    method, draw = run.settings.methods[0], run.draws[0]
    folder = run.method_place(method, 0)
    image = folder / f"maps/sub-P2_space-{SPACE}_desc-p_map.nii.gz"
    kept = folder / f"maps/sub-P1_space-{SPACE}_desc-p_map.nii.gz"
    p, written = np.asarray(nib.load(image).dataobj), kept.stat().st_mtime_ns
    thresholds = (folder / "thresholds.npy").read_bytes()
    image.write_bytes(b"half")  # killed before its sidecar
    image.with_name(image.name.replace(".nii.gz", ".json")).unlink()
    for name in ("thresholds.json", "thresholds.npy"):
        (folder / name).unlink()
    scored = calibrate(run, method, draw)
    np.testing.assert_array_equal(np.asarray(nib.load(image).dataobj), p)
    assert kept.stat().st_mtime_ns == written
    assert (folder / "thresholds.npy").read_bytes() == thresholds
    assert read_json(folder / "thresholds.json")["rule"] == "conformal"
    assert isinstance(scored.threshold, Conformal)


def test_planted_anomalies_meet_the_threshold_of_their_voxel(study: Path) -> None:
    asked = simulation_settings(shapes=[{"kind": "sphere", "sizes": [12]}], subjects=1, draws=1)
    folder = simulate(study, settings(), asked, ONE)
    run = Run(study, settings(), ONE)
    method, draw = run.settings.methods[0], run.draws[0]
    scored, values = read_scores(run, method, draw), np.load(run.method_place(method, 0) / "thresholds.npy")
    table = read_tsv(folder / "lesions.tsv")
    name = table["participant_id"][0]
    row = scored.test[scored.test_ids.index(name)]
    assert table["observed_rate"].to_numpy() == pytest.approx((row > values).mean())
    labels = np.asarray(nib.load(next((folder / "truth").glob("*.nii.gz"))).dataobj)[brain()]
    for lesion in table[(table["strength"] == 0) & (table["effect"] == "lower")].itertuples():
        assert lesion.sensitivity == pytest.approx((row > values)[labels == lesion.number].mean())
    strong = table[table["strength"] == 0.3]
    assert strong["sensitivity"].mean() > table.loc[table["strength"] == 0, "sensitivity"].mean() + 0.3


def test_too_few_controls_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    make_study(tmp_path)
    few = settings(calibration={"rule": "conformal", "folds": 2})
    with pytest.raises(NigraError, match=r"needs 49 held-out controls, but draw 0 has 8; .* quantile of 0\.888 or"):
        run_study(tmp_path, few, ONE)
    assert not (tmp_path / "runs").exists()
    allowed = settings(calibration={"rule": "conformal", "quantile": 0.888, "folds": 2})
    refuse_conformal(Run(tmp_path, allowed, ONE))  # as the sentence says


def test_controls_scored_by_what_was_fitted_on_them_are_refused(tmp_path: Path) -> None:
    make_study(tmp_path)
    calibration = {"rule": "conformal", "quantile": 0.8, "controls": "training"}
    refuse_conformal(Run(tmp_path, settings(calibration=calibration), ONE))  # z leaves each control out
    with pytest.raises(NigraError, match=r"controls: training intensities\+raw scores them by what was fitted"):
        run_study(tmp_path, settings(calibration=calibration, baselines=["raw"]), ONE)
    model = [{"preset": "isbi2023-sae"}]
    with pytest.raises(NigraError, match=r"isbi2023-sae\+z scores them by what was fitted on them"):
        run_study(tmp_path, settings(calibration=calibration, models=model, detectors=[{"kind": "z"}]), ONE)
    assert not (tmp_path / "runs").exists()


def test_who_leaves_controls_out() -> None:
    kinds = (
        "error",
        "z",
        "mahalanobis",
        "nearest",
        "one-class-svm",
        "pca",
        "raw",
        "student-mixture",
        "ensemble-svm",
    )
    said = {kind: DetectorSettings(kind=kind).leaves_out for kind in kinds}
    assert [kind for kind, leaves in said.items() if leaves] == [
        "z", "mahalanobis", "nearest", "one-class-svm", "pca",
    ]  # fmt: skip
