"""Subjects and places drawn where the tables have them."""

import numpy as np
import pandas as pd
import pytest

from nigra.errors import NigraError
from nigra.figures.latent_views import subjects_figure, trajectories_figure
from nigra.latent.subjects import subject_view
from nigra.latent.trajectories import paths


def coded(rng: np.random.Generator) -> tuple[np.ndarray, pd.DataFrame]:
    """9 subjects at 4 places in a slice: x and y unknown."""
    table = pd.DataFrame(
        [(f"s{s}", np.nan, np.nan, p, 50 + s) for s in range(9) for p in range(4)],
        columns=["participant_id", "x", "y", "z", "age"],
    )
    table["group"] = np.where(table["participant_id"] > "s6", "patient", "control")
    table["set"] = np.where(table["participant_id"] < "s4", "train", "test")
    return rng.normal(size=(36, 3)), table


def test_every_subject_is_a_point_of_its_kind(rng: np.random.Generator) -> None:
    codes, table = coded(rng)
    view = subject_view(codes, table)
    figure = subjects_figure(view, table.drop_duplicates("participant_id"))
    drawn = {line.get_label(): line.get_xdata() for line in figure.axes[0].lines}
    assert list(drawn) == ["4 training controls", "3 test controls", "2 patients"]
    assert drawn["2 patients"] == pytest.approx(view.points[7:, 0])
    assert f"{100 * view.shares[0]:.0f} %" in figure.axes[0].get_xlabel()


def test_a_place_has_a_dot_per_subject_and_the_way_of_its_mean(rng: np.random.Generator) -> None:
    codes, table = coded(rng)
    places = pd.DataFrame({"x": np.nan, "y": np.nan, "z": [1.0, 3.0], "name": ["one", "three"]})
    points = {"pca": codes[:, :2]}
    ways = {"pca": paths(codes[:, :2], table, "age")}
    figure = trajectories_figure(points, table, ways, places, {"pca": 0.42}, "age")
    lines = figure.axes[0].lines
    dots = [line for line in lines if line.get_marker() == "o"]
    for line, z in zip(dots, (1, 3), strict=True):
        assert np.column_stack(line.get_data()) == pytest.approx(codes[table["z"] == z, :2])
    way = next(line for line in lines if line.get_linestyle() == "-" and line.get_marker() == "None")
    own = ways["pca"][ways["pca"]["z"] == 1]
    assert way.get_xdata() == pytest.approx(own["p0"])
    assert "spread of a place 0.42 (1: chance)" in [text.get_text() for text in figure.texts]
    without = trajectories_figure(points, table, {}, places, {"pca": 0.42}, "age")
    assert "oldest" not in "".join(text.get_text() for text in without.texts)
    with pytest.raises(NigraError, match="no embedding to draw places in"):
        trajectories_figure({}, table, {}, places, {}, "age")
