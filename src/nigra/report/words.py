"""The key numbers in sentences, each beside what chance gives; written from the tables, never by hand."""

from typing import Any

import numpy as np
import pandas as pd

from nigra.detection.settings import INTENSITIES
from nigra.report.analyses import analysis_words
from nigra.report.sources import Sources
from nigra.report.tables import WHOLE, several
from nigra.statistics.baselines import baseline_words
from nigra.statistics.groups import AUC, GMEAN_HELD_OUT, GMEAN_TEST


def in_brief(sources: Sources) -> list[tuple[str, list[str]]]:
    """Headed groups of sentences: the cohort, then per model its false positives, its result and its regions."""
    rule = (sources.settings.get("groups") or {}).get("patient") or {}
    said = cohort_words(sources.participants, sources.names, ill=rule.get("group") == "patient")
    groups = [("Left out", sources.left_out), ("Cohort", said + coverage_words(sources.regions))]
    tables = [table for table in (sources.evaluation, sources.calibration) if "model" in table]
    unasked = added_baselines(sources.settings)
    for model in dict.fromkeys(str(name) for table in tables for name in table["model"]):
        if model in unasked:  # they stand in the tables, and below as what networks are held against
            continue
        result = model_words(of_model(sources.evaluation, model))
        caution = health_words(of_model(sources.health, model.split("+")[0]))
        groups.append((model, caution + calibration_words(of_model(sources.calibration, model)) + result))
    groups.append(
        ("Networks and baselines", baseline_words(sources.evaluation, sources.analyses.get("comparison")))
    )
    groups += analysis_words(sources.analyses)
    if sources.evaluation.empty:
        silence = "No evaluation was written, so nothing is said here about differences between groups."
        groups.append(("Evaluation", [silence]))
    return [(head, sentences) for head, sentences in groups if sentences]


def added_baselines(settings: dict[str, Any]) -> set[str]:
    """Labels of the baselines that a run adds to the detectors it was asked for.

    >>> sorted(added_baselines({"baselines": ["z", "pca"], "detectors": [{"kind": "z", "reads": "intensities"}]}))
    ['intensities+pca']
    """
    asked = {each.get("name") or each.get("kind") for each in settings.get("detectors") or []}
    return {f"{INTENSITIES}+{name}" for name in settings.get("baselines") or [] if name not in asked}


def of_model(table: pd.DataFrame, model: str) -> pd.DataFrame:
    """The rows of one model."""
    return table[table["model"].astype(str) == model] if "model" in table else table


def cohort_words(people: pd.DataFrame, names: dict[str, str], ill: bool = False) -> list[str]:
    """Who was compared, and what this run's groups stand for; ``ill``: its patients are patients of the table."""
    if "group" not in people:
        return []
    counts = {group: int((people["group"] == group).sum()) for group in names}
    if not counts["patient"]:
        return [f"The cohort has {several(counts['control'], 'control')} and no patients: nothing is compared."]
    said = " and ".join(several(counts[group], group) for group in names)
    sentences = [f"The cohort has {said}; the models learned from controls alone."]
    meant = [f"“{group}” stands for {name}" for group, name in names.items() if group != name]
    limit = "." if ill else ": no statement about any disease."
    return sentences + ([f"In this run {' and '.join(meant)}{limit}"] if meant else [])


def coverage_words(regions: pd.DataFrame) -> list[str]:
    """A caution where whole brains differ by more than 1 % of their voxels (slices cover a part of them)."""
    if not {"model", "region", "voxels"} <= set(regions):
        return []
    voxels = regions[regions["region"] == WHOLE].groupby("model", sort=False)["voxels"].median().dropna()
    if voxels.empty or voxels.min() >= 0.99 * voxels.max():
        return []
    each = ", ".join(f"{model} {count:.0f}" for model, count in voxels.items())
    return [f"The methods do not score the same voxels ({each}): their whole-brain results differ in place too."]


def calibration_words(rows: pd.DataFrame) -> list[str]:
    """The false-positive rate promised and observed."""
    observed = rows.get("observed_percent", pd.Series(dtype=float)).dropna()
    if observed.empty:
        return []
    spread = f" ({observed.min():.1f} to {observed.max():.1f} % over draws)" if len(observed) > 1 else ""
    expected, own = rows["expected_percent"].mean(), (rows.get("rule", pd.Series(dtype=str)) == "conformal").any()
    return [
        f"False positives: {observed.mean():.1f} % of the voxels of test controls exceed the threshold"
        f"{' of their place' if own else ''}{spread}, where {expected:.3g} % are expected."
    ]


def health_words(rows: pd.DataFrame) -> list[str]:
    """A caution where trainings of a model collapsed, with the first one's reason.

    >>> health_words(pd.DataFrame({"collapsed": ["yes", "no"], "draw": [0, 1], "why": ["all codes are one.", ""]}))
    ['Caution: 1 of 2 trainings of this model collapsed (draw 0): all codes are one.']
    """
    flat = rows[rows["collapsed"] == "yes"] if "collapsed" in rows else rows.iloc[:0]
    if flat.empty:
        return []
    draws = ", ".join(str(draw) for draw in dict.fromkeys(flat["draw"]))
    many = f"{len(flat)} of {len(rows)} training{'s' * (len(rows) > 1)}"
    return [f"Caution: {many} of this model collapsed (draw {draws}): {flat['why'].iloc[0]}"]


