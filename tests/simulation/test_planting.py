"""Planting several lesions: what is recorded is what was done."""

import re
from pathlib import Path

import numpy as np
import pytest

from nigra.errors import NigraError
from nigra.simulation.placing import draw_lesions
from nigra.simulation.planting import COLUMNS, describe, plant, truth
from nigra.simulation.settings import EffectSettings, ShapeSettings
from tests.conftest import SHAPE

DAMAGE = EffectSettings(kind="multiply", channels={"FA": -1, "MD": 0.5}, strengths=[0.2])


@pytest.fixture
def lesions(mask: np.ndarray, affine: np.ndarray) -> list:
    found = draw_lesions(ShapeSettings(kind="sphere", sizes=[4]), 4.0, mask, affine, 3, 2, 5.0)
    assert len(found) == 2
    return found


def test_every_lesion_is_planted_and_nothing_else(lesions, mask, affine, rng) -> None:
    volume = rng.uniform(0.3, 0.9, (3, *SHAPE)).astype(np.float32)
    out = plant(volume, lesions, DAMAGE, 0.2, ("FA", "MD", "T1w"), mask, affine)
    where = truth(lesions, SHAPE) > 0
    np.testing.assert_allclose(out[0][where], 0.8 * volume[0][where], rtol=1e-6)
    np.testing.assert_allclose(out[1][where], 1.1 * volume[1][where], rtol=1e-6)
    np.testing.assert_array_equal(out[:, ~where], volume[:, ~where])
    np.testing.assert_array_equal(out[2], volume[2])
    np.testing.assert_array_equal(plant(volume, lesions, DAMAGE, 0.0, ("FA", "MD", "T1w"), mask, affine), volume)


def test_truth_has_the_lesions_numbers(lesions) -> None:
    labels = truth(lesions, SHAPE)
    assert set(np.unique(labels)) == {0, 1, 2}
    for each in lesions:
        np.testing.assert_array_equal(labels == each.number, each.mask)


def test_the_record_says_where_in_voxels_and_millimetres(lesions, affine) -> None:
    table = describe(lesions, affine)
    assert list(table.columns) == list(COLUMNS[6:])
    for row, each in zip(table.to_dict("records"), lesions, strict=True):
        assert (row["i"], row["j"], row["k"]) == each.place
        world = affine @ [*each.place, 1]
        assert (row["x_mm"], row["y_mm"], row["z_mm"]) == pytest.approx(tuple(world[:3]))
        assert row["size_mm3"] == pytest.approx(each.mask.sum() * 9.0)
        assert row["seed"] == each.seed


def test_an_unknown_channel_is_one_sentence(lesions, mask, affine) -> None:
    with pytest.raises(NigraError, match="changes the channel FA, but the maps are T1w; name one of these"):
        plant(np.zeros((1, *SHAPE), np.float32), lesions, DAMAGE, 0.1, ("T1w",), mask, affine)


def test_the_page_shows_code_that_runs(capsys) -> None:
    page = (Path(__file__).parents[2] / "docs/concepts/simulation.md").read_text(encoding="utf-8")
    exec(re.search(r"```python\n(.*?)```", page, re.DOTALL)[1], {})
    assert 0.85 < float(capsys.readouterr().out) < 0.98  # two standard deviations apart: .92 by theory
