"""Conformal p-values: exact on exchangeable people, finite in what they can reach, never fitted on the tested."""

import numpy as np
import pytest
import scipy.stats

from nigra.detection.conformal import (
    Conformal,
    achieved,
    conformal_p,
    controls_needed,
    controls_table,
    fit_conformal,
    highest_quantile,
    leave_one_out_abnormal,
    pooled_p,
)
from nigra.errors import NigraError
from nigra.provenance import FittedOnError


def ids(n):  # type: ignore[no-untyped-def]
    return [f"sub-{i}" for i in range(n)]


def by_hand(calibration, score):  # type: ignore[no-untyped-def]
    known = [value for value in calibration if not np.isnan(value)]
    return (1 + sum(value >= score for value in known)) / (1 + len(known))


def test_p_counts_controls_at_or_above_with_ties_and_missing(rng):  # type: ignore[no-untyped-def]
    calibration = rng.integers(0, 5, (9, 40)).astype(np.float32)
    calibration[rng.random(calibration.shape) < 0.1] = np.nan
    scores = rng.integers(0, 6, (3, 40)).astype(np.float32)
    scores[1, 4] = np.nan
    p = conformal_p(calibration, scores)
    expected = [[by_hand(calibration[:, v], s) for v, s in enumerate(row)] for row in scores]
    expected[1][4] = np.nan
    np.testing.assert_allclose(p, expected, rtol=1e-6)
    assert p[~np.isnan(p)].min() >= 1 / 10
    assert conformal_p(np.full((4, 1), np.nan, np.float32), np.ones((1, 1), np.float32))[0, 0] == 1


def test_p_is_superuniform_on_exchangeable_people_and_uniform_on_its_steps(rng):  # type: ignore[no-untyped-def]
    """Voxels stand for independent studies here: 19 controls and a new person each, from a skewed distribution."""
    people = rng.gamma(0.4, size=(20, 40_000)).astype(np.float32)
    p = conformal_p(people[:19], people[19:])[0]
    steps = np.arange(1, 21) / 20
    reached = np.array([(p <= step + 1e-6).mean() for step in steps])
    np.testing.assert_allclose(reached, steps, atol=4 * 0.5 / 200)  # 4 standard errors
    between = np.array([(p <= alpha).mean() for alpha in (0.03, 0.07, 0.12)])
    assert (between <= np.array([0.03, 0.07, 0.12])).all()
    # negative control: a person who is not exchangeable with the controls breaks the promise
    assert (conformal_p(people[:19], people[19:] * 3)[0] <= 0.05 + 1e-6).mean() > 0.08


def test_ties_make_p_too_large_never_too_small(rng):  # type: ignore[no-untyped-def]
    people = rng.integers(0, 3, (20, 40_000)).astype(np.float32)
    p = conformal_p(people[:19], people[19:])[0]
    assert all((p <= alpha).mean() <= alpha for alpha in (0.05, 0.1, 0.3, 0.5))
    assert (p <= 0.9).any()


def test_the_threshold_is_the_p_value(rng):  # type: ignore[no-untyped-def]
    calibration = rng.integers(0, 12, (39, 300)).astype(np.float32)
    calibration[rng.random(calibration.shape) < 0.05] = np.nan
    scores = rng.integers(0, 14, (7, 300)).astype(np.float32)
    scores[0, 0] = np.nan
    for alpha in (0.025, 0.05, 0.1, 0.11):
        rule = fit_conformal(calibration, ids(39), alpha)
        below = conformal_p(calibration, scores).astype(float) <= alpha + 1e-7
        np.testing.assert_array_equal(rule.abnormal(scores), below)
    assert rule.abnormal(scores).any()
    assert not rule.abnormal(scores)[0, 0]
    assert rule.quantile == pytest.approx(0.89)


def test_blocks_of_voxels_make_no_difference(rng, monkeypatch):  # type: ignore[no-untyped-def]
    calibration = rng.random((20, 50)).astype(np.float32)
    whole = fit_conformal(calibration, ids(20), 0.1).value
    monkeypatch.setattr("nigra.detection.conformal.BLOCK", 7)
    np.testing.assert_array_equal(fit_conformal(calibration, ids(20), 0.1).value, whole)
    np.testing.assert_array_equal(whole, np.sort(calibration, axis=0)[-2])


def test_a_control_meets_the_threshold_of_the_others(rng):  # type: ignore[no-untyped-def]
    scores = rng.integers(0, 30, (24, 60)).astype(np.float32)
    scores[rng.random(scores.shape) < 0.05] = np.nan
    scores[:, 7] = np.nan
    for alpha in (0.05, 0.12, 0.2, 0.99):
        abnormal = leave_one_out_abnormal(scores, alpha)
        for i in range(24):
            for v in range(60):
                others = np.delete(scores[:, v], i)
                others = others[~np.isnan(others)]
                k = int(alpha * (np.isfinite(scores[:, v]).sum() + 1) + 1e-9)
                expected = k > 0 and not np.isnan(scores[i, v]) and (others >= scores[i, v]).sum() < k
                assert abnormal[i, v] == expected
        assert 0 < abnormal.mean() < 1
    # no ties: k of the n controls, where a new person expects k / (n + 1)
    distinct = rng.random((39, 500)).astype(np.float32)
    np.testing.assert_array_equal(leave_one_out_abnormal(distinct, 0.1).sum(axis=0), 4)
    assert fit_conformal(distinct, ids(39), 0.1).expected_percent == pytest.approx(10)
    assert fit_conformal(distinct, ids(39), 0.12).expected_percent == pytest.approx(10), "a step of k"


