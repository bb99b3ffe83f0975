"""What benchmarks run on: seeded codes and volumes; no time here depends on what they show."""

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from nigra.shapes import Codes, Mask
from nigra.units import Source


def codes(n_subjects: int, n_locations: int, d: int, seed: int = 0) -> Codes:
    """Normal codes, independent at every location, so that no solver gains from a neighbour's solution."""
    return np.random.default_rng(seed).standard_normal((n_subjects, n_locations, d), dtype=np.float32)


def blocks(values: Codes) -> Float[ndarray, "n_locations n_subjects d"]:
    """Codes as peers like them: float64, the codes of one location side by side."""
    return np.ascontiguousarray(values.transpose(1, 0, 2), dtype=np.float64)


def volumes(n_subjects: int, shape: tuple[int, int, int], channels: int = 2, seed: int = 0) -> Source:
    """Blocky random volumes in a mask that is an ellipsoid of about a quarter of the volume, a brain's share."""
    rng = np.random.default_rng(seed)
    values = rng.random((n_subjects, channels, *(n // 4 + 1 for n in shape)), dtype=np.float32)
    for axis in (2, 3, 4):
        values = values.repeat(4, axis)
    values = values[..., : shape[0], : shape[1], : shape[2]]
    values = values + 0.05 * rng.standard_normal(values.shape, dtype=np.float32)
    return Source.plain(values, ellipsoid(shape))


def ellipsoid(shape: tuple[int, int, int], share: float = 0.26) -> Mask:
    """The mask: an ellipsoid in the middle that fills ``share`` of the volume (at most pi / 6)."""
    radius = (share * 6 / np.pi) ** (1 / 3) / 2
    grid = np.indices(shape) / (np.array(shape)[:, None, None, None] - 1) - 0.5
    return (grid**2).sum(axis=0) <= radius**2
