"""Alignment and uniformity of codes on the unit sphere (Wang and Isola, ICML 2020).

A positive pair is the same place in two subjects, which the siamese term pulls together; uniformity says whether it
paid by drawing everything together.
"""

import numpy as np
from scipy.special import hyp0f1

from nigra.latent.measured import Measured, Resampling, measured, of_pairs
from nigra.latent.pairs import PairMatrix, other_place, same_place, unit_length
from nigra.shapes import Codes


def potential(codes: Codes, t: float = 2.0) -> PairMatrix:
    """Mean over all pairs of places of exp(-t |x - y|^2) for two subjects' codes of unit length."""
    found = np.empty((len(codes), len(codes)))
    for a in range(len(codes)):
        for b in range(a, len(codes)):
            found[a, b] = found[b, a] = np.exp(2 * t * (codes[a] @ codes[b].T - 1)).mean()
    return found


def uniform_limit(d: int, t: float = 2.0) -> float:
    """Uniformity of codes spread evenly over the sphere in ``d`` dimensions, the lowest there is.

    The mean of exp(2 t cos) over the sphere is 0F1(d / 2; t^2).
    """
    return float(-2 * t + np.log(hyp0f1(d / 2, t**2)))


def alignment_numbers(codes: Codes, resampling: Resampling, most: int = 200) -> list[Measured]:
    """Alignment (lower: one place looks alike in all; null: other places) and uniformity (lower: spread evenly).

    Args:
        codes: finite codes of the same places in all subjects.
        resampling: how intervals are drawn.
        most: places whose pairs uniformity looks at.
    """
    sphere = unit_length(codes)
    aligned = measured(
        "alignment", of_pairs(same_place(sphere)), len(codes), resampling, _mean(other_place(sphere)),
        "mean squared distance on the unit sphere, same place in two subjects",
    )  # fmt: skip
    spread_out = np.linspace(0, sphere.shape[1] - 1, min(most, sphere.shape[1])).astype(int)  # all over the brain
    energy = of_pairs(potential(sphere[:, spread_out]))
    limit = uniform_limit(codes.shape[2])
    spread = measured(
        "uniformity", lambda weights: np.log(energy(weights)), len(codes), resampling, limit,
        "null: spread evenly over the sphere, the lowest there is",
    )  # fmt: skip
    return [aligned, spread]


def _mean(pairs: PairMatrix) -> float:
    return float(of_pairs(pairs)(np.ones((len(pairs), 1)))[0])
