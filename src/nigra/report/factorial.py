"""The page of a factorial: the answer in words first, then pictures, tables, and what to be wary of."""

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nigra.files import read_json, read_tsv, write_text
from nigra.report.analyses import interval, note
from nigra.report.build import date_words, provenance_tables
from nigra.report.page import fill
from nigra.report.pictures import Picture, embed
from nigra.report.sources import read_sources
from nigra.report.tables import Cell, Table, count, input_table, number, pairs, probability
from nigra.statistics.cells import factors_of
from nigra.statistics.factorial import MAIN
from nigra.statistics.factorial_words import answer, sentence_case, signed
from nigra.statistics.outcomes import titled
from nigra.statistics.yardstick import against_simple

TEXT = ("outcome", "detector", "effect", "factor", "level", "reference", "by", "by_level", "by_reference", "note",
        "curve", "unmatched", "model", "why", "task", "state", "reason")  # fmt: skip

SECTIONS = (
    ("brief", "The answer"), ("questions", "Question by question"), ("sweeps", "Sweeps"),
    ("outcomes", "Outcome by outcome"), ("effects", "All effects"), ("cells", "All cells"),
    ("matching", "What was matched"), ("health", "Collapsed and failed"), ("provenance", "Provenance"),
    ("reading", "How to read this"),
)  # fmt: skip
"""Id and title of the page's sections, in order."""

FEW_CELLS = 8
"""Cells up to which the table of what was matched has a column per cell; beyond, a row."""


def build_factorial_page(folder: Path) -> Path:
    """Write ``factorial.html`` from the tables and pictures of ``runs/NAME/factorial``; returns its path.

    One file for any browser, without network, as ``report.html``. The same folder gives the same bytes.
    """
    write_text(folder / "factorial.html", fill("factorial.html", contents(folder)))
    return folder / "factorial.html"


def contents(folder: Path) -> dict[str, Any]:
    """Everything the page shows."""
    made = read_json(folder / "factorial.json")
    levels, run = made["settings"]["levels"], read_sources(folder.parent)
    factors = factors_of(levels)
    every = tuple(dict.fromkeys(name for own in levels.values() for name in own))
    table = {name: _read(folder / f"{name}.tsv", every) for name in
             ("factorial", "cells", "simple", "sweeps", "matching", "collapsed", "failed")}  # fmt: skip
    seeds = [(label, str(seed)) for label, seed in made["settings"]["seeds"].items()]
    return {
        "title": str(run.settings.get("title") or f"Factorial, run {made['settings']['run']}"),
        "run": made["settings"]["run"],
        "created": date_words(made["created"]),
        "version": made["versions"]["nigra"],
        "synthetic": run.synthetic,
        "sections": SECTIONS,
        "warnings": warnings(table["collapsed"], table["failed"]) + made["settings"].get("outdated", []),
        "brief": brief(table["factorial"], table["cells"], table["simple"], list(factors), run.synthetic),
        "pictures": pictures(folder / "figures", list(factors), table["factorial"], table["sweeps"]),
        "effects": effect_table(table["factorial"]),
        "cells": cell_table(table["cells"], list(factors)),
        "sweeps": sweep_table(table["sweeps"]) if len(table["sweeps"]) else None,
        "matching": matching_table(table["matching"], every),
        "unmatched": unmatched_words(table["matching"], list(factors)),
        "collapsed": plain_table("collapsed", table["collapsed"]),
        "failed": plain_table("failed", table["failed"]),
        "ratio": f"{made['settings']['test_to_train']:.2f}",
        "tables": provenance_tables(run),
        "seeds": pairs("seeds", ("Model", "Seed"), seeds),
        "inputs": input_table(made["inputs"]),
    }


def brief(
    effects: pd.DataFrame, cells: pd.DataFrame, simple: pd.DataFrame, factors: list[str], synthetic: bool
) -> list[tuple[str, list[str]]]:
    """The answer, headed; behind what is in short, how the cells stand against methods without a network."""
    first, *others = answer(effects, synthetic)
    beside = against_simple(cells, simple, factors) if len(simple) else []
    return [first, *([("Beside simple methods", beside)] if beside else []), *others]


