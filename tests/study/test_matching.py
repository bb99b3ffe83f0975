"""What was matched is counted, what was not is said with its ratio."""

import numpy as np
import pytest

from nigra.study.matching import QUANTITIES, matching
from tests.study.factorial_run import models, write_factorial_run


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    run, levels, _ = write_factorial_run(tmp_path_factory.mktemp("study"))
    return matching(run, levels)


def test_numbers_are_those_of_the_models(table):
    assert table[["unit", "siamese"]].to_numpy().tolist() == [
        ["slice", "none"], ["slice", "cosine"], ["patch", "none"], ["patch", "cosine"]
    ]  # fmt: skip
    assert table["models"].tolist() == [5, 6, 6, 6]
    patch = table.iloc[2]
    assert (patch["parameters"], patch["code_length"], patch["compression"]) == (12034, 64, 7.03)
    assert patch["unit_values"] == 2 * 15 * 15
    assert (patch["training_subjects"], patch["units_per_epoch"]) == (12, 12 * 50)  # null: every location
    assert patch["values_per_epoch"] == 600 * 450
    assert (patch["epochs"], patch["units_per_step"], patch["steps"]) == (4, 10, 240)
    siamese = table.iloc[1]  # both members of a pair are seen, in as many steps
    assert (siamese["units_per_epoch"], siamese["units_per_step"], siamese["steps"]) == (2 * 12 * 20, 20, 96)
    assert (patch["learning_rate"], patch["seconds"], patch["coverage"]) == (1e-3, 10.0, 1.0)
    assert table["coverage"].tolist() == pytest.approx([0.8, 0.8, 1.0, 1.0])


def test_ratios_are_to_the_first_cell_and_said_where_they_are_not_one(table):
    patch = table.iloc[2]
    assert patch["parameters_ratio"] == pytest.approx(12034 / 1_070_000)
    assert patch["units_per_epoch_ratio"] == 2.5
    assert table["unmatched"].tolist()[:2] == [
        "",
        "units seen per epoch × 2; unit values seen per epoch × 2; units per step × 2",
    ]
    assert "units seen per epoch × 2.5" in patch["unmatched"]
    assert "share of mask voxels scored × 1.25" in patch["unmatched"]
    assert "epochs ×" not in patch["unmatched"]
    assert "learning rate" not in patch["unmatched"]


def test_a_factor_called_like_a_quantity_says_it_itself(tmp_path):
    run, levels, _ = write_factorial_run(tmp_path)
    found = matching(run, {label: {"epochs": own["unit"]} for label, own in levels.items()})
    assert found["epochs"].tolist() == ["slice", "patch"]
    assert "epochs_ratio" not in found
    assert "steps_ratio" in found


def test_what_is_not_known_is_no_number(tmp_path):
    run, levels, _ = write_factorial_run(tmp_path)
    (run / "slice-none-seed0" / "draw-00" / "training.jsonl").unlink()
    found = matching(run, levels)
    assert np.isfinite(found["seconds"]).all()  # the other models of the cell know it
    other, _ = models({"unit": ["cube", "slice"]}, 1)
    nothing = matching(run, other)
    assert nothing["unmatched"].tolist() == ["no model is trained"] * 2
    assert set(QUANTITIES) <= set(found)
