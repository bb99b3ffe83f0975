"""AUCs of covariates against brute force; what is learnt knows nothing where there is nothing to know."""

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from sklearn.linear_model import LogisticRegression

from nigra.statistics.delong import auc_covariance, auc_interval
from nigra.statistics.delong import wins as wins_of_draws
from nigra.statistics.separation import Separation, logistic, separation, together


def wins(scores, patient):  # type: ignore[no-untyped-def]
    return wins_of_draws(scores[None], patient)


def brute(patients, controls):  # type: ignore[no-untyped-def]
    """AUC and DeLong's placement values by looking at every pair."""
    wins = (patients[:, None] > controls) + 0.5 * (patients[:, None] == controls)
    return wins.mean(), wins.mean(axis=1), wins.mean(axis=0)


def test_the_pair_against_brute_force(rng):  # type: ignore[no-untyped-def]
    patient = np.arange(40) >= 15
    age = rng.integers(50, 80, 40) - 4.0 * patient  # patients younger: the better side is the other
    score = rng.normal(size=40) + 1.0 * patient
    age[3], score[20] = np.nan, np.nan
    table, p, n = Separation(wins(age, patient), True).compare(wins(score, patient))
    known = ~np.isnan(age + score)
    assert n == 38
    a = brute(age[known & patient], age[known & ~patient])
    m = brute(score[known & patient], score[known & ~patient])
    assert a[0] < 0.5
    np.testing.assert_allclose(table[:, 0], [a[0], m[0], m[0] - (1 - a[0])])
    for row, (of_patients, of_controls) in enumerate([a[1:], m[1:], (m[1] + a[1], m[2] + a[2])]):
        variance = of_patients.var(ddof=1) / len(of_patients) + of_controls.var(ddof=1) / len(of_controls)
        parts = [place.var(ddof=1) / len(place) for place in (of_patients, of_controls)]
        each = [len(of_patients) - 1, len(of_controls) - 1]
        degrees = sum(parts) ** 2 / (parts[0] ** 2 / each[0] + parts[1] ** 2 / each[1])  # Welch, Satterthwaite
        if row < 2:  # single AUCs: on the logit scale, as everywhere
            assert tuple(table[row, 1:]) == pytest.approx(auc_interval(table[row, 0], variance, freedom=degrees))
        else:
            np.testing.assert_allclose(
                table[row, 1:], table[row, 0] + 1.959964 * np.sqrt(variance) * np.array([-1, 1])
            )
    z = (m[0] - 0.5) / np.sqrt(m[1].var(ddof=1) / len(m[1]) + m[2].var(ddof=1) / len(m[2]))
    assert p[1] == pytest.approx(2 * scipy.stats.norm.sf(z), rel=1e-5)


