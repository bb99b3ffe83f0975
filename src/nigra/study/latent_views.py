"""Views of latent spaces that are about brains: subject by subject, one place across subjects, space against space.

Per space ``subjects.tsv`` and ``places.tsv`` with their pictures; per run ``agreement.tsv``, what is left after
Procrustes between models, draws and seeds. All from the codes of the same places in every subject.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from jaxtyping import Float
from numpy import ndarray

from nigra.errors import NigraError
from nigra.figures.latent_views import subjects_figure, trajectories_figure
from nigra.figures.style import MODEL_COLOURS, save
from nigra.files import write_tsv
from nigra.latent.codes import PLACES, even_places, read_codes
from nigra.latent.embed import read_points
from nigra.latent.procrustes import residuals, shared_rows
from nigra.latent.subjects import PLACE, subject_view
from nigra.latent.trajectories import lengths, paths, spreads
from nigra.study.spaces import Space

ALONG = "age"
"""The covariate along which places are followed."""

CODES = "codes"
"""The latent space itself, beside the names of embeddings."""

AGREEMENT = ("space", "first", "second", "residual", "null", "codes")

DRAWN = len(MODEL_COLOURS)
"""Places with a colour in the picture."""


@dataclass(frozen=True)
class Placed:
    """Rows of the code table at the places that all subjects share, and where they lie by name of space."""

    table: pd.DataFrame
    points: dict[str, Float[ndarray, "n _"]]

    @classmethod
    def read(cls, space: Space) -> "Placed":
        """The codes, and every embedding that was made."""
        codes = read_codes(space.folder)
        rows = np.flatnonzero((codes.table["design"] == PLACES).to_numpy())
        table = codes.table.iloc[rows].reset_index(drop=True)
        table = table.assign(participant_id=table["participant_id"].astype(str), **table[PLACE].astype(float))
        points = {CODES: np.asarray(codes.codes[rows], np.float32)}
        for name in space.settings.embeddings.methods:
            if (space.folder / "embeddings" / f"{name}.safetensors").exists():
                points[name] = read_points(space.folder, name)[rows]
        return cls(table, points)


def write_views(space: Space) -> Placed:
    """Subject view and places of a space, as tables and pictures; what cannot be made leaves no old one behind."""
    for name in ("subjects", "places"):
        for path in [space.folder / f"{name}.tsv", *space.folder.glob(f"figures/{name}.*")]:
            path.unlink(missing_ok=True)
    placed = Placed.read(space)
    _write_subjects(space, placed.points[CODES], placed.table)
    _write_places(space, placed.points, placed.table)
    return placed


def agreement(spaces: Mapping[str, Placed]) -> pd.DataFrame:
    """What Procrustes leaves between every two spaces, of their codes and of each embedding both have.

    Columns ``AGREEMENT``. Two spaces without places in common (patches and slices), or one that is collapsed, have
    no row.
    """
    found = []
    for (one, first), (two, second) in combinations(spaces.items(), 2):
        try:
            rows = shared_rows(first.table, second.table)
        except NigraError:
            continue
        for name in [name for name in first.points if name in second.points]:
            pair = {one: first.points[name][rows[0]], two: second.points[name][rows[1]]}
            known = np.logical_and(*(np.isfinite(own).all(axis=1) for own in pair.values()))
            try:
                left = residuals({label: own[known] for label, own in pair.items()})
            except NigraError:
                continue
            found.append(left.assign(space=name, codes=int(known.sum())))
    return pd.concat(found)[list(AGREEMENT)] if found else pd.DataFrame(columns=list(AGREEMENT))


def _write_subjects(space: Space, codes: Float[ndarray, "n d"], table: pd.DataFrame) -> None:
    try:
        view = subject_view(codes, table)
    except NigraError:  # a collapsed space, or three subjects: nothing to lay out, and `collapsed` says so
        return
    people = table.drop_duplicates("participant_id").set_index("participant_id").loc[list(view.subjects)]
    known = [name for name in ("group", "set", "age", "sex", "site") if name in people]
    apart = view.distances + np.diag(np.full(len(view.subjects), np.inf))
    found = people[known].assign(axis_1=view.points[:, 0], axis_2=view.points[:, 1], nearest=apart.min(axis=1))
    found["nearest_subject"] = np.asarray(view.subjects, dtype=object)[apart.argmin(axis=1)]
    write_tsv(space.folder / "subjects.tsv", found.reset_index())
    who = table.drop_duplicates("participant_id")[["participant_id", "group", "set"]].astype(str)
    save(subjects_figure(view, who), space.folder / "figures" / "subjects")


def _write_places(space: Space, points: Mapping[str, Float[ndarray, "n _"]], table: pd.DataFrame) -> None:
    """How far each place's points spread in the codes and in every embedding, and the way they go with age."""
    aged = ALONG in table and table.drop_duplicates("participant_id")[ALONG].nunique() >= 3
    try:
        found = spreads(points[CODES], table)
    except NigraError:  # one subject
        return
    found = found.rename(columns={"spread": "spread_codes", "relative": "relative_codes"})
    ways: dict[str, pd.DataFrame] = {}
    for name, own in points.items():
        known = np.isfinite(own).all(axis=1)
        rows = table[known].reset_index(drop=True)
        if name != CODES:
            each = spreads(own[known], rows)[[*PLACE, "relative"]]
            found = found.merge(each.rename(columns={"relative": f"relative_{name}"}), on=PLACE, how="left")
        if aged:
            ways[name] = paths(own[known], rows, ALONG)
            way = lengths(ways[name]).rename(columns={"length": f"way_{name}", "apart": f"apart_{name}"})
            found = found.merge(way, on=PLACE, how="left")
    named = table.drop_duplicates(PLACE)[[*PLACE, "x_mm", "y_mm", "z_mm", "region"]]
    write_tsv(space.folder / "places.tsv", named.merge(found, on=PLACE))
    pictures = {name: own for name, own in points.items() if name != CODES}
    if pictures:
        spread = {name: float(found[f"relative_{name}"].median()) for name in pictures}
        drawn = _drawn(named, space.settings.seed)
        figure = trajectories_figure(pictures, table, ways, drawn, spread, ALONG)
        save(figure, space.folder / "figures" / "places")


def _drawn(places: pd.DataFrame, seed: int) -> pd.DataFrame:
    """A few places, of different regions as far as there are, and what they are called."""
    regions = places["region"].astype(object).fillna("").to_numpy()
    chosen = places.iloc[even_places(regions, DRAWN, np.random.default_rng(seed))].copy()
    mm = chosen[["x_mm", "y_mm", "z_mm"]].to_numpy(dtype=float)
    at = [" ".join(f"{value:.0f}" for value in row if np.isfinite(value)) for row in mm]
    names = chosen["region"].astype(object).fillna("")
    return chosen.assign(
        name=[f"{name} ({where})" if name else f"({where})" for name, where in zip(names, at, strict=True)]
    )
