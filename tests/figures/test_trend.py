"""Dots, medians and titles are the table's."""

import numpy as np
import pandas as pd
import pytest

from nigra.errors import NigraError
from nigra.figures.trend import scores_by_stage


@pytest.fixture
def scores(rng):
    return pd.DataFrame({
        "region": np.repeat(["whole brain", "SN left"], 30), "stage": np.tile([0.0, 1, 2], 20),
        "score": rng.gamma(2, 1, 60),
    })  # fmt: skip


@pytest.fixture
def answers():
    return pd.DataFrame({
        "region": ["SN left", "whole brain"], "estimate": [0.4, -0.1], "low": [0.2, -0.3], "high": [0.6, 0.1],
        "q": [0.0002, np.nan],
    })  # fmt: skip


def test_dots_and_medians_are_the_values(scores, answers):
    figure = scores_by_stage(scores, answers)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["whole brain", "SN left"]
    axes, here = figure.axes[1], scores[scores["region"] == "SN left"]
    chance, *rest = axes.lines
    np.testing.assert_allclose(chance.get_ydata(), here["score"].median())
    for stage in range(3):
        dots, bar = rest[2 * stage : 2 * stage + 2]
        values = here.loc[here["stage"] == stage, "score"]
        np.testing.assert_allclose(dots.get_ydata(), np.sort(values))
        np.testing.assert_allclose(bar.get_ydata(), values.median())
        assert np.abs(dots.get_xdata() - stage).max() < 0.3
    names = [tick.get_text() for tick in axes.get_xticklabels()]
    assert names == ["controls\nn = 10", "1\nn = 10", "2\nn = 10"]
    said = [figure.axes[k].texts[0].get_text() for k in range(2)]
    assert said == ["Somers' D −0.10 [−0.30, 0.10]", "Somers' D 0.40 [0.20, 0.60], q < .001"]


def test_subjects_without_a_stage_are_not_drawn(scores, answers):
    scores.loc[scores["stage"] == 2, "stage"] = np.nan
    figure = scores_by_stage(scores, answers)
    assert len(figure.axes[0].get_xticks()) == 2
    with pytest.raises(NigraError, match="no subject has a stage"):
        scores_by_stage(scores.assign(stage=np.nan), answers)
