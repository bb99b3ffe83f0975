"""The stage on a run as the others leave it: values by hand, effects as made, holes told, the page whole."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nigra.errors import NigraError
from nigra.figures import style
from nigra.files import read_tsv, write_json, write_tsv
from nigra.report.factorial import SECTIONS
from nigra.study.factorial import answer_factorial, failed_tasks, is_factorial
from nigra.study.factorial_cells import COLUMNS, ratio_of_tested, read_cells
from nigra.study.matching import matching
from nigra.study.outdated import outdated
from tests.report.test_report import Page
from tests.study.factorial_run import FACTORS, GAIN, PATIENTS, models, write_factorial_run

TEXT = ("unit", "siamese", "outcome", "detector", "factor", "level", "reference", "note", "model", "participant_id")


@pytest.fixture(scope="module", autouse=True)
def coarse_pictures() -> Iterator[None]:
    """Pictures of print quality take their time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(style, "PNG_DPI", 30)
        yield


@pytest.fixture(scope="module")
def answered(tmp_path_factory) -> Path:
    return answer_factorial(*write_factorial_run(tmp_path_factory.mktemp("study")))


@pytest.fixture(scope="module")
def page(answered) -> Page:
    return Page((answered / "factorial.html").read_text(encoding="utf-8"))


def row(table: pd.DataFrame, **wanted: object) -> pd.Series:
    hit = table[np.all([table[name] == value for name, value in wanted.items()], axis=0)]
    assert len(hit) == 1
    return hit.iloc[0]


def test_methods_without_a_network_stand_beside_the_cells(answered, page):
    found = read_tsv(answered / "simple.tsv", ("model", "detector", "outcome"))
    best = row(found, model="intensities", detector="z", outcome="planted_sensitivity")
    assert best["estimate"] == pytest.approx(0.6)  # mean of .5 and .7
    assert (best["folds"], best["subjects"]) == (3, 18)
    assert set(found["model"]) == {"intensities"}
    assert "intensities z, without a network, reaches 0.600" in page.text
    assert "none of the cells lies above it" in page.text


def test_values_are_those_of_the_tables_by_hand(tmp_path):
    run, levels, seeds = write_factorial_run(tmp_path)
    cells = read_cells(run, levels, seeds)
    assert list(cells) == [*FACTORS, *COLUMNS]
    lesions = read_tsv(run / "simulation" / "lesions.tsv")
    who = {"model": "patch-cosine-seed0", "detector": "z", "participant_id": "sub-C04"}
    own = lesions[np.all([lesions[name] == value for name, value in who.items()], axis=0)]
    found = row(cells, **who, outcome="planted_sensitivity")
    assert found["value"] == pytest.approx(own.loc[own["strength"] > 0, "sensitivity_matched"].mean())
    assert (found["fold"], found["seed"], found["unit"], found["siamese"]) == (1, 0, "patch", "cosine")
    regions = read_tsv(run / "regions.tsv")
    own = regions[(regions["model"] == "slice-none-seed0") & (regions["fold"] == 2)]
    controls = own.loc[own["group"] == "control", "score"].to_numpy()
    patient = float(own.loc[own["participant_id"] == "sub-P03", "score"].iloc[0])
    where = {"model": "slice-none-seed0", "fold": 2, "participant_id": "sub-P03", "outcome": "group_auc"}
    assert row(cells, **where)["value"] == pytest.approx((patient > controls).mean())
    health = json.loads((run / "patch-none-seed1" / "draw-00" / "model.json").read_text())["health"]
    where = {"model": "patch-none-seed1", "fold": 0, "outcome": "effective_rank"}
    assert row(cells, **where)["value"] == health["effective_rank"]
    assert row(cells, **where)["collapsed"]
    assert cells.loc[cells["collapsed"], ["model", "fold"]].drop_duplicates().to_numpy().tolist() == [
        ["patch-none-seed1", 0]
    ]
    assert set(cells["outcome"]) == {"planted_sensitivity", "planted_auroc", "group_auc", "location_r2",
                                     "subject_leakage", "pair_auc", "effective_rank", "reconstruction"}  # fmt: skip
    assert ratio_of_tested(run) == pytest.approx(6 / 12)


