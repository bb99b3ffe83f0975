"""Numbers of the latent spaces of many models: one small panel per number, models one under the other."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from nigra.errors import NigraError
from nigra.figures.style import INK, MODEL_COLOURS, MUTED, PAGE_MM, in_rows, page, place, styled, write

MEASURES = {
    "intrinsic dimension (TwoNN)": "intrinsic dimension",
    "effective rank": "effective rank",
    "participation ratio": "participation ratio",
    "live dimensions": "live dimensions",
    "alignment": "alignment  ← tighter",
    "uniformity": "uniformity  ← more even",
    "tightness": "tightness  ← tighter",
    "tightness, training controls": "tightness, training",
    "same place closer": "same place closer",
    "place R2": "place, R²",
    "region balanced accuracy": "region, accuracy",
    "neighbour mm": "next code of others, mm",
    "neighbour in same region": "next code: same region",
    "subject accuracy": "subject named",
    "subject accuracy, beyond place": "subject beyond place",
    "subject AUC": "own code is nearer",
    "sex AUC, subject": "sex, AUC",
    "age R2, subject": "age, R²",
    "site balanced accuracy, subject": "site, accuracy",
    "group AUC, subject": "group, AUC",
    "group AUC, code beyond place": "group, AUC of a code",
    "group AUC, shift": "group, AUC of shift",
    "group AUC, spread": "group, AUC of spread",
}
"""Measures with a panel, in order, and what a panel is called."""

SHARES = ("AUC", "accuracy", "same region", "same place")
"""Words of measures that lie between 0 and 1."""

CONTROL = "_untrained"
ACROSS, LEFT, GAP, HEAD, TALL = 4, 33.0, 4.0, 17.0, 3.6


@styled
def latent_numbers_figure(table: pd.DataFrame) -> Figure:
    """A panel per number, a row per model, a dot per draw with its interval over subjects; grey dashes are nulls.

    Untrained networks (``..._untrained``) are drawn open and in grey. A number without an estimate in any model
    has no panel; a model without one keeps its empty row. Where a model has several draws, a bar marks their
    mean.

    Args:
        table: ``runs/NAME/latent/latent.tsv``: model, draw, measure, estimate, low, high, null.

    Raises:
        NigraError: no number to draw.
    """
    known = table[table["estimate"].notna()]
    shown = [name for name in MEASURES if (known["measure"] == name).any()]
    if not shown:
        raise NigraError("there is no number of a latent space to draw; run `nigra latent` first.")
    models = list(dict.fromkeys(table["model"]))
    colours = _colours(models)
    tall, down = TALL * len(models) + 2, -(-len(shown) // ACROSS)
    wide = (PAGE_MM - LEFT - 3 - GAP * (ACROSS - 1)) / ACROSS
    figure = page(HEAD + down * (tall + 13))
    for number, measure in enumerate(shown):
        row, column = divmod(number, ACROSS)
        left, top = LEFT + column * (wide + GAP), HEAD + row * (tall + 13)
        axes = place(figure, left, top, wide, tall)
        _panel(axes, known[known["measure"] == measure], models, colours)
        write(figure, left, top - 1.6, MEASURES[measure], fontsize=7, fontweight="bold")
        if any(word in measure for word in SHARES):
            axes.set_xlim(max(-0.02, axes.get_xlim()[0]), min(1.02, axes.get_xlim()[1]))
        if column == 0:
            _names(figure, models, top, tall)
    write(figure, 3, 5, "Numbers of the latent spaces", fontsize=9, fontweight="bold")
    _legend(figure)
    return figure


def _panel(axes: Axes, rows: pd.DataFrame, models: list[str], colours: dict[str, str]) -> None:
    """The rows of one measure, the first model on top."""
    for at, model in enumerate(models):
        own = rows[rows["model"] == model]
        spread = np.linspace(-0.26, 0.26, len(own)) if len(own) > 1 else np.zeros(len(own))
        for shift, (_, row) in zip(spread, own.iterrows(), strict=True):
            axes.plot([row["low"], row["high"]], [at + shift] * 2, color=colours[model], linewidth=0.9)
            filled = "white" if model.endswith(CONTROL) else colours[model]
            axes.plot(
                row["estimate"], at + shift, "o", color=colours[model], markersize=2.8, markerfacecolor=filled
            )
        if len(own) > 1:
            axes.plot([own["estimate"].mean()] * 2, [at - 0.4, at + 0.4], color=colours[model], linewidth=1.4)
        if own["null"].notna().any():
            axes.plot([own["null"].mean()] * 2, [at - 0.45, at + 0.45], color=MUTED, linewidth=0.9, dashes=(2, 1))
    in_rows(axes, len(models))


def _names(figure: Figure, models: list[str], top: float, tall: float) -> None:
    for at, model in enumerate(models):
        text = model.removesuffix(CONTROL) if not model.endswith(CONTROL) else "  untrained"
        size = min(6.5, 6.5 * 24 / max(len(text), 1))
        baseline = top + tall * (at + 0.6) / len(models) + 0.8
        write(figure, LEFT - 2, baseline, text, fontsize=size, ha="right",
              color=MUTED if model.endswith(CONTROL) else INK)  # fmt: skip


def _colours(models: list[str]) -> dict[str, str]:
    """A colour per trained model; grey for untrained ones."""
    trained = [model for model in models if not model.endswith(CONTROL)]
    found = {model: MODEL_COLOURS[k % len(MODEL_COLOURS)] for k, model in enumerate(trained)}
    return {model: found.get(model, MUTED) for model in models}


def _legend(figure: Figure) -> None:
    handles = [
        Line2D([], [], color=INK, marker="o", markersize=2.8, linewidth=0.9, label="a draw, 95 % over subjects"),
        Line2D([], [], color=MUTED, marker="o", markersize=2.8, linewidth=0.9, markerfacecolor="white",
               label="untrained network"),
        Line2D([], [], color=MUTED, linewidth=0.9, dashes=(2, 1), label="no signal"),
    ]  # fmt: skip
    height = figure.get_size_inches()[1] * 25.4
    figure.legend(
        handles=handles, loc="upper right", ncols=3, handlelength=2, columnspacing=1.4,
        bbox_to_anchor=(1 - 2 / PAGE_MM, 1 - 1.2 / height),
    )  # fmt: skip
