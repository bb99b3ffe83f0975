"""Intervals over subjects: they cover, a subject counts once however many codes, NaN leaves a subject out."""

import numpy as np
import pytest

from nigra.latent.measured import (
    COLUMNS,
    Measured,
    Resampling,
    as_table,
    jackknifed,
    measured,
    of_pairs,
    of_subjects,
)

ONES = np.ones((6, 1))


def test_a_mean_over_pairs_is_that_of_the_pairs_of_different_subjects(rng: np.random.Generator) -> None:
    values, below = rng.random((2, 6, 6))
    apart = [(a, b) for a in range(6) for b in range(6) if a != b]
    assert of_pairs(values)(ONES)[0] == pytest.approx(np.mean([values[p] for p in apart]))
    ratio = np.sum([values[p] for p in apart]) / np.sum([below[p] for p in apart])
    assert of_pairs(values, below)(ONES)[0] == pytest.approx(ratio)


def test_a_subject_drawn_twice_makes_no_pair_with_itself(rng: np.random.Generator) -> None:
    values = rng.random((6, 6))
    np.fill_diagonal(values, 1e6)
    weights = np.array([2.0, 1, 1, 0, 0, 0])[:, None]
    pairs = [(0, 1), (1, 0), (0, 1), (1, 0), (0, 2), (2, 0), (0, 2), (2, 0), (1, 2), (2, 1)]
    assert of_pairs(values)(weights)[0] == pytest.approx(np.mean([values[p] for p in pairs]))


def test_nan_leaves_a_pair_or_a_subject_out() -> None:
    values = np.arange(9.0).reshape(3, 3)
    values[0, 1] = np.nan
    assert of_pairs(values)(np.ones((3, 1)))[0] == np.mean([2, 3, 5, 6, 7])
    assert of_subjects(np.array([1.0, np.nan, 3.0]))(np.ones((3, 1)))[0] == 2
    assert np.isnan(of_subjects(np.array([np.nan, np.nan]))(np.ones((2, 1)))[0])


def test_the_interval_of_a_mean_covers_it_in_about_19_of_20_studies() -> None:
    rng, hits = np.random.default_rng(0), 0
    for study in range(200):
        row = measured("m", of_subjects(rng.normal(5, 2, size=25)), 25, Resampling(200, study))
        hits += row.low <= 5 <= row.high
    assert 0.87 <= hits / 200 <= 0.99


def test_the_jackknife_of_a_mean_is_its_standard_error(rng: np.random.Generator) -> None:
    values = rng.normal(size=30)
    row = jackknifed("m", of_subjects(values), 30)
    assert row.estimate == pytest.approx(values.mean())
    assert row.high - row.low == pytest.approx(2 * 1.96 * values.std(ddof=1) / np.sqrt(30))


def test_two_subjects_have_an_estimate_without_interval() -> None:
    row = measured("m", of_subjects(np.array([1.0, 2.0])), 2, Resampling(100, 0))
    assert row.estimate == 1.5
    assert np.isnan([row.low, row.high]).all()


def test_the_table_has_the_columns_of_the_latent_folder() -> None:
    table = as_table([Measured("a", 1.0, note="n"), Measured("b", 2.0, 1.0, 3.0, 0.5)])
    assert tuple(table) == COLUMNS
    assert table["estimate"].tolist() == [1, 2]
    assert table["null"].isna().tolist() == [True, False]
