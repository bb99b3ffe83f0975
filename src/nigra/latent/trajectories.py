"""One place across subjects: how far its points spread in a picture, and the way they go with age.

If an embedding, or a latent space, knows the place, a location's points of different subjects lie together: their
spread is small beside that of strangers. The way of their mean along a covariate says whether the place drifts.
"""

import numpy as np
import pandas as pd
from jaxtyping import Float
from numpy import ndarray

from nigra.errors import NigraError
from nigra.latent.subjects import PLACE


def spreads(points: Float[ndarray, "n dimensions"], table: pd.DataFrame) -> pd.DataFrame:
    """The spread of every location's points over subjects: x, y, z, subjects, spread, relative.

    ``spread`` is the root mean square distance to the location's mean, with n - 1 in the denominator so that few
    subjects do not look tight; ``relative`` divides it by the same of all points together: 1 is what places drawn
    at random have, 0 a place that is one point.

    Args:
        points: a picture, or the codes themselves.
        table: x, y, z of the same rows; locations with one code have no spread and are left out.
    """
    where = _places(table)
    counts = np.bincount(where)
    away = points.astype(np.float64) - _means(points, where)[where]
    squares = np.bincount(where, (away**2).sum(axis=1))
    several = counts > 1
    if not several.any():
        raise NigraError("no location has codes of two subjects; sample codes per location for all subjects.")
    everything = points.astype(np.float64).var(axis=0, ddof=1).sum()
    found = table[PLACE].groupby(where).first()[several].reset_index(drop=True)
    spread = np.sqrt(squares[several] / (counts[several] - 1))
    return found.assign(subjects=counts[several], spread=spread, relative=spread / np.sqrt(everything))


def paths(
    points: Float[ndarray, "n dimensions"], table: pd.DataFrame, along: str = "age", steps: int = 3
) -> pd.DataFrame:
    """The way of each location's mean point from the lowest to the highest share of a covariate.

    Columns x, y, z, step (0 ... steps - 1), subjects, ``along`` (the step's mean value) and p0, p1 ... (the mean
    point). Steps hold equal numbers of subjects, the same ones at every location; subjects without a value are left
    out.

    Raises NigraError: fewer different values than steps.
    """
    known = table[along].notna().to_numpy()
    people = table[known].groupby("participant_id")[along].first()
    if people.nunique() < steps:
        raise NigraError(f"{along} has {people.nunique()} values, too few for {steps} steps; ask for fewer.")
    step = pd.qcut(people.rank(method="first"), steps, labels=False)
    rows = table.loc[known, [*PLACE, "participant_id", along]].reset_index(drop=True)
    rows["step"] = rows["participant_id"].map(step)
    axes = [f"p{axis}" for axis in range(points.shape[1])]
    rows = pd.concat([rows, pd.DataFrame(points[known], columns=axes)], axis=1)  # wide codes are many columns
    found = rows.groupby([*PLACE, "step"], dropna=False)
    means = found[[along, *axes]].mean()
    means.insert(0, "subjects", found["participant_id"].nunique())
    return means.reset_index()


def lengths(way: pd.DataFrame) -> pd.DataFrame:
    """How long each location's way of ``paths`` is and how far its ends lie apart: x, y, z, length, apart.

    ``apart`` / ``length`` near 1 is a straight drift; near 0 wandering, which is what noise does.
    """
    axes = [name for name in way.columns if name.startswith("p") and name[1:].isdigit()]
    rows = []
    for place, steps in way.sort_values("step").groupby(PLACE, dropna=False):
        along = steps[axes].to_numpy()
        moved = np.linalg.norm(np.diff(along, axis=0), axis=1).sum()
        rows.append((*place, float(moved), float(np.linalg.norm(along[-1] - along[0]))))
    return pd.DataFrame(rows, columns=[*PLACE, "length", "apart"])


def _places(table: pd.DataFrame) -> ndarray:
    return table.groupby(PLACE, sort=True, dropna=False).ngroup().to_numpy()


def _means(points: Float[ndarray, "n dimensions"], where: ndarray) -> Float[ndarray, "places dimensions"]:
    sums = [np.bincount(where, column.astype(np.float64)) for column in points.T]
    return np.stack(sums, axis=1) / np.bincount(where)[:, None]
