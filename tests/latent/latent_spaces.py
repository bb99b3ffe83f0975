"""Latent spaces whose truth is known: what is planted, and nothing else, is there to be found."""

import numpy as np

from nigra.latent.measured import Resampling
from nigra.latent.probes import ProbeSettings

FEW = Resampling(bootstraps=100, seed=3)
QUICK = ProbeSettings(folds=4, repeats=2, most=4000, resampling=FEW)


def places(rng: np.random.Generator, count: int = 60) -> np.ndarray:
    """Coordinates in mm, (count, 3)."""
    return rng.uniform(-60, 60, size=(count, 3))


def spaces(
    rng: np.random.Generator, subjects: int = 12, count: int = 60, d: int = 8, place: float = 0.0,
    person: float = 0.0,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Codes (subjects, places, d) of unit noise plus what place and person add, and the places in mm.

    ``place`` is a smooth function of the coordinates, the same in all; ``person`` a vector of one's own, the same
    at all places.
    """
    mm = places(rng, count)
    smooth = np.tanh(mm / 40 @ rng.normal(size=(3, d)))
    own = rng.normal(size=(subjects, 1, d))
    return rng.normal(size=(subjects, count, d)) + place * smooth + person * own, mm


def shuffled(codes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The same codes with the places of each subject shuffled: the negative control of all that is about place."""
    return np.stack([own[rng.permutation(len(own))] for own in codes])
