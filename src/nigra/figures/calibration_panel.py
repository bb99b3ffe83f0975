"""The calibration panel drawn: observed against promised false positives, one panel per factor."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nigra.detection.conformal import achieved, controls_needed
from nigra.errors import NigraError
from nigra.figures.style import INK, MODEL_COLOURS, MUTED, PAGE_MM, Number, page, place, round_up, styled
from nigra.statistics.calibration_panel import REGION

MOST = 24
"""Regions drawn; of more, those farthest from the promise."""

ROW, HEAD, FOOT = 4.6, 9.0, 10.0
"""Millimetres per level, above a panel and below it."""


@styled
def calibration_panel(table: pd.DataFrame, alpha: Number | None = None, controls: int | None = None) -> Figure:
    """Mean percent abnormal voxels of test controls with its interval, per level of every factor.

    ``table`` is that of ``nigra.statistics.calibration_panel``. The dashed line is the promise; a level whose
    interval leaves it out is drawn in another colour and as a square. Regions stand on the right, everything else
    on the left, and with ``alpha`` under it how close n controls come to it voxel by voxel (``controls`` marks
    this study's number). Raises ``NigraError`` without a value.
    """
    known = table.dropna(subset=["percent"])
    if known.empty:
        raise NigraError("no test control has a percentage of abnormal voxels; run the regions stage first.")
    short = [(str(name), rows) for name, rows in known[known["factor"] != REGION].groupby("factor", sort=False)]
    regions = known[known["factor"] == REGION]
    away = (regions["percent"] - regions["expected_percent"]).abs()
    shown = regions.loc[away.sort_values(ascending=False).index[:MOST]].sort_values("percent", ascending=False)
    curve = 44.0 + FOOT if alpha is not None else 0.0
    left = sum(HEAD + FOOT + ROW * len(rows) for _, rows in short) + curve
    right = HEAD + FOOT + ROW * len(shown) if len(shown) else 0.0
    figure = page(max(left, right) + 2)
    top = round_up(1.05 * known[["percent", "high"]].max().max())
    half, depth = PAGE_MM / (2 if len(shown) else 1), 0.0
    brain = round_up(1.05 * known.loc[known["factor"] != REGION, ["percent", "high"]].max().max())
    for name, rows in short:
        axes = place(figure, 34, depth + HEAD, half - 40, ROW * len(rows))
        _levels(axes, rows, name, brain)
        depth += HEAD + FOOT + ROW * len(rows)
    if alpha is not None:
        _curve(place(figure, 34, depth + HEAD, half - 40, 44 - HEAD), float(alpha), controls)
    if len(shown):
        axes = place(figure, half + 38, HEAD, half - 42, ROW * len(shown))
        more = f"farthest {len(shown)} of {len(regions)} regions" if len(regions) > len(shown) else "region"
        _levels(axes, shown, more, top)
    return figure


def _levels(axes: Axes, rows: pd.DataFrame, title: str, top: float) -> None:
    """One row per level: the mean, its interval, the promise."""
    for row, (_, level) in enumerate(rows.iterrows()):
        broken = "promised" in str(level["note"])
        colour, marker = (MODEL_COLOURS[1], "s") if broken else (MODEL_COLOURS[0], "o")
        axes.plot([level["low"], level["high"]], [row, row], color=colour, linewidth=1.4, solid_capstyle="butt")
        axes.plot(level["percent"], row, marker, color=colour, markersize=3.4)
    axes.axvline(float(rows["expected_percent"].iloc[0]), color=MUTED, linewidth=0.8, dashes=(4, 2))
    names = [_short(f"{level} ({n})") for level, n in zip(rows["level"], rows["controls"], strict=True)]
    axes.set_yticks(range(len(rows)), names)
    axes.set(xlim=(0, top), ylim=(len(rows) - 0.4, -0.6), xlabel="abnormal voxels of test controls (%)")
    axes.set_title(title, loc="left", pad=4)
    axes.tick_params(axis="y", length=0)


def _short(name: str, most: int = 30) -> str:
    """A name that fits beside its panel: the end, with the count, is kept."""
    return name if len(name) <= most else f"{name[: most - 13]}…{name[-12:]}"


def _curve(axes: Axes, alpha: float, controls: int | None) -> None:
    """Expected rate and 95 % of cohorts at one voxel, over the number of controls."""
    first = controls_needed(alpha)
    here = first if controls is None else controls
    low, high = max(min(first // 2, here // 2), 2), max(12 * first, 2 * here)
    sizes = np.unique(np.geomspace(low, high, 240).astype(int))
    expected, low, high = 100 * np.array([achieved(int(n), alpha) for n in sizes]).T
    axes.fill_between(sizes, low, high, step="post", color=MODEL_COLOURS[0], alpha=0.22, linewidth=0)
    axes.step(sizes, expected, where="post", color=MODEL_COLOURS[0], linewidth=1.2)
    axes.axhline(100 * alpha, color=MUTED, linewidth=0.8, dashes=(4, 2))
    top = round_up(1.1 * high.max())
    if controls is not None:
        axes.axvline(controls, color=INK, linewidth=0.9)
        axes.text(controls, top, f" {controls} here", fontsize=6.5, va="top", color=INK)
    axes.set(xscale="log", xlim=(sizes[0], sizes[-1]), ylim=(0, top))
    ticks = [n for n in (10, 20, 50, 100, 200, 500, 1000, 2000) if sizes[0] <= n <= sizes[-1]]
    axes.set_xticks(ticks, [str(n) for n in ticks])
    axes.set_xticks([], minor=True)
    axes.set(xlabel="controls at a voxel", ylabel="false positives (%)")
    axes.set_title(f"per voxel: {first} controls for {100 * alpha:g} %", loc="left", pad=4)
