"""The pictures of a factorial stand at the numbers of its tables."""

import numpy as np
import pandas as pd
import pytest

from nigra.errors import NigraError
from nigra.figures.factorial import cells_figure, effects_figure, question_figure
from nigra.figures.style import INK, MODEL_COLOURS, MUTED
from nigra.statistics.factorial import effects
from tests.statistics.test_factorial import FACTORS, table
from tests.statistics.test_factorial_words import effect


def texts(figure):
    return [text.get_text() for text in figure.texts]


def rows():
    return pd.DataFrame([
        effect(), effect(outcome="reconstruction"), effect(outcome="effective_rank", detector=""),
        effect(outcome="group_auc", low=-0.1, p_holm=0.6), effect(outcome="pair_auc", low=np.nan, high=np.nan),
    ])  # fmt: skip


def test_a_question_has_a_row_per_outcome_coloured_by_what_is_shown():
    figure = question_figure(rows(), "siamese")
    axes = figure.axes[0]
    dots = [line for line in axes.lines if line.get_marker() == "o"]
    assert [dot.get_color() for dot in dots] == [MODEL_COLOURS[0], MODEL_COLOURS[1], INK, MUTED, MUTED]
    assert [dot.get_ydata()[0] for dot in dots] == [0, 1, 2, 3, 4]
    assert dots[0].get_xdata()[0] == pytest.approx(0.05 / 0.08)
    assert dots[4].get_markerfacecolor() == "white"
    bars = [line for line in axes.lines if line.get_linewidth() == 1.6]
    np.testing.assert_allclose(bars[0].get_xdata(), [0.25, 1])
    np.testing.assert_allclose(bars[3].get_xdata(), [-1, 0.8])
    assert axes.lines[-1].get_xdata() == [0, 0]
    written = texts(figure)
    assert "What changes with siamese: cosine instead of none" in written
    assert "Effective rank of the code" in written
    assert "+0.050 [−0.100, 0.080]" in written
    assert "+0.050, no interval" in written


def test_several_pairs_of_levels_stand_under_their_outcome():
    more = pd.concat([rows(), rows().assign(level="vicreg")]).sort_values("outcome", kind="stable")
    written = texts(question_figure(more, "siamese"))
    assert written.count("cosine − none") == written.count("vicreg − none") == 5
    assert written.count("Effective rank of the code") == 1


def test_a_forest_tells_main_effects_from_interactions(rng):
    found = effects(table(rng, unit_patch=0.1), FACTORS, 0.3)
    written = texts(effects_figure(found))
    assert written.count("Main effects") == written.count("Interactions") == 1
    assert "unit: patch − slice" in written
    assert "unit (patch − slice) × siamese (vicreg − none)" in written
    assert effects_figure(found).axes[0].get_xlabel() == "change of ranking of planted voxels, AUROC"


def test_cells_stand_at_their_means(rng):
    cells = table(rng, unit_patch=0.1)
    figure = cells_figure(cells, FACTORS, "planted_auroc")
    assert len(figure.axes) == 2  # both ways
    thick = [line for line in figure.axes[0].lines if line.get_linewidth() == 1.8]
    means = cells.groupby(["siamese", "unit"])["value"].mean()
    assert [line.get_label() for line in thick] == FACTORS["siamese"]
    for line in thick:
        np.testing.assert_allclose(line.get_ydata(), means[line.get_label()][["slice", "patch"]])
    thin = [line for line in figure.axes[0].lines if line.get_linewidth() == 0.5]
    assert len(thin) == 3 * 4 * 3  # siamese x folds x seeds
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["slice", "patch"]
    chance = [line for line in figure.axes[0].lines if line.get_linewidth() == 0.8]
    assert list(chance[0].get_ydata()) == [0.5, 0.5]


def test_a_missing_model_does_not_bend_the_mean(rng):
    two = {"unit": ["slice", "patch"]}
    cells = table(rng, two, unit_patch=0.1, noise=0.0)
    hole = cells[~((cells["unit"] == "patch") & (cells["fold"] == 1))]
    figure = cells_figure(hole, two, "planted_auroc")
    (mean,) = [line for line in figure.axes[0].lines if line.get_linewidth() == 1.8]
    assert np.diff(mean.get_ydata()) == pytest.approx(0.1)


def test_nothing_to_draw_is_one_sentence(rng):
    with pytest.raises(NigraError, match="no effect of unit to draw"):
        question_figure(rows(), "unit")
    with pytest.raises(NigraError, match="no value of group_auc to draw"):
        cells_figure(table(rng), FACTORS, "group_auc")
    with pytest.raises(NigraError, match="no estimate to draw"):
        effects_figure(rows().assign(estimate=np.nan))