def test_the_quantile_that_is_advised_is_one_that_will_do() -> None:
    for n in range(2, 300):
        quantile = highest_quantile(n)
        assert controls_needed(round(1 - quantile, 12)) <= n
        assert controls_needed(round(1 - quantile - 0.001, 12)) > n


def test_a_voxel_with_too_few_controls_is_never_abnormal(rng):  # type: ignore[no-untyped-def]
    calibration = rng.random((19, 5)).astype(np.float32)
    calibration[0, 2] = np.nan
    rule = fit_conformal(calibration, ids(19), 0.05)
    assert np.isinf(rule.value).tolist() == [False, False, True, False, False]
    np.testing.assert_allclose(rule.value[0], calibration[:, 0].max())
    np.testing.assert_array_equal(rule.abnormal(np.full((1, 5), 9, np.float32))[0], [1, 1, 0, 1, 1])
    assert rule.to_json()["voxels_that_can_be_abnormal"] == 4
    assert rule.to_json()["smallest_p"] == pytest.approx(0.05)


def test_pooled_by_voxels_and_by_subjects_against_counting(rng):  # type: ignore[no-untyped-def]
    calibration = rng.integers(0, 9, (5, 30)).astype(np.float32)
    calibration[2, :11] = np.nan
    scores = rng.integers(0, 11, (2, 30)).astype(np.float32)
    scores[0, 3] = np.nan
    known = [row[~np.isnan(row)] for row in calibration]
    for row, voxels, subjects in zip(
        scores, pooled_p(calibration, scores, by_subject=False), pooled_p(calibration, scores), strict=True
    ):
        for score, pv, ps in zip(row, voxels, subjects, strict=True):
            if np.isnan(score):
                assert np.isnan(pv)
                assert np.isnan(ps)
                continue
            assert pv == pytest.approx((1 + sum((k >= score).sum() for k in known)) / (1 + sum(map(len, known))))
            assert ps == pytest.approx((1 + sum((k >= score).mean() for k in known)) / 6)


def test_pooling_voxels_breaks_the_promise_that_pooling_subjects_keeps(rng):  # type: ignore[no-untyped-def]
    """People differ as wholes: with few controls, voxels taken for people are too sure of themselves."""
    share = {True: [], False: []}
    for _ in range(300):
        people = (rng.normal(size=(10, 1)) * 2 + rng.normal(size=(10, 60))).astype(np.float32)
        for by_subject, found in share.items():
            found.append((pooled_p(people[:9], people[9:], by_subject) <= 0.1).mean())
    assert np.mean(share[False]) > 0.12
    assert np.mean(share[True]) <= 0.1


def test_fitting_refuses_too_few_constant_and_unpaired(rng):  # type: ignore[no-untyped-def]
    scores = rng.random((20, 6)).astype(np.float32)
    with pytest.raises(NigraError, match="needs 49 held-out controls, but found 20"):
        fit_conformal(scores, ids(20), 0.02)
    with pytest.raises(NigraError, match="one subject per map"):
        fit_conformal(scores, ids(3), 0.05)
    with pytest.raises(NigraError, match="detects nothing"):
        fit_conformal(np.ones((20, 6), np.float32), ids(20), 0.05)
    with pytest.raises(NigraError, match="no scored voxel"):
        fit_conformal(np.full((20, 6), np.nan, np.float32), ids(20), 0.05)
    with pytest.raises(NigraError, match="between 0 and 1"):
        fit_conformal(scores, ids(20), 2.0)


def test_those_it_was_fitted_on_are_refused(rng):  # type: ignore[no-untyped-def]
    scores = rng.random((20, 50)).astype(np.float32)
    rule = fit_conformal(scores, ids(20), 0.05)
    assert isinstance(rule, Conformal)
    new = np.concatenate([np.full((1, 50), 2), np.full((1, 50), -1)]).astype(np.float32)
    np.testing.assert_allclose(rule.observed_percent(new, ["x", "y"]), [100, 0])
    with pytest.raises(FittedOnError, match="sub-7"):
        rule.observed_percent(new, ["x", "sub-7"])


def test_how_many_controls() -> None:
    assert [controls_needed(alpha) for alpha in (0.5, 0.05, 0.02, 0.01, 0.03)] == [1, 19, 49, 99, 33]
    n = controls_needed(0.05, at_most=0.1)
    k = int(0.05 * (n + 1) + 1e-9)
    assert scipy.stats.beta.cdf(0.1, k, n + 1 - k) >= 0.95
    with pytest.raises(NigraError, match="allow more"):
        controls_needed(0.05, at_most=0.05)


def test_the_rate_reached_has_the_interval_promised(rng):  # type: ignore[no-untyped-def]
    """Exponential scores have a known tail, so that the rate each cohort reaches is known exactly."""
    n, alpha = 99, 0.05
    rule = fit_conformal(rng.exponential(size=(n, 20_000)).astype(np.float32), ids(n), alpha)
    reached = np.exp(-rule.value.astype(float))
    expected, low, high = achieved(n, alpha)
    assert expected == pytest.approx(0.05)
    assert reached.mean() == pytest.approx(expected, abs=0.001)
    assert ((reached > low) & (reached < high)).mean() == pytest.approx(0.95, abs=0.01)


def test_the_table_of_controls() -> None:
    table = controls_table(0.02, [20, 49, 99])
    assert table.columns.tolist() == ["n", "smallest_p", "alpha", "expected", "low", "high"]
    np.testing.assert_allclose(table["smallest_p"], [1 / 21, 0.02, 0.01])
    np.testing.assert_allclose(table["expected"], [0, 0.02, 0.02])
    np.testing.assert_allclose(table["high"][1:], scipy.stats.beta.ppf(0.975, [1, 2], [49, 98]))
