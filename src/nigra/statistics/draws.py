"""The draws of a study as arrays: who is tested, who sets the cut-off, and everybody's score per region."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from numpy import ndarray

from nigra.cohort.store import CONTROL, PATIENT
from nigra.errors import NigraError
from nigra.provenance import refuse_fitted

TEST, HELD_OUT, TRAINING = "test", "held-out", "training"


@dataclass(frozen=True)
class Draws:
    """A region table as arrays; NaN where a subject has no score in a draw.

    Scores are the table's column ``score`` where it has one (higher = more abnormal), else ``percent``.

    ``tested`` (n_draws, n_subjects) has the subjects of set ``test``, ``reference`` the training controls that set
    the cut-off: scored by cross-fitting (``reference_set`` "held-out"), by the model that saw them ("training"),
    or nobody ("").
    """

    regions: list[str]
    folds: list[int]
    subjects: list[str]
    patient: Bool[ndarray, " n_subjects"]
    tested: Bool[ndarray, "n_draws n_subjects"]
    reference: Bool[ndarray, "n_draws n_subjects"]
    scores_tested: Float[ndarray, "n_regions n_draws n_subjects"]
    scores_reference: Float[ndarray, "n_regions n_draws n_subjects"]
    reference_set: str

    @property
    def test_to_train(self) -> float:
        """Tested over training controls, mean over the draws; NaN where the table has no training controls."""
        train = self.reference.sum(axis=1)
        test = (self.tested & ~self.patient).sum(axis=1)
        return float((test / train).mean()) if train.all() else float("nan")


def read_draws(table: pd.DataFrame) -> Draws:
    """Check a region table (columns of ``nigra.regions.COLUMNS``) and turn it into arrays.

    Raises NigraError for a missing column, another group than control and patient, a subject in two groups, a
    row given twice, a patient that would set a cut-off, a subject tested where it set the cut-off (DESIGN, law 4).
    """
    _check(table)
    present = set(table["set"])
    reference_set = next((name for name in (HELD_OUT, TRAINING) if name in present), "")
    test, reference = table[table["set"] == TEST], table[table["set"] == reference_set]
    # codes from the rows that count, so that a table may carry others
    used = pd.concat([test, reference])
    regions, folds = table["region"].unique(), np.unique(used["fold"])
    people = used[["participant_id", "group"]].drop_duplicates("participant_id")
    subjects = people["participant_id"].to_numpy()
    shape = (len(regions), len(folds), len(subjects))
    filled = []
    for rows in (test, reference):
        scores, there = np.full(shape, np.nan), np.zeros(shape[1:], dtype=bool)
        region, fold, subject = (
            pd.Index(values).get_indexer(pd.Index(rows[column]))
            for values, column in ((regions, "region"), (folds, "fold"), (subjects, "participant_id"))
        )
        scores[region, fold, subject] = rows[column_of(table)].to_numpy(dtype=float)
        there[fold, subject] = True
        filled.append((there, scores))
    (tested, scores_tested), (referred, scores_reference) = filled
    patient = (people["group"] == PATIENT).to_numpy(dtype=bool)
    return Draws(
        list(regions), folds.tolist(), list(subjects), patient,
        tested, referred, scores_tested, scores_reference, reference_set,
    )  # fmt: skip


def column_of(table: pd.DataFrame) -> str:
    """The column that is compared between groups: ``score``, or ``percent`` in a table without it."""
    return "score" if "score" in table else "percent"


def _check(table: pd.DataFrame) -> None:
    """Refuse a table whose numbers would mean something else than they say."""
    missing = {"participant_id", "group", "fold", "set", "region", column_of(table)} - set(table.columns)
    if missing:
        raise NigraError(f"the region table lacks the column {min(missing)}; write it with the stage `score`.")
    other = set(table["group"]) - {CONTROL, PATIENT}
    if other:
        raise NigraError(
            f"the region table: a group is {CONTROL} or {PATIENT}, but found {min(map(str, other))}; "
            "leave those subjects out or name their group."
        )
    if (table["set"] == TEST).sum() == 0:
        raise NigraError(
            "the region table has rows of the set test, but found none; score the test subjects first."
        )
    keys = ["participant_id", "region", "fold", "set"]
    if table.duplicated(keys).any():
        row = table[table.duplicated(keys)].iloc[0]
        raise NigraError(
            f"{row['participant_id']}: one row per subject, region, fold and set, but found "
            f"{row['region']} twice in fold {row['fold']}; keep one scan per subject."
        )
    people = table[["participant_id", "group"]].drop_duplicates()
    if people["participant_id"].duplicated().any():
        name = people.loc[people["participant_id"].duplicated(), "participant_id"].iloc[0]
        raise NigraError(f"{name}: a subject has one group, but found two; correct participants.tsv.")
    fitted = table[table["set"].isin([HELD_OUT, TRAINING])]
    if (fitted["group"] == PATIENT).any():
        name = fitted.loc[fitted["group"] == PATIENT, "participant_id"].iloc[0]
        raise NigraError(f"{name}: only controls train and set cut-offs, but found a patient; correct the split.")
    for fold, rows in table.groupby("fold"):
        sets = rows.groupby(rows["set"] == TEST)["participant_id"].unique()
        refuse_fitted(f"cut-off of fold {fold}", sets.get(False, []), sets.get(True, []))
