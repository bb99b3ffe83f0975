"""What the report shows of the analyses beside the group comparison: short tables, the whole ones being files.

Tables of a run count thousands of rows (method x region x question). The page shows the whole brain and the regions
that stand out after correction; the words above each table say what was left to the file.
"""

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from nigra.report.tables import Cell, Table, count, number, probability
from nigra.statistics.balance import CRAMER, SMD
from nigra.statistics.calibration_panel import REGION
from nigra.statistics.confounds import ALARM, EXCEEDS, FOLLOWS, SEPARATES, warnings
from nigra.statistics.groups import AUC, AUC_POOLED

WHOLE = "whole brain"


def analysis_tables(found: Mapping[str, pd.DataFrame]) -> dict[str, Table]:
    """The tables to show, by name; one whose file is not there is left out."""
    makers = {
        "comparison": comparison_table, "balance": balance_table, "confounds": confound_table,
        "site": site_table, "disease": disease_table, "false_positives": panel_table,
    }  # fmt: skip
    return {name: make(found[name]) for name, make in makers.items() if name in found and len(found[name])}


def interval(row: Mapping[Hashable, Any], digits: int = 2) -> Cell:
    """The 95 % interval as one cell."""
    low, high = number(row.get("low"), digits), number(row.get("high"), digits)
    return low if low.mark else Cell(f"{low.text} to {high.text}", low.key)


def note(value: Any) -> Cell:
    """A note; empty where there is none."""
    return Cell("" if value is None or pd.isna(value) else str(value))


def comparison_table(comparison: pd.DataFrame) -> Table:
    """Whole brain: AUC of every pair; regions: pairs that differ after both corrections."""
    own = comparison[comparison["measure"].isin([AUC_POOLED, AUC])]
    pooled = own["measure"] == AUC_POOLED
    shown = own[(own["region"] == WHOLE) | (pooled & (own["q"] < 0.05))]
    heads = ("Region", "Measure", "First", "Second", "First", "Second", "Difference", "95 % interval", "p",
             "p (Holm)", "p over draws", "q", "Note")  # fmt: skip
    rows = [
        [
            Cell(row["region"]), Cell(row["measure"]), Cell(row["first"]), Cell(row["second"]),
            number(row["first_estimate"]), number(row["second_estimate"]), number(row["difference"]), interval(row),
            probability(row["p"]), probability(row["p_holm"]), probability(row["p_draws"]), probability(row["q"]),
            note(row["note"]),
        ]
        for row in shown.to_dict("records")
    ]  # fmt: skip
    return Table("comparison", heads, rows, frozenset(range(4, 12)), long=True)


def balance_table(balance: pd.DataFrame) -> Table:
    """Every covariate in controls and patients."""
    heads = ("Column", "Level", "Controls", "Patients", "Missing", "Controls, mean (SD)", "Patients, mean (SD)",
             "Difference", "95 % interval", "p", "Note")  # fmt: skip
    rows = []
    for row in balance.to_dict("records"):
        missing = np.nansum([row["controls_missing"], row["patients_missing"]])
        measure = {SMD: " SMD", CRAMER: " V"}.get(row["measure"], "")
        difference = number(row["difference"])
        rows.append([
            Cell(str(row["column"])), note(row["level"]), count(row["controls"]), count(row["patients"]),
            count(missing), _mean(row, "controls"), _mean(row, "patients"),
            difference if difference.mark else Cell(difference.text + measure, difference.key),
            interval(row), probability(row["p"]), note(row["note"]),
        ])  # fmt: skip
    return Table("balance", heads, rows, frozenset((2, 3, 4, 5, 6, 8, 9)))


def _mean(row: Mapping[Hashable, Any], group: str) -> Cell:
    mean, sd = number(row[f"{group}_mean"]), number(row[f"{group}_sd"])
    return mean if mean.mark or sd.mark else Cell(f"{mean.text} ({sd.text})", mean.key)


def confound_table(confounds: pd.DataFrame) -> Table:
    """Whole brain: what tells the groups apart alone, and what the score follows; regions: alarms only."""
    alarm = (confounds["question"] == EXCEEDS) & confounds["note"].fillna("").str.startswith(ALARM)
    whole = (confounds["region"] == WHOLE) & confounds["question"].isin([FOLLOWS, EXCEEDS])
    shown = confounds[whole | (confounds["question"] == SEPARATES) | alarm]
    heads = ("Method", "Region", "Question", "Column", "Subjects", "n", "Measure", "Estimate", "95 % interval",
             "Chance", "p", "q", "Note")  # fmt: skip
    rows = [
        [
            Cell(row["model"]), note(row["region"]), Cell(row["question"]), note(row["column"]),
            Cell(row["subjects"]), count(row["n"]), note(row["measure"]), number(row["estimate"]), interval(row),
            number(row["chance"]),
            probability(row["p"]), probability(row["q"]), note(row["note"]),
        ]
        for row in shown.to_dict("records")
    ]  # fmt: skip
    return Table("confounds", heads, rows, frozenset((5, *range(7, 12))), long=True)


def site_table(site: pd.DataFrame) -> Table:
    """How well each method's region scores tell the site of controls."""
    heads = (
        "Method",
        "Balanced accuracy",
        "95 % interval",
        "Chance",
        "Chance 95 %",
        "p",
        "Sites",
        "Controls",
        "Note",
    )
    rows = [
        [
            Cell(row["model"]), number(row["accuracy"]), interval(row), number(row["chance"]),
            number(row["null_95"]), probability(row["p"]), count(row["sites"]), count(row["subjects"]),
            note(row["note"]),
        ]
        for row in site.to_dict("records")
    ]  # fmt: skip
    return Table("site", heads, rows, frozenset(range(1, 8)))


