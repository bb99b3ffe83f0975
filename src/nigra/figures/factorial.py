"""Pictures of a factorial: what a factor does to everything, what does anything to an outcome, and every cell."""

from collections.abc import Hashable, Mapping
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from nigra.errors import NigraError
from nigra.figures.forest import forest, printed_p
from nigra.figures.style import INK, MODEL_COLOURS, MUTED, PAGE_MM, RULE, page, place, styled, write
from nigra.statistics.factorial import MAIN
from nigra.statistics.factorial_words import is_shown, plain, sentence_case, signed
from nigra.statistics.outcomes import outcome_of, titled

BETTER, WORSE = MODEL_COLOURS[0], MODEL_COLOURS[1]
MARKS = ("o", "s", "^", "D", "v", "P", "X", "<", ">")
ROW_MM, TOP_MM = 5.2, 14.0
MIDDLE_MM, HALF_MM, NUMBERS_MM = 92.0, 34.0, 130.0
PANEL_MM, PANEL_HIGH, LEFT_MM, ACROSS = 46.0, 40.0, 13.0, 3
MOST_PANELS, LEGEND_ACROSS = 6, 3


def effect_label(row: Mapping[Any, Any]) -> str:
    """What is subtracted from what.

    >>> effect_label({"factor": "siamese", "level": "cosine", "reference": "none", "by": ""})
    'siamese: cosine − none'
    """
    own = f"{row['level']} − {row['reference']}"
    if not row["by"]:
        return f"{row['factor']}: {own}"
    return f"{row['factor']} ({own}) × {row['by']} ({row['by_level']} − {row['by_reference']})"


def effects_figure(rows: pd.DataFrame) -> Figure:
    """Everything that was looked at on one outcome: main effects, then interactions, as a forest about 0.

    Args:
        rows: those of ``factorial.tsv`` for one outcome and detector.

    Raises:
        NigraError: no effect has an estimate.
    """
    table = rows.assign(
        label=[effect_label(row) for row in rows.to_dict("records")],
        group=np.where(rows["effect"] == MAIN, "Main effects", "Interactions"),
    )
    first = rows.iloc[0] if len(rows) else {"outcome": "", "detector": ""}
    columns = ["group", "label", "estimate", "low", "high", "p_holm"]
    return forest(table[columns].reset_index(drop=True), f"change of {titled(first['outcome'], first['detector'])}")


