"""Rank associations against scipy and statsmodels; nominal intervals and p-values where the truth is known."""

import numpy as np
import pytest
import scipy.stats
import statsmodels.api as sm

from nigra.statistics.association import eta2, spearman


def levels(rng, n, k=3):  # type: ignore[no-untyped-def]
    site = rng.integers(0, k, n)
    return site, (site[:, None] == np.arange(1, k)).astype(float)


def test_spearman_is_scipys(rng):  # type: ignore[no-untyped-def]
    x = rng.normal(size=31)
    y = x + 2 * rng.normal(size=31)
    y[5:8] = y[4]  # ties
    found = spearman(y, x)
    oracle = scipy.stats.spearmanr(x, y)
    assert found.estimate == pytest.approx(oracle.statistic)
    assert found.p == pytest.approx(oracle.pvalue)
    assert spearman(-y, x).estimate == pytest.approx(-oracle.statistic)
    x[3], y[9] = np.nan, np.nan
    known = ~np.isnan(x + y)
    assert spearman(y, x).estimate == pytest.approx(scipy.stats.spearmanr(x[known], y[known]).statistic)
    assert spearman(y, x).n == 29


def test_eta2_is_kruskal_and_wallis(rng):  # type: ignore[no-untyped-def]
    site, columns = levels(rng, 40)
    y = site + 2 * rng.normal(size=40)
    found = eta2(y, columns)
    h = scipy.stats.kruskal(*(y[site == level] for level in range(3))).statistic
    assert found.estimate == pytest.approx(h / 39)
    f = scipy.stats.f_oneway(*(scipy.stats.rankdata(y)[site == level] for level in range(3)))
    assert found.p == pytest.approx(f.pvalue)
    assert found.chance == pytest.approx(2 / 39)


def test_given_the_group_they_are_the_f_test_of_a_linear_model_on_ranks(rng):  # type: ignore[no-untyped-def]
    group = np.repeat([0.0, 1.0], [18, 25])
    site, columns = levels(rng, 43)
    age = 60 + 9 * rng.normal(size=43) + 5 * group
    y = 2 * group + 0.05 * age + 0.4 * site + rng.normal(size=43)
    ranks = scipy.stats.rankdata(y)
    small = sm.OLS(ranks, sm.add_constant(group)).fit()
    for found, x in (
        (spearman(y, age, group[:, None]), scipy.stats.rankdata(age)[:, None]),
        (eta2(y, columns, group[:, None]), columns),
    ):
        full = sm.OLS(ranks, sm.add_constant(np.column_stack([group, x]))).fit()
        assert found.p == pytest.approx(full.compare_f_test(small)[1])
        share = 1 - full.ssr / small.ssr
        assert (found.estimate**2 if x.shape[1] == 1 else found.estimate) == pytest.approx(share)


def test_a_shift_between_groups_is_no_association_once_the_group_is_held(rng):  # type: ignore[no-untyped-def]
    group = np.repeat([0.0, 1.0], 60)
    age, y = rng.normal(size=120) + 4 * group, rng.normal(size=120) + 4 * group
    assert spearman(y, age).p < 1e-6
    assert spearman(y, age, group[:, None]).p > 0.05


def test_a_group_that_does_not_vary_is_nothing_to_hold(rng):  # type: ignore[no-untyped-def]
    """A clinical score is known in patients only: who is left is one group."""
    x, y = rng.normal(size=(2, 25))
    group = np.repeat([0.0, 1.0], [10, 15])
    x[:10] = np.nan
    assert spearman(y, x, group[:, None]).p == pytest.approx(scipy.stats.spearmanr(x[10:], y[10:]).pvalue)
    assert spearman(y, x, group[:, None]).low == pytest.approx(spearman(y, x).low)
    _, columns = levels(rng, 25)
    assert eta2(y, columns, np.ones((25, 1))).p == pytest.approx(eta2(y, columns).p)


def test_intervals_hold_and_p_is_uniform(rng):  # type: ignore[no-untyped-def]
    truth = 6 / np.pi * np.arcsin(0.5 / 2)  # Spearman's rho of normal pairs of correlation .5
    held, p_age, p_site = [], [], []
    for _ in range(600):
        x, noise = rng.normal(size=(2, 40))
        held.append((found := spearman(0.5 * x + np.sqrt(0.75) * noise, x)).low < truth < found.high)
        p_age.append(spearman(noise, x).p)
        p_site.append(eta2(noise, levels(rng, 40)[1]).p)
    assert 0.93 <= np.mean(held) <= 0.98
    assert scipy.stats.kstest(p_age, "uniform").pvalue > 0.001
    assert scipy.stats.kstest(p_site, "uniform").pvalue > 0.001


def test_the_interval_of_eta2_inverts_the_test(rng):  # type: ignore[no-untyped-def]
    _, columns = levels(rng, 30)
    for strength in (0, 0.3, 0.6, 1.0, 4.0):
        found = eta2(strength * columns[:, 0] + rng.normal(size=30), columns)
        assert (found.low > 0) == (found.p < 0.025)
        assert found.low <= found.high <= 1
    nc = found.low * 30 / (1 - found.low)
    f = found.estimate / 2 / ((1 - found.estimate) / 27)
    assert scipy.stats.ncf.cdf(f, 2, 27, nc) == pytest.approx(0.975, abs=1e-6)


def test_what_cannot_be_known_is_nan(rng):  # type: ignore[no-untyped-def]
    y = rng.normal(size=9)
    assert np.isnan(spearman(y, np.ones(9)).estimate)
    assert np.isnan(spearman(np.ones(9), y).p)
    assert np.isnan(spearman(y[:3], y[:3]).p)
    assert np.isnan(eta2(y, np.zeros((9, 2))).p)
    assert spearman(y, y).estimate == pytest.approx(1)
    assert spearman(y, y).p == pytest.approx(2 / 362_880)


def test_partial_is_the_textbook_formula_and_takes_a_confound_away(rng):  # type: ignore[no-untyped-def]
    age = rng.normal(size=200)
    x, y = age + rng.normal(size=200), age + rng.normal(size=200)
    ranks = scipy.stats.rankdata(age)[:, None]
    xy, xz, yz = (scipy.stats.spearmanr(a, b).statistic for a, b in ((x, y), (x, age), (y, age)))
    found = spearman(x, y, ranks)
    assert found.estimate == pytest.approx((xy - xz * yz) / np.sqrt((1 - xz**2) * (1 - yz**2)))
    assert spearman(x, y).p < 0.001 < 0.01 < found.p
    assert spearman(x, y, np.column_stack([ranks, ranks])).estimate == pytest.approx(found.estimate)


def test_a_perfect_order_has_the_chance_of_just_this_order():  # type: ignore[no-untyped-def]
    x = np.arange(6.0)
    perfect = spearman(x, -x)
    assert (perfect.estimate, perfect.p) == (-1, pytest.approx(2 / 720))
    assert np.isnan([perfect.low, perfect.high]).all()
    tied = np.array([0.0, 0, 0, 0, 1, 2])  # 720 orders, 4! of them the same
    assert spearman(tied, 5 * tied).p == pytest.approx(2 * 24 / 720)
    assert spearman(1.0 * (tied > 0), 1.0 * (tied > 0)).p == pytest.approx(2 * 24 * 2 / 720)
    for nothing in (spearman(x, np.ones(6)), spearman(x[:3], x[:3]), spearman(x, -x, -x[:, None])):
        assert np.isnan([nothing.estimate, nothing.p]).all()
