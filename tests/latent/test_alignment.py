"""Alignment and uniformity against their definitions and their limits."""

import numpy as np
import pytest

from nigra.latent.alignment import alignment_numbers, uniform_limit
from nigra.latent.pairs import unit_length
from tests.latent.latent_spaces import FEW, spaces


def test_even_codes_reach_the_limit_of_uniformity(rng: np.random.Generator) -> None:
    aligned, uniform = alignment_numbers(rng.normal(size=(8, 200, 6)), FEW)
    assert uniform.estimate == pytest.approx(uniform_limit(6), abs=0.02)
    assert aligned.estimate == pytest.approx(2, abs=0.05)
    assert aligned.null == pytest.approx(2, abs=0.05)


def test_the_limit_is_that_of_many_points_on_the_sphere(rng: np.random.Generator) -> None:
    first, second = unit_length(rng.normal(size=(2, 200_000, 3)))
    assert uniform_limit(3) == pytest.approx(
        np.log(np.exp(-2 * ((first - second) ** 2).sum(axis=1)).mean()), abs=0.01
    )


def test_collapsed_codes_are_aligned_but_not_uniform(rng: np.random.Generator) -> None:
    aligned, uniform = alignment_numbers(1 + 1e-3 * rng.normal(size=(5, 40, 6)), FEW)
    assert aligned.estimate < 1e-4
    assert uniform.estimate == pytest.approx(0, abs=1e-3)
    assert aligned.null == pytest.approx(aligned.estimate, rel=0.1), "no better than other places"


def test_a_planted_place_aligns_and_its_definition_is_kept(rng: np.random.Generator) -> None:
    codes, _ = spaces(rng, 6, 50, 5, place=4)
    aligned, uniform = alignment_numbers(codes, FEW)
    sphere = unit_length(codes)
    pairs = [(a, b) for a in range(6) for b in range(6) if a != b]
    assert aligned.estimate == pytest.approx(
        np.mean([((sphere[a] - sphere[b]) ** 2).sum(axis=1) for a, b in pairs])
    )
    all_ = [np.exp(-2 * ((sphere[a][:, None] - sphere[b]) ** 2).sum(axis=2)) for a, b in pairs]
    assert uniform.estimate == pytest.approx(np.log(np.mean(all_)))
    assert aligned.high < aligned.null
