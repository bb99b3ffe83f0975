"""Identity: found where planted, at chance where not, and never by looking at the same voxels twice."""

import numpy as np
import pytest

from nigra.latent.identity import FEWEST, halves, identity_numbers, named_right, own_is_nearer
from tests.latent.latent_spaces import FEW, spaces

REACH = np.array([30.0, 30.0, 2.0])


def numbers(codes: np.ndarray, mm: np.ndarray) -> dict:
    return {row.measure: row for row in identity_numbers(codes, mm, REACH, FEW)}


def test_a_planted_person_is_told_from_other_places(rng: np.random.Generator) -> None:
    rows = numbers(*spaces(rng, person=2, place=2))
    for beyond in ("", ", beyond place"):
        assert rows[f"subject accuracy{beyond}"].low > 0.6
        assert rows[f"subject AUC{beyond}"].low > 0.85


def test_without_a_person_chance_is_left(rng: np.random.Generator) -> None:
    rows = numbers(*spaces(rng, place=3))
    for beyond in ("", ", beyond place"):
        assert rows[f"subject accuracy{beyond}"].null == pytest.approx(1 / 12)
        assert rows[f"subject accuracy{beyond}"].estimate == pytest.approx(1 / 12, abs=0.06)
        assert rows[f"subject AUC{beyond}"].estimate == pytest.approx(0.5, abs=0.05)


def test_halves_share_no_voxel_and_keep_the_most_places(rng: np.random.Generator) -> None:
    mm = rng.uniform(-60, 60, size=(200, 3))
    parts = halves(mm, REACH)
    assert parts.words.startswith("z cut"), "an axial patch is one slice thick"
    assert not (parts.first & parts.second).any()
    low, high = mm[parts.first, 2].max(), mm[parts.second, 2].min()
    assert high - low >= 2
    cut_x = halves(mm, np.array([2.0, 30.0, 30.0]))
    assert cut_x.words.startswith("x cut")
    assert mm[cut_x.second, 0].min() - mm[cut_x.first, 0].max() >= 2
    slices = mm.copy()
    slices[:, :2] = np.nan
    assert halves(slices, np.array([np.inf, np.inf, 2.0])).enough


def test_units_as_large_as_the_brain_leave_no_halves(rng: np.random.Generator) -> None:
    codes, mm = spaces(rng)
    rows = identity_numbers(codes, mm, np.full(3, 500.0), FEW)
    assert len(rows) == 4
    assert all(np.isnan(row.estimate) and str(FEWEST) in row.note for row in rows)


def test_own_is_nearer_is_that_of_the_loop(rng: np.random.Generator) -> None:
    codes, mm = spaces(rng, 5, 4, 3, person=1)
    parts = halves(mm, np.zeros(3))
    parts = type(parts)(np.array([1, 0, 0, 0], bool), np.array([0, 1, 0, 0], bool), "")
    expected = np.zeros(5)
    for here, there in ((0, 1), (1, 0)):
        for a in range(5):
            own = np.linalg.norm(codes[a, here] - codes[a, there])
            others = [np.linalg.norm(codes[a, here] - codes[b, there]) for b in range(5) if b != a]
            expected[a] += np.mean(own < np.array(others)) / 2
    np.testing.assert_allclose(own_is_nearer(codes, parts), expected)


def test_naming_is_right_for_everybody_when_persons_are_far_apart(rng: np.random.Generator) -> None:
    codes, mm = spaces(rng, 6, 60, 8, person=50)
    np.testing.assert_array_equal(named_right(codes, halves(mm, REACH)), 1)
