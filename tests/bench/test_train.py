"""The training benchmark: both loops learn the same, so their losses agree epoch by epoch."""

from pathlib import Path

import numpy as np
import pytest

from nigra.bench import gather, train
from nigra.training import TrainingSettings


def test_both_loops_learn_the_same(tmp_path: Path) -> None:
    settings = TrainingSettings(batch=32, units_per_subject=60, seed=5)
    task = train._task(tmp_path, *gather.QUICK)
    ours: list[float] = []
    fed: list[float] = []
    one, two = train._our_epochs(task, settings, ours), train._fed_epochs(task, settings, fed)
    for _ in range(3):
        one()
        two()
    np.testing.assert_allclose(ours, fed, atol=1e-5)
    assert ours[-1] < ours[0] - 1e-3  # and it is learning that agrees, not standing still


def test_quick_run_is_one_comparison() -> None:
    (found,) = train.measure(quick=True)
    assert found.largest_difference is not None
    assert 0 <= found.largest_difference <= 1e-5
    minutes = found.sizes["whole training, minutes, extrapolated"]
    assert minutes == pytest.approx(36_000_000 / found.ours.rate / 60, abs=0.06)
