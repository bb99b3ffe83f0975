"""A sweep's axis shows 0 where no logarithm can, its bands are differences, its points are folds and seeds."""

import numpy as np
import pandas as pd
import pytest

from nigra.errors import NigraError
from nigra.figures.style import INK
from nigra.figures.sweep import AWAY, Axis, sweep_figure
from nigra.statistics.sweep import points_of, sweep
from tests.statistics.test_factorial import table
from tests.statistics.test_sweep import FACTORS


@pytest.fixture
def cells(rng: np.random.Generator) -> pd.DataFrame:
    return table(rng, FACTORS, unit_patch=0.2, **{"alpha_0.5": -0.1})


def test_zero_stands_apart_on_a_logarithmic_axis():
    axis = Axis([0.0, 0.005, 0.5])
    assert (axis.log, axis.broken) == (True, True)
    np.testing.assert_allclose(
        axis.at(np.array([0.0, 0.005, 0.5])), [np.log10(0.005) - AWAY, *np.log10([0.005, 0.5])]
    )
    plain = Axis([9.0, 15.0, 21.0])
    assert (plain.log, plain.broken) == (False, False)
    np.testing.assert_allclose(plain.at(np.array([9.0, 21.0])), [9, 21])
    assert Axis([1.0, 100.0]).log
    assert not Axis([1.0, 100.0]).broken


def test_curves_bands_and_points_stand_at_the_table(cells):
    found = sweep(cells, FACTORS, "alpha", 0.3)
    figure = sweep_figure(found, points_of(cells, FACTORS, "alpha"))
    (axes,) = figure.axes
    curves = [line for line in axes.lines if line.get_linewidth() == 1.4]
    own = found[found["curve"] == "unit patch"].set_index("value")
    np.testing.assert_allclose(curves[1].get_xdata(), np.log10([0.005, 0.05, 0.5]))
    np.testing.assert_allclose(curves[1].get_ydata(), own.loc[0.005:, "estimate"])
    dotted = [line for line in axes.lines if line.get_linestyle() == ":"]
    np.testing.assert_allclose(dotted[1].get_ydata(), own.loc[:0.005, "estimate"])
    points = [line for line in axes.lines if line.get_marker() == "."]
    assert [len(line.get_xdata()) for line in points] == [4 * 4 * 3] * 2
    assert sorted(points[0].get_ydata()) == pytest.approx(sorted(cells.loc[cells["unit"] == "slice", "value"]))
    band = axes.collections[2].get_paths()[0].vertices
    at_reference = band[np.isclose(band[:, 0], np.log10(0.005)), 1]
    np.testing.assert_allclose(at_reference, own.loc[0.005, "estimate"])
    at_end = band[np.isclose(band[:, 0], np.log10(0.5)), 1]
    base = own.loc[0.005, "estimate"]
    assert at_end.min() == pytest.approx(base + own.loc[0.5, "difference_low"])
    assert at_end.max() == pytest.approx(base + own.loc[0.5, "difference_high"])
    marked = [line for line in axes.lines if line.get_color() == INK]
    np.testing.assert_allclose(marked[0].get_xdata(), np.log10(0.005))
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0", "0.005", "0.05", "0.5"]
    assert axes.get_xlabel() == "alpha (logarithmic, 0 apart)"


def test_bands_of_few_folds_do_not_flatten_the_curves(cells):
    few = cells[cells["fold"] < 2]
    found = sweep(few, FACTORS, "alpha", 0.3)
    low, high = sweep_figure(found).axes[0].get_ylim()
    heights = found["estimate"]
    assert high - low <= 3.4 * np.ptp(heights)
    assert low < heights.min() < heights.max() < high


def test_nothing_to_draw_is_one_sentence(cells):
    found = sweep(cells, FACTORS, "alpha", 0.3).assign(estimate=np.nan)
    with pytest.raises(NigraError, match="no curve to draw"):
        sweep_figure(found)
