"""Dose-response pictures: a panel per effect and shape, a line per method, chance drawn."""

import numpy as np
import pandas as pd
import pytest

from nigra.errors import NigraError
from nigra.figures.dose_response import dose_response_figure, froc_figure, looks_of, telling_strength
from nigra.simulation.dose_response import dose_response, froc
from tests.simulation.test_dose_response import CURVES, STRENGTHS, lesion_table


def curves() -> pd.DataFrame:
    """Two methods, two effects, two sizes."""
    parts = [
        lesion_table(CURVES, model).assign(effect=effect, size=size)
        for model in ("ae", "sae") for effect in ("dark", "bright") for size in ("6 mm", "9 mm")
    ]  # fmt: skip
    return dose_response(pd.concat(parts))


def test_every_panel_has_every_method_and_chance() -> None:
    figure = dose_response_figure(curves(), "sensitivity_matched")
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        "dark, sphere 6 mm", "bright, sphere 6 mm", "dark, sphere 9 mm", "bright, sphere 9 mm",
    ]  # fmt: skip
    for axes in figure.axes:
        chance, *lines = sorted(axes.lines, key=lambda line: len(line.get_xdata()))
        assert set(chance.get_ydata()) == {0.02}
        assert len(lines) == 2
        np.testing.assert_allclose(lines[0].get_xdata(), STRENGTHS)
        np.testing.assert_allclose(lines[0].get_ydata()[2], 0.5)
        assert len(axes.collections) == 2  # the bands
    assert [text.get_text() for text in figure.legends[0].texts] == ["ae", "sae", "chance"]


def test_without_chance_by_theory_the_places_as_scanned_are_drawn() -> None:
    axes = dose_response_figure(curves(), "found").axes[0]
    level = min(axes.lines, key=lambda line: len(line.get_xdata())).get_ydata()
    assert level[0] == pytest.approx(0.1 / 3)


def test_a_table_without_the_measure_is_one_sentence() -> None:
    empty = curves().assign(estimate=np.nan)
    with pytest.raises(NigraError, match="no planted lesion has a value of auroc"):
        dose_response_figure(empty, "auroc")
    with pytest.raises(NigraError, match="no planted lesions to count"):
        froc_figure(pd.DataFrame())


def test_methods_look_different() -> None:
    methods = [(model, detector) for model in ("a", "b", "c") for detector in "defghijk"]
    assert len(set(looks_of(methods).values())) == len(methods)


def test_froc_is_drawn_where_the_best_method_finds_half() -> None:
    rows = [
        {"model": "ae", "detector": detector, "shape": "sphere", "size": "6 mm", "effect": "dark",
         "strength": strength, "participant_id": name, "rate": rate, "lesions": 4, "false_clusters": 100 * rate,
         "found": min(4, round(base * strength * 4 * (1 + 10 * rate)))}
        for detector, base in (("error", 1.0), ("z", 2.0)) for strength in (0.0, 0.1, 0.2, 0.4)
        for name in ("a", "b") for rate in (0.01, 0.05)
    ]  # fmt: skip
    table = froc(pd.DataFrame(rows))
    assert telling_strength(table) == 0.2
    figure = froc_figure(table)
    assert "strength 0.2" in [text.get_text() for text in figure.axes[0].texts]
    lines = {line.get_label(): line for line in figure.axes[0].lines}
    assert len(lines) == 3
    best = figure.axes[0].lines[1]
    np.testing.assert_allclose(best.get_xdata(), [1, 5])
    np.testing.assert_allclose(best.get_ydata(), [0.5, 0.5])
