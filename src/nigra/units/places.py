"""Where the partner of a unit lies: prepared once for all locations of a training, drawn anew every epoch."""

from collections.abc import Callable
from typing import Literal

import numpy as np
from jaxtyping import Int
from numpy import ndarray
from scipy.spatial import cKDTree

from nigra.errors import NigraError
from nigra.units import Source, Unit

Place = Literal["same", "mirrored", "neighbouring", "random"]

Partner = Callable[[np.random.Generator, np.ndarray], np.ndarray]
"""Numbers of locations to numbers of their partners' locations."""

ROUNDS = 100
"""Draws of a neighbour before the nearest one is taken: only places almost alone in the mask come so far."""

ACROSS = 1e6
"""What a step from one side to the other counts when the nearest half slice is sought, in slices."""


def same_place(rng: np.random.Generator, where: Int[ndarray, " n"]) -> Int[ndarray, " n"]:
    """The place itself; nothing is drawn."""
    return where


def partner_places(
    place: Place, distance: float, unit: Unit, source: Source, locations: Int[ndarray, "n_locations axes"]
) -> Partner:
    """How to find partners' places among ``locations``.

    Args:
        place: same; mirrored at the midline (where no location is, the nearest one to it); neighbouring, uniform
            over the other locations within ``distance``; random, uniform over all locations.
        distance: in voxels, for neighbouring ones.
        unit: whose locations they are.
        source: where the midline is.
        locations: those in use, as ``unit.locate`` gives them.

    Raises:
        NigraError: the unit has no mirrored places, or there is no other location to draw.
    """
    if place == "mirrored":
        across = _numbers(locations, unit.mirrored(locations, source))
        return lambda rng, where: across[where]
    if place == "neighbouring":
        return Neighbours(locations, unit.neighbours(distance))
    if place == "random":
        count = len(locations)
        return lambda rng, where: rng.integers(count, size=len(where))
    return same_place


class Lookup:
    """Numbers of locations by their indices, without a search."""

    def __init__(self, locations: Int[ndarray, "n_locations axes"]) -> None:
        self.shape = locations.max(axis=0) + 1
        self.numbers = np.full(self.shape, -1)
        self.numbers[tuple(locations.T)] = np.arange(len(locations))

    def __call__(self, wanted: Int[ndarray, "n axes"]) -> Int[ndarray, " n"]:
        """Numbers of the ``wanted`` locations, -1 where there is none."""
        inside = ((wanted >= 0) & (wanted < self.shape)).all(axis=1)
        found = self.numbers[tuple(np.where(inside[:, None], wanted, 0).T)]
        return np.where(inside, found, -1)


class Neighbours:
    """Draws one of the other locations a ``shift`` away, each with the same probability.

    Shifts are drawn until one leads to a location, at most ``ROUNDS`` times; then the nearest other is taken.
    """

    def __init__(self, locations: Int[ndarray, "n_locations axes"], shifts: Int[ndarray, "shifts axes"]) -> None:
        if len(locations) < 2:
            raise NigraError(f"neighbouring pairs need two locations, but found {len(locations)}; widen the mask.")
        self.locations, self.shifts, self.lookup = locations, shifts, Lookup(locations)

    def __call__(self, rng: np.random.Generator, where: Int[ndarray, " n"]) -> Int[ndarray, " n"]:
        """Partners of the locations ``where``, by number."""
        there, left = np.empty_like(where), np.arange(len(where))
        for _ in range(ROUNDS):
            shifts = self.shifts[rng.integers(len(self.shifts), size=len(left))]
            there[left] = self.lookup(self.locations[where[left]] + shifts)
            left = left[there[left] < 0]
            if len(left) == 0:
                return there
        points = _points(self.locations)
        there[left] = cKDTree(points).query(points[where[left]], k=2)[1][:, 1]  # the nearest of all is itself
        return there


def _numbers(locations: Int[ndarray, "n_locations axes"], wanted: Int[ndarray, "n axes"]) -> Int[ndarray, " n"]:
    """Numbers of the locations nearest to those wanted."""
    found = Lookup(locations)(wanted)
    missing = found < 0
    if missing.any():
        found[missing] = cKDTree(_points(locations)).query(_points(wanted[missing]))[1]
    return found


def _points(locations: Int[ndarray, "n axes"]) -> ndarray:
    """Locations to measure distances between; a half slice of another level is nearer than the other side."""
    return locations * [1.0, ACROSS] if locations.shape[1] == 2 else locations.astype(float)
