"""Curves of a sweep: an outcome against alpha, code size, beta, patch size or the number of training subjects."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy import ndarray

from nigra.errors import NigraError
from nigra.figures.style import INK, MODEL_COLOURS, MUTED, PAGE_MM, RULE, page, place, styled, write
from nigra.statistics.factorial_words import sentence_case
from nigra.statistics.outcomes import outcome_of, titled

MARKS = ("o", "s", "^", "D", "v", "P", "X", "<", ">")
LEFT, WIDE, TALL, ACROSS = 14.0, 72.0, 38.0, 2
DECADES = 1.2
"""Powers of ten a positive grid spans from which its axis is logarithmic."""

AWAY = 0.7
"""How far 0 stands to the left of the smallest positive value, in powers of ten, beyond a broken axis."""


class Axis:
    """Where the values of a sweep stand: linear, or logarithmic with 0, which has no logarithm, beyond a break."""

    def __init__(self, values: Sequence[float]) -> None:
        positive = [value for value in values if value > 0]
        spread = np.log10(max(positive) / min(positive)) if positive else 0.0
        self.log = bool(spread >= DECADES and min(values) >= 0)
        self.zero = float(np.log10(min(positive)) - AWAY) if self.log else 0.0
        self.broken = self.log and min(values) == 0

    def at(self, values: Float[ndarray, " n"]) -> Float[ndarray, " n"]:
        """Positions on the axis."""
        if not self.log:
            return values
        return np.where(values > 0, np.log10(np.maximum(values, np.finfo(float).tiny)), self.zero)

    def draw(self, axes: Axes, values: Float[ndarray, " n"]) -> None:
        """Ticks at the values of the sweep, and the break between 0 and the others."""
        places = self.at(values)
        kept = _apart(places, 0.075 * max(float(np.ptp(places)), 1e-9))
        axes.set_xticks(places[kept], [f"{value:g}" for value in values[kept]])
        if self.broken:
            middle = self.zero + AWAY / 2
            for shift in (-0.04, 0.04):
                stroke = np.array([-0.03, 0.03]) + middle + shift
                axes.plot(stroke, [-0.025, 0.025], color=MUTED, linewidth=0.8, clip_on=False,
                          transform=axes.get_xaxis_transform())  # fmt: skip


def _apart(places: Float[ndarray, " n"], least: float) -> list[int]:
    """Which ticks have room for their label: from the left, none nearer than ``least`` to the last."""
    kept: list[int] = []
    for number, place_ in enumerate(places):
        if not kept or place_ - places[kept[-1]] >= least:
            kept.append(number)
    return kept


@styled
def sweep_figure(table: pd.DataFrame, points: pd.DataFrame | None = None) -> Figure:
    """One panel per outcome and detector, a curve per combination of the other factors.

    Bands are 95 % intervals of the paired difference from the reference value (where they have no width), laid
    about the curve: one that leaves out the height of the reference speaks of a difference. Points are folds and
    seeds, where ``points`` are given; chance is dashed, the published value a thin vertical line. On a logarithmic
    axis 0 stands alone beyond a break, joined by dots.

    Args:
        table: rows of ``sweeps.tsv`` of one factor.
        points: of ``nigra.statistics.sweep.points_of``.

    Raises:
        NigraError: no row has an estimate.
    """
    table = table.dropna(subset=["estimate"])
    if table.empty:
        raise NigraError("there is no curve to draw; score the models of the sweep first.")
    axis = Axis(sorted(table["value"].unique()))
    panels = list(table.groupby(["outcome", "detector"], sort=False))
    curves = {name: k for k, name in enumerate(table["curve"].unique())}
    legend = 6.0 + 4.0 * -(-(len(curves) + 2) // 3)
    figure = page(9 + -(-len(panels) // ACROSS) * (TALL + 18) + legend)
    for number, ((outcome, detector), rows) in enumerate(panels):
        axes = place(figure, LEFT + number % ACROSS * (WIDE + 15), 13 + number // ACROSS * (TALL + 18), WIDE, TALL)
        axes.set_title(sentence_case(titled(str(outcome), str(detector))), loc="left", pad=3, fontsize=6.8)
        heights = [rows["estimate"].to_numpy(dtype=float)]
        for curve, own in rows.groupby("curve", sort=False):
            _curve(axes, axis, own.sort_values("value"), curves[str(curve)])
            if points is not None:
                heights.append(_points(axes, axis, points, own, curves[str(curve)]))
        _finish(axes, axis, rows, str(outcome), np.concatenate(heights))
    write(figure, 3, 5, f"Along {table['factor'].iloc[0]}", fontsize=8, weight="bold")
    _legend(figure, curves, bool(np.isfinite(table["published"]).any()))
    return figure


def _look(number: int) -> tuple[str, str]:
    return MODEL_COLOURS[number % len(MODEL_COLOURS)], MARKS[number % len(MARKS)]


def _curve(axes: Axes, axis: Axis, own: pd.DataFrame, number: int) -> None:
    colour, mark = _look(number)
    x, y = axis.at(own["value"].to_numpy(dtype=float)), own["estimate"].to_numpy(dtype=float)
    shift = y - own["difference"].to_numpy(dtype=float)
    low, high = (shift + own[f"difference_{end}"].to_numpy(dtype=float) for end in ("low", "high"))
    at_reference = own["value"].to_numpy(dtype=float) == own["reference_value"].to_numpy(dtype=float)
    low, high = np.where(at_reference, y, low), np.where(at_reference, y, high)
    begin = 1 if axis.broken and own["value"].iloc[0] == 0 else 0
    axes.fill_between(x[begin:], low[begin:], high[begin:], color=colour, alpha=0.1, linewidth=0)
    axes.plot(x[begin:], y[begin:], color=colour, linewidth=1.4, marker=mark, markersize=3.4)
    if begin:
        axes.plot(x[:2], y[:2], color=colour, linewidth=0.8, linestyle=":")
        axes.fill_between(x[0] + np.array([-0.04, 0.04]), low[0], high[0], color=colour, alpha=0.2, linewidth=0)
        axes.plot(x[0], y[0], color=colour, marker=mark, markersize=3.4)


def _points(axes: Axes, axis: Axis, points: pd.DataFrame, own: pd.DataFrame, number: int) -> ndarray:
    """Each fold and seed (mean over subjects); returns how high they stand."""
    first = own.iloc[0]
    same = np.all([points[name] == first[name] for name in ("outcome", "detector", "curve")], axis=0)
    means = points[same].groupby(["at", "fold", "seed"])["value"].mean().reset_index()
    x, heights = axis.at(means["at"].to_numpy(dtype=float)), means["value"].to_numpy(dtype=float)
    axes.plot(x, heights, ".", color=_look(number)[0], markersize=2.6, alpha=0.55, markeredgewidth=0)
    return heights


def _finish(axes: Axes, axis: Axis, rows: pd.DataFrame, outcome: str, heights: ndarray) -> None:
    factor, published = str(rows["factor"].iloc[0]), float(rows["published"].iloc[0])
    axis.draw(axes, np.array(sorted(rows["value"].unique()), dtype=float))
    if np.isfinite(published):
        axes.axvline(float(axis.at(np.array([published]))[0]), color=INK, linewidth=0.6, zorder=0)
    low, high, spread = float(heights.min()), float(heights.max()), float(np.ptp(heights)) or 0.1
    bottom, top = axes.get_ylim()  # bands of few folds go on for ever: they have as much room again, no more
    bottom, top = max(bottom, low - spread), min(top, high + spread)
    chance = outcome_of(outcome).chance
    if chance is not None and low - spread <= chance <= high + spread:
        axes.axhline(chance, color=MUTED, linewidth=0.8, dashes=(3, 2), zorder=1)
        bottom, top = min(bottom, chance - spread / 10), max(top, chance + spread / 10)
    axes.set_ylim(bottom, top)
    axes.set_xlabel(f"{factor}{' (logarithmic, 0 apart)' if axis.broken else ' (logarithmic)' if axis.log else ''}")
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.grid(axis="y", color=RULE, linewidth=0.3)
    axes.set_axisbelow(True)


def _legend(figure: Figure, curves: dict[str, int], published: bool) -> None:
    handles = [
        Line2D([], [], color=_look(k)[0], marker=_look(k)[1], markersize=3.4, linewidth=1.4, label=name or "mean")
        for name, k in curves.items()
    ]
    handles.append(Line2D([], [], color=MUTED, linewidth=0.8, dashes=(3, 2), label="chance"))
    if published:
        handles.append(Line2D([], [], color=INK, linewidth=0.6, label="published value"))
    figure.legend(handles=handles, loc="lower left", ncols=3, bbox_to_anchor=(LEFT / PAGE_MM - 0.02, 0.0),
                  columnspacing=1.4, handlelength=2.6)  # fmt: skip
