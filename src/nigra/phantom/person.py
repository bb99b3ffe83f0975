"""How people differ: everything that makes one subject, drawn first, recorded, applied later.

Each subject has its own random stream, spawned from the cohort's seed by group and number: subject 7 is the same
person in a cohort of 10 and of 100, and on every resolution.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from nigra.cohort.store import CONTROL, PATIENT
from nigra.phantom.anatomy import Anatomy

TISSUES = ("grey", "white", "csf")
_GOLDEN = 0.6180339887498949


@dataclass(frozen=True)
class Person:
    """One subject's drawn values; ``fa`` and ``md`` are factors on the healthy value of each tissue and nucleus."""

    participant_id: str
    group: str
    age: float
    sex: str
    site: str
    hoehn_yahr: int | None
    worse_side: str | None
    severity: float
    """Factor on the planted changes: how strongly this patient is affected within the stage."""
    scale: tuple[float, float, float]
    """Residual brain size after registration, per axis, 1 = template."""
    widening_mm: float
    """How far the ventricles' walls lie outside the template's; negative for narrow ventricles."""
    fa: dict[str, float]
    md: dict[str, float]
    fields_key: tuple[int, ...]
    noise_key: tuple[int, ...]
    seed: int

    def stream(self, key: tuple[int, ...]) -> np.random.Generator:
        """The generator of ``fields_key`` or ``noise_key``."""
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=key))

    def record(self) -> dict[str, Any]:
        """The drawn values as JSON can hold them."""
        return asdict(self)


def _spread(seed: int, number: int, step: float) -> float:
    """A value in [0, 1) that fills the interval evenly as ``number`` grows (additive recurrence), so that small
    groups are matched in age and sex as recruited groups are."""
    start = np.random.default_rng(seed).random()
    return float((start + number * step) % 1)


def draw_person(group: str, number: int, seed: int, anatomy: Anatomy) -> Person:
    """Draw subject ``number`` (from 1) of a group.

    Age 42-80 years. Per decade: FA -2 % in white matter, MD +1.5 %, ventricle walls +0.5 mm. Male: FA +1 % in
    white matter, residual size +0.2 %. Between subjects of one age and sex: sd 2.5 % in FA and 2 % in MD of grey
    and white matter, 5 % and 3 % in each nucleus on top.
    """
    key = (int(group == PATIENT), number)
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(*key, 0)))
    age = round(42 + 38 * _spread(seed, number, _GOLDEN), 1)
    male = _spread(seed + 1, number, 2**0.5) < 0.6
    decades = (age - 61) / 10
    normal = rng.standard_normal
    fa = {"grey": 1 + 0.025 * normal(), "csf": 1.0}
    fa["white"] = (1 - 0.02 * decades + 0.01 * male) * (1 + 0.025 * normal())
    md = {"csf": 1 + 0.01 * normal()}
    for tissue in ("grey", "white"):
        md[tissue] = (1 + 0.015 * decades) * (1 + 0.02 * normal())
    for name in anatomy.nuclei_names:
        fa[name], md[name] = fa["grey"] * (1 + 0.05 * normal()), md["grey"] * (1 + 0.03 * normal())
    x, y, z = 1 + 0.002 * (2 * male - 1) + 0.004 * normal() + 0.003 * normal(3)
    is_patient = group == PATIENT
    return Person(
        participant_id=f"sub-{'P' if is_patient else 'C'}{number:03d}",
        group=PATIENT if is_patient else CONTROL,
        age=age,
        sex="M" if male else "F",
        site="siteA" if rng.random() < 0.6 else "siteB",
        severity=float(rng.uniform(0.85, 1.15)),
        worse_side=str(rng.choice(["L", "R"])) if is_patient else None,
        hoehn_yahr=1 + number % 2 if is_patient else None,
        scale=(float(x), float(y), float(z)),
        widening_mm=float(0.5 * decades + 0.5 * normal()),
        fa={name: float(value) for name, value in fa.items()},
        md={name: float(value) for name, value in md.items()},
        fields_key=(*key, 1),
        noise_key=(*key, 2),
        seed=seed,
    )
