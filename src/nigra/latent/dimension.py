"""Intrinsic dimension: on how many coordinates the codes really depend, however bent the surface they lie on.

TwoNN (Facco, d'Errico, Rodriguez and Laio, Scientific Reports 7:12140, 2017): where density is even over the
reach of two neighbours, the ratio of the distances to the second and the first is a Pareto variable whose
exponent is the dimension.
"""

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from sklearn.neighbors import NearestNeighbors

from nigra.latent.measured import Measured, Resampling, Weighted, measured
from nigra.shapes import Codes

KEPT = 0.9
"""Share of the ratios that is fitted; the largest are the least even (Facco 2017)."""


def neighbour_ratios(codes: Float[ndarray, "n d"]) -> Float[ndarray, " n"]:
    """Distance to the second neighbour over that to the first; NaN where the first is a copy, or there is none."""
    if len(codes) < 3:
        return np.full(len(codes), np.nan)
    found = NearestNeighbors(n_neighbors=3).fit(codes.astype(np.float64))
    distances = found.kneighbors()[0]
    return np.divide(distances[:, 1], distances[:, 0], out=np.full(len(codes), np.nan), where=distances[:, 0] > 0)


def two_nn(ratios: Float[ndarray, " n"], owner: Int[ndarray, " n"]) -> Weighted:
    """The slope through the origin of -log(1 - F) on the logarithm of the ratios, subjects weighted.

    Args:
        ratios: of all codes; NaN are left out.
        owner: which subject a code is of.
    """
    known = np.flatnonzero(ratios > 1)  # a tie, and a copy, say nothing of the dimension
    order = known[np.argsort(ratios[known])]
    logs, owner = np.log(ratios[order]), owner[order]

    def statistic(weights: Float[ndarray, "n_subjects samples"]) -> Float[ndarray, " samples"]:
        found = []
        for weight in weights.T:
            mass = weight[owner]
            if not mass.sum() > 0:
                found.append(np.nan)
                continue
            reached = np.cumsum(mass) / mass.sum()
            kept = reached <= KEPT
            x, share, own = logs[kept], reached[kept], mass[kept]
            square = (own * x**2).sum()
            found.append(float((own * x * -np.log1p(-share)).sum() / square) if square > 0 else np.nan)
        return np.array(found)

    return statistic


def dimension_numbers(codes: Codes, resampling: Resampling, most: int = 5000) -> list[Measured]:
    """Intrinsic dimension by TwoNN within each subject; the null is Gaussian noise with each subject's covariance.

    Neighbours are those of the same subject, as every place occurs in all: among all subjects the two nearest codes
    of a code are of its own place in others, and their ratio tells how people differ there, not on how many
    coordinates the codes of a brain depend. A value below the null says that these lie on a surface of fewer
    coordinates than their covariance shows.

    Args:
        codes: finite codes of the same places in all subjects.
        resampling: how intervals are drawn.
        most: codes that are looked at; of many subjects the first.
    """
    rng = np.random.default_rng(resampling.seed)
    subjects, places = codes.shape[:2]
    looked = min(subjects, max(most // places, 2))
    owner = np.repeat(np.arange(looked), places)
    ratios = np.concatenate([neighbour_ratios(own) for own in codes[:looked]])
    copies = int((~(ratios > 1)).sum())
    notes = [f"{copies} of {len(ratios)} codes equal another and are left out"] if copies else []
    if looked < subjects:
        notes.append(f"of {looked} of {subjects} subjects")
    if len(ratios) - copies < 10:
        return [Measured("intrinsic dimension (TwoNN)", np.nan, note="fewer than 10 distinct codes")]
    null = two_nn(np.concatenate([neighbour_ratios(_gaussian(own, rng)) for own in codes[:looked]]), owner)
    surrogate = float(null(np.ones((looked, 1)))[0])
    name, note = "intrinsic dimension (TwoNN)", "; ".join(notes)
    return [measured(name, two_nn(ratios, owner), looked, resampling, surrogate, note)]


def _gaussian(codes: Float[ndarray, "n d"], rng: np.random.Generator) -> Float[ndarray, "n d"]:
    """Noise with the covariance of the codes."""
    centred = codes.astype(np.float64) - codes.mean(axis=0, dtype=np.float64)
    n, d = codes.shape
    if n <= d:
        return rng.normal(size=(n, n)) @ centred / np.sqrt(n)
    variances, axes = np.linalg.eigh(centred.T @ centred / n)
    return rng.normal(size=(n, d)) * np.sqrt(np.maximum(variances, 0)) @ axes.T