def test_what_the_run_did_not_do_is_an_outcome_less(tmp_path):
    run, levels, seeds = write_factorial_run(tmp_path)
    for name in ("simulation/lesions.tsv", "latent/latent.tsv"):
        (run / name).unlink()
    assert set(read_cells(run, levels, seeds)["outcome"]) == {
        "group_auc", "pair_auc", "effective_rank", "reconstruction"
    }  # fmt: skip
    regions = read_tsv(run / "regions.tsv")
    write_tsv(run / "regions.tsv", regions[~regions["participant_id"].isin(PATIENTS)])
    assert "group_auc" not in set(read_cells(run, levels, seeds)["outcome"])


def test_models_and_tasks_of_earlier_settings_are_no_part_of_the_answer(tmp_path):
    run, levels, seeds = write_factorial_run(tmp_path)
    before, failed = read_cells(run, levels, seeds), failed_tasks(run, levels)
    label = next(iter(levels))
    for name in ("model.json", "training.jsonl", "error/scores.npy"):
        old = run / label / "draw-07" / name  # of a run with more draws
        old.parent.mkdir(parents=True, exist_ok=True)
        old.write_bytes((run / label / "draw-00" / name).read_bytes())
    for task in ("train_gone_draw-00", f"score_{label}_draw-07"):
        write_json(run / "tasks" / f"{task}.json", {"task": task, "state": "failed", "reason": "r", "attempts": 1})
    pd.testing.assert_frame_equal(read_cells(run, levels, seeds), before)
    assert matching(run, levels)["models"].sum() == 23
    pd.testing.assert_frame_equal(failed_tasks(run, levels), failed)
    task = f"train_{label}_draw-02_fold-1"  # negative control: one that counts
    write_json(run / "tasks" / f"{task}.json", {"task": task, "state": "failed", "reason": "r", "attempts": 1})
    assert len(failed_tasks(run, levels)) == len(failed) + 1


def test_numbers_of_models_trained_since_are_left_out_and_told(tmp_path):
    run, levels, seeds = write_factorial_run(tmp_path)
    whole, label = read_cells(run, levels, seeds), next(iter(levels))
    place = f"{label}/draw-01"
    write_json(run / "latent" / place / "latent.json", {"model": "first"})
    write_json(run / "simulation" / "simulation.json", {"scored": {f"{place}/z": "first"}})
    model = json.loads((run / place / "model.json").read_text())
    write_json(run / place / "model.json", model | {"key": "first"})
    write_json(run / place / "z" / "scores.json", {"key": "first"})
    pd.testing.assert_frame_equal(read_cells(run, levels, seeds), whole)
    assert outdated(run, levels) == []
    write_json(run / place / "model.json", model | {"key": "second"})
    write_json(run / place / "z" / "scores.json", {"key": "second"})
    own = (whole["model"] == label) & (whole["fold"] == 1)
    latent = whole["outcome"].isin(["location_r2", "subject_leakage"])
    planted = whole["outcome"].str.startswith("planted") & (whole["detector"] == "z")
    gone = own & (latent | planted)
    assert gone.sum() == 2 + 2 * 6  # two numbers of the code, two of each planted control
    pd.testing.assert_frame_equal(read_cells(run, levels, seeds), whole[~gone].reset_index(drop=True))
    said = outdated(run, levels)
    assert [text.split(" and is")[0] for text in said] == [
        "simulation/lesions.tsv is of earlier trainings of 1 of 23 models",
        "latent/latent.tsv is of earlier trainings of 1 of 23 models",
    ]


def test_effects_are_found_as_made(answered):
    found = read_tsv(answered / "factorial.tsv", TEXT)
    main = found[found["effect"] == "main effect"]
    for detector in ("error", "z"):
        unit = row(main, outcome="planted_sensitivity", detector=detector, factor="unit")
        assert unit["low"] < 0.6 * GAIN < unit["high"]  # the mean of .3 and .9 times it
        assert unit["p_holm"] < 0.05
        siamese = row(main, outcome="planted_sensitivity", detector=detector, factor="siamese")
        assert siamese["low"] < 0 < siamese["high"]
    assert row(main, outcome="pair_auc", factor="siamese")["low"] > 0.2
    patients = row(main, outcome="group_auc", factor="unit")
    assert (patients["subjects"], patients["folds"], patients["seeds"]) == (10, 3, 2)
    assert patients["collapsed"] == 1


