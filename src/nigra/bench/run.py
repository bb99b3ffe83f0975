"""Run benchmarks by name and keep what they found as JSON."""

import difflib
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

from nigra.bench import LONG, NAMES, PAPER
from nigra.bench.interleave import as_json
from nigra.bench.machine import describe, load_average
from nigra.errors import NigraError
from nigra.files import read_json, write_json
from nigra.study.progress import Steps

ORDER = (*NAMES, LONG, PAPER)
"""Every benchmark, as files and pages list them."""


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
    if name in ORDER:
        return (name,)
    near = difflib.get_close_matches(name, (*ORDER, "all"), n=1)
    remedy = f"did you mean {near[0]}?" if near else f"choose one of {', '.join(ORDER)}, all."
    raise NigraError(f"there is no benchmark {name!r}; {remedy}")


def run_bench(
    name: str, quick: bool = False, path: Path | None = None, steps: Steps | None = None
) -> dict[str, Any]:
    """Measure, and write JSON to ``path`` after each benchmark, so that an interruption loses only the last.

    What the file holds of other benchmarks stays in it (``merged``). Returns what was measured: command, time
    (UTC), machine, comparisons (``interleave.as_json``).
    """
    names, earlier = chosen(name), _earlier(path, quick)
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
            write_json(path, merged(earlier, content))
    return content


def merged(earlier: dict[str, Any] | None, content: dict[str, Any]) -> dict[str, Any]:
    """Everything just measured, and of an earlier file the benchmarks that were not.

    The file speaks of the last time all were asked for; a comparison measured at another time carries ``measured``,
    its own time and machine.
    """
    if earlier is None:
        return content
    head = content if content["command"].startswith("nigra bench all") else earlier
    done = {each["benchmark"] for each in content["comparisons"]}
    found = [_dated(each, content, head) for each in content["comparisons"]]
    found += [_dated(each, earlier, head) for each in earlier["comparisons"] if each["benchmark"] not in done]
    found.sort(key=lambda each: ORDER.index(each["benchmark"]) if each["benchmark"] in ORDER else len(ORDER))
    return {**head, "comparisons": found}


def _dated(comparison: dict[str, Any], of: dict[str, Any], head: dict[str, Any]) -> dict[str, Any]:
    """With the time and machine it was measured at, where these are not those of the file."""
    if of is head and "measured" not in comparison:
        return comparison
    return {"measured": {"created": of["created"], "machine": of["machine"]}, **comparison}


def _earlier(path: Path | None, quick: bool) -> dict[str, Any] | None:
    """What the file holds; None without one, or where one of the two shows only that benchmarks run (``quick``)."""
    if path is None or not path.exists():
        return None
    content: dict[str, Any] = read_json(path)
    return content if content.get("quick") == quick and "comparisons" in content else None
