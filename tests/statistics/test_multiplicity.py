"""p-values and their corrections by hand, and against theory."""

import numpy as np
import pytest

from nigra.statistics.multiplicity import benjamini_hochberg, p_value, standardised, twice_the_mean


def test_p_value_counts_and_never_reaches_zero():
    null = np.array([0.1, 0.2, 0.3, 0.4])
    assert p_value(null, 0.3) == 3 / 5
    assert p_value(null, 0.9) == 1 / 5
    assert p_value(null, 0.0) == 1
    assert np.isnan(p_value(null, np.nan))
    assert np.isnan(p_value(null[:0], 0.3))


def test_benjamini_hochberg_by_hand():
    p = np.array([0.01, np.nan, 0.04, 0.03, 0.005])
    assert benjamini_hochberg(p) == pytest.approx([0.02, np.nan, 0.04, 0.04, 0.02], nan_ok=True)
    assert np.isnan(benjamini_hochberg(np.array([np.nan]))).all()


def test_standardised_by_hand_and_a_flat_null_never_wins():
    null = np.array([1.0, 3.0])
    assert standardised(np.array([2.0, 4.0]), null) == pytest.approx([0, 2])
    assert np.isneginf(standardised(np.array([2.0]), np.ones(5))).all()


def test_twice_the_mean_is_valid_for_draws_that_depend_on_each_other(rng):
    assert twice_the_mean(np.array([0.03])) == 0.03
    assert twice_the_mean(np.array([0.01, np.nan, 0.05])) == pytest.approx(0.06)
    assert twice_the_mean(np.array([0.7, 0.9])) == 1
    assert np.isnan(twice_the_mean(np.array([np.nan])))
    same, opposite = rng.random(4000), rng.random(4000)
    for other in (same, 1 - same, opposite):
        merged = np.array([twice_the_mean(pair) for pair in np.stack([same, other], axis=1)])
        assert (merged <= 0.05).mean() <= 0.05
    assert (same <= 0.05).mean() > 0.04  # negative control: the p alone reaches its rate
