"""The picture of cost against size, drawn from the JSON of ``nigra bench``."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from nigra.figures.style import MODEL_COLOURS, MUTED, PAGE_MM, page, place, styled

LEFT, TOP, WIDTH, HEIGHT, GAP = 13.0, 14.0, 31.5, 34.0, 12.0
"""Millimetres of the first panel, and between panels."""


@styled
def cost_figure(content: dict[str, Any]) -> Figure:
    """One panel per sweep: seconds against size, both logarithmic, with the fitted power of size beside the line.

    ``content`` is what ``run.run_bench`` returns; it has at least one comparison with a curve.
    """
    found = [comparison for comparison in content["comparisons"] if comparison["curve"]]
    sides = list(dict.fromkeys(side for comparison in found for side in comparison["curve"]["points"]))
    colours = dict(zip(sides, MODEL_COLOURS, strict=False))
    figure = page(TOP + HEIGHT + 10)
    for at, comparison in enumerate(found):
        axes = place(figure, LEFT + at * (WIDTH + GAP), TOP, WIDTH, HEIGHT)
        _draw(axes, comparison, colours)
        if not at:
            axes.set_ylabel("seconds", labelpad=2)
    handles = [Line2D([], [], color=colours[side], marker="o", markersize=2.5, label=side) for side in sides]
    figure.legend(handles=handles, loc="upper left", ncols=len(sides), bbox_to_anchor=(10 / PAGE_MM, 1))
    return figure


def _draw(axes: Axes, comparison: dict[str, Any], colours: dict[str, str]) -> None:
    curve = comparison["curve"]
    axes.set(xscale="log", yscale="log")
    for side, points in curve["points"].items():
        size, seconds = np.array(points, dtype=float).T
        slope = curve["slopes"][side]
        level = np.exp(np.log(seconds).mean() - slope * np.log(size).mean())
        axes.plot(size, level * size**slope, color=colours[side], linewidth=0.8, alpha=0.6)
        axes.plot(size, seconds, "o", color=colours[side], markersize=2.5)
        middle = len(size) // 2
        axes.annotate(f"power {slope:.2f}", (size[middle], seconds[middle]), (4, -6), textcoords="offset points",
                      color=colours[side], fontsize=6.5)  # fmt: skip
    what, _, how = comparison["title"].removeprefix("Cost against ").partition(": ")
    axes.set_title(f"{what}\n", loc="left", pad=3)
    axes.text(0, 1.03, how, transform=axes.transAxes, fontsize=6, color=MUTED, va="bottom")
    axes.set_xlabel(curve["axis"], labelpad=1)
    axes.margins(x=0.1, y=0.15)
    measured = sorted({size for points in curve["points"].values() for size, _ in points})
    axes.set_xticks([measured[0], measured[len(measured) // 2], measured[-1]])
    low, high = axes.get_ylim()
    axes.yaxis.set_major_locator(LogLocator(subs=(1,) if high > 30 * low else (1, 2, 5)))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}".replace(",", " ")))
        axis.set_minor_locator(NullLocator())
    axes.grid(linewidth=0.3, alpha=0.6)
