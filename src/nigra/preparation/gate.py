"""The gate: which scans may enter a study, and one sentence for each that may not (DESIGN, law 8)."""

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from nigra.cohort.intake import find
from nigra.cohort.scan import Scan
from nigra.errors import Fault
from nigra.files import write_tsv
from nigra.preparation.nifti import Broken, BrokenError, Header, Values, read_header, summarise

MD_HIGH = (5e-4, 1e-2)
"""Where the 95 % quantile of MD lies, mm²/s: from white matter alone to free water (3e-3) and noise above it."""
_UNITS = {1e-3: "um²/ms", 1e-6: "um²/s", 1e6: "m²/s"}
MASK = "mask"


@dataclass(frozen=True)
class Look:
    """What was seen of one scan: headers and values by channel (and ``mask``), and the rules it breaks."""

    headers: dict[str, Header] = field(default_factory=dict)
    values: dict[str, Values] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)


@dataclass(frozen=True)
class GateResult:
    """Scans that may enter, every fault, and one row per subject: ``participant_id``, ``kept``, ``reason``."""

    kept: list[Scan]
    faults: list[Fault]
    table: pd.DataFrame


def check(scan: Scan) -> list[Fault]:
    """Every rule one scan breaks, headers first; values are read, in blocks, only where the header holds."""
    return look(scan).faults


def look(scan: Scan) -> Look:
    """Read a scan once and apply the rules that concern it alone."""
    seen = Look()
    files = scan.channels | ({MASK: scan.mask} if scan.mask else {})
    for kind, path in files.items():
        header, broken = read_header(path)
        if header is not None:
            seen.headers[kind] = header
            try:
                seen.values[kind] = summarise(path, header)
                broken = _mask_rules(seen.values[kind]) if kind == MASK else _value_rules(kind, seen.values[kind])
            except BrokenError as error:
                broken = [error.broken]
        seen.faults.extend(Fault(scan.participant_id, path.name, *one) for one in broken)
    seen.faults.extend(_together(scan, files, seen))
    return seen


def _value_rules(channel: str, values: Values) -> list[Broken]:
    """Rules on the values of one channel."""
    if values.nonfinite:
        return [Broken("a scan has finite values", f"{values.nonfinite} of {values.voxels} voxels NaN or infinite",
                       "set them to 0 or export it again")]  # fmt: skip
    if values.low == values.high:
        return [Broken("a scan is not constant", f"{values.low:g} everywhere", "export it again")]
    if channel == "FA" and values.outside_0_1:
        return [Broken("FA lies between 0 and 1", f"{values.outside_0_1} of {values.voxels} voxels outside, from "
                       f"{values.low:.4g} to {values.high:.4g}", "clip it or fit the tensor again")]  # fmt: skip
    return _md_rules(values) if channel == "MD" else []


def _md_rules(values: Values) -> list[Broken]:
    """MD is in mm²/s and not negative."""
    broken = []
    if values.high_tissue <= 0:
        return [Broken("MD is positive", f"{values.low:.4g} to {values.high:.4g}", "export it again")]
    if not MD_HIGH[0] <= values.high_tissue <= MD_HIGH[1]:
        factor = 10.0 ** (3 * round((-2.7 - np.log10(values.high_tissue)) / 3))
        unit = next((f" ({name})" for known, name in _UNITS.items() if np.isclose(known, factor, rtol=1e-3)), "")
        remedy = f"multiply it by {factor:g}{unit}" if factor != 1 else "check that this is MD"
        broken.append(Broken("MD is in mm²/s, about 0.001 in the brain", f"a 95 % quantile of {values.high_tissue:.3g}",
                             remedy))  # fmt: skip
    if values.below_0:
        broken.append(Broken("MD is not negative", f"{values.below_0} of {values.voxels} voxels below 0, the lowest "
                             f"{values.low:.3g}", "clip it or fit the tensor again"))  # fmt: skip
    return broken


