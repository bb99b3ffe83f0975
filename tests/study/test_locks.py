"""One process on all of a run, or many on a task each, never both."""

from pathlib import Path

import pytest
from filelock import FileLock

from nigra.errors import NigraError
from nigra.study.locks import active_tasks, alone, is_held, refuse_beside


def test_only_a_lock_that_somebody_holds_counts(tmp_path: Path) -> None:
    (tmp_path / "tasks").mkdir()
    held, left = tmp_path / "tasks/.score_a_draw-00.lock", tmp_path / "tasks/.left.lock"
    left.touch()
    with FileLock(held):
        assert is_held(held)
        assert not is_held(left)
        assert active_tasks(tmp_path) == ["score_a_draw-00"]
    assert active_tasks(tmp_path) == []
    assert not is_held(tmp_path / "tasks/.never.lock")


def test_the_whole_run_and_a_task_exclude_each_other(tmp_path: Path) -> None:
    (tmp_path / "tasks").mkdir()
    refused = pytest.raises(NigraError, match="train_a are at work")
    with FileLock(tmp_path / "tasks/.train_a.lock"), refused, alone(tmp_path):
        raise AssertionError("not reached")
    with alone(tmp_path), pytest.raises(NigraError, match="works on all of it"):
        refuse_beside(tmp_path)
    refuse_beside(tmp_path)
