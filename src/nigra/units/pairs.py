"""Which units a model sees in an epoch: drawn as three index arrays, never as lists of patches.

Pair rule (mlcn2021): both members show the same place, in two different training subjects.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int
from numpy import ndarray

from nigra.errors import NigraError


@dataclass(frozen=True)
class Epoch:
    """One epoch's draw: unit i is location ``where[i]`` of subject ``first[i]``, its partner of ``second[i]``."""

    first: Int[ndarray, " n"]
    second: Int[ndarray, " n"]
    where: Int[ndarray, " n"]

    def __len__(self) -> int:
        return len(self.first)

    def members(self, begin: int, end: int, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Subjects and location numbers of units ``begin:end``: the first members, then (count 2) the second."""
        part = slice(begin, end)
        if count == 1:
            return self.first[part], self.where[part]
        rows = np.concatenate([self.first[part], self.second[part]])
        return rows, np.tile(self.where[part], 2)


def draw_epoch(
    rng: np.random.Generator, rows: Int[ndarray, " subjects"], n_locations: int, per_subject: int | None = None
) -> Epoch:
    """Draw an epoch: ``per_subject`` distinct locations of every subject (None: all), shuffled, with partners.

    Partners are uniform over the other subjects; with a single subject there are none to draw.
    """
    if len(rows) < 2:
        raise NigraError(f"pairs need two different training subjects, but found {len(rows)}; add controls.")
    per_subject = n_locations if per_subject is None else min(per_subject, n_locations)
    where = np.concatenate(
        [rng.choice(n_locations, per_subject, replace=False, shuffle=False) for _ in range(len(rows))]
    )
    first = np.repeat(np.arange(len(rows)), per_subject)
    # a shift by 1 .. n-1 around the ring of subjects never meets the subject itself
    second = (first + rng.integers(1, len(rows), size=len(first))) % len(rows)
    order = rng.permutation(len(first))
    return Epoch(rows[first[order]], rows[second[order]], where[order])
