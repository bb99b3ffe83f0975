"""Probes: what can be read off a code by a straight line, in people the line was not fitted on.

Whole subjects are held out, columns are standardised inside the folds, and intervals are over subjects. Wide
codes are first brought to their main axes, also inside the folds. Where a probe asks for one of two groups, only
pairs of subjects held out together are compared: pooling predictions of different folds would put each subject
against its own absence (Airola et al., Comput Stat Data Anal 55:1828, 2011).
"""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from nigra.latent.measured import Measured, Resampling, measured, of_pairs

WIDEST = 256
"""Codes of more dimensions are probed along their main axes."""

PENALTIES = tuple(np.logspace(-2, 5, 8))
COMPARED = 60
"""Codes per subject that are held against those of another."""


@dataclass(frozen=True)
class ProbeSettings:
    """How probes are cross-validated; ``most`` codes are looked at, drawn by the seed."""

    folds: int = 5
    repeats: int = 5
    most: int = 10_000
    resampling: Resampling = field(default_factory=Resampling)


def subject_folds(labels: ndarray, folds: int, rng: np.random.Generator) -> Int[ndarray, " n_subjects"]:
    """A fold per subject, each level of ``labels`` (one per subject) spread evenly over them."""
    found = np.zeros(len(labels), dtype=np.int64)
    start = 0
    for level in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == level))
        found[members] = (start + np.arange(len(members))) % folds
        start += len(members)
    return found


def probe_number(
    measure: str, codes: Float[ndarray, "n d"], owner: Int[ndarray, " n"], values: Float[ndarray, "n k"],
    settings: ProbeSettings, null: float = 0.0, note: str = "",
) -> Measured:  # fmt: skip
    """R2 of held-out codes by ridge regression, mean over the k columns; 0 is the mean of the subjects fitted on.

    Args:
        measure: its name.
        codes: finite.
        owner: subject of each code, 0 to n_subjects - 1.
        values: what is to be read off: coordinates, or an age repeated for all codes of a subject.
        settings: folds and resampling.
        null: the value at chance, where the caller knows better than 0.
        note: kept.
    """
    subjects = int(owner.max()) + 1
    if (why := _too_few(subjects, settings.folds)) or np.ptp(values, axis=0).min() == 0:
        return Measured(measure, np.nan, null=null, note=why or "one value in all")
    error, spread = np.zeros((2, subjects, values.shape[1]))
    for train, test in _divisions(np.zeros(subjects), owner, settings):
        centre, scale = values[train].mean(axis=0), values[train].std(axis=0) + 1e-12
        model = _reader(codes[train], RidgeCV(PENALTIES)).fit(codes[train], (values[train] - centre) / scale)
        predicted = centre + scale * model.predict(codes[test]).reshape(-1, values.shape[1])
        for squares, reference in ((error, predicted), (spread, centre)):
            np.add.at(squares, owner[test], (values[test] - reference) ** 2)

    def statistic(weights: Float[ndarray, "n_subjects samples"]) -> Float[ndarray, " samples"]:
        return (1 - (error.T @ weights) / (spread.T @ weights)).mean(axis=0)

    return measured(measure, statistic, subjects, settings.resampling, null, note)


def probe_two(
    measure: str, codes: Float[ndarray, "n d"], owner: Int[ndarray, " n"], positive: ndarray,
    settings: ProbeSettings,
) -> Measured:  # fmt: skip
    """AUC for two groups of subjects by logistic regression; chance is .5.

    A pair of subjects counts with the share of pairs of their codes in which the positive one's looks more
    positive.

    Args:
        measure: its name.
        codes: finite; one per subject or many.
        owner: subject of each code.
        positive: True for the subjects of one group.
        settings: folds and resampling.
    """
    smaller = int(min(positive.sum(), (~positive).sum()))
    if smaller < 2:
        return Measured(measure, np.nan, null=0.5, note=f"a group has {smaller} subjects; a probe needs 2 of each")
    wins, count = np.zeros((2, len(positive), len(positive)))
    for train, test in _divisions(positive, owner, settings, min(settings.folds, smaller)):
        model = _reader(codes[train], _logistic()).fit(codes[train], positive[owner[train]])
        values = _by_subject(model.decision_function(codes[test]), owner[test])
        for a in (a for a in values if positive[a]):
            for b in (b for b in values if not positive[b]):
                wins[a, b] += (np.sign(values[a][:, None] - values[b][None]).mean() + 1) / 2
                count[a, b] += 1
    shares = np.divide(wins, count, out=np.full(wins.shape, np.nan), where=count > 0)
    return measured(measure, of_pairs(shares), len(positive), settings.resampling, 0.5)


