"""Run benchmarks by name and keep what they found as JSON."""

import difflib
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

from nigra.bench import NAMES, PAPER
from nigra.bench.interleave import as_json
from nigra.bench.machine import describe, load_average
from nigra.errors import NigraError
from nigra.files import write_json
from nigra.study.progress import Steps


def chosen(name: str) -> tuple[str, ...]:
    """The benchmarks a name stands for.

    >>> chosen("loo")
    ('loo',)
    >>> chosen("lo")
    Traceback (most recent call last):
    nigra.errors.NigraError: there is no benchmark 'lo'; did you mean loo?
    """
    if name == "all":
        return NAMES
    known = (*NAMES, PAPER)
    if name in known:
        return (name,)
    near = difflib.get_close_matches(name, (*known, "all"), n=1)
    remedy = f"did you mean {near[0]}?" if near else f"choose one of {', '.join(known)}, all."
    raise NigraError(f"there is no benchmark {name!r}; {remedy}")


def run_bench(
    name: str, quick: bool = False, path: Path | None = None, steps: Steps | None = None
) -> dict[str, Any]:
    """Measure, and write JSON to ``path`` after each benchmark, so that an interruption loses only the last.

    Returns what is written: command, time (UTC), machine, comparisons (``interleave.as_json``).
    """
    names = chosen(name)
    steps = steps or Steps(total=len(names))
    content: dict[str, Any] = {
        "command": f"nigra bench {name}" + (" --quick" if quick else ""),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "quick": quick,
        "machine": describe(),
        "comparisons": [],
    }
    for each in names:
        with steps.step(f"bench {each}") as tick:
            found = import_module(f"nigra.bench.{each}").measure(quick, tick)
        kept = {"benchmark": each, "load_average": load_average()}
        content["comparisons"] += [as_json(comparison) | kept for comparison in found]
        if path:
            write_json(path, content)
    return content
