"""The picture holds every point and slope of the curves."""

import numpy as np

from nigra.bench.plot import cost_figure


def test_every_point_is_drawn_and_every_slope_written(content) -> None:
    figure = cost_figure(content)
    (axes,) = figure.axes
    drawn = [line.get_xydata().tolist() for line in axes.lines if line.get_linestyle() == "None"]
    curve = content["comparisons"][1]["curve"]
    assert drawn == [[list(point) for point in points] for points in curve["points"].values()]
    assert [text.get_text() for text in axes.texts if "power" in text.get_text()] == ["power 1.00", "power 2.00"]
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    assert [text.get_text() for text in figure.legends[0].texts] == ["nigra", "slow"]


def test_the_fitted_line_goes_through_points_of_an_exact_power(content) -> None:
    (axes,) = cost_figure(content).axes
    fitted = next(line for line in axes.lines if line.get_linestyle() == "-")
    assert np.allclose(fitted.get_xydata(), content["comparisons"][1]["curve"]["points"]["nigra"])