def _read(path: Path, factors: tuple[str, ...]) -> pd.DataFrame:
    """A table of the folder, its words as text; empty where it was not written."""
    if not path.exists():
        return pd.DataFrame()
    table = read_tsv(path, (*TEXT, *factors))
    return table.fillna({name: "" for name in (*TEXT, *factors) if name in table})


def warnings(collapsed: pd.DataFrame, failed: pd.DataFrame) -> list[str]:
    """What must be known before any number: collapsed models and tasks that failed.

    Args:
        collapsed: ``collapsed.tsv``.
        failed: ``failed.tsv``.
    """
    said = []
    if len(collapsed):
        names = ", ".join(f"{row['model']} (fold {row['fold']})" for row in collapsed.head(4).to_dict("records"))
        more = f" and {len(collapsed) - 4} more" if len(collapsed) > 4 else ""
        said.append(
            f"{len(collapsed)} training{'s' * (len(collapsed) > 1)} collapsed: {names}{more}. The estimates below "
            "count them, say so, and stand beside estimates without them."
        )
    if len(failed):
        own = int((failed["state"] == "failed").sum())
        said.append(
            f"{own} task{'s' * (own != 1)} failed, and {len(failed) - own} that need such could not be done. What "
            "they would have given is missing below; nothing was filled in."
        )
    return said


def pictures(
    folder: Path, factors: list[str], effects: pd.DataFrame, sweeps: pd.DataFrame
) -> dict[str, list[Picture]]:
    """Pictures of each section, those that were drawn."""
    found: dict[str, list[Picture]] = {"questions": [], "sweeps": [], "outcomes": []}

    def add(section: str, stem: str, title: str, alt: str) -> None:
        if (folder / f"{stem}.png").exists():
            found[section].append(Picture(embed(folder / stem), title, alt))

    for at, name in enumerate(factors, 1):
        add("questions", f"question-{at:02d}", f"What {name} does: each row on a scale of its own, about 0.",
            f"Change of every outcome with {name}, 95 % intervals about the line of no difference.")  # fmt: skip
    for at, name in enumerate(dict.fromkeys(sweeps["factor"]) if len(sweeps) else (), 1):
        bands = "Bands: 95 % intervals of the difference from the reference value, where they have no width."
        add("sweeps", f"sweep-{at:02d}", f"Along {name}. {bands} Points: folds and seeds.",
            f"Curves of every outcome against {name}.")  # fmt: skip
    for outcome, detector in effects[["outcome", "detector"]].drop_duplicates().itertuples(index=False):
        stem, text = f"{outcome}-{detector}" if detector else outcome, sentence_case(titled(outcome, detector))
        add("outcomes", f"cells-{stem}", f"{text}, by cell. Thin: folds and seeds. Thick: their mean. Grey dashes: "
            "chance.", f"Lines of {text} by pairs of factors.")  # fmt: skip
        add("outcomes", f"effects-{stem}", f"{text}: all effects, with 95 % intervals.",
            f"Forest of effects on {text}.")  # fmt: skip
    return found


def effect_table(effects: pd.DataFrame) -> Table:
    """``factorial.tsv``."""
    heads = ("Outcome", "Detector", "Effect of", "Level", "Instead of", "By", "Estimate", "95 % interval", "First",
             "Second", "p", "p (Holm)", "q", "Pairs", "Without collapsed", "Note")  # fmt: skip
    rows = []
    for row in effects.to_dict("records"):
        by = f"{row['by']}: {row['by_level']} against {row['by_reference']}" if row["effect"] != MAIN else ""
        rows.append([
            Cell(titled(row["outcome"])), Cell(row["detector"]), Cell(row["factor"]), Cell(row["level"]),
            Cell(row["reference"]), Cell(by), _change(row["estimate"]), interval(row, 3), number(row["first"], 3),
            number(row["second"], 3), probability(row["p"]), probability(row["p_holm"]), probability(row["q"]),
            Cell(f"{row['pairs']:.0f} of {row['pairs_planned']:.0f}", float(row["pairs"])),
            _change(row["estimate_healthy"]), note(row["note"]),
        ])  # fmt: skip
    return Table("effects", heads, rows, frozenset(range(6, 15)), long=True)


