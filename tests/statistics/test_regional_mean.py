"""Regional mean z against pandas and numpy, subject by subject; what was fitted on is never held out."""

import numpy as np
import pandas as pd
import pytest

from nigra.errors import NigraError
from nigra.provenance import FittedOnError
from nigra.regions import COLUMNS, Atlas
from nigra.statistics.draws import read_draws
from nigra.statistics.regional_mean import region_means, region_names, regional_mean_rows


@pytest.fixture
def atlas(mask: np.ndarray) -> Atlas:
    labels = np.zeros(mask.shape, np.int32)
    labels[:5], labels[5:8], labels[8:] = 300, 7, 12
    labels[mask & (np.indices(mask.shape)[2] > 4)] = 0
    return Atlas(labels, {300: "left", 7: "middle", 12: "right", 44: "empty"}, "here", merged={"sides": (300, 12)})


def people(controls: int, tested: int) -> pd.DataFrame:
    names = [f"sub-C{i}" for i in range(controls)] + [f"sub-T{i}" for i in range(tested)]
    return pd.DataFrame(
        {"participant_id": names, "group": ["control"] * (controls + 1) + ["patient"] * (tested - 1)}
    )


def test_means_are_those_of_boolean_masks(mask: np.ndarray, atlas: Atlas, rng: np.random.Generator) -> None:
    volume = rng.normal(100, 10, size=(2, *mask.shape)).astype(np.float32)
    found = dict(zip(region_names(atlas), region_means(volume, mask, atlas), strict=True))
    assert list(found) == ["whole brain", "sides", "left", "middle", "right", "empty"]
    masks = {"whole brain": mask, "left": atlas.labels == 300, "sides": np.isin(atlas.labels, (300, 12))}
    for name, inside in masks.items():
        expected = [channel[mask & inside].mean(dtype=float) for channel in volume]
        np.testing.assert_allclose(found[name], expected, rtol=1e-6)
    assert np.isnan(found["empty"]).all()
    assert found["left"][0] != found["right"][0]


def test_scores_are_z_scores_and_controls_are_left_out(rng: np.random.Generator) -> None:
    controls = rng.normal([0.8, 7e-4], [0.05, 3e-5], size=(9, 3, 2))
    tested = rng.normal([0.8, 7e-4], [0.05, 3e-5], size=(4, 3, 2))
    table = regional_mean_rows(controls, tested, people(9, 4), ["a", "b", "c"], 2, "held-out")
    assert tuple(table.columns) == COLUMNS
    score = table["score"].to_numpy().reshape(13, 3)
    z = (tested - controls.mean(axis=0)) / controls.std(axis=0, ddof=1)
    np.testing.assert_allclose(score[9:], np.sqrt((z**2).mean(axis=2)), rtol=1e-3)
    for i in range(9):
        others = np.delete(controls, i, axis=0)
        z = (controls[i] - others.mean(axis=0)) / others.std(axis=0, ddof=1)
        np.testing.assert_allclose(score[i], np.sqrt((z**2).mean(axis=1)), rtol=1e-3)
    assert table["set"].tolist() == ["held-out"] * 27 + ["test"] * 12
    assert table[["voxels", "abnormal", "percent"]].isna().all(axis=None)
    assert (table["fold"] == 2).all()


def test_a_changed_region_scores_high_whichever_way_it_changed(rng: np.random.Generator) -> None:
    controls, tested = rng.normal(size=(12, 2, 1)), np.zeros((3, 2, 1))
    tested[1, 0], tested[2, 0] = 5, -5
    table = regional_mean_rows(controls, tested, people(12, 3), ["a", "b"], 0, "training")
    score = table[table["set"] == "test"].set_index(["participant_id", "region"])["score"]
    assert min(score["sub-T1", "a"], score["sub-T2", "a"]) > 3
    assert max(score["sub-T0", "a"], score["sub-T1", "b"]) < 1


def test_the_rows_can_be_read_as_draws(rng: np.random.Generator) -> None:
    table = regional_mean_rows(rng.normal(size=(6, 2, 1)), rng.normal(size=(5, 2, 1)), people(6, 5), ["a", "b"], 0,
                               "held-out")  # fmt: skip
    draws = read_draws(table)
    assert draws.tested.sum() == 5
    assert draws.reference.sum() == 6


def test_nobody_is_fitted_on_and_tested(rng: np.random.Generator) -> None:
    both = people(6, 5)
    both.loc[7, "participant_id"] = "sub-C3"
    with pytest.raises(FittedOnError, match="regional mean was fitted on sub-C3"):
        regional_mean_rows(rng.normal(size=(6, 1, 1)), rng.normal(size=(5, 1, 1)), both, ["a"], 0, "held-out")
    with pytest.raises(NigraError, match="needs 3 controls"):
        regional_mean_rows(
            rng.normal(size=(2, 1, 1)), rng.normal(size=(5, 1, 1)), people(2, 5), ["a"], 0, "held-out"
        )
