"""A run by its tasks: which are left, where they are done, what became of them."""

from dataclasses import dataclass

from filelock import FileLock, Timeout
from rich.console import Console

from nigra.errors import NigraError
from nigra.launch.board import Board, in_words
from nigra.launch.local import jobs_and_threads, run_local
from nigra.launch.queue import refuse_without_slurm
from nigra.launch.schedule import Schedule
from nigra.launch.settings import LaunchSettings, SlurmSettings
from nigra.launch.slurm import submit_all, watch
from nigra.launch.status import ENDED, STATES
from nigra.study.locks import refuse_beside
from nigra.study.pipeline import check
from nigra.study.run import Run
from nigra.study.tasks import KINDS, Kind, Tasks

KINDS_OF: dict[str, tuple[Kind, ...]] = {"run": KINDS, "train": ("train",), "score": ("score",)}
"""Kinds of tasks of the commands that can be launched."""


@dataclass(frozen=True)
class Outcome:
    """How a launched run ended: its tasks' names by how each ended."""

    done: list[str]
    failed: list[str]
    queued: list[str]

    @property
    def finished(self) -> bool:
        """Whether tables and report are made, of whatever did not fail."""
        return "finish" in self.done

    @property
    def exit_code(self) -> int:
        """0, or 1 where a task failed."""
        return 1 if self.failed else 0


def launch(
    run: Run, how: LaunchSettings, command: str = "run", slurm: SlurmSettings | None = None,
    console: Console | None = None,
) -> Outcome:  # fmt: skip
    """Do the tasks of a run that are not yet done, in other processes; a failed one does not stop the others.

    The same command again takes up what was killed and tries again what failed.

    Raises:
        NigraError: what `check` refuses, another nigra at work in the folder, no SLURM.
    """
    check(run, ("train", "score", "evaluate", "report") if command == "run" else (command,))
    if how.launcher == "slurm":
        refuse_without_slurm()
    run.folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(run.folder / ".lock", timeout=0):
            refuse_beside(run.folder)
            return _launch(run, how, command, slurm or SlurmSettings(), console or Console(quiet=True))
    except Timeout as error:
        raise NigraError(f"{run.folder} is in use by another nigra; wait for it or choose another name.") from error


def _launch(run: Run, how: LaunchSettings, command: str, slurm: SlurmSettings, console: Console) -> Outcome:
    run.begin()
    tasks = Tasks(run)
    if run.execution.overwrite:
        for task in tasks.all:
            if task.kind in KINDS_OF[command]:
                tasks.forget(task)
    schedule = Schedule.of(tasks, KINDS_OF[command])
    left = len(schedule.tasks) - schedule.counts()["done"]
    jobs, threads = jobs_and_threads(run.execution, run.device, how.jobs, max(left, 1))
    with Board(run.folder, schedule, console, jobs) as board:
        board.say(f"{len(schedule.tasks)} tasks, {schedule.counts()['done']} of them done before")
        if how.launcher == "local":
            board.say(f"{jobs} at a time, with {threads} CPU thread{'s' if threads > 1 else ''} each")
            run_local(tasks, board, jobs, threads)
        else:
            elements = submit_all(tasks, board, slurm)
            ids = ", ".join(dict.fromkeys(element.split("_")[0] for element in elements.values()))
            board.say(f"{len(elements)} tasks are in the queue as jobs {ids}" if elements else "nothing to submit")
            if how.wait:
                watch(tasks, board, elements, slurm)
    return _told(schedule, board)


def _told(schedule: Schedule, board: Board) -> Outcome:
    """Say how it ended, the failed tasks once more at the end."""
    names = {state: [n for n, own in schedule.states.items() if own == state] for state in STATES}
    for name in schedule.failed:
        board.say(f"- {name} {schedule.states[name]}: {schedule.reasons[name]}")
    text = ", ".join(f"{len(own)} {state}" for state, own in names.items() if own)
    took = sum(board.seconds.values(), 0.0)
    board.say(f"{text}; {in_words(took)} of work in all. Every task: {board.folder / 'tasks.tsv'}")
    left = [name for name, state in schedule.states.items() if state not in ENDED]
    return Outcome(names["done"], schedule.failed, left)