def _mask_rules(values: Values) -> list[Broken]:
    """A mask has an inside and an outside."""
    if values.nonfinite:
        return [Broken("a mask has finite values", f"{values.nonfinite} voxels NaN or infinite", "export it again")]
    if values.nonzero == 0:
        return [Broken("a mask has an inside", "0 voxels", "make the mask again")]
    if values.nonzero == values.voxels:
        return [Broken("a mask has an outside", f"all {values.voxels} voxels inside", "make the mask again")]
    return []


def _together(scan: Scan, files: dict[str, Path], seen: Look) -> list[Fault]:
    """Rules between the files of one scan: one grid, different contents."""
    if not scan.channels:
        return [Fault(scan.participant_id, "", "a scan has a channel", "none", "add an image")]
    faults = []
    anchor, *others = seen.headers
    for kind in others:
        if not same_grid(seen.headers[anchor], seen.headers[kind]):
            faults.append(Fault(
                scan.participant_id, files[kind].name, f"{kind} lies on the grid of {anchor} ({files[anchor].name})",
                f"{grid_text(seen.headers[kind])} where that has {grid_text(seen.headers[anchor])}",
                "resample one to the other",
            ))  # fmt: skip
    return faults


def same_grid(one: Header, other: Header) -> bool:
    """Same shape, and no corner further apart than a tenth of a millimetre."""
    if one.shape != other.shape:
        return False
    corners = np.stack(np.meshgrid(*((0, side) for side in one.shape), (1,), indexing="ij"), -1).reshape(-1, 4)
    return bool(np.abs(corners @ (one.affine - other.affine)[:3].T).max() < 0.1)


def grid_text(header: Header) -> str:
    """A grid in words: shape, voxel edges and position of the first voxel in mm."""
    edges = np.linalg.norm(header.affine[:3, :3], axis=0)
    place = ", ".join(f"{value:.4g}" for value in header.affine[:3, 3])
    return f"{'x'.join(map(str, header.shape))} voxels of {'x'.join(f'{e:.4g}' for e in edges)} mm at ({place})"


def check_cohort(
    scans: list[Scan],
    registration: bool = True,
    jobs: int = 1,
    progress: Callable[[int, int], None] | None = None,
    faults: Iterable[Fault] = (),
) -> GateResult:
    """Check every scan alone, then the scans together; what breaks a rule is left out and the others go on.

    Without ``registration`` all scans must share one declared space and grid. ``progress`` is told how many scans
    of how many are done; ``faults`` are those of intake, so that the table has a row for every subject found.
    """
    looks: list[Look] = []
    with ThreadPoolExecutor(max(1, jobs)) as pool:
        for seen in pool.map(look, scans):
            looks.append(seen)
            if progress is not None:
                progress(len(looks), len(scans))
    refused = [bool(seen.faults) for seen in looks]
    found = [*faults, *(fault for seen in looks for fault in seen.faults)]
    rules = [_once, _same_images, _same_channels] + ([] if registration else [_one_space, _one_grid])
    for rule in rules:
        going = [row for row in range(len(scans)) if not refused[row]]
        for row, fault in rule([scans[row] for row in going], [looks[row] for row in going]):
            refused[going[row]] = True
            found.append(fault)
    kept = [scan for scan, out in zip(scans, refused, strict=True) if not out]
    return GateResult(kept, found, _table(scans, kept, found))


Rule = Iterable[tuple[int, Fault]]


def _once(scans: list[Scan], looks: list[Look]) -> Rule:
    """A subject is studied once: its first session."""
    rows = defaultdict(list)
    for row, scan in enumerate(scans):
        rows[scan.participant_id].append(row)
    for name, same in rows.items():
        sessions = [scans[row].session_id for row in same]
        if len(same) == 1:
            continue
        first = min(same, key=lambda row: scans[row].session_id or "")
        distinct = len(set(sessions)) == len(sessions)
        for row in same:
            if distinct and row != first:
                yield row, Fault(name, f"ses-{sessions[row]}", "a subject is studied in one session",
                                 f"ses-{scans[first].session_id} too, which is kept",
                                 "choose another with --session-label")  # fmt: skip
            elif not distinct:
                yield row, Fault(name, "", "a subject is there once", f"{len(same)} scans", "keep the right one")


