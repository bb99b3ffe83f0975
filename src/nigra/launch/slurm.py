"""Tasks as job arrays of a SLURM cluster, one array per kind, each after the one before has ended.

``RUN/slurm`` holds the batch scripts, the tasks of each array, and ``jobs.json``: which jobs were submitted. The
same command takes up: what is queued or running is not submitted again, what failed is.
"""

import time
from dataclasses import dataclass

from nigra.errors import NigraError
from nigra.files import read_json, write_json, write_text
from nigra.launch.board import Board
from nigra.launch.queue import queue, submit, wait_for, why_ended
from nigra.launch.script import batch_script
from nigra.launch.settings import SlurmSettings
from nigra.launch.status import ENDED, read_status, task_folder, write_status
from nigra.study.run import Run
from nigra.study.tasks import KINDS, Tasks

PATIENCE = 30
"""Unanswered looks at the queue in a row before the watch is given up."""


@dataclass(frozen=True)
class Job:
    """A submitted array: its id, the kind of its tasks, and their names, in the order of its elements."""

    id: str
    kind: str
    tasks: tuple[str, ...]

    @property
    def elements(self) -> dict[str, str]:
        """Names of the tasks, each with its element of the array."""
        return {name: f"{self.id}_{number}" for number, name in enumerate(self.tasks)}


def read_jobs(run: Run) -> list[Job]:
    """The jobs that earlier commands submitted, oldest first."""
    path = run.folder / "slurm" / "jobs.json"
    if not path.exists():
        return []
    return [Job(each["id"], each["kind"], tuple(each["tasks"])) for each in read_json(path)]


def submit_all(tasks: Tasks, board: Board, settings: SlurmSettings) -> dict[str, str]:
    """Submit every waiting task that is in no queue; returns the element of each task that is queued or running."""
    run, schedule, listed = tasks.run, board.schedule, queue()
    task_folder(run.folder).mkdir(parents=True, exist_ok=True)
    active = [job for job in read_jobs(run) if any(each in listed for each in job.elements.values())]
    elements = {n: e for job in active for n, e in job.elements.items() if e in listed and n in schedule.tasks}
    for number, kind in enumerate(KINDS):
        names = [
            name for name, task in schedule.tasks.items()
            if task.kind == kind and name not in elements and schedule.states[name] == "waiting"
        ]  # fmt: skip
        fresh = []
        for begin in range(0, len(names), settings.largest_array):
            before = [job.id for job in active if job.kind in KINDS[:number]]
            fresh.append(_submit(run, settings, kind, names[begin : begin + settings.largest_array], before))
            active.append(fresh[-1])
            write_json(run.folder / "slurm" / "jobs.json", [job.__dict__ for job in active])
            elements |= fresh[-1].elements
        later = [job.id for job in active if job.kind in KINDS[number + 1 :]]
        if fresh and later:  # of an earlier command, and would begin too soon
            wait_for(later, [job.id for job in active if job.kind in KINDS[: number + 1]])
    for name in elements:
        board.mark(name, "queued")
    return elements


def _submit(run: Run, settings: SlurmSettings, kind: str, names: list[str], after: list[str]) -> Job:
    folder = (run.folder / "slurm").resolve()
    number = 1 + max((int(p.name.split("-")[0]) for p in folder.glob("[0-9]*-*.sbatch")), default=0)
    listed, script = folder / f"{number:02d}-{kind}.tasks", folder / f"{number:02d}-{kind}.sbatch"
    write_text(listed, "".join(f"{name}\n" for name in names))
    write_text(script, batch_script(run, settings, kind, listed, len(names), after))
    return Job(submit(script), kind, tuple(names))


def watch(tasks: Tasks, board: Board, elements: dict[str, str], settings: SlurmSettings) -> None:
    """Follow submitted tasks until all have ended.

    Raises:
        NigraError: SLURM does not answer any more.
    """
    missed, gone = 0, set[str]()
    while not board.schedule.ended:
        try:
            listed, missed = queue(), 0
        except NigraError:
            missed += 1
            if missed >= PATIENCE:
                raise
            time.sleep(settings.poll)
            continue
        for name, element in elements.items():
            if board.schedule.states[name] in ENDED:
                continue
            if element in listed:
                running = listed[element][0] in ("RUNNING", "COMPLETING", "SUSPENDED")
                board.mark(name, "running" if running else "queued")
                gone.discard(name)
            elif name in gone or tasks.is_done(tasks[name]):
                _settle(tasks, name, element, board)
            else:
                gone.add(name)  # its files may arrive later than the news of its end: ask once more
        board.jobs = max(1, board.schedule.counts()["running"])
        board.refresh()
        if not board.schedule.ended:
            time.sleep(settings.poll)


def _settle(tasks: Tasks, name: str, element: str, board: Board) -> None:
    """Note how a job ended: its outputs say whether the task is done, its status or SLURM why not."""
    folder, status = tasks.run.folder, read_status(tasks.run.folder, name)
    if tasks.is_done(tasks[name]):
        board.mark(name, "done")
    elif status and status.job == element and status.state in ("failed", "skipped"):
        board.mark(name, status.state, status.reason)
    else:
        reason = f"SLURM ended job {element}: {why_ended(element)}; the same command tries again"
        if status:
            write_status(folder, status.model_copy(update={"state": "failed", "reason": reason, "detail": ""}))
        board.mark(name, "failed", reason)
