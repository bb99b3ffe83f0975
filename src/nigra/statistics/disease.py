"""Disease questions: does a region's score follow the stage, a clinical score, the more affected side?

One row = one subject x region: a subject's score is that of its draws, pooled (``nigra.statistics.permutation``).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
import scipy.stats
from jaxtyping import Bool, Float
from numpy import ndarray

from nigra.errors import NigraError
from nigra.statistics.association import spearman
from nigra.statistics.clinical import affected_sides, numbers, stages
from nigra.statistics.covariates import Design, read_covariates
from nigra.statistics.draws import read_draws
from nigra.statistics.lateralisation import Lateralisation, asymmetry, lateralisation, pair_regions
from nigra.statistics.multiplicity import benjamini_hochberg
from nigra.statistics.permutation import complete
from nigra.statistics.trend import trend
from nigra.training import Tick

COLUMNS = (
    "question", "variable", "region", "effect", "estimate", "low", "high", "subjects", "missing", "p", "q", "note",
)  # fmt: skip
"""Columns of ``disease.tsv``, in order."""

Row = dict[str, object]

UNEVEN = "patients average more draws than controls: skewed scores look higher for it; take the AUC for the groups"


@dataclass(frozen=True)
class Questions:
    """Columns of the participants that are asked about; for one the table lacks there is a row with a note.

    ``stage`` Hoehn and Yahr, ``clinical`` scores, ``side`` the more affected side of the *body*, ``covariates``
    what the partial correlation is given, ``controls_as_zero`` whether the trend starts with controls as stage 0:
    it then asks about patients against controls as well, and a large difference there answers it alone.
    """

    stage: str = "hoehn_yahr"
    clinical: Sequence[str] = ("motor_score",)
    side: str = "more_affected_side"
    covariates: Sequence[str] = ("age", "sex")
    controls_as_zero: bool = False


@dataclass(frozen=True)
class Subjects:
    """Tested subjects: ``scores`` pooled over the ``draws``, NaN where there is none; ``people`` their rows."""

    regions: list[str]
    patient: Bool[ndarray, " n_subjects"]
    scores: Float[ndarray, "n_regions n_subjects"]
    people: pd.DataFrame
    draws: int


def disease_questions(
    regions: pd.DataFrame, participants: pd.DataFrame, questions: Questions | None = None,
    permutations: int = 10_000, bootstraps: int = 2000, seed: int = 0, tick: Tick | None = None,
) -> pd.DataFrame:  # fmt: skip
    """One row per question x region (columns: ``COLUMNS``) for one method.

    ``regions`` is a method's region table, ``participants`` has ``participant_id`` and the columns asked about.

    trend           ``effect`` Somers' D of the score given the stage (``nigra.statistics.trend``)
    correlation     Spearman's rho of patients, plain and given the covariates' ranks
                    (``nigra.statistics.association``)
    lateralisation  index of left and right regions (``nigra.statistics.lateralisation``); where scores can be
                    negative a quotient means nothing, and ``effect`` is half the difference contra - ipsi

    estimate, low, high  the effect and its 95 % interval; p is two-sided, q Benjamini-Hochberg over the regions
    subjects, missing    who took part, and who of those asked did not for want of a score or a value

    Raises NigraError for a subject without a row, a stage outside 0-5, a value or side that cannot be read.
    """
    asked, subjects = questions or Questions(), read_subjects(regions, participants)
    parts: list[Callable[[], Iterator[Row]]] = [
        partial(_trends, subjects, asked, permutations, bootstraps, seed),
        *(partial(_correlations, subjects, column, asked.covariates) for column in asked.clinical),
        partial(_sides, subjects, asked.side, permutations, seed),
    ]
    rows: list[Row] = []
    for number, part in enumerate(parts):
        rows += part()
        if tick:
            tick((number + 1) / len(parts), str(rows[-1]["question"]))
    table = pd.DataFrame(rows).assign(q=np.nan)
    for _, family in table.groupby(["question", "variable"]):
        table.loc[family.index, "q"] = benjamini_hochberg(family["p"].to_numpy(dtype=float))
    return table[list(COLUMNS)]


def read_subjects(regions: pd.DataFrame, participants: pd.DataFrame) -> Subjects:
    """The tested subjects of a method's region table, and what the participants say of them.

    Raises NigraError as ``read_draws``, and for a subject that has no row, or several.
    """
    draws = read_draws(regions)
    if participants["participant_id"].duplicated().any():
        name = participants.loc[participants["participant_id"].duplicated(), "participant_id"].iloc[0]
        raise NigraError(f"{name}: a subject has one row in the participants, but found two; keep the right one.")
    known, tested = participants.set_index("participant_id"), draws.tested.any(axis=0)
    names = [draws.subjects[k] for k in np.flatnonzero(tested)]
    absent = [name for name in names if name not in known.index]
    if absent:
        raise NigraError(f"{absent[0]}: a subject scored stands in the participants, but found no row; add it.")
    scores = np.stack([complete(of_region)[1] for of_region in draws.scores_tested])
    return Subjects(draws.regions, draws.patient[tested], scores[:, tested], known.loc[names], len(draws.folds))


def _row(question: str, variable: str, region: str = "", effect: str = "", answer: object = None) -> Row:
    """A row with what ``answer`` knows of estimate, low, high and p."""
    values = {name: getattr(answer, name, np.nan) for name in ("estimate", "low", "high", "p")}
    names = {"question": question, "variable": variable, "region": region, "effect": effect}
    return names | values | {"subjects": 0, "missing": 0, "note": ""}


def _of(
    asked: Bool[ndarray, " n_subjects"], seen: Bool[ndarray, " n_subjects"], reasons: dict[str, ndarray]
) -> Row:
    """Who took part, who of those asked did not, and why as a note."""
    counts = {reason: int((asked & lost).sum()) for reason, lost in reasons.items()}
    note = "; ".join(f"{reason}: {count}" for reason, count in counts.items() if count)
    return {"subjects": int(seen.sum()), "missing": int((asked & ~seen).sum()), "note": note}


def _noted(row: Row, *notes: str) -> Row:
    return row | {"note": "; ".join(note for note in (str(row["note"]), *notes) if note)}


def _trends(of: Subjects, asked: Questions, permutations: int, bootstraps: int, seed: int) -> Iterator[Row]:
    question = "trend, controls as stage 0" if asked.controls_as_zero else "trend"
    if asked.stage not in of.people:
        yield _noted(_row(question, asked.stage), f"the participants have no column {asked.stage}")
        return
    stage = stages(of.people[asked.stage])
    if asked.controls_as_zero:
        stage[~of.patient] = 0
    group, uneven = of.patient | asked.controls_as_zero, asked.controls_as_zero and of.draws > 1
    for region, scores in zip(of.regions, of.scores, strict=True):
        reasons = {f"no {asked.stage}": np.isnan(stage), "no score": np.isnan(scores)}
        seen = group & ~np.isnan(stage) & ~np.isnan(scores)
        answer = trend(scores[seen], stage[seen], permutations, bootstraps, seed)
        row = _row(question, asked.stage, region, "Somers' D", answer) | _of(group, seen, reasons)
        yield _noted(row, "fewer than two stages" if np.isnan(answer.p) else "", UNEVEN if uneven else "")


def _correlations(of: Subjects, column: str, covariates: Sequence[str]) -> Iterator[Row]:
    """Plain for all regions, then given the covariates that the participants have."""
    if column not in of.people:
        yield _noted(_row("correlation", column), f"the participants have no column {column}")
        return
    value, given = numbers(of.people[column]), [name for name in covariates if name in of.people]
    known = read_covariates(of.people.reset_index())
    design = Design(known, given).terms(known) if given else None
    for condition in (None, design) if given else (None,):
        names = f"no {' or '.join(given)}"
        unknown = np.zeros(len(value), dtype=bool) if condition is None else np.isnan(condition).any(axis=1)
        question = "correlation" if condition is None else f"correlation given {' and '.join(given)}"
        for region, scores in zip(of.regions, of.scores, strict=True):
            reasons = {f"no {column}": np.isnan(value), names: unknown, "no score": np.isnan(scores)}
            seen = of.patient & ~np.any(list(reasons.values()), axis=0)
            fixed = None if condition is None else scipy.stats.rankdata(condition[seen], axis=0)
            answer = spearman(scores[seen], value[seen], fixed)
            row = _row(question, column, region, "Spearman's rho", answer) | _of(of.patient, seen, reasons)
            yield _noted(row, "too few subjects, or all alike" if np.isnan(answer.p) else "")


def _sides(of: Subjects, column: str, permutations: int, seed: int) -> Iterator[Row]:
    question = "lateralisation"
    if column not in of.people:
        yield _noted(_row(question, column), f"the participants have no column {column}")
        return
    affected = affected_sides(of.people[column])
    pairs, alone = pair_regions(of.regions)
    for name, both in pairs.items():
        left, right = (of.scores[of.regions.index(region)] for region in both)
        signed = bool((np.r_[left, right][np.r_[of.patient, of.patient]] < -1e-9).any())
        values = (right - left) / 2 if signed else asymmetry(left, right)
        effect = "(contra - ipsi) / 2" if signed else "(contra - ipsi) / (contra + ipsi)"
        scored = ~np.isnan(left + right)
        reasons = {
            f"no {column}": np.isnan(affected), "no score": ~scored, "0 on both sides": scored & np.isnan(values),
        }  # fmt: skip
        seen = of.patient & ~np.isnan(affected) & ~np.isnan(values)
        answer = lateralisation(values[seen], affected[seen] == 1, permutations, seed)
        row = _row(question, column, name, effect, answer) | _of(of.patient, seen, reasons)
        yield _noted(row, *_side_notes(answer))
    for name in alone:
        if name in pairs:  # a merged region called like the pair of its sides, which has its row
            continue
        yield _noted(_row(question, column, name), "no partner on the other side")


def _side_notes(answer: Lateralisation) -> list[str]:
    if np.isnan(answer.p_sign):
        return ["no patient to compare"]
    share = "sides equal" if np.isnan(answer.contra) else f"contralateral higher in {answer.contra:.0%}"
    one_side = ["all affected on one side"] if np.isnan(answer.p) else []
    return [*one_side, f"{share}, sign test p = {answer.p_sign:.2g}"]
