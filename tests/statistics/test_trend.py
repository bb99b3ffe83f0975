"""Jonckheere and Terpstra against enumeration, published examples and scipy's Somers' D."""

from itertools import permutations

import numpy as np
import pytest
import scipy.stats

from nigra.statistics.trend import UNKNOWN, below, exact_p, jonckheere, orders, trend

FAST = {"permutations": 500, "bootstraps": 200}


def by_pairs(scores, stages):
    """J by its definition."""
    n = range(len(scores))
    pairs = [(i, j) for i in n for j in n if stages[i] < stages[j]]
    return sum((scores[i] < scores[j]) + 0.5 * (scores[i] == scores[j]) for i, j in pairs), len(pairs)


@pytest.mark.parametrize("decimals", [6, 0])
def test_statistic_and_effect_are_those_of_the_definitions(rng, decimals):
    stages = rng.choice([1.0, 1.5, 2, 4], 31)
    scores = np.round(rng.normal(size=31) + 0.3 * stages, decimals)
    found = trend(scores, stages, **FAST)
    statistic, pairs = by_pairs(scores, stages)
    assert found.statistic == pytest.approx(statistic)
    assert found.estimate == pytest.approx(2 * statistic / pairs - 1)
    assert found.estimate == pytest.approx(scipy.stats.somersd(stages, scores).statistic)
    assert found.low < found.estimate < found.high
    assert found.method == ("exact" if decimals else "permutation")


def test_exact_p_is_that_of_all_orders():
    scores, stages = np.array([0.3, -1, 2.2, 0.9, 1.1, 4, 0.1]), np.array([1.0, 1, 1, 2, 2, 3, 3])
    null = [by_pairs(order, stages)[0] for order in permutations(scores)]
    statistic = by_pairs(scores, stages)[0]
    tail = min(np.mean(np.array(null) >= statistic), np.mean(np.array(null) <= statistic))
    assert trend(scores, stages, **FAST).p == pytest.approx(2 * tail)
    values, times = np.unique(null, return_counts=True)
    assert values.tolist() == list(range(len(orders((3, 2, 2)))))
    np.testing.assert_array_equal(times * sum(orders((3, 2, 2))) / len(null), orders((3, 2, 2)))


def test_exact_p_of_two_stages_is_mann_whitney_and_large_ones_are_normal(rng):
    a, b = rng.normal(size=17), rng.normal(size=12) + 0.8
    found = trend(np.r_[a, b], np.repeat([1.0, 2.0], [17, 12]), **FAST)
    assert found.p == pytest.approx(scipy.stats.mannwhitneyu(b, a, method="exact").pvalue)
    counts = (50, 60, 40)
    n = np.array(counts)
    mean = (n.sum() ** 2 - (n**2).sum()) / 4
    sd = np.sqrt((n.sum() ** 2 * (2 * n.sum() + 3) - (n**2 * (2 * n + 3)).sum()) / 72)
    assert exact_p(round(mean + 2 * sd), counts) == pytest.approx(2 * scipy.stats.norm.sf(2), rel=0.03)


def test_published_example():
    """Knowledge of performance (Hollander and Wolfe, Nonparametric Statistical Methods, example 6.2).

    J = 79, one-sided p = .0207 by the normal distribution corrected for ties.
    """
    none, rough, exact = [40, 35, 38, 43, 44, 41], [38, 40, 47, 44, 40, 42], [48, 40, 45, 43, 46, 44]
    found = trend(np.array([*none, *rough, *exact], dtype=float), np.repeat([0.0, 1, 2], 6), 20_000, 200)
    assert found.statistic == 79
    assert found.method == "permutation"
    assert found.p / 2 == pytest.approx(0.0207, abs=0.004)


def test_progeny_by_hand():
    """Progeny of males with 2, 1, 0 copies of a mutant allele (example of the program Mstat); J of 33 pairs."""
    progeny, copies = np.array([16.0, 8, 6, 27, 16, 15, 31, 29, 18, 42]), np.repeat([-2.0, -1, 0], [3, 3, 4])
    assert trend(progeny, copies, **FAST).statistic == 7.5 + 12 + 11
    progeny[4] = 16.5  # no tie any more
    mutant = trend(progeny, copies, **FAST)
    assert mutant.statistic == 31
    assert mutant.p == pytest.approx(
        2 * (1 + 2 + 5) / 4200
    )  # J of 33, 32, 31 in 1, 2 and 5 of 10! / 3! 3! 4! orders


def test_null_p_is_uniform_with_and_without_ties(rng):
    stages = np.repeat([1.0, 2, 3], [9, 8, 7])
    plain = [trend(rng.normal(size=24), stages, 300, 10, seed).p for seed in range(300)]
    tied = [trend(np.round(rng.normal(size=24)), stages, 300, 10, seed).p for seed in range(300)]
    for p in (plain, tied):
        assert (np.array(p) < 0.05).mean() < 0.09
        assert scipy.stats.kstest(p, "uniform").statistic < 0.1
        assert np.std(p) > 0.2


def test_intervals_contain_the_truth(rng):
    """Normal scores one unit apart: D of neighbours is 2 Phi(1 / sqrt 2) - 1, known for all pairs."""
    stages = np.repeat([1.0, 2, 3], 10)
    near, far = (2 * scipy.stats.norm.cdf(d / np.sqrt(2)) - 1 for d in (1, 2))
    truth = (2 * near + far) / 3
    found = [trend(rng.normal(size=30) + stages, stages, 10, 200, seed) for seed in range(300)]
    assert np.mean([t.low <= truth <= t.high for t in found]) == pytest.approx(0.95, abs=0.03)
    assert np.mean([t.estimate for t in found]) == pytest.approx(truth, abs=0.02)


def test_only_the_order_of_stages_counts_and_turning_it_turns_the_sign(rng):
    stages, scores = rng.choice([1.0, 2, 3], 20), rng.normal(size=20)
    found = trend(scores, stages, **FAST)
    assert trend(scores, stages**3, **FAST) == found
    turned = trend(scores, -stages, **FAST)
    assert turned.estimate == pytest.approx(-found.estimate)
    assert turned.p == pytest.approx(found.p)


def test_nothing_to_order():
    assert trend(np.array([1.0, 2, 3]), np.ones(3)) == UNKNOWN
    same = trend(np.ones(6), np.repeat([1.0, 2], 3), **FAST)
    assert (same.estimate, same.p) == (0, 1)
    perfect = trend(np.arange(6.0), np.repeat([1.0, 2], 3), **FAST)
    assert perfect.estimate == 1
    assert perfect.p == pytest.approx(2 / 20)
    assert np.isnan(perfect.low)
    order = below(np.array([1.0, 2]))
    statistic, pairs = jonckheere(order, np.array([[[1.0], [0.0]], [[0.0], [1.0]]]))
    assert (statistic.item(), pairs.item()) == (1, 1)