def probe_many(
    measure: str, codes: Float[ndarray, "n d"], owner: Int[ndarray, " n"], classes: Int[ndarray, " n"],
    settings: ProbeSettings, per_subject: bool = False,
) -> Measured:  # fmt: skip
    """Balanced accuracy of held-out codes for classes 0 to k - 1 by multinomial regression; chance is 1 / k.

    Args:
        measure: its name.
        codes: finite.
        owner: subject of each code.
        classes: of each code; of each subject, repeated, where ``per_subject``.
        settings: folds and resampling.
        per_subject: spread the classes evenly over the folds.
    """
    subjects, k = int(owner.max()) + 1, int(classes.max()) + 1
    if (why := _too_few(subjects, settings.folds)) or k < 2:
        return Measured(measure, np.nan, note=why or "one class in all")
    labels = np.zeros(subjects, dtype=np.int64)
    if per_subject:
        labels[owner] = classes
    right, count = np.zeros((2, k, subjects))
    for train, test in _divisions(labels, owner, settings):
        if len(np.unique(classes[train])) < 2:
            continue
        model = _reader(codes[train], _logistic()).fit(codes[train], classes[train])
        np.add.at(right, (classes[test], owner[test]), model.predict(codes[test]) == classes[test])
        np.add.at(count, (classes[test], owner[test]), 1)

    def statistic(weights: Float[ndarray, "n_subjects samples"]) -> Float[ndarray, " samples"]:
        shares = np.divide(
            right @ weights, total := count @ weights, where=total > 0, out=np.full(total.shape, np.nan)
        )
        known = ~np.isnan(shares)
        return np.where(known, shares, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)

    return measured(measure, statistic, subjects, settings.resampling, 1 / k, f"{k} classes")


def place_numbers(
    codes: Float[ndarray, "n d"], owner: Int[ndarray, " n"], mm: Float[ndarray, "n axes"], regions: ndarray,
    settings: ProbeSettings,
) -> list[Measured]:  # fmt: skip
    """Does a code say where it is from: R2 of the coordinates, balanced accuracy of the region.

    The null of R2 is measured: the same with the places shuffled within each subject.

    Args:
        codes: finite.
        owner: subject of each code.
        mm: coordinates; columns without any value (a slice has no left or right) are left out.
        regions: name of each code's region, empty for none.
        settings: folds and resampling; places take one division, without repeats.
    """
    rng = np.random.default_rng(settings.resampling.seed)
    one = ProbeSettings(settings.folds, 1, settings.most, settings.resampling)
    some = np.sort(rng.permutation(len(codes))[: settings.most])
    codes, owner, mm, regions = codes[some], owner[some], mm[some], regions[some]
    mm = mm[:, ~np.isnan(mm).any(axis=0)]
    order = np.lexsort((rng.random(len(owner)), owner))
    shuffled = np.empty_like(mm)
    shuffled[np.argsort(owner, kind="stable")] = mm[order]
    null = probe_number("", codes, owner, shuffled, one).estimate
    found = [probe_number("place R2", codes, owner, mm, one, null, "coordinates in mm; null: places shuffled")]
    names, number, times = np.unique(regions, return_inverse=True, return_counts=True)
    kept = ((names != "") & (times >= 4 * settings.folds))[number]
    if len(np.unique(number[kept])) < 2:
        return [
            *found,
            Measured("region balanced accuracy", np.nan, note="fewer than two regions with enough codes"),
        ]
    classes = np.unique(number[kept], return_inverse=True)[1]
    people = np.unique(owner[kept], return_inverse=True)[1]
    return [*found, probe_many("region balanced accuracy", codes[kept], people, classes, one)]


def _divisions(
    labels: ndarray, owner: Int[ndarray, " n"], settings: ProbeSettings, folds: int | None = None
) -> Iterator[tuple[ndarray, ndarray]]:
    """Codes to fit on and codes to test, no subject in both."""
    rng = np.random.default_rng(settings.resampling.seed)
    number = min(folds or settings.folds, len(labels))
    for _ in range(settings.repeats):
        fold = subject_folds(labels, number, rng)[owner]
        for own in range(number):
            yield np.flatnonzero(fold != own), np.flatnonzero(fold == own)


def _reader(codes: Float[ndarray, "n d"], model: Any) -> Any:
    """A pipeline that standardises, narrows wide codes, and fits; warnings of slow convergence are no news."""
    steps = [StandardScaler()]
    if codes.shape[1] > WIDEST:
        axes = min(WIDEST, len(codes) - 1)
        steps.append(PCA(axes, svd_solver="randomized", random_state=0))
    return _Quiet(make_pipeline(*steps, model))


class _Quiet:
    """A pipeline whose fit does not warn that it stopped early: 200 steps are more than probes need."""

    def __init__(self, pipeline: Any) -> None:
        self.pipeline = pipeline

    def fit(self, codes: ndarray, values: ndarray) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            return self.pipeline.fit(codes.astype(np.float64), values)


def _logistic() -> LogisticRegression:
    return LogisticRegression(C=0.1, class_weight="balanced", max_iter=200, tol=1e-3)


def _by_subject(values: Float[ndarray, " n"], owner: Int[ndarray, " n"]) -> dict[int, ndarray]:
    """Values of each subject, ``COMPARED`` of them at most, evenly taken."""
    found = {}
    for subject in np.unique(owner):
        own = values[owner == subject]
        found[int(subject)] = own[np.unique(np.linspace(0, len(own) - 1, COMPARED).astype(int))]
    return found


def _too_few(subjects: int, folds: int) -> str:
    return f"{subjects} subjects; a probe needs {max(3, folds)}" if subjects < max(3, folds) else ""
