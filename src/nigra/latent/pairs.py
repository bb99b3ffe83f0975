"""Distances between codes of the same place, and of other places, for every pair of subjects.

With the same L places coded in every subject, means over all pairs of places follow from sums: nothing grows with
L squared.
"""

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from nigra.shapes import Codes

PairMatrix = Float[ndarray, "n_subjects n_subjects"]
"""A mean per ordered pair of subjects."""


def unit_length(codes: Codes) -> Codes:
    """Codes on the unit sphere, where squared distance is 2 - 2 cos; a code of zeros stays where it is."""
    wide = codes.astype(np.float64)
    return wide / np.maximum(np.linalg.norm(wide, axis=2, keepdims=True), 1e-12)


def same_place(codes: Codes) -> PairMatrix:
    """Mean over places of the squared distance between two subjects' codes of the place."""
    square, dot, _ = _sums(codes)
    return (square[:, None] + square[None] - 2 * dot) / codes.shape[1]


def other_place(codes: Codes) -> PairMatrix:
    """Mean over pairs of different places of the squared distance between two subjects' codes."""
    square, dot, total = _sums(codes)
    places = codes.shape[1]
    crossed = (total @ total.T - dot) / (places * (places - 1))
    return (square[:, None] + square[None]) / places - 2 * crossed


def closer_at_same_place(codes: Codes, rng: np.random.Generator) -> PairMatrix:
    """Share of places at which the other subject's code of the place is nearer than its code of a random other one.

    A tie counts one half; chance is .5.
    """
    subjects, places, _ = codes.shape
    square, found = (codes**2).sum(axis=2), np.empty((subjects, subjects))
    for a in range(subjects):
        other = (np.arange(places) + rng.integers(1, places, size=places)) % places
        # squared distances less the code's own square, which both have
        same = square - 2 * np.einsum("ld,bld->bl", codes[a], codes)
        shifted = square[:, other] - 2 * np.einsum("ld,bld->bl", codes[a], codes[:, other])
        found[a] = (np.sign(shifted - same).mean(axis=1) + 1) / 2
    return found


def _sums(
    codes: Codes,
) -> tuple[Float[ndarray, " n_subjects"], PairMatrix, Float[ndarray, "n_subjects d"]]:
    """Per subject the sum of squared lengths, per pair that of products at the same place, per subject the sum."""
    centred = codes.astype(np.float64) - codes.mean(
        axis=(0, 1), dtype=np.float64
    )  # distances stay, digits are kept
    flat = centred.reshape(len(codes), -1)
    return (flat**2).sum(axis=1), flat @ flat.T, centred.sum(axis=1)
