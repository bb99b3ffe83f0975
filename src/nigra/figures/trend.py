"""Scores by stage of the disease: every subject a dot, each stage its median, one panel per region."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from nigra.errors import NigraError
from nigra.figures.forest import printed_p
from nigra.figures.style import INK, MODEL_COLOURS, MUTED, PAGE_MM, RULE, page, place, styled

COLUMNS = 3
PANEL_MM = 52


@styled
def scores_by_stage(scores: pd.DataFrame, answers: pd.DataFrame, quantity: str = "abnormal voxels (%)") -> Figure:
    """One panel per region of ``scores`` (region, stage, score; one row per subject x region).

    The title gives Somers' D with its interval and q from ``answers`` (region, estimate, low, high, q), the rows of
    a trend in ``disease.tsv``. Controls stand at stage 0 where the table has them, in another colour. The dashed
    line is the median of all: where every stage's would be if it said nothing. Panels have their own scale.

    Raises NigraError when no subject has both a stage and a score.
    """
    table = scores.dropna(subset=["stage", "score"])
    if table.empty:
        raise NigraError("no subject has a stage and a score; add the stage to the participants.")
    regions, stages = list(dict.fromkeys(table["region"])), sorted(table["stage"].unique())
    columns = min(len(regions), COLUMNS)
    figure = page(4 + PANEL_MM * -(-len(regions) // columns))
    wide = (PAGE_MM - 4) / columns - 14
    found = answers.set_index("region")
    for k, region in enumerate(regions):
        axes = place(figure, 13 + (k % columns) * (wide + 14), 11 + (k // columns) * PANEL_MM, wide, PANEL_MM - 20)
        here = table[table["region"] == region]
        axes.axhline(here["score"].median(), color=MUTED, linewidth=0.8, dashes=(4, 2), zorder=0)
        for at, stage in enumerate(stages):
            values = np.sort(here.loc[here["stage"] == stage, "score"].to_numpy(dtype=float))
            if not values.size:
                continue
            spread = 0.5 * ((np.arange(values.size) * 0.618) % 1 - 0.5)  # even, and the same every time
            colour = MODEL_COLOURS[0] if stage > 0 else MUTED
            axes.plot(at + spread, values, "o", markersize=2.4, color=colour, alpha=0.6, markeredgewidth=0)
            axes.plot([at - 0.33, at + 0.33], [np.median(values)] * 2, color=INK, linewidth=1.4)
        axes.set(xlim=(-0.6, len(stages) - 0.4), ylabel=quantity if k % columns == 0 else "")
        counts = here["stage"].value_counts()
        names = [f"{'controls' if s == 0 else f'{s:g}'}\nn = {counts.get(s, 0)}" for s in stages]
        axes.set_xticks(range(len(stages)), names)
        axes.yaxis.set_major_locator(MaxNLocator(5))
        axes.grid(axis="y", color=RULE, linewidth=0.3)
        axes.set_title(region if len(region) < 36 else f"{region[:34]} …", loc="left", pad=11)
        if region in found.index:
            axes.annotate(_told(found.loc[region]), (0, 1), (0, 3), xycoords="axes fraction",
                          textcoords="offset points", fontsize=6.5, color=MUTED)  # fmt: skip
        if k + columns >= len(regions):
            axes.set_xlabel("Hoehn and Yahr stage")
    return figure


def _told(answer: pd.Series) -> str:
    """Effect, interval (of a perfect order there is none) and q on one line."""
    effect, low, high = (
        f"{round(answer[name], 2) + 0.0:.2f}".replace("-", "−") for name in ("estimate", "low", "high")
    )
    between = "" if np.isnan(answer["low"]) else f" [{low}, {high}]"
    q = printed_p(answer["q"])
    return f"Somers' D {effect}{between}" + (f", q {q if q.startswith('<') else '= ' + q}" if q else "")
