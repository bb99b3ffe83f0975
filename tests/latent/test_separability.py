"""Separability: a planted difference is found in its region, none stays at the null of permuted labels."""

import numpy as np
import pytest

from nigra.latent.measured import Resampling
from nigra.latent.separability import permuted_auc, separability_numbers, separability_table, shift_scores
from nigra.regions import WHOLE_BRAIN

PATIENT = np.arange(30) < 18
FEW = Resampling(200, 0)


def test_shift_is_a_distance_in_units_of_the_controls_spread(rng: np.random.Generator) -> None:
    train = rng.normal(size=(4000, 2)) * [1, 10] + 5
    found = shift_scores(train, np.array([[5.0, 5], [8, 5], [5, 35]]))
    np.testing.assert_allclose(found, [0, 3, 3], atol=0.15)


def test_more_axes_than_controls_are_no_obstacle(rng: np.random.Generator) -> None:
    train, tested = rng.normal(size=(15, 300)), rng.normal(size=(6, 300))
    tested[3:] += 3
    found = shift_scores(train, tested)
    assert found[3:].min() > found[:3].max()


def test_a_planted_shift_is_found_in_its_region_alone(rng: np.random.Generator) -> None:
    train = rng.normal(size=(25, 3, 4))
    tested = rng.normal(size=(30, 3, 4))
    tested[PATIENT, 1] += 2
    scores = {"shift": np.stack([shift_scores(train[:, k], tested[:, k]) for k in range(3)], axis=1)}
    table = separability_table(scores, [WHOLE_BRAIN, "putamen", "pons"], PATIENT, FEW, 500).set_index("region")
    assert table.loc["putamen", "low"] > 0.7
    assert table.loc["putamen", "q"] < 0.05
    assert table.loc["pons", "q"] > 0.05
    assert table["null_median"].tolist() == pytest.approx([0.5] * 3, abs=0.03)
    assert np.isnan(table.loc[WHOLE_BRAIN, "q"])
    (row,) = separability_numbers(table.reset_index())
    assert row.measure == "group AUC, shift"
    assert "1 of 2 regions" in row.note


def test_p_is_uniform_without_a_difference() -> None:
    rng = np.random.default_rng(5)
    p = []
    for _ in range(40):
        scores = {"shift": rng.normal(size=(30, 5))}
        p += separability_table(scores, list("abcde"), PATIENT, Resampling(100, 0), 200)["p"].tolist()
    assert 0.01 < np.mean(np.array(p) <= 0.05) < 0.1
    assert np.mean(p) == pytest.approx(0.5, abs=0.06)


def test_the_null_is_that_of_permuted_labels_also_with_ties(rng: np.random.Generator) -> None:
    scores = rng.integers(0, 4, 30).astype(float)
    null = permuted_auc(scores, PATIENT, 3000, 1)
    a, b = scores[PATIENT], scores[~PATIENT]
    plain = (np.sign(a[:, None] - b).mean() + 1) / 2
    assert null.mean() == pytest.approx(0.5, abs=0.01)
    assert permuted_auc(scores, np.ones(30, bool) & PATIENT, 1, 0).min() >= 0
    assert abs(plain - 0.5) < 3 * null.std() + 1e-9


def test_without_patients_or_codes_a_row_says_so(rng: np.random.Generator) -> None:
    scores = {"shift": rng.normal(size=(6, 2))}
    table = separability_table(scores, ["a", "b"], np.zeros(6, bool), FEW)
    assert table["estimate"].isna().all()
    assert table["note"].str.len().min() > 0
    scores["shift"][:, 1] = np.nan
    table = separability_table(scores, ["a", "b"], np.arange(6) < 3, FEW)
    assert table["estimate"].notna().tolist() == [True, False]
