"""Nearest neighbours of a code among other people's: do similar codes come from the same part of the brain?"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from numpy import ndarray
from sklearn.neighbors import NearestNeighbors

from nigra.errors import NigraError
from nigra.latent.measured import Measured, Resampling, measured, of_subjects

COLUMNS = ("anchor", "rank", "participant_id", "group", "region", "x_mm", "y_mm", "z_mm", "distance", "apart_mm")
"""Columns of ``neighbours.tsv``, in order; rank 0 is the anchor itself."""


def nearest_elsewhere(
    codes: Float[ndarray, "n d"], owner: Int[ndarray, " n"], anchors: Int[ndarray, " k"], count: int
) -> tuple[Int[ndarray, "k count"], Float[ndarray, "k count"]]:
    """Rows of the codes nearest to each anchor among those of other subjects, and their distances, rising.

    Raises:
        NigraError: fewer than ``count`` codes of other subjects.
    """
    rows, distances = np.empty((len(anchors), count), dtype=np.int64), np.empty((len(anchors), count))
    for subject in np.unique(owner[anchors]):
        others, own = np.flatnonzero(owner != subject), np.flatnonzero(owner[anchors] == subject)
        if len(others) < count:
            raise NigraError(
                f"{count} neighbours are wanted, but other subjects have {len(others)} codes; draw more."
            )
        found = NearestNeighbors(n_neighbors=count).fit(codes[others])
        distances[own], chosen = found.kneighbors(codes[anchors[own]])
        rows[own] = others[chosen]
    return rows, distances


def neighbour_table(
    table: pd.DataFrame, codes: Float[ndarray, "n d"], anchors: Sequence[int], count: int
) -> pd.DataFrame:
    """The neighbours of some rows of a code table in other subjects, with how far they lie apart in the brain.

    Args:
        table: columns participant_id, group, region, x_mm, y_mm, z_mm.
        codes: in the order of the table.
        anchors: rows of the table.
        count: neighbours of each.
    """
    chosen = np.asarray(anchors, dtype=np.int64)
    owner = np.unique(table["participant_id"].astype(str), return_inverse=True)[1].astype(np.int64)
    rows, distances = nearest_elsewhere(codes, owner, chosen, count)
    place = table[["x_mm", "y_mm", "z_mm"]].to_numpy(dtype=float)
    told = table[["participant_id", "group", "region", "x_mm", "y_mm", "z_mm"]]
    parts = []
    for number, (anchor, own, far) in enumerate(zip(chosen, rows, distances, strict=True)):
        all_ = np.r_[anchor, own]
        part = told.take(all_).reset_index(drop=True)
        part["anchor"], part["rank"] = number, np.arange(len(all_))
        part["distance"], part["apart_mm"] = np.r_[0.0, far], apart(place[all_], place[anchor])
        parts.append(part)
    return pd.concat(parts, ignore_index=True)[list(COLUMNS)] if parts else pd.DataFrame(columns=list(COLUMNS))


def apart(places: Float[ndarray, "n 3"], place: Float[ndarray, "*n 3"]) -> Float[ndarray, " n"]:
    """Distance in mm along the axes that are known (a slice has no x and no y)."""
    return np.sqrt(np.nansum((places - place) ** 2, axis=1))


def neighbour_numbers(
    codes: Float[ndarray, "n d"], owner: Int[ndarray, " n"], mm: Float[ndarray, "n 3"], regions: ndarray,
    resampling: Resampling, most: int = 2000,
) -> list[Measured]:  # fmt: skip
    """How far in the brain (mm, mean) the nearest code of another person lies, and how often in the same region.

    Nulls: a random code of another person.

    Args:
        codes: finite.
        owner: subject of each code, 0 to n_subjects - 1.
        mm: places; NaN axes are left out.
        regions: name of each code's region, empty for none; such codes are not asked for their region.
        resampling: how intervals are drawn.
        most: codes that are asked, drawn by the seed.
    """
    subjects = int(owner.max()) + 1
    if subjects < 2:
        return [Measured(name, np.nan, note="one subject") for name in ("neighbour mm", "neighbour in same region")]
    rng = np.random.default_rng(resampling.seed)
    asked = np.sort(rng.permutation(len(codes))[:most])
    nearest = nearest_elsewhere(codes, owner, asked, 1)[0][:, 0]
    chance = np.array([rng.choice(np.flatnonzero(owner != subject)) for subject in owner[asked]])
    inside = (regions[asked] != "").astype(float)

    def found(rows: ndarray) -> tuple[ndarray, ndarray]:
        far = apart(mm[rows], mm[asked])
        same = inside * (regions[rows] == regions[asked])
        return _sums(far, owner[asked], subjects), _sums(same, owner[asked], subjects)

    counts, labelled = _sums(np.ones(len(asked)), owner[asked], subjects), _sums(inside, owner[asked], subjects)
    (far, same), (far_null, same_null) = found(nearest), found(chance)
    everybody = np.ones((subjects, 1))
    nulls = [float(of_subjects(a, b)(everybody)[0]) for a, b in ((far_null, counts), (same_null, labelled))]
    note = "null: a random code of another person"
    return [
        measured("neighbour mm", of_subjects(far, counts), subjects, resampling, nulls[0], note),
        measured("neighbour in same region", of_subjects(same, labelled), subjects, resampling, nulls[1], note),
    ]


def _sums(values: Float[ndarray, " n"], owner: Int[ndarray, " n"], subjects: int) -> Float[ndarray, " n_subjects"]:
    return np.bincount(owner, values, subjects)
