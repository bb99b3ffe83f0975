"""What planted anomalies show: dose-response curves of every method, and lesions found against false clusters."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from nigra.detection.settings import INTENSITIES, method_label
from nigra.errors import NigraError
from nigra.figures.style import INK, MODEL_COLOURS, MUTED, PAGE_MM, Number, page, place, styled, write

LABELS = {
    "auroc": ("voxel AUROC", (0.0, 1.02)),
    "auroc_paired": ("voxel AUROC, planted against as scanned", (0.0, 1.02)),
    "average_precision": ("average precision", (0.0, 1.02)),
    "sensitivity": ("share of lesion voxels found, run's threshold", (0.0, 1.02)),
    "sensitivity_matched": ("share of lesion voxels found", (0.0, 1.02)),
    "found": ("share of lesions found", (0.0, 1.02)),
    "region_found": ("share of regions that stand out", (0.0, 1.02)),
}
"""Axis label and limits of each measure."""

DASHES: Sequence[tuple[float, ...]] = ((), (4, 1.4), (1.2, 1.2), (6, 1.2, 1.2, 1.2))
COLOURS = (*MODEL_COLOURS, INK, "#8a6d00", "#882255")
MARKS = ("o", "s", "^", "D", "v", "P", "X", "<", ">")
LEFT, GAP, HEAD, TALL = 14.0, 5.0, 9.0, 34.0
ACROSS = 4
CHANCE_LINE = Line2D([], [], color=MUTED, linewidth=0.8, dashes=(3, 2), label="chance")
AS_SCANNED = Line2D([], [], color=MUTED, linewidth=0, marker=".", markersize=2.5, label="any method, as scanned")


@styled
def dose_response_figure(table: pd.DataFrame, measure: str = "sensitivity_matched", rate: Number = 0.02) -> Figure:
    """One panel per effect (columns) and shape in a size (rows); x strength, y measure, one line per method.

    ``table`` is ``dose_response.tsv``. Bands are its intervals over subjects; the grey dashed line is chance, or
    what is found at the same places as scanned where theory gives none. ``rate`` is the observed false-positive
    rate at which methods are compared, for the words.

    Raises:
        NigraError: the table has no value of this measure.
    """
    own = table[table["measure"] == measure].dropna(subset=["estimate"])
    if own.empty:
        raise NigraError(f"no planted lesion has a value of {measure}; run `nigra simulate` first.")
    text, limits = LABELS[measure]
    figure, panels, looks = _panels(own, CHANCE_LINE)
    for (row, column), (axes, rows) in panels.items():
        _chance(axes, rows)
        for method, curve in rows.groupby("method", sort=False):
            colour, dash, mark = looks[str(method)]
            x = curve["strength"].to_numpy(float)
            low, high = curve["low"].to_numpy(float), curve["high"].to_numpy(float)
            axes.fill_between(x, low, high, color=colour, alpha=0.09, linewidth=0)
            axes.plot(x, curve["estimate"], color=colour, dashes=dash, linewidth=1.2, marker=mark, markersize=2.4)
        axes.set(ylim=limits, xlim=(0, 1.04 * rows["strength"].max()))
        _label(axes, row, column, text, "strength", max(r for r, _ in panels))
    matched = f"at the threshold that {100 * rate:g} % of unplanted test controls' voxels exceed"
    said = {"sensitivity_matched": matched, "found": matched}.get(measure, "")
    write(figure, LEFT, 4.5, f"{text[0].upper()}{text[1:]} {said}".strip(), weight="bold", fontsize=8)
    return figure


@styled
def froc_figure(table: pd.DataFrame) -> Figure:
    """Lesions found against false-positive clusters per subject, a point per threshold and a line per method.

    ``table`` is ``froc.tsv``. Panels as in ``dose_response_figure``, each at the strength at which the best method
    comes nearest to finding half of the lesions; the curve as scanned, where nothing is to be found, is dotted.

    Raises:
        NigraError: the table is empty.
    """
    if table.empty:
        raise NigraError("there are no planted lesions to count; run `nigra simulate` first.")
    figure, panels, looks = _panels(table, AS_SCANNED)
    most = float(table["false_clusters"].max())
    for (row, column), (axes, rows) in panels.items():
        strength = telling_strength(rows)
        for method, curve in rows[rows["strength"] == strength].groupby("method", sort=False):
            colour, dash, mark = looks[str(method)]
            axes.plot(curve["false_clusters"], curve["sensitivity"], color=colour, dashes=dash, linewidth=1.2,
                      marker=mark, markersize=2.4)  # fmt: skip
        chance = rows[rows["strength"] == 0].sort_values("false_clusters")
        axes.plot(chance["false_clusters"], chance["sensitivity"], ".", color=MUTED, markersize=1.5)
        axes.set_xscale("symlog", linthresh=1)
        axes.set(ylim=(-0.02, 1.02), xlim=(0, 1.3 * most))
        ticks = [0, *(10**power for power in range(6) if 10**power <= 1.3 * most)]
        axes.set_xticks(ticks, [str(tick) for tick in ticks])
        axes.set_xticks([], minor=True)
        axes.text(0.03, 0.93, f"strength {strength:g}", transform=axes.transAxes, fontsize=6.5, color=INK)
        _label(axes, row, column, "share of lesions found", "false-positive clusters per subject",
               max(r for r, _ in panels))  # fmt: skip
    write(figure, LEFT, 4.5, "Lesions found against false-positive clusters", weight="bold", fontsize=8)
    return figure


def telling_strength(rows: pd.DataFrame) -> float:
    """The strength at which the best method's share of lesions found, over the curve, is nearest to a half."""
    best = rows[rows["strength"] > 0].groupby(["strength", "rate"])["sensitivity"].max().groupby("strength").mean()
    best = best.iloc[::-1]  # of equal ones the strongest
    return float(best.index[int((best - 0.5).abs().argmin())])