def test_a_failed_task_is_a_pair_less_and_a_row_with_its_reason(answered):
    found = read_tsv(answered / "factorial.tsv", TEXT)
    own = found[(found["factor"] == "unit") & (found["effect"] == "main effect")]
    assert set(own["pairs"]) == {11}
    assert set(own["pairs_planned"]) == {12}
    assert own["note"].str.contains("1 of 12 pairs missing").all()
    failed = read_tsv(answered / "failed.tsv")
    assert failed["state"].tolist() == ["skipped", "failed"]
    assert failed["reason"].tolist()[1] == "the loss became nan in epoch 2; lower learning_rate."


def test_the_page_says_first_what_the_tables_show(page, answered):
    assert [section["id"] for section in page.all("section")] == [name for name, _ in SECTIONS]
    text = page.text
    assert "What siamese and patches do" in text
    assert "1 training collapsed: patch-none-seed1 (fold 0)" in text
    assert "1 task failed, and 1 that need such could not be done" in text
    assert "the loss became nan in epoch 2" in text
    assert "every unit has the same code." in text
    assert "Unit: patch instead of slice changed share of planted voxels found (error) by +0.0" in text
    assert text.count("These subjects are phantoms") == 1
    assert text.count("Research use only, not a medical device.") == 2
    assert text.index("In short") < text.index("Question by question", text.index("In short"))
    unit = row(
        read_tsv(answered / "factorial.tsv", TEXT), outcome="location_r2", factor="unit", effect="main effect"
    )
    assert f"raised it by {unit['estimate']:.3f} (95 % {unit['low']:.3f} to {unit['high']:.3f}" in text


def test_the_page_is_one_file_that_loads_nothing(page, answered):
    assert "default-src 'none'" in (answered / "factorial.html").read_text(encoding="utf-8")
    for tag, attributes in page.tags:
        for name in ("src", "href"):
            assert attributes.get(name, "#").startswith(("#", "data:image/")), (tag, attributes)
    pictures = page.all("img")
    assert len(pictures) == 2 + 2 * 10  # questions, then effects and cells of ten outcomes
    assert all(picture["alt"] for picture in pictures)


def test_real_subjects_are_not_called_phantoms_and_a_sweep_has_a_curve(tmp_path):
    factors = {"alpha": ["0", "0.005", "0.5"], "unit": ["slice"]}
    run, levels, seeds = write_factorial_run(tmp_path, factors, seeds=1, synthetic=False)
    for name in ("simulation/lesions.tsv", "regions.tsv"):
        (run / name).unlink()
    folder = answer_factorial(run, levels, seeds)
    text = Page((folder / "factorial.html").read_text(encoding="utf-8")).text
    assert "phantom" not in text.lower()
    assert (folder / "figures" / "sweep-01.svg").exists()
    assert not (folder / "figures" / "question-01.svg").exists()
    curve = read_tsv(folder / "sweeps.tsv", TEXT)
    assert curve.loc[curve["outcome"] == "effective_rank", "value"].tolist() == [0, 0.005, 0.5]
    assert set(curve["reference_value"]) == {0.005}
    again = (folder / "factorial.tsv").read_bytes()
    answer_factorial(run, levels, seeds)
    assert (folder / "factorial.tsv").read_bytes() == again


def test_a_run_that_is_no_factorial_is_told_from_one(tmp_path):
    levels, seeds = models()
    assert is_factorial(levels)
    assert not is_factorial({"a": {}, "b": {}})
    assert not is_factorial({"a": {"unit": "slice"}, "b": {"unit": "slice"}})
    run = tmp_path / "runs" / "empty"
    write_json(run / "splits.json", {"draws": [{"draw": 0, "train": ["a", "b"], "test": ["c"]}]})
    with pytest.raises(NigraError, match="no outcome of any model of the factorial"):
        answer_factorial(run, levels, seeds)
