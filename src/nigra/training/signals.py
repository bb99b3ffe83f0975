"""Signals of a cluster: a job that must go leaves its state behind and says that it wants to come back.

SLURM sends SIGTERM before it ends a job, and on request SIGUSR1 some time before the time limit. Python runs a
signal's handler between two instructions of the main thread, which may be anywhere; so the handler only notes the
signal, and the loop looks at the note where its state is whole.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

SIGNALS = [getattr(signal, name) for name in ("SIGTERM", "SIGUSR1") if hasattr(signal, name)]  # Windows has no USR1


class Note:
    """Which signal came, if any."""

    signal: str | None = None


@contextmanager
def listening() -> Iterator[Note]:
    """Note SIGTERM and SIGUSR1 instead of dying from them, until the block ends.

    A second signal acts as if nobody listened, for a process that does not come to look. Outside the main thread,
    where Python allows no handlers, the note stays empty.
    """
    note = Note()
    before: dict[int, Any] = {}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def noted(number: int, frame: FrameType | None) -> None:
        note.signal = signal.Signals(number).name
        restore()

    if threading.current_thread() is threading.main_thread():
        before = {number: signal.getsignal(number) or signal.SIG_DFL for number in SIGNALS}
        for number in SIGNALS:
            signal.signal(number, noted)
    try:
        yield note
    finally:
        restore()
