"""Tightness: planted, absent, by the loop, and over the brain."""

import numpy as np
import pytest

from nigra.errors import NigraError
from nigra.latent.pairs import unit_length
from nigra.latent.tightness import TightnessMap, tightness_numbers
from tests.latent.latent_spaces import FEW, shuffled, spaces


def numbers(codes: np.ndarray) -> dict[str, tuple[float, float, float, float]]:
    return {r.measure: (r.estimate, r.low, r.high, r.null) for r in tightness_numbers(codes, FEW)}


def test_a_planted_place_is_tight_by_as_much_as_was_planted(rng: np.random.Generator) -> None:
    """Noise of variance 1 and a place of variance v per dimension: ratio sqrt(1 / (1 + v))."""
    places = rng.normal(size=(300, 6))
    codes = rng.normal(size=(10, 300, 6)) + 2 * places
    found = numbers(codes)
    expected = np.sqrt(1 / (1 + 4 * places.var(axis=0, ddof=1).mean()))
    assert found["tightness"][0] == pytest.approx(expected, abs=0.01)
    assert found["tightness"][2] < 1
    assert found["tightness, cosine"][0] < 0.7
    assert found["same place closer"][1] > 0.9


def test_shuffled_places_give_the_nulls(rng: np.random.Generator) -> None:
    codes, _ = spaces(rng, 10, 300, 6, place=3)
    found = numbers(shuffled(codes, rng))
    for estimate, low, high, null in found.values():
        assert low - 0.005 <= null <= high + 0.005
        assert estimate == pytest.approx(null, abs=0.03)
    assert numbers(codes)["tightness"][0] < 0.6


def test_what_a_person_adds_everywhere_does_not_pass_for_place(rng: np.random.Generator) -> None:
    found = numbers(spaces(rng, 10, 300, 6, person=3)[0])
    assert found["tightness"][0] == pytest.approx(1, abs=0.02)
    assert found["same place closer"][0] == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_the_map_is_that_of_the_loop(rng: np.random.Generator, metric: str) -> None:
    codes = spaces(rng, 4, 9, 3, place=2)[0] + 20
    tight = TightnessMap(9, 3, metric)
    for own in codes:
        tight.add(own)
    values = unit_length(codes) if metric == "cosine" else codes
    for place in range(9):
        same, other = [], []
        for a in range(4):
            for b in set(range(4)) - {a}:
                apart = ((values[a, place] - values[b]) ** 2).sum(axis=1)
                same.append(apart[place])
                other += apart[np.arange(9) != place].tolist()
        assert tight.values()[place] == pytest.approx(np.sqrt(np.mean(same) / np.mean(other)), rel=1e-9)


def test_the_map_shows_where_people_agree(rng: np.random.Generator) -> None:
    codes = rng.normal(size=(6, 100, 5))
    codes[:, :50] = codes[0, :50] + 0.1 * rng.normal(size=(6, 50, 5))
    tight = TightnessMap(100, 5)
    for own in codes:
        tight.add(own.astype(np.float32))
    found = tight.values()
    assert found[:50].max() < 0.2
    assert found[50:].min() > 0.6


def test_one_subject_is_refused(rng: np.random.Generator) -> None:
    tight = TightnessMap(5, 2)
    tight.add(rng.normal(size=(5, 2)))
    with pytest.raises(NigraError, match="two subjects"):
        tight.values()
