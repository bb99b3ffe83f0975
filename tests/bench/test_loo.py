"""Leave-one-out at a quick size, its difference from refits, and the time it stands for."""

import numpy as np
import pytest

from nigra.bench import loo, samples


def test_it_measures_solves_and_extrapolates() -> None:
    (found,) = loo.measure(quick=True)
    assert found.ours.work == 10 * 60
    assert found.sizes["seconds for 1000000 locations x 40 controls"] == round(4e7 / found.ours.rate, 1)
    assert found.goals.rate == pytest.approx(4e7 / 60)
    assert found.largest_difference is not None
    assert 0 < found.largest_difference <= 5e-6
    assert found.peers[0].rate > 0


def test_a_difference_would_be_noticed(monkeypatch) -> None:
    values = samples.codes(10, 3, 4)
    assert loo.difference(values) <= 5e-6
    fast = loo.leave_one_out
    monkeypatch.setattr(loo, "leave_one_out", lambda values: fast(values) + np.float32(0.25))
    assert loo.difference(values) == pytest.approx(0.25, abs=1e-4)
