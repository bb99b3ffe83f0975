"""What models do to the numbers of their latent spaces: a small panel per number, the cells one under the other."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from nigra.errors import NigraError
from nigra.figures.latent_numbers import MEASURES, SHARES
from nigra.figures.style import INK, MODEL_COLOURS, MUTED, PAGE_MM, in_rows, page, place, styled, write
from nigra.statistics.latent_study import TRAINING, UNTRAINED

Row = tuple[str, ...]
"""Levels of a cell, and whether it is trained."""

ACROSS, LEFT, GAP, HEAD, TALL, BETWEEN = 4, 36.0, 4.0, 17.0, 4.4, 13.0


@styled
def latent_study_figure(cells: pd.DataFrame, values: pd.DataFrame, factors: Sequence[str]) -> Figure:
    """A panel per number; per cell the mean with its interval over folds and seeds, and a dot per fold and seed.

    Untrained twins stand below their cell, open and in grey; grey dashes are what no signal gives.

    Args:
        cells: ``cells.tsv`` of ``statistics.latent_study``.
        values: every number of every fold and seed, with the factors, training, measure, estimate.
        factors: columns that name a cell.

    Raises:
        NigraError: no number to draw.
    """
    known = cells[cells["estimate"].notna() & cells["measure"].isin(list(MEASURES))]
    if known.empty:
        raise NigraError("there is no number of a latent space to draw; run `nigra latent` first.")
    keys = [*factors, TRAINING]
    rows = list(dict.fromkeys(known.sort_values(TRAINING, kind="stable")[keys].itertuples(index=False, name=None)))
    first = {row[:-1]: at for at, row in reversed(list(enumerate(rows)))}
    rows.sort(key=lambda row: first[row[:-1]])  # each untrained twin below its own cell
    shown = [name for name in MEASURES if (known["measure"] == name).any()]
    tall, down = TALL * len(rows) + 2, -(-len(shown) // ACROSS)
    wide = (PAGE_MM - LEFT - 3 - GAP * (ACROSS - 1)) / ACROSS
    figure = page(HEAD + down * (tall + BETWEEN))
    colours = _colours(rows)
    for number, measure in enumerate(shown):
        row, column = divmod(number, ACROSS)
        left, top = LEFT + column * (wide + GAP), HEAD + row * (tall + BETWEEN)
        axes = place(figure, left, top, wide, tall)
        own = [_by_row(frame[frame["measure"] == measure], keys) for frame in (known, values)]
        _panel(axes, own[0], own[1], rows, colours)
        if any(word in measure for word in SHARES):
            axes.set_xlim(max(-0.02, axes.get_xlim()[0]), min(1.02, axes.get_xlim()[1]))
        write(figure, left, top - 1.6, MEASURES[measure], fontsize=7, fontweight="bold")
        if column == 0:
            _names(figure, rows, top, tall)
    write(figure, 3, 5, "Latent spaces over folds and seeds", fontsize=9, fontweight="bold")
    _legend(figure)
    return figure


def _by_row(frame: pd.DataFrame, keys: list[str]) -> dict[Row, pd.DataFrame]:
    return {tuple(map(str, row)): own for row, own in frame.groupby(keys, sort=False)}


def _panel(
    axes: Axes, means: dict[Row, pd.DataFrame], each: dict[Row, pd.DataFrame], rows: list[Row], colours: list[str]
) -> None:
    """One number: rows of cells, the first on top."""
    for at, row in enumerate(rows):
        fill = "white" if row[-1] == UNTRAINED else colours[at]
        if row in each:
            dots = each[row]["estimate"].to_numpy(dtype=float)
            axes.plot(dots, np.full(len(dots), at + 0.22), ".", color=colours[at], markersize=2.2, alpha=0.55,
                      markeredgewidth=0)  # fmt: skip
        if row not in means:
            continue
        mean = means[row].iloc[0]
        axes.plot([mean["low"], mean["high"]], [at - 0.1] * 2, color=colours[at], linewidth=1.3)
        axes.plot(mean["estimate"], at - 0.1, "o", color=colours[at], markersize=3.2, markerfacecolor=fill)
        if np.isfinite(mean["null"]):
            axes.plot([mean["null"]] * 2, [at - 0.45, at + 0.45], color=MUTED, linewidth=0.9, dashes=(2, 1))
    in_rows(axes, len(rows))


def _names(figure: Figure, rows: list[Row], top: float, tall: float) -> None:
    for at, row in enumerate(rows):
        untrained = row[-1] == UNTRAINED
        text = "untrained" if untrained else ", ".join(row[:-1])
        size = min(6.5, 6.5 * 26 / max(len(text), 1))
        baseline = top + tall * (at + 0.6) / len(rows) + 0.8
        write(figure, LEFT - 2, baseline, text, fontsize=size, ha="right", color=MUTED if untrained else INK)


def _colours(rows: list[Row]) -> list[str]:
    """A colour per cell, grey for untrained ones."""
    cells = list(dict.fromkeys(row[:-1] for row in rows))
    own = {cell: MODEL_COLOURS[at % len(MODEL_COLOURS)] for at, cell in enumerate(cells)}
    return [MUTED if row[-1] == UNTRAINED else own[row[:-1]] for row in rows]


def _legend(figure: Figure) -> None:
    handles = [
        Line2D([], [], color=INK, marker="o", markersize=3.2, linewidth=1.3, label="mean, 95 % over folds, seeds"),
        Line2D([], [], color=INK, marker=".", markersize=2.6, linestyle="", label="a fold and seed"),
        Line2D([], [], color=MUTED, marker="o", markersize=3.2, linewidth=1.3, markerfacecolor="white",
               label="untrained"),
        Line2D([], [], color=MUTED, linewidth=0.9, dashes=(2, 1), label="no signal"),
    ]  # fmt: skip
    height = figure.get_size_inches()[1] * 25.4
    figure.legend(
        handles=handles, loc="upper right", ncols=4, handlelength=2, columnspacing=1.2, fontsize=6.5,
        bbox_to_anchor=(1 - 2 / PAGE_MM, 1 - 1.2 / height),
    )  # fmt: skip
