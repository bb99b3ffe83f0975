"""The corrected resampled variance by hand, and what it covers by simulation."""

import numpy as np
import pytest

from nigra.statistics.resampled import corrected_interval, corrected_variance


def test_by_hand():
    """Values 1, 2, 3, 6: variance 14 / 3; 15 tested for 41 that train; t(3) at .975 is 3.1824."""
    values = np.array([1.0, 2.0, 3.0, 6.0])
    variance = (1 / 4 + 15 / 41) * 14 / 3
    assert corrected_variance(values, 15 / 41) == pytest.approx(variance)
    assert corrected_interval(values, 15 / 41) == pytest.approx(
        (3 - 3.182446 * variance**0.5, 3 + 3.182446 * variance**0.5), abs=1e-5
    )
    many = corrected_variance(np.stack([values, 10 * values], axis=1), 15 / 41)
    assert many == pytest.approx([variance, 100 * variance])


def test_one_draw_has_no_variance():
    assert np.isnan(corrected_variance(np.array([0.7]), 0.3))
    assert np.isnan(corrected_interval(np.array([0.7]), 0.3)).all()
    assert np.isnan(corrected_interval(np.full(3, 0.1875), 0.3)).all()  # draws that agree know no spread


def test_more_draws_of_one_cohort_do_not_make_the_mean_certain(rng):
    """A mean over draws of a random half of 40 values estimates the population's mean no better than all 40 do."""
    inside = {"corrected": 0, "naive": 0}
    for _ in range(300):
        people = rng.normal(size=40)
        draws = np.array([rng.permutation(people)[:20].mean() for _ in range(30)])
        for name, ratio in (("corrected", 1.0), ("naive", 0.0)):
            low, high = corrected_interval(draws, ratio)
            inside[name] += low <= 0 <= high
    assert inside["corrected"] > 270
    assert inside["naive"] < 200
