"""Covariates: what is known of the subjects besides their scans, as numbers or categories, never guessed.

A table of covariates has one row per subject, indexed by ``participant_id``. Its numeric columns hold floats (NaN
where unknown), its categorical ones text (None where unknown). Scores of a region table are brought to the same
shape: one row per subject, one column per region.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float
from numpy import ndarray

from nigra.cohort.participants import told
from nigra.cohort.store import CONTROL, PATIENT
from nigra.errors import NigraError
from nigra.statistics.draws import Draws
from nigra.statistics.permutation import complete

NUMERIC, CATEGORICAL = "numeric", "categorical"

ALWAYS_CATEGORICAL = ("sex", "site")
"""Columns whose numbers, if they are numbers, are names."""

NOT_COVARIATES = (
    "participant_id", "session_id", "group", "mask", "space", "seconds", "status", "reason", "note", "source",
)  # fmt: skip
"""Columns of ``participants.tsv`` and ``quality.tsv`` that say nothing of a person or a scan."""


def read_covariates(participants: pd.DataFrame, quality: pd.DataFrame | None = None) -> pd.DataFrame:
    """Covariates from the participants table, and from the quality table where there is one.

    A column is numeric when all its known cells are numbers (``sex`` and ``site`` never are); columns of file
    names are left out. Raises NigraError for a table without ``participant_id`` or with a subject twice.
    """
    tables = [_indexed(participants, "participants.tsv")]
    if quality is not None:
        own = _indexed(quality, "quality.tsv")
        tables.append(own[[name for name in own if name not in tables[0]]].reindex(tables[0].index))
    table = pd.concat(tables, axis=1)
    columns = {str(name): _typed(str(name), table[name]) for name in table if name not in NOT_COVARIATES}
    paths = [name for name, values in columns.items() if _is_path(values)]
    return pd.DataFrame(columns, index=table.index).drop(columns=paths)


def kind_of(values: pd.Series) -> str:
    """``numeric`` or ``categorical``, by the type the column was read as."""
    return NUMERIC if pd.api.types.is_numeric_dtype(values) else CATEGORICAL


def unusable(values: pd.Series) -> str:
    """Why a column can tell nothing about these subjects, in words; empty when it can."""
    known = values.dropna()
    if known.empty:
        return "no subject has a value"
    different = len(known.unique())
    if different == 1:
        return "all subjects have the same value"
    if kind_of(values) == CATEGORICAL and different > len(known) / 2:
        return f"{different} different values in {len(known)} subjects: nothing to compare"
    return ""


def subject_scores(draws: Draws) -> tuple[pd.DataFrame, pd.Series]:
    """One score per test subject and region, averaged over the draws that tested it; and the subjects' groups.

    A subject tested in ten draws stays one subject; what a draw adds to everybody's score is taken off first
    (``nigra.statistics.permutation.complete``). Returns scores (subjects x regions) and group by participant_id.
    """
    tested = draws.tested.any(axis=0)
    names = pd.Index([draws.subjects[k] for k in np.flatnonzero(tested)], name="participant_id")
    scores = np.stack([complete(of_region)[1] for of_region in draws.scores_tested])[:, tested]
    group = pd.Series(np.where(draws.patient[tested], PATIENT, CONTROL), names, name="group", dtype=object)
    return pd.DataFrame(scores.T, names, draws.regions), group


def dummies(values: pd.Series, levels: Sequence[str]) -> np.ndarray:
    """Indicators (subjects, levels - 1) of all but the first level; NaN rows where the value is unknown."""
    columns = [(values == level).to_numpy(dtype=float) for level in levels[1:]]
    shape = (len(values), len(levels) - 1)
    return np.where(values.isna().to_numpy()[:, None], np.nan, np.reshape(columns, shape[::-1]).T)


def levels_of(values: pd.Series) -> list[str]:
    """The different known values of a categorical column, sorted."""
    return sorted(map(str, values.dropna().unique()))


class Design:
    """Covariates as the columns of a regression, with the categories known when it was made.

    ``levels`` of each categorical column, the first of them the reference; ``range`` of each numeric one.
    """

    def __init__(self, covariates: pd.DataFrame, columns: Sequence[str]) -> None:
        missing = [name for name in columns if name not in covariates]
        if missing:
            found = ", ".join(map(str, covariates.columns)) or "none"
            raise NigraError(f"adjustment for {missing[0]}: it is a covariate, but found {found}; choose of these.")
        own = covariates[list(columns)]
        self.columns = tuple(columns)
        self.levels = {name: levels_of(own[name]) for name in columns if kind_of(own[name]) != NUMERIC}
        numeric = [name for name in columns if name not in self.levels]
        self.range = {name: (float(own[name].min()), float(own[name].max())) for name in numeric}

    def terms(self, covariates: pd.DataFrame) -> Float[ndarray, "n_subjects terms"]:
        """One column per number, one per level but the first; NaN where a covariate is unknown.

        Raises NigraError for a category that was not there when the design was made.
        """
        parts = [np.empty((len(covariates), 0))]
        for name in self.columns:
            own = covariates[name]
            if name not in self.levels:
                parts.append(own.to_numpy(dtype=float)[:, None])
                continue
            unseen = own.index[own.notna() & ~own.isin(self.levels[name])]
            if len(unseen):
                raise NigraError(
                    f"{unseen[0]}: {name} is one of the controls' ({', '.join(self.levels[name]) or 'none'}), but "
                    f"found {own[unseen[0]]}; add such controls or do not adjust for {name}."
                )
            parts.append(dummies(own, self.levels[name]))
        return np.column_stack(parts)


def _indexed(table: pd.DataFrame, name: str) -> pd.DataFrame:
    if "participant_id" not in table:
        raise NigraError(f"{name} has a column participant_id, but found {', '.join(map(str, table))}; add it.")
    twice = table["participant_id"][table["participant_id"].duplicated()]
    if len(twice):
        raise NigraError(f"{name}: a subject has one row, but found {twice.iloc[0]} twice; keep the right one.")
    return table.set_index("participant_id")


def _typed(name: str, values: pd.Series) -> pd.Series:
    """Floats where every known cell is a number, text otherwise."""
    cells = [None if pd.isna(cell) else told(str(cell).strip()) for cell in values]
    if name.lower() not in ALWAYS_CATEGORICAL:
        numbers = pd.to_numeric(pd.Series(cells, index=values.index, dtype=object), errors="coerce")
        if numbers.notna().sum() == sum(cell is not None for cell in cells) and np.isfinite(numbers.dropna()).all():
            return numbers.astype(float)
    return pd.Series(cells, index=values.index, dtype=object)


def _is_path(values: pd.Series) -> bool:
    known = values.dropna()
    return kind_of(values) == CATEGORICAL and len(known) > 0 and bool(known.str.contains(r"[/\\]|\.nii").all())