def model_words(rows: pd.DataFrame) -> list[str]:
    """The result for the whole brain and a count of the regions that stand out."""
    if rows.empty:
        return []
    sentences = []
    auc, fixed, chosen = (find(rows, measure, WHOLE) for measure in (AUC, GMEAN_HELD_OUT, GMEAN_TEST))
    if auc:
        sentences.append(f"Whole brain{tested_words(auc)}: AUC {estimate(auc)}; {against_chance(auc, 0.5)}")
    if fixed:
        said = f"Whole brain, cut-off fixed on held-out controls: g-mean {estimate(fixed)}; "
        sentences.append(said + against_chance(fixed, float("nan")))
    if chosen:
        chance = chosen.get("null_median")
        beside = f", where an uninformative score already reads {chance:.2f}" if finite(chance) else ""
        sentences.append(
            f"Whole brain, cut-off chosen on the test subjects as published: g-mean {chosen['estimate']:.2f}"
            f"{beside}. Optimistic; for comparison with the literature only."
        )
    return sentences + region_words(rows)


def tested_words(row: dict[str, Any]) -> str:
    """Who was tested: fewer than the cohort has, as most controls only train.

    >>> tested_words({"controls": 9, "patients": 16})
    ', 16 patients against 9 tested controls'
    """
    if not (finite(row.get("controls")) and finite(row.get("patients"))):
        return ""
    return f", {several(int(row['patients']), 'patient')} against {int(row['controls'])} tested controls"


def region_words(rows: pd.DataFrame) -> list[str]:
    """How many regions lie above chance after correction (one-sided), and which the largest are."""
    regions = rows[(rows["measure"] == AUC) & (rows["region"] != WHOLE) & rows["estimate"].notna()]
    if regions.empty or "q" not in regions:
        return []
    found = regions[regions["q"] < 0.05].sort_values("estimate", ascending=False)
    if found.empty:
        return [
            f"Regions: none of {len(regions)} lies above chance at q < 0.05 (AUC, one-sided, Benjamini-Hochberg)."
        ]
    names = ", ".join(f"{r['region']} ({r['estimate']:.2f})" for r in found.head(5).to_dict("records"))
    more = " and others" if len(found) > 5 else ""
    strict = (
        f" ({(found['p_max'] < 0.05).sum()} of them also against the best of all regions)"
        if "p_max" in found
        else ""
    )
    return [
        f"Regions: {len(found)} of {len(regions)} lie above chance at q < 0.05{strict}; the largest AUC: "
        f"{names}{more}. The largest of many estimates is biased upwards."
    ]


def find(rows: pd.DataFrame, measure: str, region: str) -> dict[str, Any]:
    """The row of a measure and region, empty when it has no estimate."""
    hit = rows[(rows["measure"] == measure) & (rows["region"] == region) & rows["estimate"].notna()]
    return {str(key): value for key, value in hit.iloc[0].items()} if len(hit) else {}


def has_interval(row: dict[str, Any]) -> bool:
    """Whether there is an interval, and one with a width: perfect separation has none that says anything."""
    low, high = row.get("low"), row.get("high")
    return finite(low) and finite(high) and float(high or 0) > float(low or 0)


def estimate(row: dict[str, Any]) -> str:
    """An estimate with its interval."""
    if not has_interval(row):
        return f"{row['estimate']:.2f} (no interval)"
    return f"{row['estimate']:.2f} (95 % interval {row['low']:.2f} to {row['high']:.2f})"


def against_chance(row: dict[str, Any], default: float) -> str:
    """What chance gives, whether the interval contains it, and p; a difference is claimed where both say so."""
    chance = row["null_median"] if finite(row.get("null_median")) else default
    if not finite(chance):
        return "its chance level is not known."
    level = f"chance gives {chance:.2f}"
    if finite(row.get("null_95")):
        level += f" (95 % of chance results stay below {row['null_95']:.2f})"
    p = float(row["p"]) if finite(row.get("p")) else float("nan")
    tested = f", p = {p:.2g} by permuted labels (one-sided)" if finite(p) else ""
    if not has_interval(row):
        return f"{level}{tested}." if tested else f"{level}; without an interval nothing more can be said."
    if row["low"] <= chance <= row["high"]:
        verdict = "this is no evidence of a difference" if not p < 0.05 else "the two do not agree"
        return f"{level}{tested}. The interval contains chance: {verdict}."
    side = "above" if row["low"] > chance else "below"
    weak = ", but labels at random reach as far too often" if side == "above" and p >= 0.05 else ""
    return f"{level}{tested}. The interval lies {side} chance{weak}."


def finite(value: Any) -> bool:
    """Whether a table cell holds a number."""
    return value is not None and bool(np.isfinite(float(value)))
