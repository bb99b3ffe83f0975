"""Which units a model sees in an epoch: drawn as index arrays, never as lists of patches.

Pair rule of the published models (mlcn2021): both members show the same place, in two different training
subjects. Other rules say what that choice is worth; a pair of random places is the control.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Int
from numpy import ndarray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from nigra.errors import NigraError
from nigra.units import Source, Unit
from nigra.units.places import Partner, Place, partner_places, same_place

Subject = Literal["other", "same"]


class PairSettings(BaseModel):
    """What the two members of a pair have in common."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    place: Place = Field(
        "same", description="place of the second member: the first one's; mirrored at the midline of the brain; "
        "neighbouring; or any (random), as a control"
    )  # fmt: skip
    subject: Subject = Field("other", description="whether the second member shows another subject or the same")
    distance: float = Field(
        3.0, ge=1, le=30, description="neighbouring places: how far away they may be, in voxels"
    )  # fmt: skip

    @model_validator(mode="after")
    def _members_differ(self) -> "PairSettings":
        if self.place == self.subject == "same":
            raise ValueError("a pair of the same place in the same subject is one unit twice; change one of them")
        if self.place != "neighbouring" and self.distance != type(self).model_fields["distance"].default:
            raise ValueError(f"distance {self.distance:g} has no meaning for place: {self.place}; leave it out")
        return self


@dataclass(frozen=True)
class PairRule:
    """Pair settings made ready for the locations of a training."""

    subject: Subject = "other"
    partner: Partner = same_place

    @classmethod
    def of(
        cls, settings: PairSettings, unit: Unit, source: Source, locations: Int[ndarray, "n_locations axes"]
    ) -> "PairRule":
        """Look up once what every epoch needs.

        Args:
            settings: the rule.
            unit: what the model sees.
            source: where the midline is.
            locations: those that epochs are drawn from.

        Raises:
            NigraError: this unit has no such places.
        """
        return cls(settings.subject, partner_places(settings.place, settings.distance, unit, source, locations))


@dataclass(frozen=True)
class Epoch:
    """One epoch's draw: unit i is location ``where[i]`` of subject ``first[i]``, its partner ``there[i]`` of
    ``second[i]``.
    """

    first: Int[ndarray, " n"]
    second: Int[ndarray, " n"]
    where: Int[ndarray, " n"]
    there: Int[ndarray, " n"]

    def __len__(self) -> int:
        return len(self.first)

    def members(self, begin: int, end: int, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Subjects and location numbers of units ``begin:end``: the first members, then (count 2) the second."""
        part = slice(begin, end)
        if count == 1:
            return self.first[part], self.where[part]
        rows = np.concatenate([self.first[part], self.second[part]])
        return rows, np.concatenate([self.where[part], self.there[part]])


def draw_epoch(
    rng: np.random.Generator, rows: Int[ndarray, " subjects"], n_locations: int, per_subject: int | None = None,
    rule: PairRule | None = None,
) -> Epoch:  # fmt: skip
    """Draw an epoch: ``per_subject`` distinct locations of every subject (None: all), shuffled, with partners.

    Partners are uniform over the other subjects; with a single subject there are none to draw. First members and
    their partners' subjects are the same whatever the ``rule`` says of places (None: the same place), so that
    models with other rules see the same units.
    """
    rule = rule or PairRule()
    if len(rows) < 2 and rule.subject == "other":
        raise NigraError(f"pairs need two different training subjects, but found {len(rows)}; add controls.")
    per_subject = n_locations if per_subject is None else min(per_subject, n_locations)
    where = np.concatenate(
        [rng.choice(n_locations, per_subject, replace=False, shuffle=False) for _ in range(len(rows))]
    )
    first = np.repeat(np.arange(len(rows)), per_subject)
    # a shift by 1 .. n-1 around the ring of subjects never meets the subject itself
    second = (first + rng.integers(1, max(len(rows), 2), size=len(first))) % len(rows)
    if rule.subject == "same":
        second = first
    order = rng.permutation(len(first))
    where = where[order]
    return Epoch(rows[first[order]], rows[second[order]], where, rule.partner(rng, where))
