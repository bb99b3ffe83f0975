"""How many directions a latent space uses: variance spectrum, effective rank, participation ratio, collapse.

All are of the covariance of codes of many places and subjects. A siamese term can make codes of one place agree by
making all codes agree: then the spectrum shrinks to nothing, and every other number is about nothing.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
from jaxtyping import Float
from numpy import ndarray

from nigra.latent.measured import Measured, Resampling, Weighted, jackknifed, measured
from nigra.shapes import Codes

LIVE_SHARE = 0.01
"""A dimension lives when its standard deviation is at least this share of the largest."""

FLAT_SHARE = 1e-3
"""Codes whose spread is below this share of their length are all alike."""

BOOTSTRAPPED = 128
"""Up to so many dimensions a resample takes a millisecond; beyond, subjects are left out one at a time."""

Spectrum = Float[ndarray, " rank"]


def spectrum(codes: Float[ndarray, "n d"]) -> Spectrum:
    """Variances along the principal axes, falling; by the Gram matrix where there are fewer codes than d."""
    centred = codes.astype(np.float64) - codes.mean(axis=0, dtype=np.float64)
    few = len(codes) < codes.shape[1]
    product = centred @ centred.T if few else centred.T @ centred
    return np.maximum(np.linalg.eigvalsh(product)[::-1] / len(codes), 0)


def spectrum_table(codes: Codes, seed: int = 0) -> pd.DataFrame:
    """The variance spectrum as a table: axis, variance, share of all, cumulative share, share in isotropic noise.

    Args:
        codes: finite codes of the same places in all subjects.
        seed: of noise of as many dimensions and codes.
    """
    flat = codes.reshape(-1, codes.shape[2])
    variances, noise = spectrum(flat), spectrum(np.random.default_rng(seed).normal(size=flat.shape))
    shares = variances / (variances.sum() or 1.0)
    return pd.DataFrame({
        "axis": np.arange(1, len(variances) + 1), "variance": variances, "share": shares,
        "cumulative": np.cumsum(shares), "null": noise / noise.sum(),
    })  # fmt: skip


def effective_rank(variances: Spectrum) -> float:
    """Exponential of the entropy of the singular values' shares (Roy and Vetterli, EUSIPCO 2007).

    >>> round(effective_rank(np.array([4.0, 4.0, 0.0])), 9)
    2.0
    """
    singular = np.sqrt(variances)
    if not singular.sum() > 0:
        return 0.0
    shares = singular[singular > 0] / singular.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))


def participation_ratio(variances: Spectrum) -> float:
    """(Sum of variances)^2 / sum of squared variances: the number of directions that would share them evenly.

    >>> participation_ratio(np.array([3.0, 3.0, 3.0])), participation_ratio(np.array([1.0, 0.0]))
    (3.0, 1.0)
    """
    square = float((variances**2).sum())
    return float(variances.sum()) ** 2 / square if square > 0 else 0.0


def live_dimensions(codes: Float[ndarray, "n d"]) -> int:
    """Dimensions that vary: a standard deviation of at least ``LIVE_SHARE`` of the largest."""
    spread = codes.std(axis=0, dtype=np.float64)
    return int((spread >= LIVE_SHARE * spread.max()).sum()) if spread.max() > 0 else 0


def why_collapsed(codes: Float[ndarray, "n d"]) -> str:
    """What shows that the codes have collapsed, or nothing."""
    variances = spectrum(codes)
    length = float(np.sqrt((codes.astype(np.float64) ** 2).sum(axis=1).mean()))
    if np.sqrt(variances.sum()) <= FLAT_SHARE * length:
        return "collapsed: all codes are alike"
    rank = effective_rank(variances)
    return f"collapsed: the codes lie on a line (effective rank {rank:.2f})" if rank < 1.5 else ""


def spectrum_numbers(codes: Codes, resampling: Resampling) -> list[Measured]:
    """Effective rank, participation ratio, live dimensions and the verdict on collapse.

    The null is what isotropic noise of as many dimensions and codes has: the most there can be.

    Args:
        codes: finite codes of the same places in all subjects.
        resampling: how intervals are drawn.
    """
    subjects, places, d = codes.shape
    flat = codes.reshape(-1, d)
    noise = spectrum(np.random.default_rng(resampling.seed).normal(size=(subjects * places, d)))
    why = why_collapsed(flat)
    wide, note = d > BOOTSTRAPPED, "interval from leaving out each subject"
    spectra = _Spectra(codes, _left_out if wide else _by_moments)
    found = []
    for measure, value in (("effective rank", effective_rank), ("participation ratio", participation_ratio)):
        statistic, null = spectra.statistic(value), value(noise)
        found.append(
            jackknifed(measure, statistic, subjects, null, note) if wide
            else measured(measure, statistic, subjects, resampling, null)
        )  # fmt: skip
    return [
        *found,
        Measured("live dimensions", float(live_dimensions(flat)), null=float(d)),
        Measured("collapsed", float(bool(why)), null=0.0, note=why or "not collapsed"),
    ]


Weights = Float[ndarray, "n_subjects samples"]


class _Spectra:
    """Spectra of reweighted subjects, found once for all that is made of them."""

    def __init__(self, codes: Codes, find: Callable[[Codes, Weights], list[Spectrum]]) -> None:
        self.codes, self.find = codes, find
        self._known: tuple[Weights, list[Spectrum]] | None = None

    def statistic(self, value: Callable[[Spectrum], float]) -> Weighted:
        """A number of the spectrum in every column of weights."""

        def of(weights: Weights) -> Float[ndarray, " samples"]:
            if self._known is None or not np.array_equal(self._known[0], weights):
                self._known = weights, self.find(self.codes, weights)
            return np.array([value(variances) for variances in self._known[1]])

        return of


def _by_moments(codes: Codes, weights: Weights) -> list[Spectrum]:
    """From each subject's mean and second moments, so that a resample touches no code."""
    wide = codes.astype(np.float64) - codes.mean(axis=(0, 1), dtype=np.float64)
    means = wide.mean(axis=1)
    seconds = np.einsum("sli,slj->sij", wide, wide, optimize=True) / codes.shape[1]
    found = []
    for weight in (weights / weights.sum(axis=0)).T:
        mean = weight @ means
        covariance = np.tensordot(weight, seconds, 1) - np.outer(mean, mean)
        found.append(np.maximum(np.linalg.eigvalsh(covariance)[::-1], 0))
    return found


def _left_out(codes: Codes, weights: Weights) -> list[Spectrum]:
    """From the products of all codes, found once; a weight is 1 or 0."""
    _, places, d = codes.shape
    flat = codes.reshape(-1, d).astype(np.float64)
    flat -= flat.mean(axis=0)
    products, found = flat @ flat.T, []
    for weight in weights.T:
        kept = np.flatnonzero(np.repeat(weight > 0, places))
        own = products[np.ix_(kept, kept)]
        own = own - own.mean(axis=0) - own.mean(axis=1, keepdims=True) + own.mean()  # about their own mean
        found.append(np.maximum(np.linalg.eigvalsh(own)[::-1] / len(kept), 0))
    return found