def _same_images(scans: list[Scan], looks: list[Look]) -> Rule:
    """No two images hold the same numbers: subjects entered twice would sit on both sides of a split."""
    holders = defaultdict(list)
    for row, seen in enumerate(looks):
        for kind, values in seen.values.items():
            if kind != MASK:
                holders[values.digest].append((row, kind))
    told = set()
    for same in holders.values():
        for row, kind in same if len(same) > 1 else ():
            other, twin = next(pair for pair in same if pair != (row, kind))
            if row not in told:
                told.add(row)
                yield row, Fault(scans[row].participant_id, scans[row].channels[kind].name,
                                 "every image is another one", f"the values of {scans[other].participant_id}, "
                                 f"{scans[other].channels[twin].name}", "find out whose it is and remove the copy")  # fmt: skip


def _same_channels(scans: list[Scan], looks: list[Look]) -> Rule:
    """All subjects have the channels that most have."""
    yield from _as_most(
        [(scan.participant_id, tuple(sorted(scan.channels))) for scan in scans], "all subjects have the same channels",
        " and ".join, "add what is missing, or choose --channels that all have",
    )  # fmt: skip


def _one_space(scans: list[Scan], looks: list[Look]) -> Rule:
    """Without registration a space is declared, and one for all."""
    for row, scan in enumerate(scans):
        if scan.space == "native":
            yield row, Fault(scan.participant_id, next(iter(scan.channels.values())).name,
                             "a scan that is not registered states its space", "none",
                             "name it with space- or in the manifest, or register")  # fmt: skip
    named = [(scan.participant_id, scan.space) for scan in scans]
    spaces = [(row, pair) for row, pair in enumerate(named) if pair[1] != "native"]
    for row, fault in _as_most(
        [pair for _, pair in spaces], "all subjects share one space", str, "register, or leave it out"
    ):
        yield spaces[row][0], fault


def _one_grid(scans: list[Scan], looks: list[Look]) -> Rule:
    """Without registration all scans lie on one grid."""
    grids: list[Header] = []
    named = []
    for scan, seen in zip(scans, looks, strict=True):
        header = next(iter(seen.headers.values()))
        number = next((at for at, known in enumerate(grids) if same_grid(known, header)), len(grids))
        grids += [header] if number == len(grids) else []
        named.append((scan.participant_id, number))
    yield from _as_most(
        named, "all subjects share one grid", lambda at: grid_text(grids[at]), "resample it, or register"
    )


def _as_most(named: list[tuple[str, Hashable]], rule: str, text: Callable[..., str], remedy: str) -> Rule:
    """A fault for each subject that differs from what most have (the first of them where two are equally common)."""
    counts = Counter(value for _, value in named)
    if len(counts) < 2:
        return
    common, number = counts.most_common(1)[0]
    for row, (name, value) in enumerate(named):
        if value != common:
            yield (
                row,
                Fault(name, "", rule, f"{text(value)} where {number} of {len(named)} have {text(common)}", remedy),
            )


def _table(scans: list[Scan], kept: list[Scan], faults: list[Fault]) -> pd.DataFrame:
    """One row per subject found, in order of id; a kept subject's reason tells what of it was left out."""
    reasons = defaultdict(list)
    for fault in faults:
        reasons[fault.subject].append(str(fault))
    inside = {scan.participant_id for scan in kept}
    names = sorted({scan.participant_id for scan in scans} | set(reasons))
    return pd.DataFrame({
        "participant_id": names,
        "kept": ["yes" if name in inside else "no" for name in names],
        "reason": [" ".join(reasons[name]) for name in names],
    })  # fmt: skip


def doctor(
    source: Path,
    out: Path | None = None,
    registration: bool = True,
    participant_labels: tuple[str, ...] = (),
    channels: tuple[str, ...] | None = None,
    jobs: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> GateResult:
    """Intake and gate alone, nothing prepared; the table goes to ``out`` (a folder: ``intake.tsv`` in it) if given.

    Prints nothing. Raises NigraError when the source as a whole cannot be read.
    """
    intake = find(source, channels, participant_labels)
    result = check_cohort(intake.scans, registration, jobs, progress, intake.faults)
    if out is not None:
        write_tsv(out if out.suffix == ".tsv" else out / "intake.tsv", result.table)
    return result
