"""DeLong from pairs against the definition, pair by pair, and what several draws must not change."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from nigra.statistics.delong import auc_covariance, auc_interval, pair_auc, wins


def by_pairs(scores, patient):
    """AUC and covariance from the kernel of all pairs."""
    psi = np.stack([
        (row[patient][:, None] > row[~patient]) + 0.5 * (row[patient][:, None] == row[~patient]) for row in scores
    ])  # fmt: skip
    return of_kernel(psi)


def of_kernel(psi):
    v10, v01 = psi.mean(axis=2), psi.mean(axis=1)
    m, n = v10.shape[1], v01.shape[1]
    auc = psi.mean(axis=(1, 2))
    s10 = (v10 - auc[:, None]) @ (v10 - auc[:, None]).T / (m - 1)
    s01 = (v01 - auc[:, None]) @ (v01 - auc[:, None]).T / (n - 1)
    return auc, s10 / m + s01 / n


def of_scores(scores, patient):
    return auc_covariance(np.stack([wins(row[None], patient) for row in scores]))


@pytest.mark.parametrize("decimals", [8, 0])
def test_auc_and_covariance_of_every_pair(rng, decimals):
    patient = np.arange(23) % 3 == 0
    common = rng.normal(size=23) + patient
    scores = np.round(common + rng.normal(size=(4, 23)), decimals)
    auc, covariance = of_scores(scores, patient)
    expected, expected_covariance = by_pairs(scores, patient)
    np.testing.assert_allclose(auc, [roc_auc_score(patient, row) for row in scores])
    np.testing.assert_allclose(auc, expected)
    np.testing.assert_allclose(covariance, expected_covariance, atol=1e-14)
    assert np.linalg.matrix_rank(covariance) == 4
    one, variance = of_scores(scores[2:3], patient)
    assert one.item() == pytest.approx(auc[2])
    assert variance.item() == pytest.approx(covariance[2, 2])


def test_a_pair_is_judged_over_the_draws_in_which_both_were_tested():
    nan = np.nan
    scores = np.array([[5.0, 0.0, 4.0, nan, nan], [1.0, 9.0, nan, 2.0, nan], [1.2, 3.0, 2.2, nan, nan]])
    patient = np.array([True, True, False, False, False])
    # first patient: 6.2 against 6.2, 1 against 2; second: 3 against 6.2, 9 against 2; the last control: never
    np.testing.assert_array_equal(wins(scores, patient), [[0.5, 0, nan], [0, 1, nan]])
    auc, covariance = auc_covariance(wins(scores, patient)[None])
    expected = of_kernel(np.array([[[0.5, 0], [0, 1]]]))
    assert auc == pytest.approx(expected[0])
    assert covariance == pytest.approx(expected[1])
    levels = np.array([[0.0], [100.0], [-7.0]])  # of a draw, the same for everybody
    np.testing.assert_array_equal(wins(scores + levels, patient), wins(scores, patient))


def test_patients_tested_more_often_are_not_higher_for_it():
    """Skewed scores, much noise from draw to draw, nobody ill: 300 studies average one half, as intervals hold."""
    rng, patient, areas, held = np.random.default_rng(3), np.arange(60) >= 24, [], []
    naive = []
    for _ in range(300):
        scores = np.exp(rng.normal(size=60) + rng.normal(size=(6, 60)))
        for row in scores:
            row[rng.permutation(24)[:16]] = np.nan
        auc, variance = auc_covariance(wins(scores, patient)[None])
        low, high = auc_interval(auc.item(), variance.item())
        areas.append(auc.item())
        held.append(low <= 0.5 <= high)
        known = ~np.isnan(scores).all(axis=0)
        naive.append(roc_auc_score(patient[known], np.nanmean(scores[:, known], axis=0)))
    assert np.mean(areas) == pytest.approx(0.5, abs=0.015)
    assert 0.91 < np.mean(held) < 0.985
    assert np.mean(naive) > 0.53  # negative control: everybody's mean over his own draws


def test_weights_count_a_subject_so_often(rng):
    patient, scores = np.arange(14) < 6, rng.normal(size=14)
    times = rng.integers(0, 4, (14, 5))
    scores[9] = np.nan
    found = pair_auc(wins(scores[None], patient), times[patient].astype(float), times[~patient].astype(float))
    for sample, area in zip(times.T, found, strict=True):
        often = np.repeat(np.arange(14), sample)
        often = often[often != 9]
        assert area == pytest.approx(roc_auc_score(patient[often], scores[often]))
    assert np.isnan(pair_auc(wins(scores[None], patient), np.ones((6, 1)), np.zeros((8, 1)))).all()


def test_swapped_groups_mirror_the_auc(rng):
    patient, scores = np.arange(15) < 6, rng.normal(size=(2, 15))
    auc, covariance = of_scores(scores, patient)
    mirrored, same = of_scores(scores, ~patient)
    np.testing.assert_allclose(mirrored, 1 - auc)
    np.testing.assert_allclose(same, covariance)


def test_too_few_subjects_have_no_interval(rng):
    scores = rng.normal(size=(2, 5))
    auc, covariance = of_scores(scores, np.array([True, False, False, False, False]))
    assert np.isfinite(auc).all()
    assert np.isnan(covariance).all()
    auc, _ = of_scores(scores, np.zeros(5, dtype=bool))
    assert np.isnan(auc).all()


def test_the_interval_is_plain_on_the_logit_scale():
    """AUC .8, standard error .05: logit 1.386 +- 1.96 x .05 / .16."""
    low, high = auc_interval(0.8, 0.05**2)
    assert [np.log(x / (1 - x)) for x in (low, high)] == pytest.approx(
        [np.log(4) - 0.6125, np.log(4) + 0.6125], abs=1e-4
    )
    assert auc_interval(0.2, 0.05**2) == pytest.approx((1 - high, 1 - low))
    assert auc_interval(0.98, 0.03**2)[1] < 1
    for known_nothing in ((1.0, 0.0), (0.5, 0.0), (np.nan, np.nan)):
        assert np.isnan(auc_interval(*known_nothing)).all()
