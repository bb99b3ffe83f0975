"""Procrustes: two sets of points laid over one another, and how far they still lie apart.

Embeddings and latent spaces have no up or left: two fits of the same codes differ by a shift, a rotation, a mirror
and a scale that say nothing. These are taken out first (Gower 1975, Psychometrika 40; Schoenemann 1966); what is
left, the residual, is what models, folds or seeds disagree about.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from jaxtyping import Float
from numpy import ndarray

from nigra.errors import NigraError

KEYS = ("participant_id", "x", "y", "z")
"""What says that two rows of two code tables are the same unit of the same scan."""


@dataclass(frozen=True)
class Alignment:
    """The similarity transform that lays points over a reference, and what it leaves.

    ``residual`` is the share of the reference's sum of squares that is not met: 0 the same shape, 1 nothing in
    common; it does not depend on which of the two is the reference.
    """

    centre: Float[ndarray, " d"]
    rotation: Float[ndarray, "d d"]
    scale: float
    target: Float[ndarray, " d"]
    residual: float

    def apply(self, points: Float[ndarray, "n d_points"]) -> Float[ndarray, "n d"]:
        """The points, also ones that the alignment has not seen, in the reference's frame."""
        wide = _widened(points, len(self.centre))
        return self.scale * (wide - self.centre) @ self.rotation + self.target


def align(points: Float[ndarray, "n d_points"], reference: Float[ndarray, "n d_reference"]) -> Alignment:
    """The shift, rotation or mirror, and scale that bring ``points`` closest to ``reference``, row by row.

    The narrower of the two counts as having zeros in the axes it lacks.

    Raises NigraError: fewer than two rows, a value that is not finite, or points that all lie on one place.
    """
    d = max(points.shape[1], reference.shape[1])
    first, second = _widened(points, d), _widened(reference, d)
    if len(first) < 2 or not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise NigraError(f"{len(first)} pairs of points cannot be aligned; give two or more, with finite values.")
    centre, target = first.mean(axis=0), second.mean(axis=0)
    first, second = first - centre, second - target
    lengths = np.linalg.norm(first), np.linalg.norm(second)
    if not min(lengths) > 0:
        raise NigraError("all points of a set lie on one place, so nothing can be aligned; check the codes.")
    left, strengths, right = np.linalg.svd(first.T @ second / (lengths[0] * lengths[1]))
    agreement = min(float(strengths.sum()), 1.0)
    return Alignment(centre, left @ right, float(agreement * lengths[1] / lengths[0]), target, 1 - agreement**2)


def align_all(
    sets: Sequence[Float[ndarray, "n _"]], rounds: int = 20, tolerance: float = 1e-9
) -> list[Float[ndarray, "n d"]]:
    """Generalised Procrustes: every set laid over the mean of all, again and again until that rests.

    Sets come back in the frame of the first, each at unit size (sum of squares 1) around 0, so that a spread
    between them is a share of the whole.
    """
    d = max(each.shape[1] for each in sets)
    shapes = [_unit(_widened(each, d)) for each in sets]
    mean = shapes[0]
    for _ in range(rounds):
        shapes = [_unit(align(each, mean).apply(each)) for each in shapes]
        new = _unit(np.mean(shapes, axis=0))
        moved, mean = float(np.linalg.norm(new - mean)), new
        if moved < tolerance:
            break
    return shapes


def residuals(sets: Mapping[str, Float[ndarray, "n _"]], seed: int = 0) -> pd.DataFrame:
    """Every pair of sets of the same rows: columns first, second, residual, null.

    ``null`` is the residual with the rows of the second in random order: what sets with nothing in common have.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for first, second in combinations(sets, 2):
        shuffled = sets[second][rng.permutation(len(sets[second]))]
        rows.append(
            {
                "first": first,
                "second": second,
                "residual": align(sets[second], sets[first]).residual,
                "null": align(shuffled, sets[first]).residual,
            }
        )
    return pd.DataFrame(rows, columns=["first", "second", "residual", "null"])


def shared_rows(first: pd.DataFrame, second: pd.DataFrame) -> tuple[ndarray, ndarray]:
    """Rows of two code tables that are the same unit of the same subject (``KEYS``), in one order.

    Raises NigraError when there are fewer than two, or a table has the same unit twice.
    """
    keys = [key for key in KEYS if key in first.columns and key in second.columns]
    numbered = [table[keys].assign(row=np.arange(len(table))) for table in (first, second)]
    if any(table.duplicated(keys).any() for table in numbered):
        raise NigraError(
            "a code table has several codes of one subject and place, and nobody can tell which belong together; "
            "sample each once."
        )
    met = numbered[0].merge(numbered[1], on=keys, suffixes=("_first", "_second"), validate="one_to_one")
    if len(met) < 2:
        raise NigraError(f"two code tables share {len(met)} codes; sample them by the same design and seed.")
    return met["row_first"].to_numpy(), met["row_second"].to_numpy()


def _widened(points: Float[ndarray, "n _"], d: int) -> Float[ndarray, "n d"]:
    """As float64, with zeros in the axes beyond its own."""
    return np.pad(points.astype(np.float64), ((0, 0), (0, d - points.shape[1])))


def _unit(points: Float[ndarray, "n d"]) -> Float[ndarray, "n d"]:
    """Around 0, with a sum of squares of 1."""
    away = points - points.mean(axis=0)
    return away / np.linalg.norm(away)
