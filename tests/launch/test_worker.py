"""One task in a process: its status, its exit code, its lock, its end by a signal."""

import io
import os
import signal
import threading
import time
from pathlib import Path

import pytest
from filelock import FileLock
from rich.console import Console

from nigra.errors import NigraError
from nigra.launch import worker
from nigra.launch.status import read_status
from nigra.launch.worker import AGAIN, DONE, FAULT, REFUSED, work
from nigra.study.execution import Execution
from nigra.study.locks import alone
from nigra.study.progress import Steps
from nigra.study.run import Run
from nigra.study.tasks import Task, Tasks
from nigra.training import limit_threads
from tests.launch.launch_fixture import small_settings
from tests.study.study_fixture import make_study

NAME = "train_broken_draw-00"


@pytest.fixture
def run(tmp_path: Path) -> Run:
    run = Run(make_study(tmp_path), small_settings(), Execution(threads=1, device="cpu"))
    run.folder.mkdir(parents=True)
    run.begin()
    return run


def instead(monkeypatch: pytest.MonkeyPatch, action) -> None:
    """Do something else than the task."""

    def do(self: Tasks, task: Task, steps: Steps) -> None:
        with steps.step("something") as tick:
            action(tick)

    monkeypatch.setattr(Tasks, "do", do)


def test_a_task_that_breaks_a_rule_fails_with_its_sentence(run: Run) -> None:
    text = io.StringIO()
    assert work(run, NAME, Console(file=text, width=300)) == REFUSED
    status = read_status(run.folder, NAME)
    assert (status.state, status.attempts, status.pid) == ("failed", 1, os.getpid())
    assert "lower learning_rate" in status.reason
    assert f"{NAME}: failed, {status.reason}" in text.getvalue()
    assert work(run, NAME) == REFUSED
    assert read_status(run.folder, NAME).attempts == 2
    assert work(run, "score_broken_draw-00") == REFUSED
    assert read_status(run.folder, "score_broken_draw-00").state == "skipped"
    with pytest.raises(NigraError, match="no task of run quick"):
        work(run, "train_nobody")


def test_a_fault_of_ours_is_one_line_in_the_status_and_whole_in_the_log(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    instead(monkeypatch, lambda tick: [][1])
    assert work(run, NAME) == FAULT
    assert read_status(run.folder, NAME).reason == "IndexError: list index out of range"
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (
            OSError(28, "No space left on device", "x.npy"),
            "x.npy: the system refuses to read or write (No space left",
        ),
        (MemoryError(), "the machine has not enough memory for this; take a smaller batch"),
        (
            RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"),
            "the machine has not enough memory",
        ),
    ],
)
def test_a_full_disk_or_memory_is_told_in_a_sentence(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception, reason: str
) -> None:
    def action(tick) -> None:
        raise error

    instead(monkeypatch, action)
    assert work(run, NAME) == REFUSED
    assert read_status(run.folder, NAME).reason.startswith(reason)
    assert "Traceback" not in capsys.readouterr().err


def test_how_far_it_is_can_be_seen_from_outside(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "EVERY", 0.0)
    seen = []

    def action(tick) -> None:
        tick(0.25, "a quarter")
        seen.append(read_status(run.folder, NAME))

    instead(monkeypatch, action)
    assert work(run, NAME) == DONE
    assert (seen[0].state, seen[0].share, seen[0].detail) == ("running", 0.25, "a quarter")
    last = read_status(run.folder, NAME)
    assert (last.state, last.share, last.detail) == ("done", 1.0, "")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_stops_it_for_another_time(
    run: Run, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    before = signal.getsignal(number)

    def action(tick) -> None:
        os.kill(os.getpid(), number)
        time.sleep(5)
        raise AssertionError("not reached")

    instead(monkeypatch, action)
    assert work(run, NAME) == AGAIN == 75
    status = read_status(run.folder, NAME)
    assert status.state == "stopped"
    assert number.name in status.reason
    assert signal.getsignal(number) == before


def test_a_process_at_the_same_task_is_waited_for(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    order, text = [], io.StringIO()
    instead(monkeypatch, lambda tick: order.append("second"))
    (run.folder / "tasks").mkdir()
    held = threading.Event()

    def first() -> None:
        with FileLock(run.folder / "tasks" / f".{NAME}.lock"):
            held.set()
            time.sleep(0.4)
            order.append("first")

    thread = threading.Thread(target=first)
    thread.start()
    held.wait()
    assert work(run, NAME, Console(file=text, width=200)) == DONE
    thread.join()
    assert order == ["first", "second"]
    assert "another process is at it" in text.getvalue()


def test_it_does_not_begin_beside_a_process_on_the_whole_run(run: Run) -> None:
    with alone(run.folder), pytest.raises(NigraError, match="works on all of it"):
        work(run, NAME)


def test_torchruns_other_processes_keep_no_books(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    done = []
    instead(monkeypatch, lambda tick: done.append(1))
    monkeypatch.setenv("RANK", "1")
    assert work(run, NAME) == DONE
    assert done == [1]
    assert read_status(run.folder, NAME) is None


def teardown_module() -> None:
    limit_threads(1)
