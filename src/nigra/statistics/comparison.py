"""Comparing methods on the same subjects and draws: every difference with its interval, its tests, and Holm's p.

Two methods that saw the same people go up and down together; a difference is therefore far better known than two
overlapping intervals suggest, and is estimated from the same resamples for both. Three answers, none one-sided:

DeLong      AUC of one score per subject, over the draws (DeLong 1988 for correlated AUCs)
bootstrap   any measure, mean over the draws; subjects resampled, the same ones for both methods in all draws
draws       corrected resampled t (Nadeau and Bengio, Machine Learning 2003) over the draws, see ``corrected_t``
"""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pandas as pd
import scipy.stats
from jaxtyping import Float
from numpy import ndarray

from nigra.detection.settings import method_label
from nigra.errors import NigraError
from nigra.statistics.bootstrap import resample
from nigra.statistics.delong import auc_covariance, wins
from nigra.statistics.draws import Draws, read_draws
from nigra.statistics.evaluation import Place
from nigra.statistics.groups import AUC_POOLED, BY_DRAW, HALVES
from nigra.statistics.multiplicity import benjamini_hochberg
from nigra.statistics.permutation import mean_of_known
from nigra.statistics.resampled import corrected_variance
from nigra.training import Tick

COLUMNS = (
    "region", "measure", "first", "second", "first_estimate", "second_estimate", "difference", "low", "high",
    "draws", "controls", "patients", "test", "p", "p_draws", "p_holm", "q", "note",
)  # fmt: skip
"""Columns of ``comparison.tsv``, in order."""

MEASURES = (AUC_POOLED, *BY_DRAW)
"""The measures compared, in order; Cliff's delta would repeat the AUC."""

FEW = 10
"""Resamples beyond 0 below which p is not counted: of 1000 none could pass Holm's correction for 28 pairs."""

PATIENT_SAMPLES = 200  # resamplings of the patients alone; a variance needs fewer than a quantile


def compare(
    regions: pd.DataFrame, reference: str | None = None, specificity: float = 0.8, bootstraps: int = 1000,
    seed: int = 0, tick: Tick | None = None,
) -> pd.DataFrame:  # fmt: skip
    """Differences between methods in every region, one row per region x measure x pair (columns: ``COLUMNS``).

    ``regions`` is a region table with the columns ``model`` and ``detector`` in front. All pairs of methods are
    compared, or each with ``reference`` (a method's label, such as ``mlcn2021-sae+z``), then ``second``.

    difference       first minus second; above 0 means that ``first`` tells the groups apart better
    low, high        95 % interval: DeLong's for the pooled AUC; percentiles of the paired bootstrap for the others,
                     which a difference, being nearly symmetric, allows and which agree with their p
    test, p          two-sided test of no difference: DeLong or bootstrap. Where fewer than ``FEW`` resamples lie on
                     the other side of 0, their count says little: p is then that of t with the bootstrap's standard
                     error and the smaller group's degrees of freedom, if that is lower
    p_draws          ``corrected_t`` over the draws; NaN for the pooled AUC and for fewer than two draws
    p_holm           ``p`` after Holm (1979) over the pairs of this region and measure
    q                ``p_holm`` after Benjamini-Hochberg over the regions of this pair and measure

    A subject without a score from one of the methods is left out for all in that region, and the note says so.

    Raises NigraError: fewer than two methods, an unknown reference, methods tested on other subjects or draws.
    """
    methods = read_methods(regions)
    pairs = _pairs(list(methods), reference)
    like = next(iter(methods.values()))
    weights = np.hstack(
        [resample(like.patient, bootstraps, seed)[:, : 1 + bootstraps], _patients_alone(like.patient, seed)]
    )
    rows = []
    for index in range(len(like.regions)):
        rows += _region(methods, index, pairs, weights, specificity)
        if tick:
            tick((index + 1) / len(like.regions), like.regions[index])
    table = pd.DataFrame(rows)
    for _, family in table.groupby(["region", "measure"]):
        table.loc[family.index, "p_holm"] = holm(family["p"].to_numpy(dtype=float))
    for _, family in table.groupby(["measure", "first", "second"]):
        table.loc[family.index, "q"] = benjamini_hochberg(family["p_holm"].to_numpy(dtype=float))
    return table[list(COLUMNS)]


