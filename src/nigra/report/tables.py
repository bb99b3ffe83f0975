"""Tables of the report: each cell is a text to read and a value to sort by."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from nigra.report.sources import flatten
from nigra.statistics.groups import AUC, AUC_POOLED, GMEAN_HELD_OUT, GMEAN_TEST, ON_TEST

FEW_VOXELS = 10

WHOLE = "whole brain"
"""The region of which every measure is shown."""

BRIEF = (AUC, GMEAN_TEST, GMEAN_HELD_OUT, AUC_POOLED)
"""The measures shown of the other regions; ``evaluation.tsv`` has them all."""


@dataclass(frozen=True)
class Cell:
    """``text`` is shown, ``key`` sorts (None: sort by the text), ``mark`` is a style class."""

    text: str
    key: float | None = None
    mark: str = ""


@dataclass(frozen=True)
class Table:
    """A table with an id, column heads and rows; ``numeric`` columns are aligned right."""

    name: str
    heads: Sequence[str]
    rows: list[list[Cell]]
    numeric: frozenset[int] = frozenset()
    long: bool = field(default=False)


def number(value: Any, digits: int = 2) -> Cell:
    """A number with fixed digits; missing becomes an en dash that sorts last.

    >>> number(0.7189).text, number(float("nan")).text
    ('0.72', '–')
    """
    if value is None or not np.isfinite(float(value)):
        return Cell("–", float("inf"), "missing")
    return Cell(f"{float(value):.{digits}f}".replace("-", "\N{MINUS SIGN}"), float(value))


def count(value: Any) -> Cell:
    """A whole number."""
    return number(value, 0)


def health_table(health: pd.DataFrame) -> Table:
    """``health.tsv``: what training's check says of every model."""
    heads = ("Model", "Draw", "Fold", "Collapsed", "Effective rank", "Of", "Pairs alike",
             "Error, of that of the mean at the place", "Of one mean unit", "Why")  # fmt: skip
    rows = [
        [Cell(row["model"]), count(row["draw"]), count(row["fold"]),
         Cell(row["collapsed"], mark="strong" if row["collapsed"] == "yes" else ""),
         number(row["effective_rank"]), count(row["dimensions"]),
         *(number(row[name]) for name in ("alike", "error", "unit_error")),
         Cell(row["why"] if isinstance(row["why"], str) else "")]
        for row in health.to_dict("records")
    ]  # fmt: skip
    return Table("health", heads, rows, frozenset((1, 2, *range(4, 9))), long=True)


def probability(value: Any) -> Cell:
    """A p or q value: three digits, ``<0.001`` below, in bold under 0.05."""
    cell = number(value, 3)
    text = "<0.001" if cell.key is not None and cell.key < 0.001 else cell.text
    return Cell(text, cell.key, cell.mark or ("strong" if cell.key is not None and cell.key < 0.05 else ""))


def evaluation_table(evaluation: pd.DataFrame) -> Table:
    """``evaluation.tsv``: each estimate with its interval and, beside it, what an uninformative score gives.

    All measures of the whole brain, those of ``BRIEF`` elsewhere.
    """
    heads = ("Model", "Region", "Measure", "Estimate", "95 % interval", "Chance median", "Chance 95 %",
             "Chance 99 %", "p", "q", "p, any region", "SD over draws", "Draws", "Controls", "Patients",
             "Note")  # fmt: skip
    rows = []
    shown = evaluation[evaluation["measure"].isin(BRIEF) | (evaluation["region"] == WHOLE)]
    for row in shown.to_dict("records"):
        low, high = number(row.get("low")), number(row.get("high"))
        interval = low if low.mark else Cell(f"{low.text} to {high.text}", low.key)
        measure, note = str(row["measure"]), row.get("note")
        optimistic = measure in ON_TEST  # then the badge says what the note says
        rows.append([
            Cell(str(row.get("model", ""))), Cell(str(row["region"])),
            Cell(measure, mark="optimistic" if optimistic else ""), number(row["estimate"]), interval,
            number(row.get("null_median")), number(row.get("null_95")), number(row.get("null_99")),
            probability(row.get("p")), probability(row.get("q")), probability(row.get("p_max")),
            number(row.get("sd")), count(row.get("draws")), count(row.get("controls")), count(row.get("patients")),
            Cell("" if pd.isna(note) or (optimistic and str(note).startswith("optimistic")) else str(note)),
        ])  # fmt: skip
    return Table("evaluation", heads, rows, frozenset(range(3, 15)), long=True)


