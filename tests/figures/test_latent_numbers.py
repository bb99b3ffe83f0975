"""The page of numbers: one panel per number that is there, one row per model, nulls drawn."""

import numpy as np
import pandas as pd
import pytest

from nigra.errors import NigraError
from nigra.figures.latent_numbers import MEASURES, latent_numbers_figure


def table(models: tuple[str, ...] = ("sae", "sae_untrained", "ae"), draws: int = 2) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    rows = [
        {"model": model, "draw": draw, "measure": measure, "estimate": (e := rng.random()), "low": e - 0.1,
         "high": e + 0.1, "null": 0.5, "note": ""}
        for model in models for draw in range(draws) for measure in MEASURES
    ]  # fmt: skip
    return pd.DataFrame(rows)


def titles(figure) -> list[str]:  # type: ignore[no-untyped-def]
    return [text.get_text() for text in figure.texts]


def test_a_panel_per_number_and_a_dot_per_draw() -> None:
    own = table()
    figure = latent_numbers_figure(own)
    assert len(figure.axes) == len(MEASURES)
    assert set(MEASURES.values()) <= set(titles(figure))
    panel = figure.axes[list(MEASURES).index("tightness")]
    dots = [line for line in panel.lines if line.get_marker() == "o"]
    drawn = sorted(float(line.get_xdata()[0]) for line in dots)
    assert drawn == pytest.approx(sorted(own.loc[own["measure"] == "tightness", "estimate"]))
    assert sum(line.get_markerfacecolor() == "white" for line in dots) == 2
    nulls = [line for line in panel.lines if line.is_dashed()]
    assert [line.get_xdata()[0] for line in nulls] == [0.5] * 3


def test_a_number_nobody_has_gets_no_panel_and_a_model_without_keeps_its_row() -> None:
    own = table()
    own.loc[own["measure"] == "age R2, subject", "estimate"] = np.nan
    own = own[(own["measure"] != "place R2") | (own["model"] != "ae")]
    figure = latent_numbers_figure(own)
    assert len(figure.axes) == len(MEASURES) - 1
    assert "age, R²" not in titles(figure)
    panel = figure.axes[list(MEASURES).index("place R2")]
    assert panel.get_ylim() == pytest.approx((2.6, -0.6))


def test_nothing_to_draw_is_one_sentence() -> None:
    own = table()
    own["estimate"] = np.nan
    with pytest.raises(NigraError, match="nigra latent"):
        latent_numbers_figure(own)
