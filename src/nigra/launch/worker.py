"""One task in this process: one at a time by its lock, its status kept, its end turned into an exit code."""

import os
import signal
import socket
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from filelock import FileLock, Timeout
from rich.console import Console

from nigra.errors import SHORT_OF_MEMORY, Interrupted, NigraError, is_short_of_memory, refused
from nigra.launch.status import State, Status, one_line, read_status, task_folder, write_status
from nigra.study.locks import refuse_beside
from nigra.study.progress import Steps
from nigra.study.run import Run, cores
from nigra.study.tasks import NeedsError, Task, Tasks
from nigra.training import Tick, limit_threads
from nigra.training.signals import SIGNALS

DONE, FAULT, REFUSED, AGAIN, ENDED_BY_USER = 0, 1, 2, Interrupted.exit_code, 130
"""Exit codes of a task: done; a fault of nigra; an input breaks a rule; stopped, start it again; Ctrl-C."""

EVERY = 3.0
"""Seconds between two statuses of a task that goes on."""


def work(run: Run, name: str, console: Console | None = None) -> int:
    """Do one task of a run, keep its status, and return the exit code.

    Another process at the same task, left by a launcher that was killed, is waited for.

    Raises:
        NigraError: the run has no such task, or a process works on the whole run.
    """
    limit_threads(run.execution.threads or cores())
    tasks = Tasks(run)
    task = tasks[name]
    refuse_beside(run.folder)
    if os.environ.get("RANK", "0") != "0":  # torchrun's other processes only share the training
        try:
            tasks.do(task, Steps())
        except Interrupted:
            return AGAIN
        return DONE
    task_folder(run.folder).mkdir(parents=True, exist_ok=True)
    with _alone_at(run, name, console), _interruptible():
        return _attempt(_Keeper(tasks, task, console), tasks, task)


def _attempt(keeper: "_Keeper", tasks: Tasks, task: Task) -> int:
    """Do the task and write how it ended."""
    try:
        tasks.do(task, keeper.steps)
    except NeedsError as error:
        return keeper.end("skipped", str(error), REFUSED)
    except NigraError as error:
        return keeper.end("failed", str(error), REFUSED)
    except Interrupted as error:
        return keeper.end("stopped", str(error), AGAIN)
    except KeyboardInterrupt:
        return keeper.end("stopped", "interrupted", ENDED_BY_USER)
    except OSError as error:
        return keeper.end("failed", refused(error), REFUSED)
    except Exception as error:
        if is_short_of_memory(error):
            return keeper.end("failed", SHORT_OF_MEMORY, REFUSED)
        traceback.print_exc()
        return keeper.end("failed", f"{type(error).__name__}: {error}", FAULT)
    return keeper.end("done", "", DONE)


class _Keeper:
    """Writes a task's status when it begins, every few seconds, and when it ends."""

    def __init__(self, tasks: Tasks, task: Task, console: Console | None) -> None:
        self.folder, self.console = tasks.run.folder, console or Console(quiet=True)
        self.began = self.written = time.monotonic()
        before = read_status(self.folder, task.name)
        self.status = Status(
            task=task.name, state="running", key=tasks.key(task), attempts=(before.attempts if before else 0) + 1,
            pid=os.getpid(), host=socket.gethostname(), job=slurm_element(),
        )  # fmt: skip
        self.steps = _Heard(self.console, self.heard)
        write_status(self.folder, self.status)

    def heard(self, done: float, detail: str) -> None:
        """Progress of the step under way."""
        if time.monotonic() - self.written > EVERY:
            self.written = time.monotonic()
            with suppress(OSError):  # a full disk is told by what the task itself writes
                write_status(self.folder, self._now(share=round(done, 4), detail=detail))

    def end(self, state: State, reason: str, code: int) -> int:
        """Write the last status and hand the exit code through."""
        reason = one_line(reason)
        self.console.print(
            f"{self.status.task}: {state}{f', {reason}' if reason else ''}",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
        share = 1.0 if state == "done" else 0.0
        write_status(self.folder, self._now(state=state, reason=reason, share=share, detail=""))
        return code

    def _now(self, **changes: object) -> Status:
        seconds = round(time.monotonic() - self.began, 2)
        return self.status.model_copy(update={"seconds": seconds, **changes})


class _Heard(Steps):
    """Steps that somebody else hears of too."""

    def __init__(self, console: Console, heard: Tick) -> None:
        super().__init__(console)
        self._heard = heard

    @contextmanager
    def step(self, text: str) -> Iterator[Tick]:
        """A step under way; its ticks are passed on."""
        with super().step(text) as tick:

            def both(done: float, detail: str) -> None:
                tick(done, detail)
                self._heard(done, detail or text)

            both(0.0, text)
            yield both


def slurm_element() -> str:
    """The job array's element that this process is, such as ``1234_7``; empty outside SLURM."""
    array, index = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    return f"{array}_{index}" if array and index else ""


@contextmanager
def _alone_at(run: Run, name: str, console: Console | None) -> Iterator[None]:
    """Hold the task's lock, after whoever holds it now."""
    lock = FileLock(task_folder(run.folder) / f".{name}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        (console or Console(quiet=True)).print(f"{name}: another process is at it; waiting for it", markup=False)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _interruptible() -> Iterator[None]:
    """SIGTERM and SIGUSR1 end a task as a training ends by them: what it has is on disk, it wants to go on."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise Interrupted(f"stopped by {signal.Signals(number).name}; it goes on when started again")

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, interrupt) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
