"""The gate: which scans may enter a study, and one sentence for each rule that keeps one out (DESIGN, law 8)."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from nigra.cohort.bids import MASK
from nigra.cohort.intake import find
from nigra.cohort.scan import Scan
from nigra.errors import Fault
from nigra.files import write_tsv
from nigra.preparation.agreement import (
    Look,
    grid_text,
    once,
    one_grid,
    one_space,
    other_images,
    same_channels,
    same_grid,
)  # fmt: skip
from nigra.preparation.header import Broken, BrokenError, read_header
from nigra.preparation.values import Summary, summarise

LIMITS = {"FA": (-0.01, 1.01), "MD": (-1e-5, 1e15)}
"""Lowest and highest value by channel (MD in mm²/s), with what interpolation may add; others: ``_ANY``."""
_ANY = (-1e15, 1e15)

MD_HIGH = (3e-4, 1e-2)
"""Where the 95 % quantile of MD lies, mm²/s: above restricted tissue, below free water (3e-3) and its noise."""
MD_UNITS = {"um²/ms": 1e-3, "um²/s": 1e-6, "m²/s": 1e6}
"""Other units of MD and the factor that takes them to mm²/s."""


@dataclass(frozen=True)
class GateResult:
    """Scans that may enter, every fault, and one row per subject: ``participant_id``, ``kept``, ``reason``."""

    kept: list[Scan]
    faults: list[Fault]
    table: pd.DataFrame


def check(scan: Scan) -> list[Fault]:
    """Every rule one scan breaks by itself: headers first, values only where the header holds."""
    return look(scan).faults


def look(scan: Scan) -> Look:
    """Read the files of a scan once, in bounded memory, and apply the rules that concern it alone."""
    seen = Look(scan)
    files = scan.channels | ({MASK: scan.mask} if scan.mask else {})
    for kind, path in files.items():
        header, broken = read_header(path)
        if header is not None:
            try:
                summary = summarise(path, header, *LIMITS.get(kind, _ANY))
                seen.headers[kind], seen.summaries[kind] = header, summary
                broken = _mask_rules(summary) if kind == MASK else _value_rules(kind, summary)
            except BrokenError as error:
                broken = [error.broken]
        seen.faults.extend(Fault(scan.participant_id, path.name, *one) for one in broken)
    if not scan.channels:
        seen.faults.append(Fault(scan.participant_id, "", "a scan has a channel", "none", "add an image"))
    seen.faults.extend(_grid_rules(seen, files))
    return seen


def _value_rules(channel: str, seen: Summary) -> list[Broken]:
    """Rules on the values of one channel."""
    if seen.nonfinite:
        found = f"{seen.nonfinite} of {seen.voxels} voxels NaN or infinite"
        return [Broken("a scan has finite values", found, "set them to 0, or export it again")]
    if seen.lowest == seen.highest:
        return [Broken("a scan is not constant", f"{seen.lowest:g} everywhere", "export it again")]
    if channel == "MD":
        return _md_rules(seen)
    if seen.below or seen.above:
        rule = "FA lies between 0 and 1" if channel == "FA" else f"values lie between {_ANY[0]:g} and {_ANY[1]:g}"
        found = (
            f"{seen.below + seen.above} of {seen.voxels} voxels outside, {seen.lowest:.4g} to {seen.highest:.4g}"
        )
        return [Broken(rule, found, "clip it, or make the map again")]
    return []


def _md_rules(seen: Summary) -> list[Broken]:
    """MD is in mm²/s and not negative."""
    broken = []
    low, high = MD_HIGH
    if not low <= seen.high <= high:
        units = [(unit, factor) for unit, factor in MD_UNITS.items() if low <= seen.high * factor <= high]
        found = f"a 95 % quantile of {seen.high:.3g}" + "".join(f", as in {unit}" for unit, _ in units)
        remedy = "".join(f"multiply it by {factor:g}" for _, factor in units) or "check that this is MD"
        broken.append(Broken("MD is in mm²/s, about 0.001 in the brain", found, remedy))
    if seen.below:
        found = f"{seen.below} of {seen.voxels} voxels below 0, the lowest {seen.lowest:.3g}"
        broken.append(Broken("MD is not negative", found, "clip it, or fit the tensor again"))
    return broken


def _mask_rules(seen: Summary) -> list[Broken]:
    """A mask has an inside and an outside."""
    if seen.nonfinite:
        return [Broken("a mask has finite values", f"{seen.nonfinite} voxels NaN or infinite", "make it again")]
    if seen.nonzero == 0:
        return [Broken("a mask has an inside", "0 voxels inside", "make it again")]
    if seen.nonzero == seen.voxels:
        return [Broken("a mask has an outside", f"all {seen.voxels} voxels inside", "make it again")]
    return []


def _grid_rules(seen: Look, files: Mapping[str, Path]) -> list[Fault]:
    """All files of a scan lie on the grid of the first."""
    faults = []
    first = next(iter(seen.headers), "")
    for kind, header in seen.headers.items():
        if not same_grid(seen.headers[first], header):
            rule = f"the {kind} lies on the grid of the {first}, {files[first].name}"
            found = f"{grid_text(header)} where that has {grid_text(seen.headers[first])}"
            remedy = "resample one to the other, or leave one out"
            faults.append(Fault(seen.scan.participant_id, files[kind].name, rule, found, remedy))
    return faults


def check_cohort(
    scans: list[Scan],
    registration: bool = True,
    jobs: int = 1,
    progress: Callable[[int, int], None] | None = None,
    faults: Iterable[Fault] = (),
) -> GateResult:
    """Check every scan alone, then together; a scan that breaks a rule is left out and the others go on.

    Without ``registration`` all scans must share one declared space and one grid. ``jobs`` scans are read at a
    time; ``progress`` is told how many are done, and of how many; ``faults`` are those of intake, so that the table
    has a row for every subject found.
    """
    looks: list[Look] = []
    with ThreadPoolExecutor(max(1, jobs)) as pool:
        for seen in pool.map(look, scans):
            looks.append(seen)
            if progress is not None:
                progress(len(looks), len(scans))
    found = [*faults, *(fault for seen in looks for fault in seen.faults)]
    looks = [seen for seen in looks if not seen.faults]
    for rule in (once, other_images, same_channels, *(() if registration else (one_space, one_grid))):
        broken = list(rule(looks))
        found += [fault for _, fault in broken]
        out = {row for row, _ in broken}
        looks = [seen for row, seen in enumerate(looks) if row not in out]
    kept = [seen.scan for seen in looks]
    return GateResult(kept, found, _table(scans, kept, found))


def _table(scans: list[Scan], kept: list[Scan], faults: list[Fault]) -> pd.DataFrame:
    """One row per subject found, in order of id; a kept subject's reason tells which session was left out."""
    reasons: dict[str, list[str]] = defaultdict(list)
    for fault in faults:
        reasons[fault.subject].append(str(fault))
    inside = {scan.participant_id for scan in kept}
    names = sorted({scan.participant_id for scan in scans} | set(reasons))
    rows = [(name, "yes" if name in inside else "no", " ".join(reasons[name])) for name in names]
    return pd.DataFrame(rows, columns=["participant_id", "kept", "reason"], dtype=str)


def doctor(
    source: Path,
    out: Path | None = None,
    registration: bool | None = None,
    participant_labels: tuple[str, ...] = (),
    channels: tuple[str, ...] | None = None,
    session_labels: tuple[str, ...] = (),
    space: str | None = None,
    groups: Mapping[str, str] | None = None,
    jobs: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> GateResult:
    """Intake and gate alone, nothing prepared; the table goes to ``out``, a ``.tsv`` or a folder of ``intake.tsv``.

    ``registration`` of ``None`` goes by how the source looks: T1w alone will be registered, maps lie in one space.
    Prints nothing. Raises NigraError when the source as a whole cannot be read.
    """
    intake = find(source, channels, participant_labels, session_labels, space, groups)
    if registration is None:
        registration = all(set(scan.channels) == {"T1w"} for scan in intake.scans)
    result = check_cohort(intake.scans, registration, jobs, progress, intake.faults)
    if out is not None:
        write_tsv(out if out.suffix == ".tsv" else out / "intake.tsv", result.table)
    return result