def _change(value: float) -> Cell:
    return number(value) if not np.isfinite(value) else Cell(signed(value), float(value))


def cell_table(cells: pd.DataFrame, factors: list[str]) -> Table:
    """``cells.tsv``."""
    heads = (
        "Outcome",
        "Detector",
        *factors,
        "Mean",
        "95 % interval",
        "Models",
        "Collapsed",
        "Folds",
        "Seeds",
        "Note",
    )
    rows = [
        [Cell(titled(row["outcome"])), Cell(row["detector"]), *(Cell(row[name]) for name in factors),
         number(row["estimate"], 3), interval(row, 3), count(row["models"]), count(row["collapsed"]),
         count(row["folds"]), count(row["seeds"]), note(row["note"])]
        for row in cells.to_dict("records")
    ]  # fmt: skip
    first = 2 + len(factors)
    return Table("cells", heads, rows, frozenset(range(first, first + 6)), long=True)


def sweep_table(sweeps: pd.DataFrame) -> Table:
    """``sweeps.tsv``."""
    heads = ("Factor", "Value", "Curve", "Outcome", "Detector", "Mean", "95 % interval", "Against", "Difference",
             "95 % interval", "p", "Models", "Collapsed", "Note")  # fmt: skip
    rows = []
    for row in sweeps.to_dict("records"):
        away: dict[Hashable, Any] = {"low": row["difference_low"], "high": row["difference_high"]}
        rows.append([
            Cell(row["factor"]), Cell(f"{row['value']:g}", float(row["value"])), Cell(row["curve"]),
            Cell(titled(row["outcome"])), Cell(row["detector"]), number(row["estimate"], 3), interval(row, 3),
            Cell(f"{row['reference_value']:g}", float(row["reference_value"])), _change(row["difference"]),
            interval(away, 3),
            probability(row["p"]), count(row["models"]), count(row["collapsed"]), note(row["note"]),
        ])  # fmt: skip
    return Table("sweeps", heads, rows, frozenset((1, *range(5, 13))), long=True)


def matching_table(matching: pd.DataFrame, factors: tuple[str, ...]) -> Table:
    """``matching.tsv``: each number, and its ratio to the reference cell where that is not 1."""
    names = [str(name) for name in matching if f"{name}_ratio" in matching]
    heads = [", ".join(str(row[name]) for name in factors) for row in matching.to_dict("records")]
    grid = [[sentence_case(name.replace("_", " ")), *(_matched(row, name) for row in matching.to_dict("records"))]
            for name in names]  # fmt: skip
    grid.insert(0, ["Trained models", *(f"{row['models']:.0f}" for row in matching.to_dict("records"))])
    columns = ["", *heads]
    if len(heads) > FEW_CELLS:
        turned = [list(each) for each in zip(*([columns, *grid]), strict=True)]
        columns, grid = turned[0], turned[1:]
    rows = [[Cell(text) for text in line] for line in grid]
    return Table("matching", columns, rows, frozenset(range(1, len(columns))), long=len(grid) > 14)


def _matched(row: dict[Any, Any], name: str) -> str:
    value, ratio = row[name], row[f"{name}_ratio"]
    if not np.isfinite(value):
        return "–"
    text = f"{value:,.0f}".replace(",", "\N{NARROW NO-BREAK SPACE}") if value >= 100 else f"{value:.4g}"
    return text if not np.isfinite(ratio) or abs(ratio - 1) < 0.005 else f"{text} (× {ratio:.3g})"


def unmatched_words(matching: pd.DataFrame, factors: list[str]) -> list[str]:
    """What could not be matched, a sentence per cell; or that all was."""
    said = [
        f"{', '.join(str(row[name]) for name in factors)}: {row['unmatched']}."
        for row in matching.to_dict("records") if row["unmatched"]
    ]  # fmt: skip
    return said or ["Every quantity below is the same in all cells, to 2 %."]


def plain_table(name: str, table: pd.DataFrame) -> Table:
    """A table shown as it is."""
    rows = [tuple(str(value) for value in row) for row in table.itertuples(index=False)]
    return pairs(name, [sentence_case(str(column)) for column in table], rows)
