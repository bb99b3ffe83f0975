"""Code tables: codes drawn by a declared design, each with its place in the brain and its subject.

A latent folder holds ``codes.parquet`` (a row per code) and ``codes.npy`` (n, d) in the same order: by subject,
then by place. Codes of the design ``places`` are there for the same places in every subject; numbers are measured
on them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from numpy import ndarray

from nigra.errors import NigraError
from nigra.files import atomic, write_array
from nigra.latent.settings import SampleSettings
from nigra.shapes import Affine, Codes

PLACES, SUBJECT, REGION, AROUND = "places", "subject", "region", "around"
"""Designs: the same places in all subjects; anywhere in each subject; in each region; around a chosen place."""

Columns = tuple[str, ...]
WHERE: Columns = ("x", "y", "z", "x_mm", "y_mm", "z_mm", "region", "tissue")


@dataclass(frozen=True)
class Locations:
    """Where a model has codes: voxels, or slices, of which one coordinate is known and the others are NaN.

    ``voxel`` and ``mm`` are (n, 3); ``region`` and ``tissue`` are names, empty where there is none.
    """

    voxel: Float[ndarray, "n_locations 3"]
    mm: Float[ndarray, "n_locations 3"]
    region: ndarray
    tissue: ndarray

    @classmethod
    def of(
        cls, voxel: Float[ndarray, "n_locations 3"], affine: Affine, region: ndarray | None = None,
        tissue: ndarray | None = None,
    ) -> "Locations":  # fmt: skip
        """Coordinates by the affine; NaN along an unknown axis, or one that needs it (an oblique affine)."""
        known = ~np.isnan(voxel)
        filled = np.where(known, voxel, 0) @ affine[:3, :3].T + affine[:3, 3]
        needed = (np.abs(affine[:3, :3]) > 1e-6).astype(int)
        mm = np.where((~known).astype(int) @ needed.T > 0, np.nan, filled)
        nameless = np.full(len(voxel), "", dtype=object)
        return cls(voxel, mm, nameless if region is None else region, nameless if tissue is None else tissue)

    def __len__(self) -> int:
        return len(self.voxel)


@dataclass(frozen=True)
class Drawn:
    """Which codes are kept: subject and location numbers, sorted, and the design that drew each first."""

    subject: Int[ndarray, " n"]
    location: Int[ndarray, " n"]
    design: ndarray

    def __len__(self) -> int:
        return len(self.subject)

    def of(self, subject: int) -> slice:
        """The rows of a subject."""
        return slice(*np.searchsorted(self.subject, [subject, subject + 1]))


@dataclass(frozen=True)
class CodeTable:
    """Codes with what is known of each."""

    table: pd.DataFrame
    codes: Float[ndarray, "n d"]

    def block(self, people: Sequence[str]) -> tuple[Codes, pd.DataFrame]:
        """Codes (people, places, d) of the same places in all, and the rows of the first for where these are."""
        rows = np.flatnonzero((self.table["design"] == PLACES).to_numpy())
        owner = self.table["participant_id"].to_numpy()[rows]
        groups = [rows[owner == name] for name in people]
        if not groups or len({len(group) for group in groups}) != 1:
            raise NigraError("the code table lacks places of some subjects; write it again.")
        return self.codes[np.stack(groups)], self.table.iloc[groups[0]].reset_index(drop=True)


def draw_codes(locations: Locations, n_subjects: int, settings: SampleSettings, seed: int) -> Drawn:
    """Draw the codes of a table by its designs, every code once.

    Raises:
        NigraError: fewer than two locations, or a ball without any.
    """
    if len(locations) < 2:
        raise NigraError(f"the mask has {len(locations)} places with a code; a code table needs 2.")
    rng, total = np.random.default_rng(seed), len(locations)
    everybody = np.arange(n_subjects)[:, None] * total
    places = even_places(locations.region, settings.places, rng)
    parts = [(PLACES, (everybody + places).ravel())]
    for ball in settings.around:
        near = _near(locations, ball.centre, ball.radius)
        parts.append((AROUND, (everybody + near).ravel()))
    if settings.per_subject:
        some = [rng.choice(total, min(settings.per_subject, total), replace=False) for _ in range(n_subjects)]
        parts.append((SUBJECT, (everybody + np.stack(some)).ravel()))
    if settings.per_region:
        for name in sorted(set(locations.region) - {""}):
            parts.append((REGION, _in_region(locations.region == name, n_subjects, settings.per_region, rng)))
    numbers = np.concatenate([numbers for _, numbers in parts])
    designs = np.repeat(np.arange(len(parts)), [len(numbers) for _, numbers in parts])
    kept, first = np.unique(numbers, return_index=True)  # of equal ones the first design
    names = np.array([name for name, _ in parts], dtype=object)
    return Drawn(kept // total, kept % total, names[designs[first]])


def even_places(region: ndarray, count: int, rng: np.random.Generator) -> Int[ndarray, " chosen"]:
    """``count`` distinct locations, evenly over the regions (no region is one too) as far as these go."""
    order = rng.permutation(len(region))
    _, number = np.unique(region[order].astype(str), return_inverse=True)
    # a location's turn is how many of its region come before it; those of the first turns are taken
    turn = pd.Series(number).groupby(number).cumcount().to_numpy()
    return np.sort(order[np.argsort(turn, kind="stable")[:count]])


def code_rows(locations: Locations, drawn: Drawn, people: pd.DataFrame) -> pd.DataFrame:
    """The code table without scores: what ``people`` (a row per subject) says of each, then place and design.

    Text is kept as categories, so that a million rows stay small.
    """
    own = people.iloc[drawn.subject].reset_index(drop=True)
    numbers = pd.api.types.is_numeric_dtype
    found: dict[str, Any] = {
        str(name): own[name] if numbers(own[name]) else own[name].astype("category") for name in people
    }
    for axis, name in enumerate("xyz"):
        values = locations.voxel[drawn.location, axis]
        found[name] = values.astype(np.float32 if np.isnan(values).any() else np.int32)
        found[f"{name}_mm"] = locations.mm[drawn.location, axis].astype(np.float32)
    for name, values in (("region", locations.region), ("tissue", locations.tissue)):
        found[name] = pd.Categorical(values[drawn.location])
    found["design"] = pd.Categorical(drawn.design)
    return pd.DataFrame(found)[[*people, *WHERE, "design"]]


def write_codes(folder: Path, table: pd.DataFrame, codes: Float[ndarray, "n d"]) -> None:
    """Write ``codes.npy`` and ``codes.parquet``, each atomically."""
    write_array(folder / "codes.npy", np.ascontiguousarray(codes, np.float32))
    with atomic(folder / "codes.parquet") as temporary:
        table.to_parquet(temporary, engine="pyarrow", index=False)


def read_codes(folder: Path) -> CodeTable:
    """Read a latent folder's codes, those of ``codes.npy`` memory-mapped.

    Raises:
        NigraError: one of the files is missing, or they have different lengths.
    """
    try:
        table = pd.read_parquet(folder / "codes.parquet", engine="pyarrow")
        codes = np.load(folder / "codes.npy", mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise NigraError(f"{folder} has no readable code table ({error}); run `nigra latent` first.") from error
    if len(table) != len(codes):
        raise NigraError(f"{folder} has {len(table)} rows and {len(codes)} codes; run `nigra latent --overwrite`.")
    return CodeTable(table, codes)


def _near(locations: Locations, centre: Sequence[float], radius: float) -> Int[ndarray, " near"]:
    """Locations within a ball; a slice is as near as the coordinate it has."""
    far = np.sqrt(np.nansum((locations.mm - np.asarray(centre)) ** 2, axis=1))
    near = np.flatnonzero(far <= radius)
    if not len(near):
        at = ", ".join(f"{value:g}" for value in centre)
        raise NigraError(f"around ({at}) mm no code lies within {radius:g} mm; choose a place inside the mask.")
    return near


def _in_region(inside: ndarray, n_subjects: int, count: int, rng: np.random.Generator) -> Int[ndarray, " drawn"]:
    """Numbers (subject x locations + location) of ``count`` distinct codes of a region, over all subjects."""
    where, total = np.flatnonzero(inside), len(inside)
    available = n_subjects * len(where)
    chosen = rng.choice(available, min(count, available), replace=False)
    return chosen // len(where) * total + where[chosen % len(where)]