def region_table(regions: pd.DataFrame, names: dict[str, str]) -> Table:
    """Test subjects' percentage of abnormal voxels per model and region; draws are averaged within a subject."""
    first, second = (name[:1].upper() + name[1:] for name in (names["control"], names["patient"]))
    heads = ("Model", "Region", "Voxels", f"{first}, mean %", "SD", f"{second}, mean %", "SD",
             "Difference, % points", "Note")  # fmt: skip
    # a method without a score per voxel has no percentages
    test = regions[(regions["set"] == "test") & regions["voxels"].notna()]
    keys = ["model", "region"]
    subjects = test.groupby([*keys, "group", "participant_id"], sort=False)["percent"].mean()
    means = subjects.groupby([*keys, "group"], sort=False).agg(["mean", "std"])
    voxels = test.groupby(keys, sort=False)["voxels"].median()
    rows = []
    for size, *place in voxels.reset_index()[["voxels", *keys]].itertuples(index=False):
        model, region = str(place[0]), str(place[1])
        control = group_numbers(means, (model, region, "control"))
        patient = group_numbers(means, (model, region, "patient"))
        note = "no scored voxel" if size == 0 else f"fewer than {FEW_VOXELS} voxels" if size < FEW_VOXELS else ""
        rows.append([
            Cell(model), Cell(region), count(size), number(control[0], 1), number(control[1], 1),
            number(patient[0], 1), number(patient[1], 1), number(patient[0] - control[0], 1), Cell(note),
        ])  # fmt: skip
    return Table("regions", heads, rows, frozenset(range(2, 8)), long=True)


def group_numbers(means: pd.DataFrame, key: tuple[str, str, str]) -> tuple[float, float]:
    """Mean and standard deviation of a group, NaN when it has no subject."""
    row = means.reindex([key]).iloc[0]
    return float(row["mean"]), float(row["std"])


def calibration_table(calibration: pd.DataFrame) -> Table:
    """``calibration.tsv``: the observed rate beside the expected one, per model and draw."""
    heads = ("Model", "Draw", "Threshold set on", "Quantile", "Threshold", "Expected %", "Observed %",
             "Test controls", "Rule")  # fmt: skip
    rows = [
        [
            Cell(str(row["model"])), count(row["fold"]), Cell(str(row["controls"])), number(row["quantile"], 3),
            number(row["threshold"], 4), number(row["expected_percent"], 1), number(row["observed_percent"], 2),
            count(row["test_controls"]), Cell(str(row.get("rule", "quantile"))),
        ]
        for row in calibration.to_dict("records")
    ]  # fmt: skip
    return Table("calibration", heads, rows, frozenset((1, 3, 4, 5, 6, 7)))


def settings_table(settings: Mapping[str, Any]) -> Table:
    """Settings with dotted names; those left at none are not listed."""
    rows = flatten(dict(settings)) if settings else []
    return pairs("settings", ("Setting", "Value"), [row for row in rows if row[1] != "none"])


def input_table(inputs: Mapping[str, Any]) -> Table:
    """What was read, by name and content."""
    return pairs("hashes", ("Input", "SHA-256"), [(str(name), str(digest)) for name, digest in inputs.items()])


def several(n: int, name: str) -> str:
    """A number of subjects of a group.

    >>> several(12, "control"), several(1, "patient"), several(8, "over 65")
    ('12 controls', '1 patient', '8 over 65')
    """
    return f"{n} {name}s" if name in ("control", "patient") and n != 1 else f"{n} {name}"


def pairs(name: str, heads: Sequence[str], rows: Sequence[tuple[str, ...]]) -> Table:
    """A table of plain text."""
    return Table(name, heads, [[Cell(str(text)) for text in row] for row in rows])