def test_the_pair_against_the_covariance_of_delong(rng):  # type: ignore[no-untyped-def]
    patient = np.arange(30) >= 12
    both = rng.normal(size=(2, 30)) + 0.8 * patient
    auc, covariance = auc_covariance(np.stack([wins(row, patient) for row in both]))
    table, _, _ = Separation(wins(both[0], patient), False).compare(wins(both[1], patient))
    error = np.sqrt(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    np.testing.assert_allclose(table[2], auc[1] - auc[0] + 1.959964 * error * np.array([0, -1, 1]))


def test_a_score_is_as_good_as_itself_and_as_its_mirror_image(rng):  # type: ignore[no-untyped-def]
    patient = np.arange(30) % 2 == 0
    score = rng.normal(size=30) + patient
    for own in (score, -score):
        table, p, _ = Separation(wins(own, patient), True).compare(wins(score, patient))
        np.testing.assert_allclose(table[2], 0, atol=1e-12)
        assert p[2] == 1


def test_complete_separation_has_the_p_of_its_order(rng):  # type: ignore[no-untyped-def]
    """DeLong's error is 0 there; 1 / C(7, 3) is the chance of all patients above all controls."""
    patient = np.arange(7) >= 4
    auc, p, _ = separation(pd.Series(np.arange(7.0)), patient).alone()
    np.testing.assert_array_equal(auc, [1, np.nan, np.nan])  # and no interval
    oracle = scipy.stats.mannwhitneyu(np.arange(4, 7), np.arange(4), method="exact").pvalue
    assert p == pytest.approx(2 / 35)
    assert p == pytest.approx(oracle)
    site = pd.Series(np.where(patient, "Lyon", "Nice"), dtype=object)
    table, _, _ = separation(site, patient).compare(wins(np.arange(7.0), patient))
    np.testing.assert_allclose(table[2], 0)


def category(rng, strength, n=90):  # type: ignore[no-untyped-def]
    patient = np.arange(n) % 2 == 0
    site = np.where(rng.random(n) < strength, np.where(patient, "a", "b"), rng.choice(["a", "b", "c"], n))
    return pd.Series(site, dtype=object), patient


def test_a_category_by_leaving_out_every_pair(rng):  # type: ignore[no-untyped-def]
    site, patient = category(rng, 0.3, 24)
    site[5] = None
    expected = np.full((12, 12), np.nan)
    for i, a in enumerate(np.flatnonzero(patient)):
        for j, b in enumerate(np.flatnonzero(~patient)):
            if site[a] is not None and site[b] is not None:
                rest = ~np.isin(np.arange(24), [a, b])
                odds = [
                    ((site[rest & patient] == site[who]).sum() + 0.5)
                    / ((site[rest & ~patient] == site[who]).sum() + 0.5)
                    for who in (a, b)
                ]
                expected[i, j] = (np.sign(odds[0] - odds[1]) + 1) / 2
    np.testing.assert_array_equal(separation(site, patient).pairs, expected)
    assert np.isnan(expected).any()
    assert len(np.unique(expected[~np.isnan(expected)])) == 3


def test_two_levels_are_a_number(rng):  # type: ignore[no-untyped-def]
    patient = np.arange(40) % 2 == 0
    sex = pd.Series(rng.choice(["F", "M"], 40), dtype=object)
    sex[4] = None
    found = separation(sex, patient)
    expected = np.where(sex.isna(), np.nan, sex == "M").astype(float)
    np.testing.assert_array_equal(found.pairs, wins(expected, patient))
    assert found.folded


def test_a_category_that_tells_the_groups_is_seen_and_one_that_does_not_is_not(rng):  # type: ignore[no-untyped-def]
    auc, p, n = separation(*category(rng, 0.7)).alone()
    assert auc[0] > 0.75
    assert auc[1] > 0.65
    assert p == 0.001
    assert n == 90
    nothing = [separation(*category(rng, 0.0), permutations=99).alone() for _ in range(150)]
    assert 0.46 < np.mean([auc[0] for auc, _, _ in nothing]) < 0.525
    assert np.mean([p <= 0.05 for _, p, _ in nothing]) < 0.1


def test_logistic_is_scikit_learns(rng):  # type: ignore[no-untyped-def]
    x = rng.normal(size=(40, 3))
    y = (x[:, 0] + rng.normal(size=40) > 0.3).astype(float)
    oracle = LogisticRegression(tol=1e-8, max_iter=1000).fit(x, y).coef_[0]
    np.testing.assert_allclose(logistic(x, y), oracle, atol=1e-5)
    assert np.isfinite(logistic(x[:, :1], (x[:, 0] > 0).astype(float))).all()  # complete separation


def test_all_together_finds_what_no_column_shows_alone(rng):  # type: ignore[no-untyped-def]
    patient = np.arange(120) % 2 == 0
    shared = 3 * rng.normal(size=120)
    table = pd.DataFrame(
        {"a": shared + patient, "b": shared - patient, "sex": rng.choice(["F", "M"], 120).astype(object)}
    )
    assert max(separation(table[name], patient).alone()[0][0] for name in ("a", "b")) < 0.7
    table.loc[3, "a"] = np.nan
    whole = together(table, patient)
    assert whole.alone()[0][0] > 0.95
    assert whole.alone()[2] == 119
    np.testing.assert_array_equal(whole.pairs, together(table, patient).pairs)
    nothing = []
    for _ in range(20):
        noise = pd.DataFrame(rng.normal(size=(80, 2)))
        nothing.append(together(noise, patient[:80]).alone()[0])
    assert 0.45 < np.mean(nothing, axis=0)[0] < 0.55
    assert np.mean([low > 0.5 for _, low, _ in nothing]) <= 0.15


def test_too_few_subjects_are_nan() -> None:
    patient = np.array([True, False, False, False])
    for found in (
        separation(pd.Series(list("abab"), dtype=object), patient),
        together(pd.DataFrame({"x": np.arange(4.0), "y": np.ones(4)}), patient),
    ):
        assert np.isnan(found.alone()[0]).all()