def read_methods(regions: pd.DataFrame) -> dict[str, Draws]:
    """Each method's draws by its label, all with the same regions, subjects and draws in the same order.

    Raises NigraError as ``read_draws``, and for fewer than two methods or methods that tested other subjects.
    """
    missing = {"model", "detector"} - set(regions.columns)
    if missing:
        raise NigraError(f"the region table lacks the column {min(missing)}; give the table of a whole run.")
    place = {name: k for k, name in enumerate(regions["region"].unique())}
    regions = regions.assign(place=regions["region"].map(place)).sort_values(["fold", "participant_id", "place"])
    found = {
        method_label(str(model), str(detector)): read_draws(own.drop(columns=["model", "detector", "place"]))
        for (model, detector), own in regions.groupby(["model", "detector"], sort=False)
    }
    if len(found) < 2:
        raise NigraError(f"a comparison needs two methods, but found {len(found)}; run another model or detector.")
    first, like = next(iter(found.items()))
    for name, draws in found.items():
        same = (draws.regions, draws.subjects, draws.folds) == (like.regions, like.subjects, like.folds)
        if not same or (draws.tested != like.tested).any() or (draws.reference != like.reference).any():
            raise NigraError(
                f"methods are compared on the same regions, subjects and draws, but {name} has others than "
                f"{first}; evaluate both in one run."
            )
    return found


def holm(p: Float[ndarray, " n_tests"]) -> Float[ndarray, " n_tests"]:
    """Holm's (1979) step-down p: the family's error rate whatever the dependence; NaN is no test and stays NaN.

    >>> holm(np.array([0.01, np.nan, 0.04, 0.03])).tolist()
    [0.03, nan, 0.06, 0.06]
    """
    known = np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(p[known], kind="stable")]
    adjusted = np.full(p.shape, np.nan)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(order), 0, -1)), 1)
    return adjusted


def corrected_t(differences: Float[ndarray, " n_draws"], ratio: float, patients: float = 0.0) -> float:
    """Two-sided p of the corrected resampled t test of no mean difference over repeated draws.

        t = mean / sqrt(corrected_variance + patients),  draws - 1 degrees of freedom

    with ``nigra.statistics.resampled.corrected_variance`` for the controls, of whom ``ratio`` = n_test / n_train
    are drawn anew, and ``patients`` for the variance that comes from the patients: they are the same in every draw,
    so that the draws cannot know it. Identical methods give 1; NaN below two draws or without a known ratio.
    """
    known = differences[~np.isnan(differences)]
    variance = float(corrected_variance(known, ratio)) + patients
    return float("nan") if np.isnan(variance) else _two_sided(known.mean(), variance, len(known) - 1)


def _two_sided(difference: float, variance: float, freedom: float | int = np.inf) -> float:
    """p of a difference by t, or z; without any spread only a difference of nothing has a p, of 1."""
    if abs(difference) < 1e-12:
        return 1.0
    return float(2 * scipy.stats.t.sf(abs(difference) / np.sqrt(variance), freedom)) if variance > 1e-18 else np.nan


def _pairs(methods: list[str], reference: str | None) -> list[tuple[str, str]]:
    if reference is None:
        return list(combinations(methods, 2))
    if reference not in methods:
        raise NigraError(f"the reference is {reference!r}, which is no method; choose of {', '.join(methods)}.")
    return [(name, reference) for name in methods if name != reference]


def _patients_alone(patient: ndarray, seed: int) -> Float[ndarray, "n_subjects samples"]:
    """Weights that resample the patients and leave the controls as they are."""
    weights = resample(patient, PATIENT_SAMPLES, seed + 1)[:, 1 : 1 + PATIENT_SAMPLES]
    weights[~patient] = 1
    return weights


def _region(
    methods: dict[str, Draws], index: int, pairs: list[tuple[str, str]], weights: ndarray, specificity: float
) -> list[dict[str, object]]:
    """The rows of one region; a method without any score there has rows of NaN and a note."""
    draws, dropped = _on_common(methods, index)
    like = next(iter(methods.values()))
    values = {name: Place.of(own, index, weights, specificity).per_draw for name, own in draws.items()}
    pooled, covariance, counts = _pooled(draws, index, like) if draws else (np.empty(0), np.empty((0, 0)), [0, 0])
    rows: list[dict[str, object]] = []
    for first, second in pairs:
        silent = [name for name in (first, second) if name not in draws]
        notes = [f"no score by {name}" for name in silent] or ([dropped] if dropped else [])
        row = {
            "region": like.regions[index], "first": first, "second": second, "controls": counts[0],
            "patients": counts[1], "note": "; ".join(notes),
        }  # fmt: skip
        if silent:
            rows += [row | _nothing() | {"measure": measure} for measure in MEASURES]
            continue
        at = [list(draws).index(name) for name in (first, second)]
        per_draw = []
        for m, measure in enumerate(BY_DRAW):
            one, other = values[first][:, m], values[second][:, m]
            found = _over_draws(one, other, like.test_to_train, measure not in HALVES, min(counts) - 1)
            per_draw.append(row | {"measure": measure} | found)
        shared = {"measure": AUC_POOLED, "draws": per_draw[0]["draws"]}
        rows += [row | _delong(pooled[at], covariance[np.ix_(at, at)]) | shared, *per_draw]
    return rows


