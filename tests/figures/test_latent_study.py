"""The small multiples of latent spaces: a panel per number, a row per cell, its untrained twin below it."""

import numpy as np
import pandas as pd
import pytest

from nigra.errors import NigraError
from nigra.figures.latent_study import latent_study_figure
from nigra.statistics.latent_study import study_cells


def values(rng: np.random.Generator) -> pd.DataFrame:
    rows = [
        (level, training, fold, 0, measure, 0.2 + 0.6 * (level == "SAE") + 0.02 * rng.normal(), 0.5)
        for level in ("AE", "SAE") for training in ("trained", "untrained") for fold in range(3)
        for measure in ("tightness", "place R2", "group AUC, subject")
    ]  # fmt: skip
    columns = ["siamese", "training", "fold", "seed", "measure", "estimate", "null"]
    return pd.DataFrame(rows, columns=columns)


def test_means_intervals_and_dots_are_those_of_the_tables(rng: np.random.Generator) -> None:
    own = values(rng)
    cells = study_cells(own, {"siamese": ["AE", "SAE"]}, 0.5)
    figure = latent_study_figure(cells, own, ["siamese"])
    assert len(figure.axes) == 3
    said = [text.get_text() for text in figure.texts]
    assert [text for text in said if text in ("AE", "SAE", "untrained")] == ["AE", "untrained", "SAE", "untrained"]
    panel = figure.axes[0]
    drawn = [float(line.get_xdata()[0]) for line in panel.lines if line.get_marker() == "o"]
    means = cells[cells["measure"] == "tightness"].set_index(["siamese", "training"])
    order = [("AE", "trained"), ("AE", "untrained"), ("SAE", "trained"), ("SAE", "untrained")]
    assert drawn == pytest.approx([means.loc[key, "estimate"] for key in order])
    dots = np.concatenate([line.get_xdata() for line in panel.lines if line.get_marker() == "."])
    assert sorted(dots) == pytest.approx(sorted(own.loc[own["measure"] == "tightness", "estimate"]))
    filled = [line.get_markerfacecolor() for line in panel.lines if line.get_marker() == "o"]
    assert [colour == "white" for colour in filled] == [False, True, False, True]


def test_nothing_to_draw_is_one_sentence(rng: np.random.Generator) -> None:
    own = values(rng)
    cells = study_cells(own, {"siamese": ["AE", "SAE"]}, 0.5).assign(estimate=np.nan)
    with pytest.raises(NigraError, match="no number of a latent space"):
        latent_study_figure(cells, own, ["siamese"])
