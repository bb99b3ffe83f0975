"""A scan: one subject's channels on disk before anything was checked or read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Scan:
    """One subject (and session) as intake found it; ``channels`` maps a channel name (``T1w``, ``FA``) to its file.

    ``space`` is the declared name of the space, ``"native"`` when the scan is in none; it is never guessed.
    ``further`` holds what else the table of participants tells, column -> cell.
    """

    participant_id: str
    channels: dict[str, Path]
    group: str = "control"
    age: float | None = None
    sex: str | None = None
    site: str | None = None
    session_id: str | None = None
    mask: Path | None = None
    space: str = "native"
    further: Mapping[str, str] = field(default_factory=dict)
