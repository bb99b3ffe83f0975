"""The false-positive check: how many voxels of test controls are called abnormal, beside what was promised."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from nigra.errors import NigraError
from nigra.figures.style import INK, MODEL_COLOURS, MUTED, PAGE_MM, Number, page, place, round_up, styled


@styled
def false_positive_check(controls: pd.DataFrame, expected_percent: Number = 2.0) -> Figure:
    """One panel per model, one column of dots per draw: percent abnormal voxels of every test control.

    ``controls`` holds model, fold, participant_id, percent for the test controls and the whole brain. A short bar
    marks each draw's mean, the dashed line ``expected_percent``. The vertical axis is shared. Raises
    ``NigraError`` when no control has a value.
    """
    table = controls.dropna(subset=["percent"])
    if table.empty:
        raise NigraError("no test control has a percentage of abnormal voxels; run the regions stage first.")
    models = list(dict.fromkeys(table["model"]))
    columns = min(len(models), 3)
    rows = -(-len(models) // columns)
    figure = page(4 + rows * 56)
    wide = (PAGE_MM - 18) / columns - 6
    top = max(round_up(1.05 * table["percent"].max()), 2 * expected_percent)
    for i, model in enumerate(models):
        axes = place(figure, 14 + (i % columns) * (wide + 6), 9 + (i // columns) * 56, wide, 38)
        colour = MODEL_COLOURS[i % len(MODEL_COLOURS)]
        rows_of = table[table["model"] == model]
        folds = sorted(rows_of["fold"].unique())
        for place_, fold in enumerate(folds):
            values = np.sort(rows_of.loc[rows_of["fold"] == fold, "percent"].to_numpy(dtype=float))
            spread = 0.56 * ((np.arange(values.size) * 0.618) % 1 - 0.5)  # even, and the same every time
            axes.plot(place_ + spread, values, "o", markersize=2.2, color=colour, alpha=0.55, markeredgewidth=0)
            axes.plot([place_ - 0.36, place_ + 0.36], [values.mean()] * 2, color=INK, linewidth=1.2)
        axes.axhline(expected_percent, color=MUTED, linewidth=0.8, dashes=(4, 2))
        mean = rows_of.groupby("fold")["percent"].mean().mean()
        axes.set_title(model, loc="left", pad=12)
        axes.annotate(f"{mean:.1f} % observed, {expected_percent:g} % expected", (0, 1), (0, 3),
                      xycoords="axes fraction", textcoords="offset points", fontsize=6.5, color=MUTED)  # fmt: skip
        axes.set(xlim=(-0.6, len(folds) - 0.4), ylim=(0, top), xlabel="draw")
        shown = range(0, len(folds), max(1, len(folds) // 10))
        axes.set_xticks(list(shown), [str(folds[j]) for j in shown])
        axes.yaxis.set_major_locator(MaxNLocator(6))
        axes.set_ylabel("abnormal voxels (%)" if i % columns == 0 else "")
        axes.tick_params(labelleft=i % columns == 0)
    return figure
