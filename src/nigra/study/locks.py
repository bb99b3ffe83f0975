"""Who may work in a run's folder: one process on all of it, or many of which each does one task."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from nigra.errors import NigraError


def active_tasks(folder: Path) -> list[str]:
    """Names of the tasks of a run's folder that some process is at, by their locks."""
    return [path.name[1:].removesuffix(".lock") for path in sorted(folder.glob("tasks/.*.lock")) if is_held(path)]


def is_held(lock: Path) -> bool:
    """Whether some process holds a lock; a file left by one that was killed is none."""
    if not lock.exists():
        return False
    try:
        with FileLock(lock, timeout=0):
            return False
    except Timeout:
        return True


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Work on a whole run in this process: no task may be at work, and none begins until the block ends.

    Raises:
        NigraError: tasks are at work.
    """
    with FileLock(folder / ".alone.lock", timeout=0):
        active = active_tasks(folder)
        if active:
            raise NigraError(
                f"{folder} is in use: {', '.join(active[:3])} are at work as tasks; wait for them, end "
                "them, or give the command with its launcher again."
            )
        yield


def refuse_beside(folder: Path) -> None:
    """Refuse to begin a task while one process works on the whole run."""
    if is_held(folder / ".alone.lock"):
        raise NigraError(f"{folder} is in use by another nigra that works on all of it; wait for it.")
