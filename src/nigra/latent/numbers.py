"""All numbers of one latent space, from its code table.

Whose codes a number is measured on is decided here, once:

- geometry, place, tightness, identity: **test controls**, whom neither the model nor the scaling saw. With fewer
  than ``FEWEST`` of them, all test subjects, and the note says so. Tightness is given of training controls too: a
  difference is overfit.
- sex, age, site: **all controls**, held out by subject from the probe. The model saw some of them, but never was
  told these.
- group: **test subjects** alone: being seen must not pass for being healthy.

``beyond place`` is a code less the mean code of training controls at its place (of the other ones, for themselves).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float
from numpy import ndarray

from nigra.cohort.store import CONTROL, PATIENT
from nigra.latent.alignment import alignment_numbers
from nigra.latent.codes import CodeTable
from nigra.latent.dimension import dimension_numbers
from nigra.latent.identity import identity_numbers
from nigra.latent.measured import Measured
from nigra.latent.neighbours import neighbour_numbers
from nigra.latent.probes import ProbeSettings, place_numbers, probe_many, probe_number, probe_two
from nigra.latent.settings import LatentSettings
from nigra.latent.spectrum import spectrum_numbers
from nigra.latent.tightness import tightness_numbers

FEWEST = 5
"""Test controls that the numbers of geometry, place and identity need to be theirs alone."""

MM = ["x_mm", "y_mm", "z_mm"]

Told = Callable[[float, str], None]


@dataclass(frozen=True)
class People:
    """Who is in the code table, one row per subject."""

    rows: pd.DataFrame

    @classmethod
    def of(cls, table: pd.DataFrame) -> "People":
        """From the code table: its columns that belong to subjects."""
        known = [name for name in ("participant_id", "group", "set", "age", "sex", "site") if name in table]
        return cls(table[known].drop_duplicates("participant_id").reset_index(drop=True))

    def names(self, group: str | None = None, set_: str | None = None) -> list[str]:
        """Ids of a group, of a set, or of both."""
        kept = np.ones(len(self.rows), dtype=bool)
        for column, wanted in (("group", group), ("set", set_)):
            kept &= True if wanted is None else (self.rows[column] == wanted).to_numpy()
        return self.rows.loc[kept, "participant_id"].astype(str).tolist()

    def values(self, column: str, names: list[str]) -> pd.Series:
        """What is known of some subjects, in their order."""
        return self.rows.set_index("participant_id")[column].reindex(names)


def latent_numbers(
    codes: CodeTable, centred: Float[ndarray, "n d"], reach_mm: Float[ndarray, " 3"], settings: LatentSettings,
    tick: Told,
) -> list[Measured]:  # fmt: skip
    """Every number that one code table answers.

    Args:
        codes: the table with its codes.
        centred: the codes beyond place, in the same order.
        reach_mm: extent of a unit along each axis.
        settings: how it is measured.
        tick: told the fraction done.
    """
    people, resampling = People.of(codes.table), settings.resampling
    names, note = held_out(people)
    block, where = codes.block(names)
    flat, owner = block.reshape(-1, block.shape[2]), np.repeat(np.arange(len(names)), block.shape[1])
    mm, regions = where[MM].to_numpy(dtype=float), where["region"].astype(str).to_numpy()
    everywhere = np.tile(mm, (len(names), 1)), np.tile(regions, len(names))
    steps: list[tuple[str, Callable[[], list[Measured]]]] = [
        ("spectrum", lambda: spectrum_numbers(block, resampling)),
        ("dimension", lambda: dimension_numbers(block, resampling)),
        ("alignment", lambda: alignment_numbers(block, resampling)),
        ("place", lambda: place_numbers(flat, owner, *everywhere, settings.probes)),
        ("neighbours", lambda: neighbour_numbers(flat, owner, *everywhere, resampling)),
        ("tightness", lambda: tightness_numbers(block, resampling)),
        ("tightness", lambda: _seen_tightness(codes, people, settings)),
        ("identity", lambda: identity_numbers(block, mm, reach_mm, resampling)),
        ("sex, age and site", lambda: person_numbers(codes, centred, people, people.names(CONTROL), settings)),
        ("group", lambda: group_numbers(codes, centred, people, settings)),
    ]
    found: list[Measured] = []
    for number, (text, step) in enumerate(steps):
        tick(number / len(steps), text)
        found += step()
    return [_noted(row, note) if row.measure not in _OF_ALL and note else row for row in found]


_OF_ALL = frozenset(
    f"{name}, {how}" for name in ("sex AUC", "age R2", "site balanced accuracy", "group AUC")
    for how in ("subject", "code", "code beyond place")
)  # fmt: skip


def person_numbers(
    codes: CodeTable, centred: Float[ndarray, "n d"], people: People, names: list[str], settings: LatentSettings
) -> list[Measured]:
    """Sex, age and site of some subjects, by mean codes and by single ones; unknown ones are left out."""
    found = []
    for column, name in (("sex", "sex AUC"), ("age", "age R2"), ("site", "site balanced accuracy")):
        if column not in people.rows:
            continue
        values = people.values(column, names)
        known = values[values.notna()]
        if known.astype(str).nunique() < 2:
            continue
        found += _three_ways(name, codes, centred, known, settings)
    return found


def group_numbers(
    codes: CodeTable, centred: Float[ndarray, "n d"], people: People, settings: LatentSettings
) -> list[Measured]:
    """Patients against test controls, from a subject's mean code and from single codes; none without patients."""
    names = people.names(set_="test")
    groups = people.values("group", names)
    return _three_ways("group AUC", codes, centred, groups, settings) if (groups == PATIENT).any() else []


