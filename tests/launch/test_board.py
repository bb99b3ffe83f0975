"""The table of a launched run: counts, time that remains, one line per task that ends."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from nigra.files import read_tsv
from nigra.launch import board as module
from nigra.launch.board import COLUMNS, Board
from nigra.launch.schedule import Schedule
from nigra.launch.status import Status, write_status
from tests.launch.test_schedule import task


@pytest.fixture
def schedule() -> Schedule:
    return Schedule([task("t1"), task("t2"), task("s1", ("t1",)), task("s2", ("t2",)), task("f")])


def end(board: Board, name: str, seconds: float) -> None:
    write_status(board.folder, Status(task=name, state="done", seconds=seconds, attempts=1))
    board.mark(name, "done")


def test_into_a_pipe_it_is_one_line_per_task_that_ends(tmp_path: Path, schedule: Schedule) -> None:
    text = io.StringIO()
    with Board(tmp_path, schedule, Console(file=text, width=20)) as board:
        board.mark("t1", "running")
        board.refresh()
        assert text.getvalue() == ""
        end(board, "t1", 10)
        board.mark("t2", "failed", "lower learning_rate")
    lines = text.getvalue().splitlines()
    assert lines == [
        "[1/5] t1: done, 10 s (at least 10 s left)",
        "[3/5] t2: failed: lower learning_rate (at least 0 s left)",
        "[3/5] s2: skipped: needs t2, which failed (at least 0 s left)",
    ]
    table = read_tsv(tmp_path / "tasks.tsv", ("task",)).set_index("task")
    assert list(table.reset_index().columns) == list(COLUMNS)
    assert table["state"].to_dict() == {
        "t1": "done",
        "t2": "failed",
        "s1": "waiting",
        "s2": "skipped",
        "f": "waiting",
    }
    assert table.loc["t2", "reason"] == "lower learning_rate"
    assert (table.loc["t1", "seconds"], table.loc["t1", "attempts"]) == (10, 1)


def test_the_time_that_remains_is_that_of_tasks_of_the_same_kind(
    tmp_path: Path, schedule: Schedule, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    board = Board(tmp_path, schedule, jobs=2)
    assert board.remaining() == ""
    end(board, "t1", 400)
    board.mark("t2", "running")
    now[0] += 40
    assert board.remaining() == "at least 3 min left"  # (400 - 40) / 2
    end(board, "s1", 1000)
    end(board, "f", 1000)
    assert board.remaining() == "about 11 min left"  # (360 + 1000) / 2
    now[0] += 10_000
    assert board.remaining() == "about 8 min left", "a task that takes longer than others leaves no debt"


def test_on_a_terminal_it_shows_counts_and_who_is_at_it(tmp_path: Path, schedule: Schedule) -> None:
    text = io.StringIO()
    with Board(tmp_path, schedule, Console(file=text, width=100, force_terminal=True)) as board:
        board.mark("t1", "running")
        write_status(tmp_path, Status(task="t1", state="running", share=0.43, detail="12k/30k units"))
        board.refresh()
    shown = text.getvalue()
    assert "43 % 12k/30k units" in shown
    assert [word for word in ("done", "running", "waiting", "failed") if word not in shown] == []
    assert "skipped" not in shown
