"""How far an embedding can be trusted: what it keeps of neighbourhoods and of the whole, each beside chance.

Trustworthiness: are neighbours in the picture neighbours in the latent space? Continuity: are neighbours there
neighbours in the picture (Venna and Kaski 2006, Neural Networks 19)? Recall: the share of neighbours kept. Rank
correlation: do long distances stay long? Exact for up to ``EXACT_UP_TO`` codes; beyond that the same numbers for
some queries among all codes, with an interval that says what the sampling costs.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.stats import rankdata

from nigra.errors import NigraError
from nigra.latent.graph import EXACT_UP_TO
from nigra.latent.quality_kernels import judge
from nigra.training import Tick

COLUMNS = ("measure", "estimate", "low", "high", "null", "note")

_BLOCK_BYTES = 2**26
"""Distances held at a time; with it memory does not grow with the square of the codes."""


@dataclass(frozen=True)
class Neighbourhoods:
    """What the embedding does to the neighbourhood of each query, as shares: 1 is perfect.

    Their means over all codes are trustworthiness, continuity and k-NN recall.
    """

    trustworthiness: Float[ndarray, " queries"]
    continuity: Float[ndarray, " queries"]
    recall: Float[ndarray, " queries"]
    k: int
    count: int

    def chance(self) -> tuple[float, float, float]:
        """The three means for an embedding that has nothing to do with the codes: exact, by counting.

        A stranger's rank is uniform on 1 ... n - 1, so it exceeds k by (n-1-k)(n-k) / 2(n-1) on average.
        """
        n, k = self.count, self.k
        unrelated = 1 - (n - 1 - k) * (n - k) / ((n - 1) * (2 * n - 3 * k - 1))
        return unrelated, unrelated, k / (n - 1)


def neighbourhoods(
    codes: Float[ndarray, "n d"], points: Float[ndarray, "n m"], k: int = 15,
    queries: Int[ndarray, " queries"] | None = None, tick: Tick | None = None,
) -> Neighbourhoods:  # fmt: skip
    """Trustworthiness, continuity and recall of each query's ``k`` neighbours among all codes.

    Args:
        codes: the latent space, Euclidean.
        points: the embedding of the same rows.
        k: neighbours; less than half of the codes, as the normalisation asks.
        queries: rows looked at; None: all, which is exact and costs n² distances.
        tick: told the fraction done.

    Raises NigraError: k too large, or a value that is not finite.
    """
    n = len(codes)
    if not 1 <= k < n / 2:
        raise NigraError(f"{n} codes have no {k} neighbours to judge; give k below {n / 2:g}.")
    if not (np.isfinite(codes).all() and np.isfinite(points).all()):
        raise NigraError("codes or embedding have values that are not finite; leave those rows out first.")
    chosen = np.arange(n) if queries is None else queries.astype(np.int64)
    intruders, missing, kept = (np.zeros(len(chosen), np.int64) for _ in range(3))
    flat = np.ascontiguousarray(points.T, np.float64)
    for at, high in _distance_blocks(codes, chosen):
        judge(high, flat, chosen[at], k, intruders[at], missing[at], kept[at])
        if tick:
            tick(at.stop / len(chosen), f"{at.stop}/{len(chosen)} queries")
    worst = k * (2 * n - 3 * k - 1) / 2
    return Neighbourhoods(1 - intruders / worst, 1 - missing / worst, kept / k, k, n)


def rank_correlation(
    codes: Float[ndarray, "n d"], points: Float[ndarray, "n m"], pairs: int = 20_000, seed: int = 0
) -> tuple[float, float, float]:
    """Spearman's correlation of distances in the latent space and in the embedding; its 95 % interval.

    The interval (Bonett and Wright 2000, Psychometrika 65) is about the random pairs drawn. Codes that all lie on
    one place have no ranks: NaN.
    """
    first, second = _random_pairs(len(codes), pairs, seed)
    high = np.linalg.norm(codes[first].astype(np.float64) - codes[second], axis=1)
    low = np.linalg.norm(points[first].astype(np.float64) - points[second], axis=1)
    if high.min() == high.max() or low.min() == low.max():
        return np.nan, np.nan, np.nan
    rho = float(np.corrcoef(rankdata(high), rankdata(low))[0, 1])
    width = 1.96 * np.sqrt((1 + rho**2 / 2) / (len(first) - 3))
    middle = np.arctanh(min(rho, 1 - 1e-12))
    return rho, float(np.tanh(middle - width)), float(np.tanh(middle + width))


def quality(
    codes: Float[ndarray, "n d"], points: Float[ndarray, "n m"], subjects: Sequence[str] = (), k: int = 15,
    queries: int = 2_000, among: Int[ndarray, " chosen"] | None = None, pairs: int = 20_000,
    bootstrap: int = 500, exact_up_to: int = EXACT_UP_TO, seed: int = 0, tick: Tick | None = None,
) -> pd.DataFrame:  # fmt: skip
    """The table of an embedding: columns ``COLUMNS``, one row per measure.

    Args:
        codes: the latent space.
        points: the embedding of the same rows.
        subjects: whose code each is; intervals come from resampling whole subjects (or codes, where empty).
        k: neighbours.
        queries: codes looked at where there are more than ``exact_up_to``.
        among: only these rows are judged, such as projected ones, still among all codes; None: all.
        pairs: random pairs behind the rank correlation.
        bootstrap: resamples behind the intervals.
        exact_up_to: codes up to which all are looked at.
        seed: of everything drawn.
        tick: told the fraction done.
    """
    rng = np.random.default_rng(seed)
    rows = np.arange(len(codes)) if among is None else among
    said = ""
    if len(codes) > exact_up_to and len(rows) > queries:
        said = f"{queries} of {len(rows)} codes as queries"
        rows = np.sort(rng.choice(rows, queries, replace=False))
    found = neighbourhoods(codes, points, k, rows, tick)
    whose = np.asarray(subjects)[rows] if len(subjects) else rows
    names = ("trustworthiness", "continuity", "recall")
    table = [
        (
            name,
            *mean_by_subject(getattr(found, name), whose, bootstrap, seed),
            null,
            f"k = {k}; {said}".rstrip("; "),
        )
        for name, null in zip(names, found.chance(), strict=True)
    ]
    if among is None:
        text = f"{min(pairs, _pairs_there_are(len(codes)))} random pairs"
        table.append(("rank correlation", *rank_correlation(codes, points, pairs, seed), 0.0, text))
    return pd.DataFrame(table, columns=list(COLUMNS))


def mean_by_subject(
    values: Float[ndarray, " n"], subjects: Sequence[str] | ndarray, bootstrap: int, seed: int = 0
) -> tuple[float, float, float]:
    """Mean over codes and its 95 % interval over subjects drawn with replacement; NaN for one subject."""
    _, which = np.unique(np.asarray(subjects), return_inverse=True)
    sums, sizes = np.bincount(which, values), np.bincount(which)
    if len(sums) < 2 or bootstrap < 1:
        return float(values.mean()), np.nan, np.nan
    rng = np.random.default_rng(seed)
    again = np.empty(bootstrap)
    for turn in range(bootstrap):
        drawn = rng.integers(0, len(sums), len(sums))
        again[turn] = sums[drawn].sum() / sizes[drawn].sum()
    low, high = np.quantile(again, [0.025, 0.975])
    return float(values.mean()), float(low), float(high)


def _distance_blocks(
    codes: Float[ndarray, "n d"], queries: Int[ndarray, " queries"]
) -> Iterator[tuple[slice, Float[ndarray, "block n"]]]:
    """Squared distances of a block of queries to all codes, by one matrix product, in float64 around the mean."""
    centred = codes.astype(np.float64) - codes.mean(axis=0, dtype=np.float64)
    lengths = (centred**2).sum(axis=1)
    size = max(_BLOCK_BYTES // (8 * len(codes)), 1)
    for begin in range(0, len(queries), size):
        at = slice(begin, min(begin + size, len(queries)))
        some = centred[queries[at]]
        block = some @ centred.T
        block *= -2
        block += lengths
        block += lengths[queries[at], None]
        yield at, block


def _random_pairs(count: int, pairs: int, seed: int) -> tuple[Int[ndarray, " pairs"], Int[ndarray, " pairs"]]:
    """Pairs of two different rows; all there are where that is no more."""
    if _pairs_there_are(count) <= pairs:
        return np.triu_indices(count, 1)
    rng = np.random.default_rng(seed)
    first = rng.integers(0, count, pairs)
    return first, (first + rng.integers(1, count, pairs)) % count


def _pairs_there_are(count: int) -> int:
    return count * (count - 1) // 2
