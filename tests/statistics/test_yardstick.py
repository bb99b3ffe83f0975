"""Cells against simple methods: by hand, on both sides, and where nothing can be compared."""

import pandas as pd
import pytest

from nigra.statistics.yardstick import against_simple

FACTORS = ["unit"]


def cells(*estimates: float, outcome: str = "planted_sensitivity") -> pd.DataFrame:
    rows = [(f"level {k}", outcome, "error", value) for k, value in enumerate(estimates)]
    return pd.DataFrame(rows, columns=["unit", "outcome", "detector", "estimate"])


SIMPLE = pd.DataFrame(
    [("intensities", "z", "planted_sensitivity", 0.35), ("intensities", "raw", "planted_sensitivity", 0.05)],
    columns=["model", "detector", "outcome", "estimate"],
)


@pytest.mark.parametrize(
    ("estimates", "verdict"),
    [
        ((0.04, 0.09), "(level 1, error) 0.090: none of the cells lies above it."),
        ((0.4, 0.09), "(level 0, error) 0.400: 1 of 2 cells and detectors lie above it."),
        ((0.4, 0.5), "(level 1, error) 0.500: all cells lie above it."),
        ((float("nan"), 0.09), "(level 1, error) 0.090: none of the cells lies above it."),
        ((0.35, 0.1), "(level 0, error) 0.350: none of the cells lies above it."),  # as good is not above
    ],
)
def test_the_best_simple_method_is_named_beside_the_best_cell(estimates: tuple[float, ...], verdict: str) -> None:
    sentence, caution = against_simple(cells(*estimates), SIMPLE, FACTORS)
    assert sentence.startswith("Share of planted voxels found: intensities z, without a network, reaches 0.350")
    assert sentence.endswith(verdict)
    assert "without intervals" in caution


def test_nothing_is_said_where_nothing_is_shared() -> None:
    assert against_simple(cells(0.1, outcome="effective_rank"), SIMPLE, FACTORS) == []
    assert against_simple(cells(0.1), SIMPLE.iloc[:0], FACTORS) == []
    assert against_simple(cells(float("nan")), SIMPLE, FACTORS) == []
