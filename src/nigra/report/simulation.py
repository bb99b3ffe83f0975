"""The page of a simulation: what each method finds of planted anomalies, in words, pictures and tables."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nigra.files import read_json, read_tsv, write_text
from nigra.report.build import date_words, provenance_tables
from nigra.report.page import fill
from nigra.report.pictures import Picture, embed
from nigra.report.sources import TEXT, by_method, read_sources
from nigra.report.tables import Cell, Table, count, input_table, number, settings_table

FEW_SUBJECTS = 10

SHOWN = (
    "auroc",
    "auroc_paired",
    "average_precision",
    "sensitivity",
    "sensitivity_matched",
    "found",
    "region_found",
)
"""Measures of the dose-response table, in order."""

PICTURES = (
    ("dose-response-sensitivity", "Voxels found", "Share of lesion voxels found against strength, by method."),
    ("dose-response-lesions", "Lesions found", "Share of lesions found against strength, a line per method."),
    ("dose-response-auroc", "Ranking of voxels", "Voxel AUROC against strength, a line per method."),
    ("froc", "Lesions found against false clusters", "Lesions found against false-positive clusters per subject."),
)  # fmt: skip


def build_simulation_page(folder: Path) -> Path:
    """Write ``simulation.html`` from the tables and pictures of ``runs/NAME/simulation``; returns its path.

    One file for any browser, without network, as ``report.html``. The same folder gives the same bytes.
    """
    write_text(folder / "simulation.html", fill("simulation.html", contents(folder)))
    return folder / "simulation.html"


def contents(folder: Path) -> dict[str, Any]:
    """Everything the page shows."""
    made = read_json(folder / "simulation.json")
    smallest, curves = (
        by_method(read_tsv(folder / f"{name}.tsv", (*TEXT, "shape", "size", "effect")))
        for name in ("smallest_effect", "dose_response")
    )
    path = folder / "advantage.tsv"
    ahead = by_method(read_tsv(path, (*TEXT, "shape", "size", "effect"))) if path.exists() else pd.DataFrame()
    run, settings = read_sources(folder.parent), made["settings"]
    return {
        "title": str(settings["title"] or f"Planted anomalies, run {settings['run']}"),
        "run": settings["run"],
        "created": date_words(made["created"]),
        "version": made["versions"]["nigra"],
        "synthetic": run.synthetic,
        "rate": f"{100 * settings['rate']:g}",
        "share": f"{100 * settings['found_share']:g}",
        "brief": in_brief(curves, smallest, ahead),
        "pictures": [
            Picture(embed(folder / "figures" / stem), title, alt) for stem, title, alt in PICTURES
        ],
        "advantage": advantage_table(ahead) if len(ahead) else None,
        "smallest": smallest_table(smallest),
        "curves": curve_table(curves),
        "settings": settings_table(settings),
        "tables": provenance_tables(run),
        "inputs": input_table(made["inputs"]),
    }  # fmt: skip


def in_brief(
    curves: pd.DataFrame, smallest: pd.DataFrame, ahead: pd.DataFrame | None = None
) -> list[tuple[str, list[str]]]:
    """By effect and shape, the smallest strength of which each method finds half, the most sensitive first."""
    subjects = int(curves["subjects"].max())
    healthy = f"{subjects} controls" if subjects > 1 else "one control"
    sentences = [f"Anomalies were planted into {healthy} that no model, detector or threshold had seen."]
    if subjects < FEW_SUBJECTS:
        sentences.append(
            f"With fewer than {FEW_SUBJECTS} subjects intervals are wide and rest on the spread of a few values; "
            "rank no methods by them."
        )
    said = [("What was done", sentences)]
    if ahead is not None and len(ahead):
        said.append(("Against the best baseline", advantage_words(ahead)))
    own = smallest[smallest["measure"] == "sensitivity_matched"]
    for (effect, shape, size), rows in own.groupby(["effect", "shape", "size"], sort=False):
        said.append((f"{effect}, {shape} {size}", smallest_words(rows)))
    return said


def advantage_words(ahead: pd.DataFrame) -> list[str]:
    """Who finds more than the best baseline over all that counts, by the interval of the ratio."""
    whole = ahead[ahead["effect"].isna() & (ahead["model"] != ahead["reference"])]
    more = whole[whole["low"] > 1].sort_values("ratio", ascending=False)
    reference, conditions = ahead["reference"].iloc[0], int(whole["conditions"].max()) if len(whole) else 0
    if more.empty:
        return [
            f"No method finds more than {reference}, by the interval of the ratio over {conditions} conditions."
        ]
    each = ", ".join(
        f"{row['model']} {row['ratio']:.2f} times as much ({row['low']:.2f} to {row['high']:.2f})"
        for row in more.to_dict("records")
    )
    return [
        f"More than {reference}, the baseline that finds most: {each}; {conditions} conditions, 95 % intervals."
    ]


def smallest_words(rows: pd.DataFrame) -> list[str]:
    """Who finds half from which strength on, and who does not at the strongest planted."""
    ranked, sentences = rows.sort_values("estimate", kind="stable"), []
    reached, never = ranked[ranked["estimate"].notna()], ranked[ranked["estimate"].isna()]
    if len(reached):
        each = ", ".join(f"{row['model']} {strength_words(row)}" for row in reached.to_dict("records"))
        sentences.append(f"Half of the voxels is found from this strength on (95 % interval): {each}.")
    if len(never):
        names = "every method" if reached.empty else ", ".join(never["model"])
        sentences.append(
            f"Less than half is found at {ranked['strongest'].iloc[0]:g}, the strongest planted, by {names}."
        )
    return sentences


def strength_words(row: dict[Any, Any]) -> str:
    """A strength with its interval; an end beyond the grid is said in words.

    >>> strength_words({"estimate": 0.21, "low": 0.18, "high": float("nan"), "strongest": 0.4, "subjects": 4})
    '0.21 (0.18 to beyond 0.4)'
    """
    if row["subjects"] < 2:
        return f"{row['estimate']:.2g} (one subject: no interval)"
    low, high = (f"{row[end]:.2g}" if np.isfinite(row[end]) else f"beyond {row['strongest']:g}"
                 for end in ("low", "high"))  # fmt: skip
    return f"{row['estimate']:.2g} ({low} to {high})"


def advantage_table(ahead: pd.DataFrame) -> Table:
    """``advantage.tsv``, the most sensitive method first."""
    heads = ("Method", "Effect", "Shape", "Size", "Sensitivity", "Reference", "Its sensitivity", "Ratio",
             "95 % interval", "Conditions", "Subjects")  # fmt: skip
    rows = []
    for row in ahead.sort_values("ratio", ascending=False, kind="stable").to_dict("records"):
        low, high = number(row["low"]), number(row["high"])
        rows.append([
            Cell(str(row["model"])), *(Cell("all" if pd.isna(row[k]) else str(row[k])) for k in
                                       ("effect", "shape", "size")),
            number(row["sensitivity"], 3), Cell(str(row["reference"])), number(row["reference_sensitivity"], 3),
            number(row["ratio"]), low if low.mark else Cell(f"{low.text} to {high.text}", low.key),
            count(row["conditions"]), count(row["subjects"]),
        ])  # fmt: skip
    return Table("advantage", heads, rows, frozenset((4, 6, 7, 8, 9, 10)), long=True)


def smallest_table(smallest: pd.DataFrame) -> Table:
    """``smallest_effect.tsv``."""
    heads = ("Model", "Effect", "Shape", "Size", "Measure", "Strength at 50 %", "95 % interval", "Subjects", "Note")
    rows = []
    for row in smallest.to_dict("records"):
        low, high = number(row["low"]), number(row["high"])
        interval = low if low.mark and high.mark else Cell(f"{low.text} to {high.text}", low.key)
        rows.append([
            *(Cell(str(row[name])) for name in ("model", "effect", "shape", "size", "measure")),
            number(row["estimate"]), interval, count(row["subjects"]),
            Cell("" if pd.isna(row["note"]) else str(row["note"])),
        ])  # fmt: skip
    return Table("smallest", heads, rows, frozenset((5, 6, 7)), long=True)


def curve_table(curves: pd.DataFrame) -> Table:
    """``dose_response.tsv``, what is planted at all: beside each estimate chance and the same places as scanned."""
    heads = ("Model", "Effect", "Shape", "Size", "Strength", "Measure", "Estimate", "95 % interval", "Chance",
             "As scanned", "Subjects", "Lesions")  # fmt: skip
    rows = []
    for row in curves[(curves["strength"] > 0) & curves["measure"].isin(SHOWN)].to_dict("records"):
        low, high = number(row["low"]), number(row["high"])
        rows.append([
            *(Cell(str(row[name])) for name in ("model", "effect", "shape", "size")), number(row["strength"], 3),
            Cell(str(row["measure"])), number(row["estimate"], 3),
            low if low.mark else Cell(f"{low.text} to {high.text}", low.key),
            number(row["chance"], 3), number(row["unplanted"], 3), count(row["subjects"]), count(row["lesions"]),
        ])  # fmt: skip
    return Table("curves", heads, rows, frozenset((4, 6, 7, 8, 9, 10, 11)), long=True)
