"""Two embeddings laid over one another: how each lies on the page says nothing before that."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from nigra.errors import NigraError
from nigra.latent.procrustes import align, residuals, shared_rows
from nigra.report.latent_folder import LatentFolder


@dataclass(frozen=True)
class Overlaid:
    """All points of an embedding in the frame of another, and how well the two meet.

    ``residual`` is the share of the reference's sum of squares that is not met on the ``shared`` codes (0 the same
    shape, 1 nothing in common), ``null`` the same with the rows of one of them in random order.
    """

    points: Float[ndarray, "n d"]
    residual: float
    null: float
    shared: int


def lay_over(space: LatentFolder, embedding: str, reference: LatentFolder, reference_embedding: str) -> Overlaid:
    """Shift, turn or mirror, and scale an embedding onto another by the codes they share (Procrustes).

    Raises NigraError: an embedding is missing or damaged, or the two share fewer than two codes.
    """
    points, target = space.points(embedding), reference.points(reference_embedding)
    own, other = shared_rows(space.table, reference.table)
    known = np.isfinite(points[own]).all(axis=1) & np.isfinite(target[other]).all(axis=1)
    own, other = own[known], other[known]
    if len(own) < 2:
        raise NigraError(
            f"{space.label} and {reference.label} share {len(own)} codes that both pictures place; two are needed."
        )
    found = align(points[own], target[other])
    null = residuals({"own": points[own], "other": target[other]})["null"].iloc[0]
    return Overlaid(found.apply(points).astype(np.float32), found.residual, float(null), len(own))
