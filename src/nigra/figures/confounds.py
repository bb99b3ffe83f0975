"""Confounds drawn: what separates the groups beside the score, and what the score follows within controls."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nigra.errors import NigraError
from nigra.figures.style import INK, MODEL_COLOURS, MUTED, PAGE_MM, page, place, styled
from nigra.regions import WHOLE_BRAIN
from nigra.statistics.association import ETA2
from nigra.statistics.confounds import ALARM, CONTROLS, EXCEEDS, FOLLOWS, SCORE, SEPARATES

ROW, HEAD, FOOT = 4.8, 9.0, 11.0
"""Millimetres per row, above and below the panels."""


@styled
def confound_panel(table: pd.DataFrame, region: str = WHOLE_BRAIN) -> Figure:
    """Left: AUC of the score and of every covariate alone. Right: what the score follows within controls.

    ``table`` is that of ``nigra.statistics.confounds`` for one method. Dashed: chance (for eta2, which is never
    negative, a tick at what it averages by chance). A covariate that separates the groups as well as the score is
    drawn as a square in another colour; one without a value says why. Raises ``NigraError`` for an unknown region.
    """
    score = table[(table["question"] == SCORE) & (table["region"] == region)]
    if score.empty:
        raise NigraError(f"region {region!r} is not in the table of confounds; choose one of its regions.")
    alone = table[table["question"] == SEPARATES]
    leads = table[(table["question"] == EXCEEDS) & (table["region"] == region)]
    alarms = set(leads.loc[leads["note"].str.startswith(ALARM), "column"])
    follows = table[(table["question"] == FOLLOWS) & (table["region"] == region) & (table["subjects"] == CONTROLS)]
    rows = max(1 + len(alone), len(follows), 1)
    figure, half = page(HEAD + FOOT + ROW * rows), PAGE_MM / 2
    axes = place(figure, 30, HEAD, half - 36, ROW * (1 + len(alone)))
    _rows(axes, pd.concat([score.assign(column=f"score, {region}"), alone]), alarms)
    axes.axvline(0.5, color=MUTED, linewidth=0.8, dashes=(4, 2))
    axes.set(xlim=(0, 1), xlabel="AUC, patients against controls")
    axes.set_title("alone, tells the groups apart", loc="left", pad=4)
    if len(follows):
        axes = place(figure, half + 26, HEAD, half - 32, ROW * len(follows))
        _rows(axes, follows, set())
        for row, (_, one) in enumerate(follows.iterrows()):
            if one["measure"] == ETA2:
                axes.plot([one["chance"]] * 2, [row - 0.3, row + 0.3], color=MUTED, linewidth=0.9)
        axes.axvline(0, color=MUTED, linewidth=0.8, dashes=(4, 2))
        axes.set(xlim=(-1, 1), xticks=[-1, -0.5, 0, 0.5, 1], xlabel="in controls: Spearman's ρ (●) or η² (□)")
        axes.set_title("the score follows it", loc="left", pad=4)
    return figure


def _rows(axes: Axes, table: pd.DataFrame, alarms: set[str]) -> None:
    """Estimate and interval per row; the first row of a score in ink."""
    for row, (_, one) in enumerate(table.iterrows()):
        alarm = one["column"] in alarms
        colour = INK if one["question"] == SCORE else MODEL_COLOURS[1 if alarm else 0]
        if np.isnan(one["estimate"]):
            axes.text(
                0.5 if one["chance"] == 0.5 else 0.0,
                row,
                f"  {one['note']}",
                fontsize=5.5,
                color=MUTED,
                va="center",
            )
            continue
        category = one["measure"] == ETA2
        marker, face = "s" if alarm or category else "o", "white" if category else colour
        axes.plot([one["low"], one["high"]], [row, row], color=colour, linewidth=1.4, solid_capstyle="butt")
        axes.plot(one["estimate"], row, marker, color=colour, markersize=3.6, markerfacecolor=face)
    axes.set_yticks(range(len(table)), [str(name) for name in table["column"]])
    axes.set_ylim(len(table) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
