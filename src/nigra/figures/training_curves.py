"""Training curves: one panel per loss term, one thin line per model and draw."""

import json
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from nigra.errors import NigraError
from nigra.figures.style import MODEL_COLOURS, PAGE_MM, page, place, styled

TERMS = {
    "loss": "training loss (total)",
    "reconstruction": "reconstruction term",
    "similarity": "mean cosine of paired codes",
    "validation_loss": "validation loss",
}
"""The columns of ``training.jsonl`` that are drawn, and what their panels are called."""


def read_training(run: Path) -> pd.DataFrame:
    """All ``MODEL/draw-NN/training.jsonl`` of a run as one table: model, draw, epoch, and the loss terms.

    A last line that is still being written is left out. Without any file the table is empty.
    """
    rows = []
    for path in sorted(run.glob("*/draw-*/training.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
            if line.endswith("\n") and line.strip():
                where = {"model": path.parent.parent.name, "draw": int(path.parent.name.removeprefix("draw-"))}
                rows.append({**where, **json.loads(line)})
    return pd.DataFrame(rows, columns=None if rows else ["model", "draw", "epoch", *TERMS])


@styled
def training_curves(history: pd.DataFrame) -> Figure:
    """Draw ``history`` (model, draw, epoch, and any of ``TERMS``), as ``read_training`` returns it.

    A panel of positive values that span more than a factor of ten has a logarithmic axis, and says so. Terms no
    model has are left out. Raises ``NigraError`` for an empty table.
    """
    terms = [term for term in TERMS if term in history and history[term].notna().any()]
    if not terms:
        raise NigraError("there is no training history to draw; train a model first.")
    models = list(dict.fromkeys(history["model"]))
    colours = {model: MODEL_COLOURS[i % len(MODEL_COLOURS)] for i, model in enumerate(models)}
    columns = min(len(terms), 2)
    rows = -(-len(terms) // columns)
    figure = page(10 + rows * 48)
    wide = (PAGE_MM - 6) / columns - 16
    for i, term in enumerate(terms):
        axes = place(figure, 16 + (i % columns) * (wide + 16), 14 + (i // columns) * 48, wide, 32)
        for (model, _), lines in history.dropna(subset=[term]).groupby(["model", "draw"], sort=False):
            axes.plot(lines["epoch"], lines[term], color=colours[model], linewidth=0.8, alpha=0.75)
        finish(axes, term, history[term].dropna())
        axes.set_xlim(0, max(1, history["epoch"].max()))
    handles = [Line2D([], [], color=colours[model], linewidth=1.5, label=model) for model in models]
    figure.legend(handles=handles, loc="upper left", ncols=len(models), bbox_to_anchor=(10 / PAGE_MM, 1),
                  handlelength=1.4, columnspacing=1.6)  # fmt: skip
    return figure


def finish(axes: Axes, term: str, values: pd.Series) -> None:
    """Title, axis names, and a logarithmic axis where it helps."""
    logarithmic = values.min() > 0 and values.max() > 10 * values.min()
    if logarithmic:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_minor_locator(NullLocator())
    axes.set_title(TERMS[term] + (", logarithmic" if logarithmic else ""), loc="left", pad=4)
    axes.set_xlabel("epoch", labelpad=1)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.grid(axis="y", linewidth=0.3, alpha=0.6)
