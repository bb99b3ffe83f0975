"""The live table of a launched run: how many tasks are done, running, failed or waiting, and the time that remains.

On a terminal it is drawn anew a few times a second; into a file or a pipe one line is written per task that ends.
"""

import time
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

import pandas as pd
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from nigra.files import write_tsv
from nigra.launch.schedule import Schedule
from nigra.launch.status import ENDED, State, read_status
from nigra.study.tasks import KINDS

COLUMNS = ("task", "kind", "model", "draw", "fold", "state", "seconds", "attempts", "reason")
"""Columns of ``tasks.tsv``, in order."""

SHOWN: tuple[State, ...] = ("done", "running", "queued", "stopped", "waiting", "failed", "skipped")


class Board:
    """Shows a schedule and keeps it as ``tasks.tsv``; ``jobs`` is how many tasks are done at the same time."""

    def __init__(self, folder: Path, schedule: Schedule, console: Console | None = None, jobs: int = 1) -> None:
        self.folder, self.schedule, self.jobs = folder, schedule, max(jobs, 1)
        self.console = console or Console(quiet=True)
        self.began = {name: time.monotonic() for name in schedule.tasks}
        self.seconds: dict[str, float] = {}
        for name in schedule.before:
            self._remember(name)
        self._live = Live(console=self.console, auto_refresh=False, transient=True) if self._watched else None

    @property
    def _watched(self) -> bool:
        return self.console.is_terminal and not self.console.quiet

    def __enter__(self) -> "Board":
        if self._live:
            self._live.start()
        for name in self.schedule.failed:
            self._tell(name)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()
        write_tsv(self.folder / "tasks.tsv", self.table())

    def mark(self, name: str, state: State, reason: str = "") -> None:
        """Note a task's state, and tell of those that ended by it."""
        for changed in self.schedule.mark(name, state, reason):
            if self.schedule.states[changed] == "running":
                self.began[changed] = time.monotonic()
            elif self.schedule.states[changed] in ENDED:
                self._remember(changed)
                self._tell(changed)

    def say(self, text: str) -> None:
        """A line of its own."""
        self.console.print(text, highlight=False, markup=False, soft_wrap=True)

    def refresh(self) -> None:
        """Draw the table anew."""
        if self._live:
            self._live.update(self._drawing(), refresh=True)

    def table(self) -> pd.DataFrame:
        """One row per task, columns ``COLUMNS``: what it is, how it ended and why."""
        rows = []
        for name, task in self.schedule.tasks.items():
            status = read_status(self.folder, name)
            known = {"seconds": status.seconds, "attempts": status.attempts} if status else {}
            reason = self.schedule.reasons.get(name) or None
            rows.append(task.row | {"state": self.schedule.states[name], "reason": reason} | known)
        return pd.DataFrame(rows, columns=list(COLUMNS)).replace({"": None}).astype({"attempts": "Int64"})

    def remaining(self) -> str:
        """The time that remains in words, from what tasks of the same kind took; empty while none has ended."""
        left, known = 0.0, True
        for kind in KINDS:
            names = [name for name, task in self.schedule.tasks.items() if task.kind == kind]
            to_do = [name for name in names if self.schedule.states[name] not in ENDED]
            took = [self.seconds[name] for name in names if name in self.seconds]
            known &= bool(took) or not to_do
            for name in to_do if took else ():
                running = self.schedule.states[name] == "running"
                spent = time.monotonic() - self.began[name] if running else 0.0
                left += max(sum(took) / len(took) - spent, 0.0)
        if not self.seconds:
            return ""
        return f"{'about' if known else 'at least'} {in_words(left / self.jobs)} left"

    def _remember(self, name: str) -> None:
        status = read_status(self.folder, name)
        if status and status.state == "done":
            self.seconds[name] = status.seconds

    def _tell(self, name: str) -> None:
        counts = self.schedule.counts()
        ended, total = sum(counts[state] for state in ENDED), len(self.schedule.tasks)
        state, reason = self.schedule.states[name], self.schedule.reasons.get(name, "")
        took = f", {in_words(self.seconds[name])}" if name in self.seconds else ""
        why = f": {reason}" if reason else ""
        left = self.remaining() if ended < total else ""
        self.say(f"[{ended}/{total}] {name}: {state}{took}{why}{f' ({left})' if left else ''}")

    def _drawing(self) -> Group:
        table = Table(box=None, pad_edge=False)
        table.add_column("")
        kinds = [kind for kind in KINDS if self.schedule.counts(kind)]
        states = [
            state for state in SHOWN if self.schedule.counts()[state] or state in ("done", "running", "failed")
        ]
        for state in states:
            table.add_column(state, justify="right")
        for kind in kinds:
            counts = self.schedule.counts(kind)
            table.add_row(kind, *(str(counts[state] or "-") for state in states))
        return Group(table, *self._running(), Text(self.remaining()))

    def _running(self, most: int = 12) -> Iterable[Text]:
        names = [name for name, state in self.schedule.states.items() if state == "running"]
        for name in names[:most]:
            status = read_status(self.folder, name)
            share = f" {100 * status.share:3.0f} % {status.detail}" if status and status.detail else ""
            yield Text(f"  {name}, {in_words(time.monotonic() - self.began[name])}{share}", overflow="ellipsis")
        if len(names) > most:
            yield Text(f"  and {len(names) - most} more")


def in_words(seconds: float) -> str:
    """A time in the units a person would say it in.

    >>> in_words(8.4), in_words(200.0), in_words(9000.0)
    ('8 s', '3 min', '2.5 h')
    """
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
