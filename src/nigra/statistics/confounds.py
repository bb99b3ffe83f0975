"""Confounds: does the score follow something else than disease, and would that alone tell the groups apart?"""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from numpy import ndarray

from nigra.cohort.store import PATIENT
from nigra.statistics.association import Association, eta2, spearman
from nigra.statistics.covariates import NUMERIC, dummies, kind_of, levels_of, subject_scores, unusable
from nigra.statistics.delong import Pairs, wins
from nigra.statistics.draws import read_draws
from nigra.statistics.multiplicity import benjamini_hochberg
from nigra.statistics.separation import Separation, separation, together

COLUMNS = (
    "region", "column", "question", "subjects", "n",
    "measure", "estimate", "low", "high", "chance", "p", "q", "note",
)  # fmt: skip
"""Columns of ``confounds.tsv``, in order."""

FOLLOWS, SCORE = "score follows", "score separates"
SEPARATES, EXCEEDS = "confound separates", "score exceeds confound"
"""The questions: does the score follow the column; do score and column tell the groups apart; which does better?"""

CONTROLS, ALL = "controls", "all, group held fixed"
TOGETHER = "all together"
ALARM = "separates the groups as well as the score"


def confounds(regions: pd.DataFrame, covariates: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Every covariate against the score of every region, of one method: a long table, columns ``COLUMNS``.

    ``regions`` is a region table (its test rows count, a subject's draws averaged; AUCs are those of one score per
    subject of the evaluation), ``covariates`` comes from ``nigra.statistics.covariates``. Four questions:

    score follows           Spearman's rho (numeric) or eta2 of ranks (category) of score and column, within
                            controls, and in all with the group held fixed. ``q``: Benjamini-Hochberg over all rows
                            with the same ``subjects``
    score separates         AUC of the score, patients against controls (DeLong's interval)
    confound separates      AUC of the column alone, and of all columns together, for patients against controls
                            (DeLong's interval; a category and "all together" by prediction of pairs left out)
    score exceeds confound  AUC of the score minus that of the column (on its better side), same subjects, interval
                            by DeLong with the covariance of both

    The rule for a warning: the column's own p is below .05 (for a number or two levels: its interval lies off .5;
    for a category of more: by permuted groups), *and* the interval of the difference reaches 0 or below. Then
    ``note`` says that the column "separates the groups as well as the score". Nothing is corrected for the number
    of columns here: an alarm should be easy to raise. A column without an alarm is not cleared: with few subjects
    the note says when neither chance nor equality can be excluded.
    """
    draws = read_draws(regions)
    scores, group = subject_scores(draws)
    table, patient = covariates.reindex(group.index), (group == PATIENT).to_numpy(dtype=bool)
    rows: list[dict[str, object]] = []
    tested = draws.tested.any(axis=0)
    pairs = {
        name: wins(own[:, tested], patient) for name, own in zip(draws.regions, draws.scores_tested, strict=True)
    }
    rows += [_alone(Separation(own, False)) | {"region": name, "question": SCORE} for name, own in pairs.items()]
    for name in map(str, table):
        rows += _follows(name, table[name], scores, patient)
    usable = [name for name in map(str, table) if not _silent(table[name], patient)]
    for name in usable:
        rows += _separates(name, separation(table[name], patient), pairs)
    if len(usable) > 1:
        rows += _separates(TOGETHER, together(table[usable], patient, seed), pairs)
    found = pd.DataFrame(rows, columns=list(COLUMNS))
    found["note"] = found["note"].fillna("")
    follows = found["question"] == FOLLOWS
    for _, tests in found[follows].groupby("subjects"):
        found.loc[tests.index, "q"] = benjamini_hochberg(tests["p"].to_numpy(dtype=float))
    return found


def warnings(table: pd.DataFrame) -> list[str]:
    """The alarms of a table of ``confounds`` as sentences, one per column, with the regions they concern."""
    alone = {row["column"]: row for _, row in table[table["question"] == SEPARATES].iterrows()}
    alarms = table[(table["question"] == EXCEEDS) & table["note"].str.startswith(ALARM)]
    sentences = []
    for column, rows in alarms.groupby("column", sort=False):
        first, own = rows.iloc[0], alone[column]
        others = f" and {len(rows) - 1} more regions" if len(rows) > 1 else ""
        who = "all covariates together tell" if column == TOGETHER else f"{_called(str(column))} alone tells"
        sentences.append(
            f"{who} the groups apart ({_auc(own)}) as well as the score of {first['region']}{others} does "
            f"(difference {_interval(first)}): the score's separation need not be the disease."
        )
    return sentences


QUALITY = {
    "dice": "overlap with the template (dice)", "correlation": "similarity to the template (correlation)",
    "volume_ml": "brain volume (volume_ml)",
}  # fmt: skip
"""What columns of ``quality.tsv`` are, for readers who do not know the table."""


def _called(column: str) -> str:
    return QUALITY.get(column, column)


def _auc(row: pd.Series) -> str:
    """An AUC to read: one below .5 the other way round.

    >>> _auc(pd.Series({"estimate": 0.25, "low": 0.0625, "high": 0.5}))
    'AUC of its better side 0.75 [0.50, 0.94]'
    """
    if row["estimate"] >= 0.5:
        return f"AUC {_interval(row)}"
    turned = {"estimate": 1 - row["estimate"], "low": 1 - row["high"], "high": 1 - row["low"]}
    return f"AUC of its better side {_interval(pd.Series(turned))}"


def _interval(row: pd.Series) -> str:
    if np.isnan(row["low"]):
        return f"{row['estimate']:.2f} (no interval)"
    return f"{row['estimate']:.2f} [{row['low']:.2f}, {row['high']:.2f}]"


def _silent(values: pd.Series, patient: Bool[ndarray, " n_subjects"]) -> bool:
    known = values.notna().to_numpy()
    return bool(unusable(values) or known[patient].sum() < 2 or known[~patient].sum() < 2)


def _follows(name: str, values: pd.Series, scores: pd.DataFrame, patient: ndarray) -> Iterator[dict[str, object]]:
    """Association of one column with every region's score, in controls and in all."""
    group = patient.astype(float)[:, None]
    for subjects, who, fixed in ((CONTROLS, ~patient, None), (ALL, np.ones_like(patient), group)):
        own = values[who]
        words = unusable(own) or _missing(own)
        numbers = own.to_numpy(dtype=float) if kind_of(own) == NUMERIC else dummies(own, levels_of(own))
        for region in scores:
            if unusable(own):
                found = Association("", int(own.notna().sum()), *[np.nan] * 5)
            else:
                measure = spearman if kind_of(own) == NUMERIC else eta2
                found = measure(scores[region].to_numpy(dtype=float)[who], numbers, fixed)
            yield {
                "region": region,
                "column": name,
                "question": FOLLOWS,
                "subjects": subjects,
                "note": words,
            } | vars(found)


def _missing(values: pd.Series) -> str:
    missing = int(values.isna().sum())
    return f"{missing} of {len(values)} subjects without a value" if missing else ""


def _separates(name: str, own: Separation, scores: dict[str, Pairs]) -> Iterator[dict[str, object]]:
    """The column's own AUC once, then the difference to every region's score."""
    yield _alone(own) | {"region": "", "column": name, "question": SEPARATES}
    auc, own_p, _ = own.alone()
    off_chance = bool(own_p < 0.05 and (own.folded or auc[0] > 0.5))
    for region, pairs in scores.items():
        (_, method, difference), (*_, p), n = own.compare(pairs)
        yield {
            "region": region, "column": name, "question": EXCEEDS, "subjects": "all", "n": n,
            "measure": "auc difference", "chance": 0.0, "p": p,
            "note": verdict(off_chance, method, difference),
        } | _triple(difference)  # fmt: skip


def _alone(own: Separation) -> dict[str, object]:
    """AUC of a column or score by itself, on all subjects that have it."""
    auc, p, n = own.alone()
    return {"column": "", "subjects": "all", "n": n, "measure": "auc", "chance": 0.5, "p": p} | _triple(auc)


def _triple(values: ndarray) -> dict[str, float]:
    return dict(zip(("estimate", "low", "high"), map(float, values), strict=True))


def verdict(off_chance: bool, method: Float[ndarray, "3"], difference: Float[ndarray, "3"]) -> str:
    """The rule in words; ``method`` and ``difference``: estimate, low, high of the score's AUC and of its lead."""
    if np.isnan(difference).any():
        return "too few subjects with both to compare"
    if off_chance:
        words = "separates the groups, less well than the score" if difference[1] > 0 else ALARM
    elif difference[1] > 0:
        words = "does not separate the groups"
    else:
        words = "too few subjects to tell it from chance, or from the score"
    if min(method[:2]) <= 0.5:
        words += "; the score itself is not above chance"
    return words