def _three_ways(
    name: str, codes: CodeTable, centred: Float[ndarray, "n d"], values: pd.Series, settings: LatentSettings
) -> list[Measured]:
    """By the mean code over the same places in all (so place is no help), one code, one code beyond place."""
    block, _ = codes.block(values.index.tolist())
    beyond, _ = CodeTable(codes.table, centred).block(values.index.tolist())
    person, one = settings.probes, ProbeSettings(settings.folds, 1, settings.probe_codes, settings.resampling)
    places = max(2, settings.probe_codes // len(values))
    some = np.sort(np.random.default_rng(settings.seed).permutation(block.shape[1])[:places])
    found = [_probe(f"{name}, subject", block.mean(axis=1)[:, None], values, person)]
    found.append(_probe(f"{name}, code", block[:, some], values, one))
    return [*found, _probe(f"{name}, code beyond place", beyond[:, some], values, one)]


def _probe(
    measure: str, codes: Float[ndarray, "n_subjects places d"], values: pd.Series, settings: ProbeSettings
) -> Measured:
    """The probe that fits: R2 of numbers, AUC of two levels, balanced accuracy of more."""
    subjects, places, d = codes.shape
    flat, owner = codes.reshape(-1, d), np.repeat(np.arange(subjects), places)
    if measure.startswith("age"):
        return probe_number(measure, flat, owner, values.to_numpy(dtype=float)[owner][:, None], settings)
    levels, number = np.unique(values.astype(str), return_inverse=True)
    if "AUC" in measure:
        positive = number == (list(levels).index(PATIENT) if PATIENT in levels else len(levels) - 1)
        return probe_two(measure, flat, owner, positive, settings)
    return probe_many(measure, flat, owner, number[owner], settings, per_subject=True)


def held_out(people: People) -> tuple[list[str], str]:
    """Whose codes geometry, place, tightness, identity are measured on, and a note where these are not controls."""
    controls, tested = people.names(CONTROL, "test"), people.names(set_="test")
    if len(controls) >= min(FEWEST, len(tested)):
        return controls, ""
    return tested, f"of all {len(tested)} test subjects, as only {len(controls)} are controls"


def _seen_tightness(codes: CodeTable, people: People, settings: LatentSettings) -> list[Measured]:
    seen = people.names(CONTROL, "train")
    return (
        tightness_numbers(codes.block(seen)[0], settings.resampling, "training controls") if len(seen) > 1 else []
    )


def _noted(row: Measured, note: str) -> Measured:
    told = "; ".join(text for text in (row.note, note) if text)
    return Measured(row.measure, row.estimate, row.low, row.high, row.null, told)
