"""Progress for a person: a line per step with the time that remains; quiet when nobody watches."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from nigra.training import Tick


def between(tick: Tick, low: float, high: float) -> Tick:
    """The tick of a part of a step, which takes it from ``low`` to ``high``."""
    return lambda done, detail: tick(low + (high - low) * done, detail)


class Steps:
    """Prints steps as they begin and end; on a terminal each shows a bar and its remaining time.

    Into a file or a pipe only one line per finished step is written.
    """

    def __init__(self, console: Console | None = None, total: int = 0) -> None:
        self.console = console or Console(quiet=True)
        self.total, self.count = total, 0

    @contextmanager
    def step(self, text: str) -> Iterator[Tick]:
        """A step under way; the tick it yields takes the fraction done and a short text."""
        self.count += 1
        numbered = f"[{self.count}/{self.total}] {text}" if self.total else text
        columns = (
            TextColumn("{task.description}", markup=False), BarColumn(24), TextColumn("{task.percentage:3.0f} %"),
            TimeRemainingColumn(), TextColumn("left {task.fields[detail]}"),
        )  # fmt: skip
        watched = self.console.is_terminal
        with Progress(*columns, console=self.console, transient=True, disable=not watched) as progress:
            task = progress.add_task(numbered, total=1.0, detail="")
            yield lambda done, detail: progress.update(task, completed=done, detail=detail)
            seconds = progress.tasks[0].elapsed or 0.0
        self.console.print(f"{numbered}: {seconds:.0f} s", highlight=False, markup=False)

    def say(self, text: str) -> None:
        """A line of its own."""
        self.console.print(text, highlight=False, markup=False)

    def skip(self, text: str) -> None:
        """A step whose result is already there."""
        self.count += 1
        self.console.print(f"[{self.count}/{self.total}] {text}: done before", highlight=False, markup=False)
