"""How well does a covariate alone tell patients from controls, and does the score do better on them?

Everything is counted in pairs of a patient and a control: which of the two looks more like a patient? A category or
a combination of covariates must be learnt first. It is asked about pairs that took no part in the learning, and
both members of a pair always meet the *same* fit: pooling predictions of different folds would put each subject
against its own absence, and bring a covariate that knows nothing to an AUC of .36 instead of .50 (Airola et al.,
Comput Stat Data Anal 55:1828, 2011).
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy.special
import scipy.stats
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from nigra.statistics.covariates import NUMERIC, dummies, kind_of, levels_of
from nigra.statistics.delong import Pairs, auc_interval, welch, wins

FOLDS, REPEATS = 5, 40
Z = 1.959964


@dataclass(frozen=True)
class Separation:
    """The pairs of one covariate (or of several together).

    A numeric covariate is taken as it is, so that its AUC may lie below .5 (patients lower) and separates as well
    there: ``folded``. What is learnt has a direction of its own: below .5 it guessed badly. ``p`` is that of the
    permuted groups for a category, whose order of levels is learnt from the same people: DeLong's interval does not
    know of it (on three levels without any difference it lies above .5 in 10 of 100 studies).
    """

    pairs: Pairs
    folded: bool
    p: float | None = None

    def alone(self) -> tuple[Float[ndarray, "3"], float, int]:
        """AUC with its 95 % interval (``auc_interval``), p against .5 (or ``p``), subjects with a value."""
        table, p, n = _summary(self.pairs[None], np.ones((1, 1)), np.array([0.5]))
        return table[0], float(p[0]) if self.p is None else self.p, n

    def compare(self, method: Pairs) -> tuple[Float[ndarray, "3 3"], Float[ndarray, " 3"], int]:
        """Estimate, low, high of covariate, method, and method minus covariate (turned to its better side).

        On the subjects that have both, intervals by DeLong with the pair's covariance. Returns also p and n.
        """
        turned = self.folded and self._below(method)
        own = 1 - self.pairs if turned else self.pairs
        table, p, n = _summary(
            np.stack([own, method]), np.array([[1, 0], [0, 1], [-1, 1.0]]), np.array([0.5, 0.5, 0])
        )
        if turned:
            table[0] = 1 - table[0, [0, 2, 1]]
        return table, p, n

    def _below(self, method: Pairs) -> bool:
        both = ~np.isnan(self.pairs + method)
        return bool(both.any() and self.pairs[both].mean() < 0.5)


def _summary(
    pairs: Float[ndarray, "k n_patients n_controls"],
    weights: Float[ndarray, "rows k"],
    chance: Float[ndarray, " rows"],
) -> tuple[Float[ndarray, "rows 3"], Float[ndarray, " rows"], int]:
    """Weighted sums of AUCs with DeLong's interval and two-sided p against ``chance``, on common subjects.

    A single AUC (chance 0.5) has the interval it has everywhere, ``auc_interval``, which is none where all pairs
    are won or all lost. A difference (chance 0) has the plain one.
    """
    known = ~np.isnan(pairs).any(axis=0)
    rows, columns = known.any(axis=1), known.any(axis=0)
    n, shape = int(rows.sum() + columns.sum()), (len(weights), 3)
    if rows.sum() < 2 or columns.sum() < 2:
        return np.full(shape, np.nan), np.full(len(weights), np.nan), n
    used = np.where(known, pairs, np.nan)[:, rows][:, :, columns]
    placements = [weights @ np.nanmean(used, axis=axis) for axis in (2, 1)]  # per patient, per control
    estimate = weights @ np.nanmean(used, axis=(1, 2))
    error = np.sqrt(sum(place.var(axis=1, ddof=1) / place.shape[1] for place in placements))
    freedoms = [
        welch([(place[row].var(ddof=1) / place.shape[1], place.shape[1]) for place in placements])
        for row in range(len(weights))
    ]
    away = np.abs(estimate - chance)
    z = np.divide(away, error, out=np.full(away.shape, np.inf), where=error > 1e-12)
    # complete separation leaves no error to estimate: the chance of just this order, either way round
    complete = 2 * scipy.special.beta(rows.sum() + 1, columns.sum() + 1) * (n + 1)
    p = np.where(away <= 1e-12, 1.0, np.where(np.isinf(z), min(complete, 1.0), 2 * scipy.stats.norm.sf(z)))
    ends = np.array([
        auc_interval(auc, se**2, freedom=known) if middle else np.clip([auc - Z * se, auc + Z * se], -1, 1)
        for auc, se, known, middle in zip(estimate, error, freedoms, chance, strict=True)
    ])  # fmt: skip
    return np.column_stack([estimate, ends]), p, n


def separation(
    values: pd.Series, patient: Bool[ndarray, " n_subjects"], permutations: int = 999, seed: int = 0
) -> Separation:
    """What one covariate says of the group: a number itself, a category by the share of patients in its level.

    Two levels have but one direction to learn, and are taken as a number (the second level in order is 1). Of more,
    for a pair of levels the shares are those without this pair's patient and control (half a subject added to each
    count): leave-pair-out logistic regression on one category, in closed form. Within a level a pair is a tie.
    """
    if kind_of(values) == NUMERIC:
        return Separation(wins(values.to_numpy(dtype=float)[None], patient), True)
    levels = levels_of(values)
    known = values.notna().to_numpy()
    if len(levels) == 2:
        return Separation(wins(np.where(known, values == levels[1], np.nan).astype(float)[None], patient), True)
    code = pd.Categorical(values, levels).codes
    counts = np.array([np.bincount(code[known & side], minlength=len(levels)) for side in (patient, ~patient)])
    if not counts.sum(axis=1).all():
        return Separation(np.full((patient.sum(), (~patient).sum()), np.nan), False)
    pairs = _levels_win(counts)[code[patient]][:, code[~patient]]
    # groups permuted: how many patients fall into each level follows from the margins alone
    drawn = np.random.default_rng(seed).multivariate_hypergeometric(
        counts.sum(axis=0), counts[0].sum(), permutations
    )
    null = np.array([_auc(np.stack([own, counts.sum(axis=0) - own])) for own in drawn])
    p = (1 + (null >= _auc(counts) - 1e-12).sum()) / (1 + permutations)
    both = known[patient][:, None] & known[~patient][None]
    return Separation(np.where(both, pairs, np.nan), False, float(p))


def _levels_win(counts: Int[ndarray, "2 levels"]) -> Float[ndarray, "levels levels"]:
    """Does a patient of one level look more like a patient than a control of another, both left out? 0.5: a tie."""
    patients, controls = np.maximum(counts - 0.5, 1e-9)  # without one, and half a subject more
    odds = patients / (counts[1] + 0.5), (counts[0] + 0.5) / controls
    between = (np.sign(odds[0][:, None] - odds[1][None]) + 1) / 2
    np.fill_diagonal(between, 0.5)
    return between


def _auc(counts: Int[ndarray, "2 levels"]) -> float:
    patients, controls = counts / counts.sum(axis=1, keepdims=True)
    return float(patients @ _levels_win(counts) @ controls)


def together(covariates: pd.DataFrame, patient: Bool[ndarray, " n_subjects"], seed: int = 0) -> Separation:
    """What all covariates say together: logistic regression, on the subjects that have them all.

    Pairs held out together, in ``REPEATS`` divisions into ``FOLDS`` folds; standardised columns, an indicator per
    level, ridge penalty 1. NaN where a group has fewer than two subjects with all.
    """
    parts = [
        column.to_numpy(dtype=float)[:, None] if kind_of(column) == NUMERIC else dummies(column, levels_of(column))
        for _, column in covariates.items()
    ]
    x = np.column_stack(parts)
    groups = [np.flatnonzero(side & ~np.isnan(x).any(axis=1)) for side in (patient, ~patient)]
    total, count = np.zeros((2, patient.sum(), (~patient).sum()))
    place = np.where(patient, np.cumsum(patient), np.cumsum(~patient)) - 1
    rng, folds = np.random.default_rng(seed), min(FOLDS, *map(len, groups))
    for _ in range(REPEATS if folds > 1 else 0):
        dealt = [rng.permutation(len(members)) % folds for members in groups]
        for fold in range(folds):
            train = np.concatenate([members[own != fold] for members, own in zip(groups, dealt, strict=True)])
            tested = [members[own == fold] for members, own in zip(groups, dealt, strict=True)]
            centre, spread = x[train].mean(axis=0), np.maximum(x[train].std(axis=0), 1e-9)
            slope = logistic((x[train] - centre) / spread, patient[train].astype(float))
            patients, controls = ((x[members] - centre) / spread @ slope for members in tested)
            here = np.ix_(place[tested[0]], place[tested[1]])
            total[here] += (np.sign(patients[:, None] - controls[None]) + 1) / 2
            count[here] += 1
    return Separation(np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0), False)


def logistic(x: Float[ndarray, "n p"], y: Float[ndarray, " n"], penalty: float = 1.0) -> Float[ndarray, " p"]:
    """Slopes of ridge logistic regression with a free intercept (as scikit-learn's, C = 1), by Newton's method."""
    design = np.column_stack([np.ones(len(x)), x])
    ridge = np.diag([0.0] + [penalty] * x.shape[1])
    beta = np.zeros(design.shape[1])
    for _ in range(25):
        p = scipy.special.expit(design @ beta)
        curvature = (design.T * (p * (1 - p))) @ design + ridge
        step = np.linalg.solve(curvature + 1e-9 * np.eye(len(beta)), design.T @ (y - p) - ridge @ beta)
        beta += step
        if np.abs(step).max() < 1e-8:
            break
    return beta[1:]
