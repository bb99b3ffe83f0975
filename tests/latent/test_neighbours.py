"""Neighbours are other people's, nearest first; their place is told."""

import numpy as np
import pandas as pd
import pytest

from nigra.errors import NigraError
from nigra.latent.neighbours import COLUMNS, nearest_elsewhere, neighbour_numbers, neighbour_table
from tests.latent.latent_spaces import FEW, shuffled, spaces


def test_the_nearest_are_those_of_the_loop_and_never_one_s_own(rng: np.random.Generator) -> None:
    codes, owner = rng.normal(size=(40, 3)), np.repeat(np.arange(5), 8)
    rows, distances = nearest_elsewhere(codes, owner, np.array([3, 20]), 4)
    for anchor, own, far in zip((3, 20), rows, distances, strict=True):
        apart = np.linalg.norm(codes - codes[anchor], axis=1)
        apart[owner == owner[anchor]] = np.inf
        np.testing.assert_array_equal(own, np.argsort(apart)[:4])
        np.testing.assert_allclose(far, np.sort(apart)[:4])
    with pytest.raises(NigraError, match="draw more"):
        nearest_elsewhere(codes, owner, np.array([0]), 33)


def numbers(codes: np.ndarray, mm: np.ndarray) -> dict:
    n, places, d = codes.shape
    regions = np.tile(np.where(mm[:, 2] > 0, "up", "down"), n)
    owner = np.repeat(np.arange(n), places)
    return {r.measure: r for r in neighbour_numbers(codes.reshape(-1, d), owner, np.tile(mm, (n, 1)), regions, FEW)}


def test_similar_codes_come_from_near_where_place_was_planted(rng: np.random.Generator) -> None:
    codes, mm = spaces(rng, place=5)
    rows = numbers(codes, mm)
    assert rows["neighbour mm"].high < 0.6 * rows["neighbour mm"].null
    assert rows["neighbour in same region"].low > 0.75
    rows = numbers(shuffled(codes, rng), mm)
    assert rows["neighbour mm"].estimate == pytest.approx(rows["neighbour mm"].null, rel=0.08)
    assert rows["neighbour in same region"].estimate == pytest.approx(0.5, abs=0.08)


def test_the_table_tells_who_and_how_far(rng: np.random.Generator) -> None:
    table = pd.DataFrame({
        "participant_id": ["a", "a", "b", "b"], "group": "control", "region": ["r", "s", "r", "s"],
        "x_mm": [0.0, 10, 3, 10], "y_mm": [0.0, 0, 4, 0], "z_mm": 0.0,
    })  # fmt: skip
    codes = np.array([[0.0], [5.0], [1.0], [9.0]])
    found = neighbour_table(table, codes, [0], 2)
    assert tuple(found) == COLUMNS
    assert found["participant_id"].tolist() == ["a", "b", "b"]
    assert found["rank"].tolist() == [0, 1, 2]
    assert found["distance"].tolist() == [0, 1, 9]
    assert found["apart_mm"].tolist() == [0, 5, 10]
