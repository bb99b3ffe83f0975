"""Ratios by hand, what counts, and intervals that are paired."""

import numpy as np
import pandas as pd
import pytest

from nigra.simulation.advantage import advantage, best_reference
from tests.simulation.test_dose_response import CURVES, lesion_table

REFERENCE = ("z", "error")


def both(factor: float = 2.0) -> pd.DataFrame:
    better = {name: tuple(factor * value for value in curve) for name, curve in CURVES.items()}
    return pd.concat([lesion_table(CURVES, "z"), lesion_table(better, "net")], ignore_index=True)


def test_strengths_count_where_the_reference_finds_some_but_not_most() -> None:
    table = advantage(both(), REFERENCE)
    # means over subjects at .1, .2, .4 are .2, .5 and .8: the last is above one half
    net = table[table["model"] == "net"]
    assert set(net["conditions"]) == {2}
    whole = net[net["effect"] == ""].iloc[0]
    assert whole["reference_sensitivity"] == pytest.approx((0.2 + 0.5) / 2)
    assert whole["ratio"] == pytest.approx(2)
    assert (whole["low"], whole["high"]) == pytest.approx((2, 2)), "paired: the same factor in every subject"
    assert set(net["effect"]) == {"", "dark"}
    own = table[table["model"] == "z"]
    np.testing.assert_allclose(own[["ratio", "low", "high"]], 1)


def test_the_interval_widens_where_subjects_disagree() -> None:
    mixed = {"a": (0, 0.1, 0.2, 0.4), "b": (0, 0.6, 0.9, 0.9), "c": (0, 0.1, 0.5, 0.7)}
    table = advantage(pd.concat([lesion_table(CURVES, "z"), lesion_table(mixed, "net")]), REFERENCE)
    row = table[(table["model"] == "net") & (table["effect"] == "")].iloc[0]
    assert row["ratio"] == pytest.approx((0.8 / 3 + 1.6 / 3) / (0.6 / 3 + 1.5 / 3))
    assert row["low"] < row["ratio"] - 0.1
    assert row["high"] > row["ratio"] + 0.1


def test_nothing_counts_where_the_reference_finds_nothing() -> None:
    none = dict.fromkeys(CURVES, (0.0, 0.0, 0.0, 0.0))
    assert advantage(pd.concat([lesion_table(none, "z"), lesion_table()]), REFERENCE).empty


def test_the_best_reference_is_chosen_in_its_favour() -> None:
    table = both(1.5)
    assert best_reference(table, [REFERENCE, ("net", "error"), ("absent", "z")]) == ("net", "error")
    assert best_reference(table, [("absent", "z")]) is None
