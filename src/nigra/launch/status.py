"""What is known of a task from outside: ``tasks/TASK.json``, written by whoever is at it, read by whoever watches.

It says how a task goes, never that it is done: that is for its outputs to say.
"""

from pathlib import Path
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from nigra.files import write_text

State = Literal["waiting", "queued", "running", "stopped", "done", "failed", "skipped"]
"""``stopped`` tasks were asked to end and go on when started again; ``skipped`` ones need one that failed."""

STATES: tuple[State, ...] = get_args(State)

ENDED = frozenset({"done", "failed", "skipped"})
"""States that a launcher leaves as they are."""


class Status(BaseModel):
    """A task's last sign of life; ``seconds`` are those of the last attempt, ``share`` how much of it is done."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    task: str
    state: State
    reason: str = ""
    seconds: float = 0.0
    key: str = ""
    attempts: int = 0
    share: float = 0.0
    detail: str = ""
    pid: int = 0
    host: str = ""
    job: str = ""


def task_folder(run_folder: Path) -> Path:
    """Where a run keeps the statuses, logs and locks of its tasks."""
    return run_folder / "tasks"


def read_status(run_folder: Path, task: str) -> Status | None:
    """A task's last status; None where there is none that can be read."""
    try:
        text = (task_folder(run_folder) / f"{task}.json").read_text(encoding="utf-8")
        return Status.model_validate_json(text)
    except (OSError, ValidationError, UnicodeDecodeError):
        return None


def write_status(run_folder: Path, status: Status) -> None:
    """Write a task's status, whole or not at all."""
    write_text(task_folder(run_folder) / f"{status.task}.json", status.model_dump_json(indent=2) + "\n")


def one_line(error: BaseException | str, longest: int = 400) -> str:
    """A reason as one line of a table.

    >>> one_line("a\\n  b")
    'a b'
    """
    text = " ".join(str(error).split())
    return text if len(text) <= longest else f"{text[: longest - 3]}..."
