"""Whether the cells of a factorial find more than simple methods do, in plain sentences.

An effect says which cell is better, not whether any is good: of networks that all find less than a z-score, the
better one is still of no use.
"""

from collections.abc import Iterator, Sequence

import pandas as pd

from nigra.statistics.factorial_words import sentence_case
from nigra.statistics.outcomes import OUTCOMES, outcome_of

METHOD = ["model", "detector"]


def against_simple(cells: pd.DataFrame, simple: pd.DataFrame, factors: Sequence[str]) -> list[str]:
    """A sentence per outcome that both have: the best simple method, and how many cells lie above it.

    Args:
        cells: of ``nigra.statistics.factorial.cell_means``; a column per factor.
        simple: model, detector, outcome and estimate of the other methods, higher is better.
        factors: names of the factors.
    """
    told = [
        _sentence(outcome, mine, theirs, factors)
        for outcome, mine, theirs in _shared(cells.dropna(subset=["estimate"]), simple)
    ]
    return [*told, "These are means over the same folds, without intervals."] if told else []


def _shared(cells: pd.DataFrame, simple: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame, pd.DataFrame]]:
    for outcome in OUTCOMES:
        mine, theirs = (table[table["outcome"] == outcome] for table in (cells, simple))
        if len(mine) and len(theirs):
            yield outcome, mine, theirs


def _sentence(outcome: str, mine: pd.DataFrame, theirs: pd.DataFrame, factors: Sequence[str]) -> str:
    simple, best = (table.iloc[int(table["estimate"].argmax())] for table in (theirs, mine))
    above = int((mine["estimate"] > simple["estimate"]).sum())
    count = {0: "none of the cells lies above it", len(mine): "all cells lie above it"}.get(
        above, f"{above} of {len(mine)} cells and detectors lie above it"
    )
    cell = ", ".join(str(best[name]) for name in (*factors, "detector"))
    method = " ".join(str(simple[name]) for name in METHOD)
    return (
        f"{sentence_case(outcome_of(outcome).text)}: {method}, without a network, reaches "
        f"{simple['estimate']:.3f}, the best cell ({cell}) {best['estimate']:.3f}: {count}."
    )
