"""Curves hold the means, differences are paired with the published value, and 0 is a value like others."""

import numpy as np
import pandas as pd
import pytest

from nigra.errors import NigraError
from nigra.statistics.sweep import COLUMNS, points_of, published_value, sweep, swept
from tests.statistics.test_factorial import table

FACTORS = {"alpha": ["0", "0.5", "0.005", "0.05"], "unit": ["slice", "patch"]}


@pytest.fixture
def cells(rng: np.random.Generator) -> pd.DataFrame:
    return table(rng, FACTORS, unit_patch=0.2, **{"alpha_0.5": -0.1})


def test_a_curve_goes_through_the_means_in_order(cells):
    found = sweep(cells, FACTORS, "alpha", 0.3)
    assert list(found) == list(COLUMNS)
    assert found["curve"].unique().tolist() == ["unit slice", "unit patch"]
    own = found[found["curve"] == "unit patch"]
    assert own["value"].tolist() == [0, 0.005, 0.05, 0.5]
    means = cells[cells["unit"] == "patch"].groupby("alpha")["value"].mean()
    np.testing.assert_allclose(own["estimate"], means[["0", "0.005", "0.05", "0.5"]])


def test_differences_are_from_the_published_value_and_paired(cells):
    found = sweep(cells, FACTORS, "alpha", 0.3)
    assert set(found["reference_value"]) == set(found["published"]) == {0.005}
    own = found[found["curve"] == "unit slice"].set_index("value")
    assert own.loc[0.005, "difference"] == 0
    assert np.isnan(own.loc[0.005, "p"])
    assert own.loc[0.5, "difference"] == pytest.approx(own.loc[0.5, "estimate"] - own.loc[0.005, "estimate"])
    assert own.loc[0.5, "difference_high"] < 0 < own.loc[0.0, "difference_high"]
    widths = own["high"] - own["low"], own["difference_high"] - own["difference_low"]
    assert widths[1][0.5] < widths[0][0.5] / 3  # the folds' difficulty is taken out
    first = sweep(cells, FACTORS, "alpha", 0.3, published={})
    assert set(first["reference_value"]) == {0.0}
    assert first["published"].isna().all()


def test_intervals_of_shares_end_where_shares_do(cells):
    wild = cells.assign(outcome="group_auc", value=np.where(cells["fold"] == 0, 0.1, 0.95))
    found = sweep(wild, FACTORS, "alpha", 0.3)
    assert found["low"].min() == 0
    assert found["high"].max() == 1
    free = sweep(wild.assign(outcome="effective_rank"), FACTORS, "alpha", 0.3)
    assert free["high"].max() > 1  # negative control


def test_a_value_without_models_keeps_its_row(cells):
    hole = cells[~((cells["alpha"] == "0.5") & (cells["unit"] == "patch"))]
    found = sweep(hole, FACTORS, "alpha", 0.3)
    lost = found[(found["curve"] == "unit patch") & (found["value"] == 0.5)].iloc[0]
    assert np.isnan(lost["estimate"])
    assert (lost["models"], lost["note"]) == (0, "no value")
    assert len(found) == 8


def test_points_carry_their_curve(cells):
    points = points_of(cells, FACTORS, "alpha")
    assert len(points) == len(cells)
    assert points.loc[points["unit"] == "patch", "curve"].unique().tolist() == ["unit patch"]
    assert points["at"].tolist() == cells["alpha"].astype(float).tolist()


def test_a_sweep_is_of_three_numbers_at_least(cells):
    assert swept({"alpha": ["0", "1", "2"], "beta": ["0", "1"], "unit": ["a", "b", "c"]}) == ["alpha"]
    assert published_value("composition.siamese.alpha") == 0.005
    assert published_value("patch size") == 15
    with pytest.raises(NigraError, match="unit: a sweep needs numbers as levels, but found slice"):
        sweep(cells, FACTORS, "unit", 0.3)
