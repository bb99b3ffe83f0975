"""The page that compares latent spaces: small multiples over models, every difference with its interval."""

from pathlib import Path
from typing import Any

import pandas as pd

from nigra.files import read_json, read_tsv, write_text
from nigra.report.analyses import interval, note
from nigra.report.build import date_words, provenance_tables
from nigra.report.page import fill
from nigra.report.pictures import Picture, embed
from nigra.report.sources import read_sources
from nigra.report.tables import Cell, Table, count, input_table, number, probability
from nigra.statistics.factorial import MAIN
from nigra.statistics.factorial_words import is_shown, signed
from nigra.statistics.latent_study import TRAINING

SECTIONS = (
    ("brief", "The answer"), ("numbers", "Number by number"), ("changes", "What changes with what"),
    ("cells", "All numbers"), ("provenance", "Provenance"), ("reading", "How to read this"),
)  # fmt: skip
"""Id and title of the page's sections, in order."""

TOLD = ("tightness", "same place closer", "place R2", "region balanced accuracy", "subject AUC", "effective rank",
        "intrinsic dimension (TwoNN)", "group AUC, code beyond place")  # fmt: skip
"""Numbers that the answer in words tells."""

TEXT = ("measure", "effect", "factor", "level", "reference", "by", "by_level", "by_reference", "note", TRAINING)


def build_latent_study_page(folder: Path) -> Path:
    """Write ``study.html`` from the tables and pictures of ``runs/NAME/latent/study``; returns its path."""
    write_text(folder / "study.html", fill("latent_study.html", contents(folder)))
    return folder / "study.html"


def contents(folder: Path) -> dict[str, Any]:
    """Everything the page shows."""
    made, run = read_json(folder / "study.json"), read_sources(folder.parent.parent)
    factors = list(made["settings"]["factors"])
    cells = read_tsv(folder / "cells.tsv", (*TEXT, *factors))
    effects = read_tsv(folder / "effects.tsv", TEXT).fillna(dict.fromkeys(TEXT[:-1], ""))
    name = ", ".join([made["settings"]["run"], *made["settings"]["beside"]])
    return {
        "title": f"Latent spaces compared: {run.settings.get('title') or name}",
        "run": name,
        "created": date_words(made["created"]),
        "version": made["versions"]["nigra"],
        "synthetic": run.synthetic,
        "sections": SECTIONS,
        "brief": brief(effects),
        "pictures": pictures(folder / "figures", effects),
        "effects": effect_table(effects),
        "cells": cell_table(cells, factors),
        "ratio": f"{made['settings']['test_to_train']:.2f}",
        "tables": provenance_tables(run),
        "inputs": input_table(made["inputs"]),
    }


def brief(effects: pd.DataFrame) -> list[str]:
    """Main effects on the numbers of ``TOLD``, a sentence each; those that are shown first."""
    own = effects[(effects["effect"] == MAIN) & effects["measure"].isin(TOLD) & effects["estimate"].notna()]
    rows = sorted(own.to_dict("records"), key=lambda row: not is_shown(row))
    said = [
        f"{row['measure']}, {row['factor']} {row['level']} instead of {row['reference']}: "
        f"{signed(row['estimate'])} "
        f"({number(row['low'], 3).text} to {number(row['high'], 3).text}), from {number(row['second'], 3).text} to "
        f"{number(row['first'], 3).text}; a difference is {'' if is_shown(row) else 'not '}shown."
        for row in rows
    ]  # fmt: skip
    return said or ["Nothing differs between these models, or nothing was measured of two of them."]


def pictures(folder: Path, effects: pd.DataFrame) -> dict[str, list[Picture]]:
    """The small multiples, and a picture per factor."""
    alt = "Every number of every cell with its interval, untrained networks in grey."
    said = (
        "Means with 95 % intervals over folds and seeds; small dots are folds and seeds, grey dashes what no "
        "signal gives."
    )
    numbers = [Picture(embed(folder / "cells"), said, alt)]
    names = list(dict.fromkeys(effects.loc[(effects["effect"] == MAIN) & effects["estimate"].notna(), "factor"]))
    changes = [
        Picture(embed(folder / f"effect-{at:02d}"), f"What changes with {name}: each row on a scale of its "
                "own, about 0.", f"Change of every number with {name}, 95 % intervals about no difference.")
        for at, name in enumerate(names, 1) if (folder / f"effect-{at:02d}.png").exists()
    ]  # fmt: skip
    return {"numbers": numbers, "changes": changes}


def effect_table(effects: pd.DataFrame) -> Table:
    """``effects.tsv``."""
    heads = ("Number", "Effect of", "Level", "Instead of", "By", "Difference", "95 % interval", "First", "Second",
             "p", "p (Holm)", "Pairs", "Note")  # fmt: skip
    rows = []
    for row in effects.to_dict("records"):
        by = f"{row['by']}: {row['by_level']} against {row['by_reference']}" if row["effect"] != MAIN else ""
        rows.append([
            Cell(row["measure"]), Cell(row["factor"]), Cell(row["level"]), Cell(row["reference"]), Cell(by),
            number(row["estimate"], 3), interval(row, 3), number(row["first"], 3), number(row["second"], 3),
            probability(row["p"]), probability(row["p_holm"]),
            Cell(f"{row['pairs']:.0f} of {row['pairs_planned']:.0f}", float(row["pairs"])), note(row["note"]),
        ])  # fmt: skip
    return Table("effects", heads, rows, frozenset(range(5, 12)), long=True)


def cell_table(cells: pd.DataFrame, factors: list[str]) -> Table:
    """``cells.tsv``."""
    heads = (
        "Number",
        *factors,
        "Training",
        "Mean",
        "95 % interval",
        "No signal",
        "Models",
        "Folds",
        "Seeds",
        "Note",
    )
    rows = [
        [Cell(row["measure"]), *(Cell(str(row[name])) for name in factors), Cell(row[TRAINING]),
         number(row["estimate"], 3), interval(row, 3), number(row["null"], 3), count(row["models"]),
         count(row["folds"]), count(row["seeds"]), note(row["note"])]
        for row in cells.to_dict("records")
    ]  # fmt: skip
    first = 2 + len(factors)
    return Table("cells", heads, rows, frozenset(range(first, first + 6)), long=True)