def _nothing() -> dict[str, object]:
    empty = dict.fromkeys(
        ("first_estimate", "second_estimate", "difference", "low", "high", "p", "p_draws"), np.nan
    )
    return empty | {"draws": 0, "test": ""}


def _on_common(methods: dict[str, Draws], index: int) -> tuple[dict[str, Draws], str]:
    """The methods with a score in this region, cut to the scores all of them have; and who was left out."""
    silent = {name for name, own in methods.items() if np.isnan(own.scores_tested[index]).all()}
    draws = {name: own for name, own in methods.items() if name not in silent}
    if not draws:
        return {}, ""
    lacking = np.any([np.isnan(own.scores_tested[index]) for own in draws.values()], axis=0)
    common = {name: replace(own, scores_tested=own.scores_tested.copy()) for name, own in draws.items()}
    like = next(iter(draws.values()))
    for own in common.values():
        own.scores_tested[index][lacking] = np.nan
    out = int((lacking & like.tested).any(axis=0).sum())
    return common, f"left out for want of a score by every method: {out}" if out else ""


def _pooled(draws: dict[str, Draws], index: int, like: Draws) -> tuple[ndarray, ndarray, list[int]]:
    """Pooled AUC of each method, their covariance, controls and patients."""
    scores = [own.scores_tested[index] for own in draws.values()]
    patient = like.patient[~np.isnan(scores[0]).all(axis=0)]  # the same for all, cut to what they have in common
    counts = [int((~patient).sum()), int(patient.sum())]
    return *auc_covariance(np.stack([wins(own, like.patient) for own in scores])), counts


def _delong(auc: Float[ndarray, "2"], covariance: Float[ndarray, "2 2"]) -> dict[str, object]:
    """Difference of two correlated AUCs, its 95 % interval and p."""
    difference = float(auc[0] - auc[1])
    variance = float(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    half = scipy.stats.norm.ppf(0.975) * np.sqrt(max(variance, 0.0))
    return {
        "first_estimate": auc[0], "second_estimate": auc[1], "difference": difference,
        "low": max(difference - half, -1.0), "high": min(difference + half, 1.0), "test": "DeLong",
        "p": np.nan if np.isnan(variance) else _two_sided(difference, variance), "p_draws": np.nan,
    }  # fmt: skip


def _over_draws(
    first: Float[ndarray, "n_draws samples"], second: Float[ndarray, "n_draws samples"], ratio: float, tested: bool,
    freedom: int,
) -> dict[str, object]:  # fmt: skip
    """Difference of a measure's mean over the draws: paired bootstrap, and corrected t.

    ``freedom``: of the t by which a p beyond what the resamples can count is told.
    """
    by_sample = first - second
    bootstraps = by_sample.shape[1] - PATIENT_SAMPLES
    means = mean_of_known(by_sample)
    difference, again, patients_alone = means[0], means[1:bootstraps], means[bootstraps:]
    again, patients_alone = again[~np.isnan(again)], patients_alone[~np.isnan(patients_alone)]
    known = not np.isnan(difference) and len(again) > 0
    low, high = np.quantile(again, [0.025, 0.975]) if known else (np.nan, np.nan)
    spread = patients_alone.var(ddof=1) if len(patients_alone) > 1 else np.nan
    beyond = int(min((again <= 1e-12).sum(), (again >= -1e-12).sum()))
    p = min(1.0, 2 * (1 + beyond) / (1 + len(again)))
    if beyond < FEW and known and freedom > 0:
        smooth = _two_sided(float(difference), float(again.var(ddof=1)), freedom)
        p = p if np.isnan(smooth) else min(p, smooth)
    return {
        "first_estimate": float(mean_of_known(first[:, 0])), "second_estimate": float(mean_of_known(second[:, 0])),
        "difference": difference, "low": low, "high": high,
        "draws": int((~np.isnan(by_sample[:, 0])).sum()), "test": "bootstrap" if tested else "",
        "p": p if known and tested else np.nan,
        "p_draws": corrected_t(by_sample[:, 0], ratio, spread) if tested else np.nan,
    }  # fmt: skip
