"""Panels, numbers and legends of embeddings say what the table says."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from nigra.errors import NigraError
from nigra.figures import embedding as module
from nigra.figures.embedding import embedding_panels, stability_panels


def texts(figure: Figure) -> list[str]:
    found = [text.get_text() for text in figure.texts]
    for axes in figure.axes:
        found += [axes.get_title(loc="left"), axes.get_xlabel(), *(text.get_text() for text in axes.texts)]
    return found


def numbers(names: tuple[str, ...] = ("pca", "tsne")) -> pd.DataFrame:
    rows = []
    for at, name in enumerate(names):
        for measure in ("trustworthiness", "continuity", "recall", "rank correlation"):
            rows.append((name, measure, 0.9 - 0.1 * at, 0.5))
        rows += [(name, "subsamples: residual", 0.2, 0.99), (name, "projection: error", 0.3, 1.4)]
    rows.append(("tsne", "seeds: residual", 0.05, 1.0))
    table = pd.DataFrame(rows, columns=["embedding", "measure", "estimate", "null"])
    return table.assign(low=table["estimate"] - 0.02, high=table["estimate"] + 0.02)


def points(rng: np.random.Generator, n: int = 120) -> dict[str, np.ndarray]:
    return {name: rng.normal(size=(n, 2)).astype(np.float32) for name in ("pca", "tsne")}


def test_every_embedding_has_a_panel_with_its_numbers(rng) -> None:
    regions = pd.Series(np.array(list("abcdefgh"))[np.arange(120) % 8], name="region")
    figure = embedding_panels(points(rng), regions, numbers())
    said = texts(figure)
    assert {"PCA", "t-SNE", "0.90", "0.80", "trust", "Coloured by region, 120 codes"} <= set(said)
    assert said.count("0.50") == 8
    words = [text.get_text() for text in figure.legends[0].get_texts()]
    assert len(words) == 7
    assert words[-1] == "2 others"
    colours = figure.axes[0].collections[0].get_facecolors()
    assert len(np.unique(colours, axis=0)) == 7


def test_numbers_are_a_scale_and_missing_ones_are_grey(rng) -> None:
    ages = pd.Series(np.linspace(50, 80, 120), name="age")
    ages[3] = np.nan
    figure = embedding_panels(points(rng), ages, numbers().iloc[:0])
    assert "not judged" in texts(figure)
    assert figure.axes[-1].get_xlabel() == "age"
    assert figure.axes[-1].get_xlim() == pytest.approx(tuple(np.nanquantile(ages, [0.02, 0.98])))
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["no value"]


def test_of_very_many_codes_some_are_drawn_and_that_is_said(rng, monkeypatch) -> None:
    monkeypatch.setattr(module, "MOST_DRAWN", 50)
    figure = embedding_panels(points(rng), pd.Series(["a"] * 120, name="group"), numbers())
    assert "Coloured by group, 50 of 120 codes drawn" in texts(figure)
    assert len(figure.axes[0].collections[0].get_offsets()) == 50


def test_stability_shows_ranges_beside_chance() -> None:
    figure = stability_panels(numbers())
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles == ["Other seeds", "Fewer subjects", "New subjects"]
    assert "draws nothing" in [text.get_text() for text in figure.axes[0].texts]
    dots = [line.get_xdata()[0] for line in figure.axes[2].lines if line.get_marker() == "o"]
    chance = [line.get_xdata()[0] for line in figure.axes[2].lines if line.get_marker() == "|"]
    assert (dots, chance) == ([0.3, 0.3], [1.4, 1.4])
    assert figure.axes[2].get_xlim()[1] > 1.4


def test_nothing_to_draw_is_refused(rng) -> None:
    with pytest.raises(NigraError, match="no embedding to draw"):
        embedding_panels({}, pd.Series([1.0], name="age"), numbers())
    with pytest.raises(NigraError, match="no embedding was refitted"):
        stability_panels(numbers().iloc[:4])


def test_a_few_codes_far_away_do_not_press_the_others_into_a_corner(rng) -> None:
    table = pd.Series(["a"] * 1000, name="group")
    near = rng.normal(size=(1000, 2)).astype(np.float32)
    far = near.copy()
    far[:5, 0] = 1000
    axes = embedding_panels({"pca": near, "spectral": far}, table, numbers()).axes[:2]
    for one in axes:
        assert one.get_xlim()[1] < 5 < one.get_ylim()[1] * 3
        assert one.get_xlim()[0] < np.quantile(near[:, 0], 0.01)
    said = [text.get_text() for text in axes[1].texts]
    assert len(said) == 1
    assert 0.5 <= float(said[0].removesuffix(" % of the codes beyond")) <= 2
    assert not axes[0].texts  # negative control: nothing is left out of the other
