"""Spread and way of a place across subjects, against planted ones."""

import numpy as np
import pandas as pd
import pytest

from nigra.errors import NigraError
from nigra.latent.trajectories import lengths, paths, spreads


def planted(rng: np.random.Generator, drift: float) -> tuple[np.ndarray, pd.DataFrame]:
    """40 subjects at 6 places; at place 0 the point moves by ``drift`` per year."""
    ages = rng.uniform(50, 80, 40)
    table = pd.DataFrame(
        [(f"s{s}", p, 1, 2, ages[s]) for p in range(6) for s in range(40)],
        columns=["participant_id", "x", "y", "z", "age"],
    )
    points = 10 * rng.normal(size=(6, 2))[table["x"]] + 0.3 * rng.normal(size=(240, 2))
    points[table["x"] == 0] += drift * np.outer(ages - 50, [0.6, 0.8])
    return points, table


def test_spread_is_the_standard_deviation_of_a_place(rng) -> None:
    points, table = planted(rng, 0.0)
    found = spreads(points, table)
    assert list(found["subjects"]) == [40] * 6
    for row in found.itertuples():
        here = points[table["x"] == row.x]
        assert row.spread == pytest.approx(np.sqrt(here.var(axis=0, ddof=1).sum()))
    assert (found["relative"] < 0.1).all()
    shuffled = spreads(points[rng.permutation(240)], table)  # negative control: places drawn at random
    assert shuffled["relative"].mean() == pytest.approx(1, abs=0.15)
    with pytest.raises(NigraError, match="no location has codes of two subjects"):
        spreads(points, table.assign(x=np.arange(240)))


def test_the_way_follows_a_planted_drift_and_nothing_else(rng) -> None:
    points, table = planted(rng, 0.5)
    table.loc[table["participant_id"] == "s7", "age"] = np.nan
    way = paths(points, table, "age", steps=3)
    assert way.groupby("x")["subjects"].sum().tolist() == [39] * 6
    first = way[way["x"] == 0]
    moved = first[["p0", "p1"]].diff().dropna().to_numpy()
    expected = 0.5 * np.outer(first["age"].diff().dropna(), [0.6, 0.8])
    np.testing.assert_allclose(moved, expected, atol=0.4)
    found = lengths(way).set_index("x")
    assert found["apart"][0] / found["length"][0] > 0.95
    assert found["length"][0] > 8
    assert (found["length"].drop(0) < 1).all()  # negative control
    with pytest.raises(NigraError, match="too few for 3 steps"):
        paths(points, table.assign(age=60.0), "age")