Look = tuple[str, tuple[float, ...], str]


def looks_of(methods: Sequence[tuple[str, str]]) -> dict[str, Look]:
    """Colour by model (by detector where there is none), dashes and mark by detector.

    So methods are told apart in grey print and by colour-blind readers.
    """
    owners = [method_label(m, d) if m == INTENSITIES else m for m, d in methods]
    colours, detectors = list(dict.fromkeys(owners)), list(dict.fromkeys(detector for _, detector in methods))
    found = {}
    for owner, (model, detector) in zip(owners, methods, strict=True):
        c, d = colours.index(owner), detectors.index(detector)
        look = COLOURS[c % len(COLOURS)], DASHES[d % len(DASHES)], MARKS[d % len(MARKS)]
        found[method_label(model, detector)] = look
    return found


Panels = dict[tuple[int, int], tuple[Axes, pd.DataFrame]]


def _panels(table: pd.DataFrame, beside: Line2D) -> tuple[Figure, Panels, dict[str, Look]]:
    """Axes for each shape in a size (row) and effect (column, four at most) with their rows, the legend below.

    ``beside`` stands in the legend after the methods.
    """
    pairs = list(dict.fromkeys(zip(table["model"], table["detector"], strict=True)))
    table = table.assign(method=[method_label(*p) for p in zip(table["model"], table["detector"], strict=True)])
    shapes = list(dict.fromkeys(zip(table["shape"], table["size"], strict=True)))
    effects, looks = list(dict.fromkeys(table["effect"])), looks_of(pairs)
    across, down = min(len(effects), ACROSS), -(-len(effects) // ACROSS)
    columns = min(len(looks) + 1, 3)
    legend_mm = 5 + 3.9 * -(-(len(looks) + 1) // columns)
    wide = min((PAGE_MM - LEFT - 4) / across - GAP, 75)
    figure = page(HEAD + 5 + len(shapes) * down * (TALL + 12) + legend_mm)
    panels: Panels = {}
    for shape_row, (shape, size) in enumerate(shapes):
        for number, effect in enumerate(effects):
            row, column = shape_row * down + number // ACROSS, number % ACROSS
            axes = place(figure, LEFT + column * (wide + GAP), HEAD + 5 + row * (TALL + 12), wide, TALL)
            axes.set_title(f"{effect}, {shape} {size}", loc="left", pad=3)
            chosen = (table["shape"] == shape) & (table["size"] == size) & (table["effect"] == effect)
            panels[row, column] = axes, table[chosen]
    handles = [
        Line2D([], [], color=c, dashes=d, marker=m, markersize=2.8, linewidth=1.2, label=name)
        for name, (c, d, m) in looks.items()
    ]  # fmt: skip
    figure.legend(
        handles=[*handles, beside], loc="lower left", ncols=columns, handlelength=3.2, columnspacing=1.4,
        bbox_to_anchor=(LEFT / PAGE_MM - 0.02, 0.0),
    )  # fmt: skip
    return figure, panels, looks


def _chance(axes: Axes, rows: pd.DataFrame) -> None:
    """Chance by theory, else the mean over methods of what is found where nothing was planted."""
    known = rows["chance"].notna().any()
    level = float(rows["chance"].mean() if known else rows["unplanted"].mean())
    if np.isfinite(level):
        axes.axhline(level, color=MUTED, linewidth=0.8, dashes=(3, 2))


def _label(axes: Axes, row: int, column: int, y: str, x: str, last: int) -> None:
    """Axis labels where a reader looks for them: left and below."""
    axes.set_ylabel(y if column == 0 else "")
    axes.set_xlabel(x if row == last else "")
    axes.tick_params(labelleft=column == 0)
