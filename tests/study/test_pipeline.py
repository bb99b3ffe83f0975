"""The whole run on a small study: right tables, honest held-out sets, same result however often it is killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from nigra.errors import NigraError
from nigra.files import read_json, read_tsv
from nigra.provenance import hash_file
from nigra.study.execution import Execution
from nigra.study.pipeline import plan, run_study
from nigra.study.run import Run
from nigra.study.score import read_scores
from nigra.study.train import trained
from tests.study.study_fixture import CONTROLS, PATIENTS, SPACE, brain, make_study, planted, quick_settings

ONE = Execution(threads=1, device="cpu")
TABLES = ("regions.tsv", "calibration.tsv", "clusters.tsv", "evaluation.tsv")


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_study(tmp_path_factory.mktemp("study"))
    run_study(folder, quick_settings(), ONE)
    return folder


@pytest.fixture(scope="module")
def regions(study: Path) -> pd.DataFrame:
    return read_tsv(study / "runs/quick/regions.tsv")


def test_the_planted_region_stands_out_for_the_slices_model(study: Path) -> None:
    table = read_tsv(study / "runs/quick/evaluation.tsv")
    auc = table[(table["model"] == "mlcn2021-ae") & (table["measure"] == "auc")].set_index("region")["estimate"]
    assert auc["putamen left"] == 1
    assert auc["putamen left"] > auc["low"]


def test_every_subject_and_region_has_a_row_also_the_empty_one(regions: pd.DataFrame) -> None:
    for (_, fold), rows in regions.groupby(["model", "fold"]):
        tested = rows[rows["set"] == "test"]["participant_id"].unique()
        held_out = rows[rows["set"] == "held-out"]["participant_id"].unique()
        assert set(tested) >= set(PATIENTS), fold
        assert sorted([*tested, *held_out]) == sorted(CONTROLS + PATIENTS)
        assert not set(held_out) & set(PATIENTS)
    empty = regions[regions["region"] == "empty"]
    assert (empty["voxels"] == 0).all()
    assert empty["percent"].isna().all()
    assert len(empty) == 2 * 2 * 15


def test_the_health_of_every_training_is_told(study: Path) -> None:
    """Oracle: every ``model.json``; the quick settings train far too little."""
    folder = study / "runs/quick"
    table = read_tsv(folder / "health.tsv", ("why",)).set_index(["model", "draw", "fold"])
    run = Run(study, quick_settings(), ONE)
    fits = [fit for model in run.settings.models for draw in run.draws for fit in run.fits(model, draw)]
    assert len(table) == len(fits) > 4
    for fit in fits:
        health = read_json(run.place(fit.model, fit.draw, fit.fold) / "model.json")["health"]
        row = table.loc[(fit.model.label, fit.draw, np.nan if fit.fold is None else fit.fold)]
        assert row["collapsed"] == ("yes" if health["collapsed"] else "no")
        assert row["unit_error"] == pytest.approx(health["unit_error"])
    page = (folder / "report.html").read_text(encoding="utf-8")
    for label, rows in table.groupby("model"):
        flat = (rows["collapsed"] == "yes").sum()
        told = f"Caution: {flat} of {len(rows)} trainings of this model collapsed"
        assert (told in page) == (flat > 0), label
    assert "<h3>Health</h3>" in page


def test_region_rows_equal_a_count_by_hand(study: Path, regions: pd.DataFrame) -> None:
    """Oracle: scores.npy put into the volume, thresholded and counted with boolean masks."""
    run = Run(study, quick_settings(), ONE)
    method, draw = run.settings.methods[0], run.draws[1]
    scored = read_scores(run, method, draw)
    threshold = read_json(run.method_place(method, 1) / "thresholds.json")["value"]
    for name in (scored.test_ids[0], scored.test_ids[-1]):
        volume = np.full(brain().shape, np.nan)
        volume[brain()] = scored.test[scored.test_ids.index(name)]
        inside = planted() & brain()
        rows = regions[(regions["model"] == method.label) & (regions["fold"] == 1)]
        row = rows[(rows["participant_id"] == name) & (rows["region"] == "putamen left")].iloc[0]
        assert row["voxels"] == inside.sum()
        assert row["abnormal"] == (volume[inside] > threshold).sum()


def test_the_threshold_is_that_of_cross_fitted_controls(study: Path) -> None:
    run = Run(study, quick_settings(), ONE)
    method, draw = run.settings.methods[0], run.draws[0]
    scored = read_scores(run, method, draw)
    content = read_json(run.method_place(method, 0) / "thresholds.json")
    assert content["fitted_on"] == draw.train == scored.calibration_ids
    assert content["value"] == pytest.approx(np.quantile(scored.calibration, 0.98), rel=1e-6)
    assert sorted(name for fold in scored.folds for name in fold) == sorted(draw.train)
    for number, fold in enumerate(scored.folds):
        trained_on = read_json(run.place(run.settings.models[0], 0, number) / "model.json")["trained_on"]
        assert not set(fold) & set(trained_on)
        assert set(fold) | set(trained_on) == set(draw.train)


def test_score_maps_hold_the_scores_where_they_belong(study: Path) -> None:
    run = Run(study, quick_settings(), ONE)
    method, draw = run.settings.methods[1], run.draws[0]
    scored = read_scores(run, method, draw)
    image = nib.load(run.method_place(method, 0) / "maps" / f"sub-P2_space-{SPACE}_desc-score_map.nii.gz")
    np.testing.assert_allclose(image.affine, run.cohort.affine)
    data = np.asarray(image.dataobj)
    np.testing.assert_array_equal(data[brain()], scored.test[scored.test_ids.index("sub-P2")])
    assert np.isnan(data[~brain()]).all()
    assert not (run.method_place(method, 1) / "maps").exists()


def test_false_positive_line_is_the_mean_over_test_controls(study: Path, regions: pd.DataFrame) -> None:
    table = read_tsv(study / "runs/quick/calibration.tsv")
    for _, line in table.iterrows():
        rows = regions[
            (regions["model"] == line["model"]) & (regions["fold"] == line["fold"]) & (regions["set"] == "test")
        ]
        own = rows[(rows["group"] == "control") & (rows["region"] == "whole brain")]
        assert line["observed_percent"] == pytest.approx(own["percent"].mean())
        assert line["expected_percent"] == pytest.approx(2)
        assert line["test_controls"] == 3 == len(own)


def test_report_and_figures_are_there(study: Path) -> None:
    folder = study / "runs/quick"
    text = (folder / "report.html").read_text()
    assert "not a medical device" in text
    assert "mlcn2021-ae" in text
    for name in ("figure1.png", "figure1.svg", "figures/models.svg", "figures/training.png"):
        assert (folder / name).stat().st_size > 5_000
    provenance = read_json(folder / "provenance.json")
    assert provenance["seeds"]["model isbi2023-sae"] == 0
    assert (
        provenance["inputs"]["cohort/volumes.npy"]
        == read_json(study / "cohort/store.json")["hashes"]["volumes.npy"]
    )
    dseg = f"space-{SPACE}_dseg.nii.gz"
    assert provenance["inputs"][f"atlas {dseg}"] == hash_file(study / dseg)


def test_run_again_does_nothing_and_changes_nothing(study: Path) -> None:
    folder = study / "runs/quick"
    weights = folder / "mlcn2021-ae/draw-00/model.safetensors"
    before, stamp = [(folder / name).read_bytes() for name in TABLES], weights.stat().st_mtime_ns
    assert plan(study, quick_settings())[:2] == [("train", 12, 12), ("score", 4, 4)]
    run_study(study, quick_settings(), ONE)
    assert [(folder / name).read_bytes() for name in TABLES] == before
    assert weights.stat().st_mtime_ns == stamp


def test_another_setting_redoes_what_depends_on_it(tmp_path: Path) -> None:
    settings = quick_settings(models=[{"preset": "isbi2023-ae", "epochs": 1, "units_per_subject": 20, "batch": 16}])
    make_study(tmp_path)
    run_study(tmp_path, settings, ONE, ("train", "score", "evaluate"))
    scaled = settings.model_copy(update={"calibration": settings.calibration.model_copy(update={"quantile": 0.9})})
    assert plan(tmp_path, scaled)[:2] == [("train", 6, 6), ("score", 2, 2)]
    run_study(tmp_path, scaled, ONE, ("train", "score", "evaluate"))
    line = read_tsv(tmp_path / "runs/quick/calibration.tsv").iloc[0]
    assert line["expected_percent"] == pytest.approx(10)
    longer = settings.model_copy(update={"models": [settings.models[0].model_copy(update={"epochs": 2})]})
    assert plan(tmp_path, longer)[:2] == [("train", 6, 0), ("score", 2, 0)]


def test_models_and_scores_of_other_settings_are_refused(study: Path) -> None:
    """A stage called alone never takes up what another setting made."""
    own = quick_settings()
    longer = own.models[1].model_copy(update={"epochs": 3})
    run = Run(study, own.model_copy(update={"models": [own.models[0], longer]}), ONE)
    with pytest.raises(NigraError, match="isbi2023-sae, draw-00 is not trained with these settings"):
        trained(run, run.fits(longer, run.draws[0])[0])
    with pytest.raises(NigraError, match="is not scored with these settings"):
        read_scores(run, run.settings.methods[1], run.draws[0])
    assert read_scores(run, own.methods[0], run.draws[0]).test_ids == run.draws[0].test


def test_too_few_controls_to_cross_fit_are_refused_before_anything_is_written(study: Path) -> None:
    before = (study / "runs/quick/splits.json").read_bytes()
    with pytest.raises(NigraError, match="draw 0 has 3 training controls; cross-fitting needs 4"):
        run_study(study, quick_settings(splits={"draws": 1, "test_fraction": 0.75}), ONE)
    assert (study / "runs/quick/splits.json").read_bytes() == before


def test_training_controls_as_the_published_option(tmp_path: Path) -> None:
    settings = quick_settings(
        models=[{"preset": "isbi2023-ae", "epochs": 1, "units_per_subject": 20, "batch": 16}],
        calibration={"controls": "training"},
    )
    make_study(tmp_path)
    assert plan(tmp_path, settings)[0] == ("train", 2, 0)
    run_study(tmp_path, settings, ONE)
    table = read_tsv(tmp_path / "runs/quick/regions.tsv")
    assert set(table["set"]) == {"training", "test"}


def test_a_cohort_without_patients_gets_its_report(tmp_path: Path) -> None:
    settings = quick_settings(
        models=[{"preset": "isbi2023-ae", "epochs": 1, "units_per_subject": 20, "batch": 16}],
        groups={"patient": {"age_from": 200}},
    )
    folder = run_study(make_study(tmp_path), settings, ONE)
    assert (folder / "report.html").exists()
    assert "sub-P0" not in (folder / "regions.tsv").read_text()


def test_an_unprepared_folder_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(NigraError, match="nigra prepare"):
        run_study(tmp_path, quick_settings(), ONE)


@pytest.mark.parametrize(
    "under_way", ["isbi2023-sae/draw-0?/**/checkpoint.safetensors", "*/draw-0?/error/scores-so-far.json"]
)
def test_kill_9_and_the_same_command_gives_the_same_tables(study: Path, tmp_path: Path, under_way: str) -> None:
    """Law 9, with a real process and a real SIGKILL in the middle of a training, or of a scoring."""
    make_study(tmp_path)
    code = (
        "from pathlib import Path; from nigra.study.pipeline import run_study; import torch;"
        "from tests.study.study_fixture import quick_settings; from tests.study.test_pipeline import ONE;"
        f"run_study(Path({str(tmp_path)!r}), quick_settings(), ONE, ('train', 'score', 'evaluate'))"
    )
    root = Path(__file__).parents[2]
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=root,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stderr=subprocess.DEVNULL,
    )
    while process.poll() is None and not any((tmp_path / "runs/quick").glob(under_way)):
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (tmp_path / "runs/quick/regions.tsv").exists()
    run_study(tmp_path, quick_settings(), ONE, ("train", "score", "evaluate"))
    for name in TABLES:
        assert (tmp_path / "runs/quick" / name).read_bytes() == (study / "runs/quick" / name).read_bytes()


def test_what_cannot_be_done_is_refused_before_anything_is_written(tmp_path: Path, monkeypatch) -> None:
    make_study(tmp_path)
    with pytest.raises(NigraError, match=r"nowhere\.nii.gz does not exist"):
        run_study(tmp_path, quick_settings(atlas={"name": "file", "dseg": "nowhere.nii.gz"}), ONE)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(NigraError, match="--device auto"):
        run_study(tmp_path, quick_settings(), Execution(threads=1, device="cuda"))
    assert not (tmp_path / "runs").exists()


def test_damaged_files_of_a_run_are_made_again_or_named(tmp_path: Path) -> None:
    settings = quick_settings(
        splits={"draws": 1}, models=[{"preset": "isbi2023-ae", "epochs": 1, "units_per_subject": 20, "batch": 16}]
    )
    make_study(tmp_path)
    run_study(tmp_path, settings, ONE, ("train", "score", "evaluate"))
    folder = tmp_path / "runs/quick"
    before = [(folder / name).read_bytes() for name in TABLES]
    draw = folder / "isbi2023-ae/draw-00"
    for name in ("error/scores.npy", "error/scores.json", "fold-1/model.json", "task.json"):
        content = (draw / name).read_bytes()
        (draw / name).write_bytes(content[: len(content) // 2])
    run_study(tmp_path, settings, ONE, ("train", "score", "evaluate"))
    assert [(folder / name).read_bytes() for name in TABLES] == before
    (draw / "error/scores.json").unlink()
    (draw / "model.safetensors").write_bytes(b"half")
    with pytest.raises(NigraError, match=r"model\.safetensors is damaged .* delete it and train again"):
        run_study(tmp_path, settings, ONE, ("train", "score", "evaluate"))
    (draw / "model.safetensors").unlink()
    run_study(tmp_path, settings, ONE, ("train", "score", "evaluate"))
    assert [(folder / name).read_bytes() for name in TABLES] == before
