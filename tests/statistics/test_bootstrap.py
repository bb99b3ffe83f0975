"""BCa against scipy, on the very same resamples."""

import numpy as np
import pytest
import scipy.stats

from nigra.statistics.bootstrap import acceleration, bca, resample, widening
from nigra.statistics.groups import auc


def difference(first, second, axis=-1):
    return np.exp(first.mean(axis=axis) - second.mean(axis=axis))


def mann_whitney(first, second, axis=-1):
    return (first[..., :, None] > second[..., None, :]).mean(axis=(-1, -2))


@pytest.mark.parametrize("statistic", [difference, mann_whitney])
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_bca_equals_scipy_on_the_same_resamples(rng, statistic, level):
    patients, controls = rng.gamma(2, 1, 17) + 0.8, rng.gamma(2, 1, 12)
    theirs = scipy.stats.bootstrap(
        (patients, controls), statistic, method="BCa", n_resamples=999, confidence_level=level,
        vectorized=True, rng=np.random.default_rng(4),
    )  # fmt: skip
    left_out = [statistic(np.delete(patients, k), controls) for k in range(17)]
    left_out += [statistic(patients, np.delete(controls, k)) for k in range(12)]
    values = np.concatenate([[statistic(patients, controls)], theirs.bootstrap_distribution, left_out])
    ours = bca(values, np.arange(29) < 17, level, few=False)
    assert ours == pytest.approx(tuple(theirs.confidence_interval), rel=1e-9)
    # negative control: the percentile interval of the same resamples is another
    tails = np.quantile(theirs.bootstrap_distribution, [(1 - level) / 2, (1 + level) / 2])
    assert np.abs(tails - ours).max() > 0.001


def test_the_whole_way_agrees_with_scipy_on_resamples_of_its_own(rng):
    patient = np.arange(40) < 25
    scores = rng.normal(size=40) + patient
    ours = bca(auc(scores, patient, resample(patient, 4000, 0)), patient, few=False)
    theirs = scipy.stats.bootstrap(
        (scores[patient], scores[~patient]), mann_whitney, n_resamples=4000, method="BCa",
        rng=np.random.default_rng(1),
    ).confidence_interval  # fmt: skip
    assert ours == pytest.approx(tuple(theirs), abs=0.015)


def test_weights_keep_the_groups_sizes_and_leave_everybody_out_once():
    patient = np.array([True, False, False, True, False])
    weights = resample(patient, 50, 3)
    assert weights.shape == (5, 56)
    assert (weights[:, 0] == 1).all()
    assert (weights[patient, :51].sum(axis=0) == 2).all()
    assert (weights[~patient, :51].sum(axis=0) == 3).all()
    assert np.array_equal(weights[:, 51:], 1 - np.eye(5))
    assert np.ptp(weights[:, 1:51]) > 1
    assert np.array_equal(weights, resample(patient, 50, 3))
    assert not np.array_equal(weights, resample(patient, 50, 4))


def test_what_no_resample_changes_has_no_width_and_the_unknown_no_interval():
    patient = np.arange(6) < 3
    scores = np.array([4.0, 5, 6, 1, 2, 3])
    assert bca(auc(scores, patient, resample(patient, 30, 0)), patient) == (1, 1)
    assert np.isnan(bca(np.full(1 + 30 + 6, np.nan), patient)).all()
    assert np.isnan(bca(np.ones(1 + 6), patient)).all()
    assert acceleration(np.ones(6), patient) == 0


def test_of_a_mean_the_widening_is_what_t_and_n_ask_for(rng):
    """One group: t over z, and n instead of n - 1; two groups: Welch's degrees of freedom."""
    values, nobody = rng.normal(size=9), np.zeros(9, dtype=bool)
    left_out = (values.sum() - values) / 8
    expected = scipy.stats.t.ppf(0.975, 8) / 1.959964 * np.sqrt(9 / 8)
    assert widening(left_out, nobody) == pytest.approx(expected, rel=1e-6)
    patient = np.arange(30) >= 10
    other = rng.normal(size=30) * np.where(patient, 3, 1)
    means = np.array([
        np.delete(other, k)[np.delete(patient, k)].mean() - np.delete(other, k)[~np.delete(patient, k)].mean()
        for k in range(30)
    ])  # fmt: skip
    welch = scipy.stats.ttest_ind(other[patient], other[~patient], equal_var=False)
    plain = np.sqrt(other[patient].var() / 20 + other[~patient].var() / 10)
    unbiased = np.sqrt(other[patient].var(ddof=1) / 20 + other[~patient].var(ddof=1) / 10)
    expected = scipy.stats.t.ppf(0.975, welch.df) / 1.959964 * unbiased / plain
    assert widening(means, patient) == pytest.approx(expected, rel=1e-6)
    assert widening(np.ones(30), patient) == 1