@styled
def question_figure(effects: pd.DataFrame, factor: str) -> Figure:
    """What one factor does to every outcome: a row per outcome and pair of levels, 0 in the middle of all.

    Every row has a scale of its own, as outcomes have units of their own: lengths compare within a row only.
    Coloured where a difference is shown (interval and corrected p): blue for better, vermilion for worse, black
    where no way is better; grey where none is shown.

    Args:
        effects: ``factorial.tsv``.
        factor: the question.

    Raises:
        NigraError: the table has no main effect of this factor.
    """
    own = effects[(effects["effect"] == MAIN) & (effects["factor"] == factor)]
    if own.empty or own["estimate"].isna().all():
        raise NigraError(f"there is no effect of {factor} to draw; train models of two of its levels.")
    rows = own.to_dict("records")
    lines = _lines(rows)
    figure = page(TOP_MM + ROW_MM * len(lines) + 9)
    axes = place(figure, MIDDLE_MM - HALF_MM, TOP_MM, 2 * HALF_MM, ROW_MM * len(lines))
    for at, (text, row) in enumerate(lines):
        if row is None:
            write(figure, 3, _baseline(at), text, fontsize=6.5, fontweight="bold")
            continue
        write(figure, MIDDLE_MM - HALF_MM - 2, _baseline(at), text, fontsize=6.5, ha="right")
        _row(figure, axes, row, at)
    axes.axvline(0, color=INK, linewidth=0.8, dashes=(4, 2), zorder=1)
    axes.set(xlim=(-1.05, 1.05), ylim=(len(lines) - 0.5, -0.5), xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    several, first = any(row is None for _, row in lines), rows[0]
    asked = factor if several else f"{factor}: {first['level']} instead of {first['reference']}"
    write(figure, 3, 5, f"What changes with {asked}", fontsize=8, weight="bold")
    write(
        figure,
        MIDDLE_MM,
        TOP_MM - 2.5,
        "lower  ←  no difference  →  higher",
        fontsize=6.5,
        color=MUTED,
        ha="center",
    )
    write(figure, NUMBERS_MM, TOP_MM - 2.5, "change [95 %]", fontsize=6.5, color=MUTED)
    write(figure, PAGE_MM - 3, TOP_MM - 2.5, "p (Holm)", fontsize=6.5, color=MUTED, ha="right")
    _key(figure)
    return figure


def _lines(rows: list[dict[Hashable, Any]]) -> list[tuple[str, dict[Hashable, Any] | None]]:
    """Text and row of each line; with several pairs of levels, the outcome (no row) stands over its pairs."""
    pairs = {(row["level"], row["reference"]) for row in rows}
    if len(pairs) == 1:
        return [(sentence_case(titled(row["outcome"], row["detector"])), row) for row in rows]
    lines: list[tuple[str, dict[Hashable, Any] | None]] = []
    last = ""
    for row in rows:
        what = titled(row["outcome"], row["detector"])
        if what != last:
            lines.append((sentence_case(what), None))
        lines.append((f"{row['level']} − {row['reference']}", row))
        last = what
    return lines


def _baseline(line: int) -> float:
    return TOP_MM + ROW_MM * (line + 0.5) + 0.9


def _row(figure: Figure, axes: Axes, row: Mapping[Hashable, Any], line: int) -> None:
    """Interval and numbers of one effect, in units of the row's longest arm."""
    if np.isnan(row["estimate"]):
        write(figure, NUMBERS_MM, _baseline(line), "no estimate", fontsize=6.5, color=MUTED)
        return
    colour, known = _colour(row), bool(np.isfinite(row["low"]))
    arm = max(abs(row[end]) for end in (("low", "high") if known else ("estimate",))) or 1.0
    axes.axhline(line, color=RULE, linewidth=0.3, zorder=0)
    if known:
        axes.plot([row["low"] / arm, row["high"] / arm], [line, line], color=colour, linewidth=1.6)
    at = row["estimate"] / arm if known else np.sign(row["estimate"]) * 0.5
    axes.plot(at, line, "o", color=colour, markersize=3.8, markerfacecolor=colour if known else "white")
    told = f"{signed(row['estimate'])} [{plain(row['low'])}, {plain(row['high'])}]" if known else (
        f"{signed(row['estimate'])}, no interval")  # fmt: skip
    write(figure, NUMBERS_MM, _baseline(line), told, fontsize=6.5)
    write(figure, PAGE_MM - 3, _baseline(line), printed_p(row["p_holm"]), fontsize=6.5, ha="right")


def _colour(row: Mapping[Hashable, Any]) -> str:
    if not is_shown(row):
        return MUTED
    way = outcome_of(row["outcome"]).better * np.sign(row["estimate"])
    return {1: BETTER, -1: WORSE}.get(int(way), INK)


def _key(figure: Figure) -> None:
    """What the colours mean, under the rows."""
    known = (("shown, better", BETTER), ("shown, worse", WORSE), ("shown, neither", INK), ("not shown", MUTED))
    handles = [Line2D([], [], color=c, marker="o", markersize=3.8, linewidth=1.6, label=t) for t, c in known]
    figure.legend(handles=handles, loc="lower left", ncols=4, bbox_to_anchor=(0.005, 0.0), fontsize=6.5,
                  columnspacing=1.4, handlelength=2)  # fmt: skip


@styled
def cells_figure(cells: pd.DataFrame, factors: Mapping[str, list[str]], outcome: str, detector: str = "") -> Figure:
    """One outcome by every pair of factors: parallel lines mean that neither factor's effect depends on the other.

    Thin lines are folds and seeds (mean over subjects and the other factors), thick ones their mean; chance dashed.

    Args:
        cells: long table as of ``nigra.statistics.factorial.effects``.
        factors: of ``factors_of``; the first six pairs are drawn, a single factor alone, two both ways.
        outcome: name of the outcome.
        detector: of which values are drawn, where the table tells detectors apart.

    Raises:
        NigraError: there is no value to draw.
    """
    own = cells[cells["outcome"] == outcome]
    own = own[own["detector"].fillna("") == detector] if "detector" in own else own
    own = own.dropna(subset=["value"])
    if own.empty:
        raise NigraError(f"there is no value of {outcome} to draw; score the models of the run first.")
    names = list(factors)
    panels = list(combinations(names, 2))[:MOST_PANELS] or [(names[0], "")]
    if len(names) == 2:  # there is room to look at it both ways
        panels.append((names[1], names[0]))
    down = -(-len(panels) // ACROSS)
    head = 9 + 3.2 * -(-max(len(factors[two]) if two else 0 for _, two in panels) // LEGEND_ACROSS)
    figure = page(5 + down * (PANEL_HIGH + head + 9))
    low, high = _limits(own, names, outcome)
    for number, (one, two) in enumerate(panels):
        left = LEFT_MM + number % ACROSS * (PANEL_MM + 11)
        top = 2 + head + number // ACROSS * (PANEL_HIGH + head + 9)
        axes = place(figure, left, top, PANEL_MM, PANEL_HIGH)
        _panel(axes, own, factors, one, two)
        chance = outcome_of(outcome).chance
        if chance is not None and low <= chance <= high:
            axes.axhline(chance, color=MUTED, linewidth=0.8, dashes=(3, 2), zorder=1)
        axes.set_ylim(low, high)
        axes.yaxis.set_major_locator(MaxNLocator(5))
    write(figure, 3, 5, sentence_case(titled(outcome, detector)), fontsize=8, weight="bold")
    return figure


def _means(own: pd.DataFrame, keys: list[str]) -> pd.Series:
    """Mean over subjects and other factors of every model, then of those of a fold and seed."""
    cells = [name for name in own if name not in ("value", "participant_id", "collapsed", "outcome", "detector")]
    return own.groupby(cells, sort=False)["value"].mean().groupby([*keys, "fold", "seed"], sort=False).mean()


def _panel(axes: Axes, own: pd.DataFrame, factors: Mapping[str, list[str]], one: str, two: str) -> None:
    values, x = _means(own, [one, two] if two else [one]), np.arange(len(factors[one]))
    for number, level in enumerate(factors[two] if two else [""]):
        colour, shift = (
            MODEL_COLOURS[number % len(MODEL_COLOURS)],
            0.05 * (number - (len(factors[two]) - 1) / 2 if two else 0),
        )
        rows = values.xs(level, level=two) if two and level in values.index.get_level_values(two) else values
        if two and level not in values.index.get_level_values(two):
            continue
        wide = rows.unstack(["fold", "seed"]).reindex(factors[one])  # noqa: PD010
        axes.plot(x + shift, wide.to_numpy(), color=colour, linewidth=0.5, alpha=0.45, marker=".", markersize=2.5)
        whole = wide.dropna(axis="columns")  # a model that is missing at one level must not bend the mean
        mean = (whole if len(whole.columns) else wide).mean(axis="columns")
        axes.plot(x + shift, mean, color=colour, linewidth=1.8, markersize=4.5, label=level,
                  marker=MARKS[number % len(MARKS)])  # fmt: skip
    axes.set_xticks(x, [_short(level) for level in factors[one]])
    axes.set(xlim=(-0.35, len(x) - 0.65), xlabel=one)
    axes.grid(axis="y", color=RULE, linewidth=0.3)
    if two:
        axes.legend(
            title=two, loc="lower left", bbox_to_anchor=(-0.02, 0.99), ncols=LEGEND_ACROSS, fontsize=6.2,
            title_fontsize=6.2, borderpad=0, columnspacing=1, handlelength=1.6, alignment="left",
        )  # fmt: skip


def _short(level: str) -> str:
    return level if len(level) <= 14 else f"{level[:13]}…"


def _limits(own: pd.DataFrame, names: list[str], outcome: str) -> tuple[float, float]:
    """One scale for all panels, with chance where it is near."""
    values = _means(own, names[:1] if len(names) < 2 else names[:2]).to_numpy()
    for one, two in combinations(names, 2):
        values = np.concatenate([values, _means(own, [one, two]).to_numpy()])
    low, high = float(values.min()), float(values.max())
    chance, width = outcome_of(outcome).chance, max(high - low, 1e-6)
    if chance is not None and low - width <= chance <= high + width:
        low, high = min(low, chance), max(high, chance)
    return low - 0.08 * (high - low or 1.0), high + 0.08 * (high - low or 1.0)
