"""The forest shows the numbers of its table, and the line of no difference."""

import numpy as np
import pandas as pd
import pytest

from nigra.errors import NigraError
from nigra.figures.forest import differences, forest
from nigra.figures.style import INK, MODEL_COLOURS, MUTED


def rows():
    return pd.DataFrame({
        "group": ["whole brain", "whole brain", "SN left", "SN left"],
        "label": ["a − b", "a − c", "a − b", "a − c"],
        "estimate": [0.1, -0.05, 0.2, np.nan],
        "low": [0.02, -0.2, np.nan, np.nan],
        "high": [0.18, 0.1, np.nan, np.nan],
        "p_holm": [0.0004, 0.61, 0.02, np.nan],
    })  # fmt: skip


def texts(figure):
    return [text.get_text() for text in figure.texts]


def test_marks_stand_at_the_numbers_and_colours_say_whether_the_reference_is_left_out():
    figure = forest(rows(), "difference of AUC")
    axes = figure.axes[0]
    (first, dot_first, second, dot_second, open_dot, line) = axes.lines
    np.testing.assert_allclose(first.get_xdata(), [0.02, 0.18])
    np.testing.assert_allclose(second.get_xdata(), [-0.2, 0.1])
    assert first.get_color() == MODEL_COLOURS[0]
    assert second.get_color() == MUTED
    assert [dot.get_xdata()[0] for dot in (dot_first, dot_second, open_dot)] == [0.1, -0.05, 0.2]
    assert open_dot.get_markerfacecolor() == "white"
    assert line.get_xdata() == [0, 0]
    assert line.get_color() == INK
    assert dot_first.get_ydata()[0] == 1  # under its heading, from the top
    assert axes.get_ylim() == (5.5, -0.5)


def test_headings_labels_and_numbers_are_written_once():
    written = texts(forest(rows(), "difference of AUC"))
    for text in (
        "whole brain",
        "SN left",
        "0.100 [0.020, 0.180]",
        "−0.050 [−0.200, 0.100]",
        "no estimate",
        "p (Holm)",
    ):
        assert written.count(text) == 1, text
    assert written.count("a − b") == 2
    assert "< .001" in written
    assert "0.200" in written


def test_chance_of_an_auc_is_one_half_and_groups_are_no_must():
    table = rows().drop(columns=["group", "p_holm"]).assign(estimate=0.6, low=0.45, high=0.7)
    figure = forest(table, "AUC", 0.5, "chance")
    assert figure.axes[0].lines[-1].get_xdata() == [0.5, 0.5]
    assert len(figure.axes[0].lines) == 2 * 4 + 1
    assert "p (Holm)" not in texts(figure)
    low, high = figure.axes[0].get_xlim()
    assert low < 0.45 < 0.7 < high


def test_rows_of_a_comparison_follow_the_regions_asked_for():
    comparison = pd.DataFrame({
        "region": ["a", "a", "b", "b"], "measure": "auc", "first": "m",
        "second": ["n", "o", "n", "o"], "difference": [0.1, 0.2, 0.3, 0.4], "low": 0.0, "high": 0.5, "p_holm": 0.1,
    })  # fmt: skip
    found = differences(comparison, "auc", ["b", "a"])
    assert found["group"].tolist() == ["b", "b", "a", "a"]
    assert found["estimate"].tolist() == [0.3, 0.4, 0.1, 0.2]
    assert found["label"].tolist() == ["m − n", "m − o"] * 2
    with pytest.raises(NigraError, match="no comparison of auc in c"):
        differences(comparison, "auc", ["c"])


def test_nothing_to_draw_is_one_sentence():
    with pytest.raises(NigraError, match="no estimate to draw"):
        forest(rows().assign(estimate=np.nan), "AUC")
