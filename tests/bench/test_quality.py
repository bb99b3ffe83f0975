"""The quality benchmark at a quick size, and that a wrong number would be noticed."""

import numpy as np
import pytest

from nigra.bench import quality
from nigra.bench.interleave import missed


def test_it_judges_distances_and_agrees_with_scikit_learn() -> None:
    (found,) = quality.measure(quick=True)
    assert found.ours.work == 600**2
    assert found.peers[0].work == 300**2
    assert found.largest_difference == pytest.approx(0, abs=1e-9)
    assert found.sizes["seconds for 20000 codes"] == pytest.approx(20_000**2 / found.ours.rate, abs=0.01)
    assert found.goals.rate == pytest.approx(20_000**2 / 8)
    assert quality.memory_of(lambda: np.zeros(25_000_000)) == pytest.approx(0.2, rel=0.01)


def test_too_much_memory_would_be_noticed(monkeypatch) -> None:
    monkeypatch.setattr(quality, "memory_of", lambda call: 1.7)
    (found,) = quality.measure(quick=True)
    assert any("GB 1.7, goal 1" in sentence for sentence in missed(found))


def test_a_difference_would_be_noticed(monkeypatch) -> None:
    monkeypatch.setattr(quality, "trustworthiness", lambda codes, points, n_neighbors: np.float64(0.5))
    (found,) = quality.measure(quick=True)
    assert found.largest_difference > 0.01
    assert any("difference" in sentence for sentence in missed(found))
