"""Spearman against scipy and textbook formulas."""

import numpy as np
import pytest
import scipy.stats

from nigra.statistics.correlation import UNKNOWN, spearman


def test_estimate_and_p_are_scipys(rng):
    x = np.round(rng.normal(size=40), 1)
    y = np.round(0.4 * x + rng.normal(size=40), 1)
    expected = scipy.stats.spearmanr(x, y)
    found = spearman(x, y)
    assert found.estimate == pytest.approx(expected.statistic)
    assert found.p == pytest.approx(expected.pvalue)
    assert 0 < abs(found.estimate) < 1
    r, half = found.estimate, 1.959964 * np.sqrt((1 + found.estimate**2 / 2) / 37)
    assert (found.low, found.high) == pytest.approx((np.tanh(np.arctanh(r) - half), np.tanh(np.arctanh(r) + half)))


def test_partial_is_the_textbook_formula_and_takes_a_confound_away(rng):
    age = rng.normal(size=200)
    x, y = age + rng.normal(size=200), age + rng.normal(size=200)
    xy, xz, yz = (scipy.stats.spearmanr(a, b).statistic for a, b in ((x, y), (x, age), (y, age)))
    found = spearman(x, y, age[:, None])
    assert found.estimate == pytest.approx((xy - xz * yz) / np.sqrt((1 - xz**2) * (1 - yz**2)))
    assert spearman(x, y).p < 0.001 < 0.01 < found.p
    assert spearman(x, y, np.column_stack([age, age])).estimate == pytest.approx(found.estimate)


def test_intervals_contain_the_truth(rng):
    """Normal pairs of correlation .5: Spearman's is 6 / pi asin(.25)."""
    truth = 6 / np.pi * np.arcsin(0.25)
    x = rng.normal(size=(2, 800, 50))
    found = [spearman(a, 0.5 * a + np.sqrt(0.75) * b) for a, b in zip(*x, strict=True)]
    assert np.mean([c.low <= truth <= c.high for c in found]) == pytest.approx(0.95, abs=0.025)


def test_null_p_is_uniform(rng):
    x = rng.normal(size=(2, 400, 30))
    given = rng.normal(size=(30, 2))
    for covariates in (None, given):
        p = [spearman(a, b, covariates).p for a, b in zip(*x, strict=True)]
        assert scipy.stats.kstest(p, "uniform").pvalue > 0.01


def test_what_has_no_correlation():
    x = np.arange(6.0)
    assert spearman(x, np.ones(6)) == UNKNOWN
    assert spearman(x[:4], x[:4]) == UNKNOWN
    assert spearman(x, -x, -x[:, None]) == UNKNOWN
    perfect = spearman(x, -x)
    assert (perfect.estimate, perfect.p) == (-1, pytest.approx(2 / 720))
