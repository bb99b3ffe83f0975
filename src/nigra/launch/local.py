"""Tasks as processes on this machine.

The processes come from a server that has imported everything once, so that a task begins in milliseconds and not
after seconds of imports. They end when the launcher does, however that ends.
"""

import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import wait
from multiprocessing.context import ForkServerContext, SpawnContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from signal import Signals

import torch
from rich.console import Console

from nigra.errors import NigraError
from nigra.launch.board import Board
from nigra.launch.status import Status, read_status, task_folder, write_status
from nigra.launch.worker import ENDED_BY_USER, REFUSED, work
from nigra.study.execution import Execution
from nigra.study.run import Run, cores
from nigra.study.settings import RunSettings
from nigra.study.tasks import Task, Tasks

Context = ForkServerContext | SpawnContext
"""Where processes come from; Windows has no server."""

MOST = 8
"""Tasks at the same time unless told otherwise: each keeps units and maps of its own in memory."""

PATIENCE = 5.0
"""Seconds for a process to end when asked to; then it is killed."""


def jobs_and_threads(execution: Execution, device: str, jobs: int, tasks: int) -> tuple[int, int]:
    """How many tasks at the same time, and CPU threads of each: as asked, or so that all cores have one.

    >>> jobs_and_threads(Execution(threads=2), "cpu", 3, 10)
    (3, 2)
    """
    gpus = torch.cuda.device_count() if device == "cuda" else 0
    jobs = jobs or gpus or min(cores() // max(execution.threads, 1), MOST)
    jobs = max(1, min(jobs, tasks))
    return jobs, execution.threads or max(1, cores() // jobs)


def run_local(tasks: Tasks, board: Board, jobs: int, threads: int) -> None:
    """Do all tasks of the board's schedule that can be done, ``jobs`` at a time."""
    busy: dict[str, BaseProcess] = {}
    slots = dict[str, int]()
    schedule, context = board.schedule, _context(threads)
    try:
        while not schedule.ended:
            for task in schedule.ready()[: jobs - len(busy)]:
                slots[task.name] = min(set(range(jobs)) - {slots[name] for name in busy})
                own = cores() if task.kind == "finish" else threads  # nothing else is left to do beside the last
                busy[task.name] = _start(context, tasks.run, task, own, slots[task.name])
                board.mark(task.name, "running")
            wait([process.sentinel for process in busy.values()], timeout=0.3)
            for name in [name for name, process in busy.items() if not process.is_alive()]:
                _settle(tasks, name, _code(busy.pop(name)), board)
            board.refresh()
    finally:
        _end(list(busy.values()))


def _context(threads: int) -> Context:
    """Where processes come from; its libraries find the number of threads in the environment when they load."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    from multiprocessing import forkserver

    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["nigra.launch.local", "torch._dynamo"])  # Adam's first step imports the latter
    with _environment({name: str(threads) for name in names if name not in os.environ}):
        forkserver.ensure_running()
    return context


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    os.environ.update(values)
    try:
        yield
    finally:
        for name in values:
            del os.environ[name]


def _start(context: Context, run: Run, task: Task, threads: int, slot: int) -> BaseProcess:
    execution = run.execution.model_copy(update={"threads": threads, "overwrite": False})
    gpus = torch.cuda.device_count() if run.device == "cuda" else 0
    arguments = (
        str(run.study), run.settings.model_dump_json(), execution.model_dump_json(), task.name,
        slot % gpus if gpus > 1 else None,
    )  # fmt: skip
    process = context.Process(target=_child, args=arguments, name=task.name)
    process.start()
    return process


def _child(study: str, settings: str, execution: str, name: str, gpu: int | None) -> None:
    """A task's process: its output goes to the task's log."""
    threading.Thread(target=_end_with_launcher, daemon=True).start()
    if hasattr(os, "setsid"):
        os.setsid()  # Ctrl-C is for the launcher, which ends its processes in its own way
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = _visible(gpu)
    how = Execution.model_validate_json(execution)
    run = Run(Path(study), RunSettings.model_validate_json(settings), how)
    log = task_folder(run.folder) / f"{name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a", encoding="utf-8") as stream:
        for number in (1, 2):
            os.dup2(stream.fileno(), number)
    console = Console(file=sys.stdout, width=116)
    try:
        code = work(run, name, console)
    except NigraError as error:
        console.print(f"{name}: {error}", markup=False, highlight=False, soft_wrap=True)
        write_status(run.folder, Status(task=name, state="failed", reason=str(error), pid=os.getpid()))
        code = REFUSED
    except KeyboardInterrupt:
        code = ENDED_BY_USER
    sys.stdout.flush()
    sys.exit(code)


def _visible(gpu: int) -> str:
    """The name of a GPU, also where the launcher itself may only see some of them."""
    given = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    return given.split(",")[gpu] if given else str(gpu)


def _end_with_launcher() -> None:
    """End this process when the launcher is gone, also by a kill that let it end nobody."""
    launcher = multiprocessing.parent_process()
    if launcher is not None:
        wait([launcher.sentinel])
        os._exit(1)


def _code(process: BaseProcess) -> int:
    process.join()
    code = process.exitcode
    process.close()
    return -1 if code is None else code


def _settle(tasks: Tasks, name: str, code: int, board: Board) -> None:
    """Note how a process ended: its outputs say whether it is done, its status or exit code why not."""
    folder, status = tasks.run.folder, read_status(tasks.run.folder, name)
    if tasks.is_done(tasks[name]):
        board.mark(name, "done")
    elif code >= 0 and status and status.state in ("failed", "skipped", "stopped"):
        board.mark(name, "skipped" if status.state == "skipped" else "failed", status.reason)
    else:
        reason = _by(code)
        if status:
            write_status(folder, status.model_copy(update={"state": "failed", "reason": reason, "detail": ""}))
        board.mark(name, "failed", reason)


def _by(code: int) -> str:
    """Why a process without a last word ended.

    >>> _by(-9)
    'killed by SIGKILL, as a machine short of memory does; the same command tries again'
    """
    if code >= 0:
        return f"ended with exit code {code}; its log says more"
    name = Signals(-code).name if -code in set(Signals) else f"signal {-code}"
    hint = ", as a machine short of memory does" if name == "SIGKILL" else ""
    return f"killed by {name}{hint}; the same command tries again"


def _end(processes: list[BaseProcess]) -> None:
    """Ask processes to end, then make them."""
    for process in processes:
        process.terminate()
    until = time.monotonic() + PATIENCE
    for process in processes:
        process.join(max(0.0, until - time.monotonic()))
        process.kill()
        process.join()