def disease_table(disease: pd.DataFrame) -> Table:
    """Whole brain, and regions with an answer after correction."""
    shown = disease[(disease["region"] == WHOLE) | (disease["q"] < 0.05) | disease["region"].isna()]
    heads = ("Method", "Question", "Variable", "Region", "Effect", "Estimate", "95 % interval", "Subjects",
             "Missing", "p", "q", "Note")  # fmt: skip
    rows = [
        [
            Cell(row["model"]), Cell(row["question"]), note(row["variable"]), note(row["region"]),
            note(row["effect"]), number(row["estimate"]), interval(row), count(row["subjects"]),
            count(row["missing"]), probability(row["p"]), probability(row["q"]), note(row["note"]),
        ]
        for row in shown.to_dict("records")
    ]  # fmt: skip
    return Table("disease", heads, rows, frozenset(range(5, 11)), long=True)


def panel_table(panel: pd.DataFrame) -> Table:
    """Observed against promised by brain, tissue and covariate; regions whose interval lies above the promise."""
    broken = panel["note"].fillna("").str.contains("more than promised")
    shown = panel[(panel["factor"] != REGION) | broken]
    heads = ("Method", "Factor", "Level", "Controls", "Observed %", "95 % interval", "Expected %", "Note")
    rows = [
        [
            Cell(row["model"]), Cell(row["factor"]), Cell(str(row["level"])), count(row["controls"]),
            number(row["percent"]), interval(row), number(row["expected_percent"], 1), note(row["note"]),
        ]
        for row in shown.to_dict("records")
    ]  # fmt: skip
    return Table("false_positives", heads, rows, frozenset(range(3, 7)), long=True)


# --- in words ----------------------------------------------------------------------------------------------------


def analysis_words(found: Mapping[str, pd.DataFrame]) -> list[tuple[str, list[str]]]:
    """Headed sentences: who differs from whom, what else could explain it, what follows the disease."""
    said = [
        ("Methods against one another", comparison_words(found.get("comparison"))),
        ("Confounds", confound_words(found.get("confounds"))),
        ("Questions about patients", disease_words(found.get("disease"))),
    ]
    return [(head, sentences) for head, sentences in said if sentences]


def comparison_words(comparison: pd.DataFrame | None) -> list[str]:
    """How many pairs of methods differ on the whole brain, and which."""
    if comparison is None or comparison.empty:
        return []
    own = comparison[(comparison["region"] == WHOLE) & (comparison["measure"] == AUC_POOLED)].dropna(subset=["p"])
    if own.empty:
        return []
    differ = own[own["p_holm"] < 0.05].sort_values("p_holm")
    if differ.empty:
        return [f"Whole brain: none of {len(own)} pairs of methods differs in AUC (DeLong, p < 0.05 after Holm)."]
    ahead = [
        f"{row['first']} above {row['second']}"
        if row["difference"] > 0
        else f"{row['second']} above {row['first']}"
        for row in differ.head(4).to_dict("records")
    ]
    more = f" and {len(differ) - 4} more" if len(differ) > 4 else ""
    return [
        f"Whole brain: {len(differ)} of {len(own)} pairs of methods differ in AUC (DeLong, p < 0.05 after Holm): "
        f"{', '.join(ahead)}{more}."
    ]


def confound_words(confounds: pd.DataFrame | None) -> list[str]:
    """The alarms of every method, the same alarm of several methods once."""
    if confounds is None or confounds.empty:
        return []
    told: dict[str, list[str]] = {}
    for model, rows in confounds.groupby("model", sort=False):
        for sentence in warnings(rows):
            told.setdefault(sentence.split(" alone ")[0].split(" together ")[0], []).append(f"{model}: {sentence}")
    sentences = []
    for several in told.values():
        first = several[0]
        more = (
            f" So it is for {len(several) - 1} more method{'s' * (len(several) > 2)}." if len(several) > 1 else ""
        )
        sentences.append(first + more)
    if not (confounds["question"] == EXCEEDS).any():
        return ["No covariate could be held against the scores."]
    none = (
        "No covariate was found to tell the groups apart as well as the scores do; with few subjects that is a "
        "weak comfort, and what was not recorded is not looked at."
    )
    return sentences or [none]


def disease_words(disease: pd.DataFrame | None) -> list[str]:
    """Per question and method, in how many regions there is an answer after correction."""
    if disease is None or disease.empty:
        return []
    sentences = []
    for question, rows in disease.dropna(subset=["p"]).groupby("question", sort=False):
        each = []
        for model, own in rows.groupby("model", sort=False):
            found = own[own["q"] < 0.05]
            if len(found):
                most = found.iloc[int(found["estimate"].abs().to_numpy().argmax())]
                known = np.isfinite(most["low"]) and np.isfinite(most["high"])
                between = f"[{most['low']:.2f}, {most['high']:.2f}]" if known else "(no interval)"
                where = f"{most['region']}, {most['estimate']:.2f} {between}"
                each.append(f"{model} in {len(found)} of {len(own)} (most in {where})")
        more = len(each) - 3
        said = "; ".join(each[:3]) + (f"; and {more} more method{'s' * (more > 1)}" if more > 0 else "")
        text = str(question)
        name = text[:1].upper() + text[1:]
        sentences.append(
            f"{name}: " + (f"q < 0.05 for {said}." if each else "no region at q < 0.05 by any method.")
        )
    return sentences
