"""The mixture's benchmark: both sides do the same work, and would be caught if they did not."""

import numpy as np
import pytest

from nigra.bench import mixture
from nigra.bench.interleave import as_json


def test_it_measures_both_sides() -> None:
    step, score = mixture.measure(quick=True)
    assert [step.name, score.name] == ["mixture-iteration", "mixture-score"]
    for comparison in (step, score):
        assert comparison.ours.rate > 0
        assert [peer.name for peer in comparison.peers] == [mixture.PEER]
        assert comparison.peers[0].rate > 0
        assert 0 < comparison.largest_difference < 1e-5
        assert as_json(comparison)["sizes"] == {"codes": 2000, "d": 3, "components": 8}


def test_another_mixture_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    codes, now = mixture.problem(500)
    assert max(mixture.differences(codes, now)) < 1e-5
    monkeypatch.setattr(mixture, "GAUSSIAN_DOF", 30.0)
    assert min(mixture.differences(codes, now)) > 1e-3
    assert len(np.unique(codes)) > 1000
