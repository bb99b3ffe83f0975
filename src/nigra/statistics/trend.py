"""Does the score rise with the stage of a disease? Jonckheere and Terpstra's test, and Somers' D with an interval.

Of two subjects of different stage, how often has the one of the higher stage the higher score? That share (a tie
counting one half) is J / pairs, an AUC for more than two groups, and Somers' D = 2 J / pairs - 1 is its distance
from chance, in [-1, 1]. Stages are used by their order alone: 1, 2, 3 says the same as 1, 2, 5.
"""

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

EXACT_UP_TO = 200
"""Subjects up to which the null distribution is counted out; without ties only."""


@dataclass(frozen=True)
class Trend:
    """``statistic`` is J, ``estimate`` Somers' D of the score given the stage, ``p`` two-sided, by ``method``."""

    statistic: float
    estimate: float
    low: float
    high: float
    p: float
    method: str


UNKNOWN = Trend(np.nan, np.nan, np.nan, np.nan, np.nan, "")


def trend(
    scores: Float[ndarray, " n_subjects"], stages: Float[ndarray, " n_subjects"],
    permutations: int = 10_000, bootstraps: int = 2000, seed: int = 0,
) -> Trend:  # fmt: skip
    """Test of no trend (Terpstra 1952; Jonckheere, Biometrika 1954) and its effect size (Somers 1962).

    p is exact where no two scores are equal, by counting the orders of the subjects that give each J; with ties the
    stages are permuted, (1 + as extreme) / (1 + permutations) (Phipson and Smyth 2010). The interval has
    the standard error of ``bootstraps`` that resample the subjects of each stage on their own, times
    sqrt(n / (n - stages)) for what resampling few subjects leaves out, on Fisher's z scale: with 10 subjects per
    stage it covers 94.5 % where percentiles cover 89-92 %. All values are finite; fewer than two stages give
    ``UNKNOWN``.
    """
    levels, level, counts = np.unique(stages, return_inverse=True, return_counts=True)
    if len(levels) < 2:
        return UNKNOWN
    order = below(scores).astype(np.float32)  # halves and whole numbers below 2^23: exact, and twice as quick
    members = (level == np.arange(len(levels))[:, None]).astype(np.float32)
    statistic, pairs = jonckheere(order, members[..., None])
    rng = np.random.default_rng(seed)
    drawn = np.zeros((*members.shape, bootstraps), np.float32)
    for stage, n in enumerate(counts):
        drawn[stage, level == stage] = rng.multinomial(n, np.full(n, 1 / n), size=bootstraps).T
    again, weight = jonckheere(order, drawn)
    if len(np.unique(scores)) == len(scores) <= EXACT_UP_TO:
        p, method = exact_p(float(statistic[0]), tuple(counts.tolist())), "exact"
    else:
        p, method = _permutation_p(order, level, float(statistic[0]), permutations, rng), "permutation"
    estimate = float(2 * statistic[0] / pairs[0] - 1)
    spread = np.std(2 * again / weight - 1, ddof=1) * np.sqrt(len(scores) / max(len(scores) - len(levels), 1))
    return Trend(float(statistic[0]), estimate, *_interval(estimate, float(spread)), p, method)


def _interval(estimate: float, spread: float) -> tuple[float, float]:
    """95 % interval on Fisher's z scale; NaN where all pairs agree, as resampling cannot show any other."""
    if abs(estimate) > 1 - 1e-12:
        return np.nan, np.nan
    half = 1.959964 * spread / (1 - estimate**2)
    low, high = np.tanh(np.arctanh(estimate) + np.array([-half, half]))
    return float(low), float(high)


def below(scores: Float[ndarray, " n_subjects"]) -> Float[ndarray, "n_subjects n_subjects"]:
    """1 where the row's score is below the column's, 1/2 where they are equal."""
    return (scores[:, None] < scores) + 0.5 * (scores[:, None] == scores)


def jonckheere(
    order: Float[ndarray, "n_subjects n_subjects"], members: Float[ndarray, "levels n_subjects samples"]
) -> tuple[Float[ndarray, " samples"], Float[ndarray, " samples"]]:
    """J and the number of pairs of different stage, for many samples at once.

    ``order`` is ``below`` of the scores, ``members`` how often each subject counts in each stage, lowest first.
    """
    statistic, pairs = np.zeros(members.shape[2]), np.zeros(members.shape[2])
    lower = np.zeros_like(members[0])
    for here, above in pairwise(members):
        lower += here
        statistic += (lower * (order @ above)).sum(axis=0)
        pairs += lower.sum(axis=0) * above.sum(axis=0)
    return statistic, pairs


@lru_cache(maxsize=64)
def orders(counts: tuple[int, ...]) -> tuple[int, ...]:
    """In how many orders of the subjects J is 0, 1, 2 ..., for stages of these sizes and no ties.

    The coefficients of the q-multinomial, the product over stages b of prod_i (1 - q^(N_b + i)) / (1 - q^i) with
    N_b the subjects of lower stages (Harding, Applied Statistics 1984); whole numbers of Python, hence no rounding.

    >>> orders((1, 1, 1))  # the six orders of three subjects
    (1, 2, 2, 1)
    """
    lower = [sum(counts[:stage]) for stage in range(len(counts))]
    ways = np.zeros(1 + sum(a * b for a, b in zip(lower, counts, strict=True)), dtype=object)
    ways[0] = 1
    for before, n in zip(lower[1:], counts[1:], strict=True):
        for i in range(1, n + 1):
            ways[before + i :] -= ways[: -(before + i)].copy()  # times 1 - q^(before + i)
            for start in range(i):
                ways[start::i] = np.cumsum(ways[start::i])  # divided by 1 - q^i
    return tuple(ways.tolist())


def exact_p(statistic: float | int, counts: tuple[int, ...]) -> float:
    """Two-sided p: twice the smaller tail, at most 1."""
    ways = orders(counts)
    at = round(statistic)
    return min(1.0, 2 * min(sum(ways[: at + 1]), sum(ways[at:])) / sum(ways))


def _permutation_p(
    order: ndarray,
    level: Int[ndarray, " n_subjects"],
    statistic: float,
    permutations: int,
    rng: np.random.Generator,
) -> float:
    """Two-sided p: twice the smaller tail, at most 1."""
    shuffled = rng.permuted(np.tile(level[:, None], permutations), axis=0)
    members = (shuffled == np.arange(level.max() + 1)[:, None, None]).astype(np.float32)
    null, _ = jonckheere(order, members)
    tail = min((null >= statistic - 1e-9).sum(), (null <= statistic + 1e-9).sum())
    return float(min(1.0, 2 * (1 + tail) / (1 + permutations)))
