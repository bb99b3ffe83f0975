"""How many directions a latent space uses: variance spectrum, effective rank, participation ratio, collapse.

All are of the covariance of codes of many places and subjects. A siamese term can make codes of one place agree by
making all codes agree: then the spectrum shrinks to nothing, and every other number is about nothing.
"""

from collections.abc import Callable

import numpy as np
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
    found = [
        _of_spectrum("effective rank", codes, effective_rank, effective_rank(noise), resampling),
        _of_spectrum("participation ratio", codes, participation_ratio, participation_ratio(noise), resampling),
        Measured("live dimensions", float(live_dimensions(flat)), null=float(d)),
        Measured("collapsed", float(bool(why)), null=0.0, note=why or "not collapsed"),
    ]
    return found


def _of_spectrum(
    measure: str, codes: Codes, value: Callable[[Spectrum], float], null: float, resampling: Resampling
) -> Measured:
    if codes.shape[2] <= BOOTSTRAPPED:
        return measured(measure, _by_moments(codes, value), len(codes), resampling, null)
    note = "interval from leaving out each subject"
    return jackknifed(measure, _by_leaving_out(codes, value), len(codes), null, note)


def _by_moments(codes: Codes, value: Callable[[Spectrum], float]) -> Weighted:
    """From each subject's mean and second moments, so that a resample touches no code."""
    wide = codes.astype(np.float64) - codes.mean(axis=(0, 1), dtype=np.float64)
    means = wide.mean(axis=1)
    seconds = np.einsum("sli,slj->sij", wide, wide, optimize=True) / codes.shape[1]

    def statistic(weights: Float[ndarray, "n_subjects samples"]) -> Float[ndarray, " samples"]:
        found = []
        for weight in (weights / weights.sum(axis=0)).T:
            mean = weight @ means
            covariance = np.tensordot(weight, seconds, 1) - np.outer(mean, mean)
            found.append(value(np.maximum(np.linalg.eigvalsh(covariance)[::-1], 0)))
        return np.array(found)

    return statistic


def _by_leaving_out(codes: Codes, value: Callable[[Spectrum], float]) -> Weighted:
    """From the codes themselves; a weight is 1 or 0."""
    return lambda weights: np.array(
        [value(spectrum(codes[weight > 0].reshape(-1, codes.shape[2]))) for weight in weights.T]
    )
