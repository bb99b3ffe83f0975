"""What is planted in patients: FA falls and MD rises in the substantia nigra, the putamen and the corona radiata.

Sizes are set so that on the worse side a voxel of a 3 mm grid stands 3-5.6 healthy standard deviations out in FA:
far more than early Parkinson's disease shows, as the phantom tests a method and does not imitate an effect size.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from nigra.phantom.parcellation import index_of
from nigra.phantom.person import Person
from nigra.shapes import Labels

CHANGES = {"SN": (-0.20, 0.18e-3), "putamen": (-0.12, 0.28e-3), "corona radiata": (-0.18, 0.15e-3)}
"""Region: full change in FA and in MD (mm²/s)."""
STAGE = {1: 0.7, 2: 1.0}
"""Hoehn-Yahr stage: share of the full change on the worse side."""
MILD_SIDE = {1: 0.35, 2: 0.75}
"""Hoehn-Yahr stage: the other side relative to the worse one; stage 1 is one-sided in its signs."""
MOTOR_POINTS, MOTOR_SPREAD = 16, 2.5
"""Motor score: points per whole change of both sides together, and the sd of what a rating adds by chance."""


@dataclass(frozen=True)
class Planted:
    """A change planted in one region of one patient; ``fa`` and ``md`` (mm²/s) are added where it is whole."""

    region: str
    side: str
    label: int
    worse: bool
    fa: float
    md: float


def share_of_sides(person: Person) -> dict[str, float]:
    """Share of the full change on the left and on the right side of a patient's brain; empty for a control."""
    if person.hoehn_yahr is None:
        return {}
    whole = STAGE[person.hoehn_yahr] * person.severity
    mild = MILD_SIDE[person.hoehn_yahr]
    return {side: whole * (1 if side[0].upper() == person.worse_side else mild) for side in ("left", "right")}


def plan(person: Person) -> list[Planted]:
    """The changes of a patient, none for a control."""
    changes = []
    for region, (fa, md) in CHANGES.items():
        for side, share in share_of_sides(person).items():
            name, worse = f"{region} {side}", side[0].upper() == person.worse_side
            changes.append(Planted(name, side, index_of(name), worse, fa * share, md * share))
    return changes


def signs(person: Person) -> dict[str, int | str | None]:
    """What a clinician would note of a patient: ``motor_score`` and ``more_affected_side``; None for a control.

    The motor score grows with the change of both sides together, which stage, severity and worse side set. The more
    affected side is that of the *body*, opposite to the brain's worse side, as the motor pathways cross.
    """
    planted = share_of_sides(person)
    if not planted:
        return {"motor_score": None, "more_affected_side": None}
    chance = person.stream((*person.noise_key[:-1], 3)).standard_normal()
    score = max(0, round(MOTOR_POINTS * sum(planted.values()) + MOTOR_SPREAD * chance))
    return {"motor_score": score, "more_affected_side": "R" if person.worse_side == "L" else "L"}


def truth(labels: Labels, changes: list[Planted]) -> Labels:
    """The subject's own label map cut down to the regions with a planted change."""
    return np.where(np.isin(labels, [change.label for change in changes]), labels, 0).astype(np.int32)


def plant(
    fa: Float[ndarray, "x y z"], md: Float[ndarray, "x y z"], shares: Float[ndarray, "x y z"],
    where: Labels, changes: list[Planted],
) -> tuple[Float[ndarray, "x y z"], Float[ndarray, "x y z"]]:  # fmt: skip
    """Add each change to the voxels of its label, weighted by how much of the voxel is the region (``shares``)."""
    fa, md = fa.copy(), md.copy()
    for change in changes:
        inside = where == change.label
        fa[inside] += (change.fa * shares[inside]).astype(fa.dtype)
        md[inside] += (change.md * shares[inside]).astype(md.dtype)
    return fa, md
