"""Forest picture: estimates with their intervals, one row each, beside the line of chance or of no difference."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from nigra.errors import NigraError
from nigra.figures.style import INK, MODEL_COLOURS, MUTED, PAGE_MM, RULE, Number, page, place, styled, write

ROW_MM = 5.0
LETTER_MM = 1.25  # mean width of a letter of the row labels
TESTS = {"q": "q", "p_holm": "p (Holm)", "p": "p"}
"""Columns of which the first found is printed at the right, and what they are called there."""


@styled
def forest(
    rows: pd.DataFrame, quantity: str, reference: Number = 0.0, reference_name: str = "no difference"
) -> Figure:
    """Draw ``rows`` (label, estimate, low, high; optionally group, and p or q) from top to bottom.

    ``group`` gives a heading over the rows that share it. An interval that leaves ``reference`` out is drawn dark,
    the others in grey: a corrected p, printed at the right where there is one, may still say otherwise. A row
    without estimate keeps its place and says so; one without interval is an open dot. ``quantity`` names the axis.

    Raises NigraError when no row has an estimate.
    """
    if not len(rows) or rows["estimate"].isna().all():
        raise NigraError("there is no estimate to draw; compare methods or regions that have scores.")
    lines = _lines(rows)
    tested = next((name for name in TESTS if name in rows), None)
    left = min(8 + LETTER_MM * max(len(text) for text, _ in lines), 0.45 * PAGE_MM)
    numbers = 34 + 14 * (tested is not None)
    height = ROW_MM * len(lines)
    figure = page(height + 20)
    axes = place(figure, left, 7, PAGE_MM - left - numbers - 4, height)
    for at, (text, row) in enumerate(lines):
        baseline = 7 + ROW_MM * (at + 0.5) + 0.9
        if row is None:
            write(figure, 3, baseline, text, fontsize=7, fontweight="bold")
            continue
        room = min(1.0, (left - 4) / (LETTER_MM * len(text)))  # a very long label is set smaller
        write(figure, left - 2, baseline, text, fontsize=6.5 * room, ha="right")
        write(figure, PAGE_MM - numbers, baseline, _told(row), fontsize=6.5, color=INK)
        if tested:
            write(figure, PAGE_MM - 3, baseline, printed_p(row[tested]), fontsize=6.5, ha="right")
        _draw(axes, at, row, reference)
    write(figure, PAGE_MM - numbers, 6, "estimate [95 %]", fontsize=6.5, color=MUTED)
    if tested:
        write(figure, PAGE_MM - 3, 6, TESTS[tested], fontsize=6.5, color=MUTED, ha="right")
    _finish(axes, rows, quantity, reference, reference_name, len(lines))
    return figure


def differences(comparison: pd.DataFrame, measure: str, regions: list[str]) -> pd.DataFrame:
    """Rows of a forest: every pair of ``comparison.tsv`` in these regions, region by region.

    Raises NigraError when the table has none of them.
    """
    found = comparison[(comparison["measure"] == measure) & comparison["region"].isin(regions)]
    if found.empty:
        raise NigraError(f"no comparison of {measure} in {', '.join(regions)}; compare methods there first.")
    order = found["region"].map({name: k for k, name in enumerate(regions)})
    found = found.iloc[np.argsort(order.to_numpy(), kind="stable")]
    table = found[["low", "high", "p_holm"]].assign(
        group=found["region"], label=found["first"] + " − " + found["second"], estimate=found["difference"]
    )
    return table.reset_index(drop=True)


def _lines(rows: pd.DataFrame) -> list[tuple[str, pd.Series | None]]:
    """Text of each line from the top, and its row; None for a heading."""
    lines: list[tuple[str, pd.Series | None]] = []
    last = None
    for _, row in rows.iterrows():
        if "group" in rows and row["group"] != last:
            last = row["group"]
            lines.append((str(last), None))
        lines.append((str(row["label"]), row))
    return lines


def _draw(axes: Axes, at: int, row: pd.Series, reference: Number) -> None:
    if np.isnan(row["estimate"]):
        return
    known = not np.isnan(row["low"] + row["high"])
    away = known and not row["low"] <= reference <= row["high"]
    colour = MODEL_COLOURS[0] if away else MUTED
    if known:
        axes.plot([row["low"], row["high"]], [at, at], color=colour, linewidth=1.4, solid_capstyle="butt")
    axes.plot(row["estimate"], at, "o", color=colour, markersize=3.6, markerfacecolor=colour if known else "white")


def printed(value: float) -> str:
    """Three decimals with a true minus, and no minus before nothing.

    >>> printed(-0.1256), printed(-0.0001)
    ('−0.126', '0.000')
    """
    return f"{round(value, 3) + 0.0:.3f}".replace("-", "−")


def printed_p(value: float) -> str:
    """A p as printed: never 0.

    >>> printed_p(0.0004), printed_p(0.0321), printed_p(1.0), printed_p(float("nan"))
    ('< .001', '.032', '1', '')
    """
    if np.isnan(value):
        return ""
    return "< .001" if value < 0.001 else "1" if value >= 0.9995 else f"{value:.3f}".removeprefix("0")


def _told(row: pd.Series) -> str:
    """The numbers of a row."""
    if np.isnan(row["estimate"]):
        return "no estimate"
    if np.isnan(row["low"] + row["high"]):
        return printed(row["estimate"])
    return f"{printed(row['estimate'])} [{printed(row['low'])}, {printed(row['high'])}]"


def _finish(
    axes: Axes, rows: pd.DataFrame, quantity: str, reference: Number, reference_name: str, lines: int
) -> None:
    ends = np.r_[rows[["estimate", "low", "high"]].to_numpy(dtype=float).ravel(), reference]
    low, high = np.nanmin(ends), np.nanmax(ends)
    margin = 0.06 * max(high - low, 0.01)
    axes.axvline(reference, color=INK, linewidth=0.8, dashes=(4, 2), zorder=1)
    axes.set(xlim=(low - margin, high + margin), ylim=(lines - 0.5, -0.5), yticks=[], xlabel=quantity)
    axes.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    axes.grid(axis="x", color=RULE, linewidth=0.3)
    axes.set_axisbelow(True)
    axes.spines["left"].set_visible(False)
    axes.annotate(reference_name, (reference, 1), (0, 2), xycoords=("data", "axes fraction"),
                  textcoords="offset points", ha="center", fontsize=6.5, color=MUTED)  # fmt: skip
