"""Leakage of identity: can a person be told from codes of *other* places than those the person is known by?

Codes are known by one half of the brain and asked about in the other, with room between the halves for a whole
unit, so that no voxel is seen from both sides. An intensity scale of one's own is enough to be told by; so is a
scanner.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from nigra.latent.measured import Measured, Resampling, measured, of_subjects
from nigra.shapes import Codes

WIDEST = 64
"""Axes that the linear discriminant sees: a covariance of more would take more codes than there are."""

FEWEST = 10
"""Places that a half needs."""


@dataclass(frozen=True)
class Halves:
    """Two sets of places that share no voxel, and what was cut between them."""

    first: Bool[ndarray, " n_locations"]
    second: Bool[ndarray, " n_locations"]
    words: str

    @property
    def enough(self) -> bool:
        """Whether both halves have places to learn from."""
        return bool(min(self.first.sum(), self.second.sum()) >= FEWEST)


def halves(mm: Float[ndarray, "n_locations axes"], reach_mm: Float[ndarray, " axes"]) -> Halves:
    """Cut the places in two along the axis that leaves most of them; between the parts lies ``reach_mm``.

    Args:
        mm: coordinates; an axis without values (NaN) is not cut.
        reach_mm: extent of a unit along each axis: units whose centres are as far apart share no voxel.
    """
    names, nowhere = ("x", "y", "z"), np.zeros(len(mm), dtype=bool)
    best = Halves(nowhere, nowhere, "no axis can be cut")
    for axis in range(mm.shape[1]):
        along = mm[:, axis]
        if np.isnan(along).any():
            continue
        middle = float(np.median(along))
        low, high = along <= middle - reach_mm[axis] / 2, along >= middle + reach_mm[axis] / 2
        if min(low.sum(), high.sum()) > min(best.first.sum(), best.second.sum()):
            best = Halves(
                low, high & ~low, f"{names[axis]} cut at {middle:.0f} mm, {reach_mm[axis]:.0f} mm left out"
            )
    return best


def identity_numbers(
    codes: Codes, mm: Float[ndarray, "n_locations axes"], reach_mm: Float[ndarray, " axes"], resampling: Resampling
) -> list[Measured]:
    """Accuracy of naming the subject (chance: 1 / subjects) and how often its own other code is the nearer (.5).

    Each also beyond place: codes less their place's mean over the subjects.

    Args:
        codes: finite codes of the same places in all subjects.
        mm: coordinates of the places.
        reach_mm: extent of a unit along each axis.
        resampling: how intervals are drawn.
    """
    parts, subjects = halves(mm, reach_mm), len(codes)
    if not parts.enough or subjects < 3:
        why = f"{parts.words}: fewer than {FEWEST} places on a side" if subjects >= 3 else f"{subjects} subjects"
        return [
            Measured(f"{name}{beyond}", np.nan, note=why)
            for name in ("subject accuracy", "subject AUC") for beyond in ("", ", beyond place")
        ]  # fmt: skip
    wide = codes.astype(np.float64)
    found = []
    for beyond, values in (("", wide), (", beyond place", wide - wide.mean(axis=0))):
        named, nearer = named_right(values, parts), own_is_nearer(values, parts, resampling.seed)
        found += [
            measured(
                f"subject accuracy{beyond}", of_subjects(named), subjects, resampling, 1 / subjects, parts.words
            ),
            measured(f"subject AUC{beyond}", of_subjects(nearer), subjects, resampling, 0.5, parts.words),
        ]
    return found


def named_right(codes: Codes, parts: Halves) -> Float[ndarray, " n_subjects"]:
    """Share of a subject's codes of one half given its name by a linear discriminant of the other half."""
    subjects, _, d = codes.shape
    right = np.zeros(subjects)
    for known, asked in ((parts.first, parts.second), (parts.second, parts.first)):
        x, names = codes[:, known].reshape(-1, d), np.repeat(np.arange(subjects), known.sum())
        steps = [StandardScaler(), PCA(min(WIDEST, d, len(x) - 1), random_state=0)]
        model = make_pipeline(*steps, LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.1)).fit(x, names)
        told = model.predict(codes[:, asked].reshape(-1, d)).reshape(subjects, -1)
        right += (told == np.arange(subjects)[:, None]).mean(axis=1) / 2
    return right


def own_is_nearer(codes: Codes, parts: Halves, seed: int = 0, most: int = 400) -> Float[ndarray, " n_subjects"]:
    """How often a code is nearer to its subject's own code of another place than to someone else's code there.

    For every subject the mean over pairs of places, one of each half, and over the others; a tie counts one half.
    Nothing is fitted, and as all are asked at the same place, place cannot help.
    """
    rng = np.random.default_rng(seed)
    here, there = np.flatnonzero(parts.first), np.flatnonzero(parts.second)
    n = min(most, 2 * max(len(here), len(there)))
    found, subjects = np.zeros(len(codes)), len(codes)
    square = (codes**2).sum(axis=2)
    for one, other in zip(rng.choice(here, n), rng.choice(there, n), strict=True):
        for a, b in ((one, other), (other, one)):
            apart = square[:, a, None] + square[None, :, b] - 2 * codes[:, a] @ codes[:, b].T
            own = np.diagonal(apart)[:, None]
            wins = (own < apart).sum(axis=1) + ((own == apart).sum(axis=1) - 1) / 2
            found += wins / (subjects - 1)
    return found / (2 * n)
