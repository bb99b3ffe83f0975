"""Subjects side by side: each one the sequence of its codes at fixed locations.

A picture of codes mixes place and person. Here place is held: two subjects are compared location by location, and
what is left is how their brains differ as the model sees them.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float
from numpy import ndarray

from nigra.errors import NigraError
from nigra.latent.embeddings.embedding import fixed_signs

PLACE = ["x", "y", "z"]


@dataclass(frozen=True)
class SubjectView:
    """Subjects, their ``distances`` to one another and their ``points`` in the plane; ``shares`` of each axis."""

    subjects: tuple[str, ...]
    distances: Float[ndarray, "subjects subjects"]
    points: Float[ndarray, "subjects dimensions"]
    shares: Float[ndarray, " dimensions"]
    locations: int


def sequences(
    codes: Float[ndarray, "n d"], table: pd.DataFrame
) -> tuple[tuple[str, ...], Float[ndarray, "subjects locations d"]]:
    """Codes by subject and location, at the locations that every subject has.

    Args:
        codes: one row per code, finite.
        table: participant_id, x, y, z of the same rows.

    Raises NigraError: no location that all subjects share, or a subject with two codes at one place.
    """
    subjects, who = np.unique(table["participant_id"].astype(str).to_numpy(), return_inverse=True)
    where = table.groupby(PLACE, sort=True, dropna=False).ngroup().to_numpy()
    row = np.full((len(subjects), where.max() + 1), -1)
    row[who, where] = np.arange(len(table))
    if (row >= 0).sum() < len(table):
        raise NigraError("a subject has two codes at one place; sample each location once per subject.")
    shared = (row >= 0).all(axis=0)
    if not shared.any():
        raise NigraError(
            f"the {len(subjects)} subjects share no location; sample codes per location for all subjects."
        )
    return tuple(subjects), codes[row[:, shared]]


def subject_view(codes: Float[ndarray, "n d"], table: pd.DataFrame, dimensions: int = 2) -> SubjectView:
    """Root mean square distances between subjects over shared locations, laid out by classical scaling.

    Classical scaling (Torgerson 1952) of these distances is the principal components of the whole sequences; axes
    hold the ``shares`` of what subjects differ by. See ``sequences`` for arguments and errors.
    """
    subjects, values = sequences(codes, table)
    n, locations, _ = values.shape
    if n < dimensions + 1:
        raise NigraError(f"{n} subjects cannot be laid out in {dimensions} axes; sample more subjects.")
    away = (values - values.mean(axis=0)).reshape(n, -1).astype(np.float64)
    inner = away @ away.T / locations
    lengths = np.diag(inner)
    distances = np.sqrt(np.maximum(lengths + lengths[:, None] - 2 * inner, 0))
    eigenvalues, vectors = np.linalg.eigh(inner)
    eigenvalues, vectors = np.maximum(eigenvalues[::-1], 0), vectors[:, ::-1]
    points = vectors[:, :dimensions] * np.sqrt(eigenvalues[:dimensions])
    total = eigenvalues.sum()
    if not total > 0:
        raise NigraError("all subjects have the same codes; check the model for collapse.")
    return SubjectView(
        subjects, distances, points * fixed_signs(points), eigenvalues[:dimensions] / total, locations
    )
