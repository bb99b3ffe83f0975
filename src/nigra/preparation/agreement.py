"""What the scans of a cohort must have in common; a rule gives the rows that break it, each with its fault."""

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from nigra.cohort.bids import MASK, NATIVE
from nigra.cohort.scan import Scan
from nigra.errors import Fault
from nigra.preparation.header import Header
from nigra.preparation.values import Summary

SAME_MM = 0.1
"""Grids are the same when no corner moves further than this, mm: headers store single precision."""


@dataclass(frozen=True)
class Look:
    """What was seen of one scan: headers and values by channel (and ``mask``), and the rules it breaks."""

    scan: Scan
    headers: dict[str, Header] = field(default_factory=dict)
    summaries: dict[str, Summary] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)


Faults = Iterator[tuple[int, Fault]]


def same_grid(one: Header, other: Header) -> bool:
    """Same shape, and the corners within ``SAME_MM``."""
    if one.shape != other.shape:
        return False
    corners = np.array([(*corner, 1) for corner in np.ndindex(2, 2, 2)]) * (*one.shape, 1)
    return bool(np.abs(corners @ (one.affine - other.affine)[:3].T).max() < SAME_MM)


def grid_text(header: Header) -> str:
    """A grid in words: shape, voxel edges and the place of its first voxel."""
    edges = np.linalg.norm(header.affine[:3, :3], axis=0)
    place = ", ".join(f"{value:.4g}" for value in header.affine[:3, 3])
    return f"{'x'.join(map(str, header.shape))} voxels of {'x'.join(f'{e:.4g}' for e in edges)} mm from ({place})"


def once(looks: list[Look]) -> Faults:
    """A subject is studied once: in its first session; the same session twice refuses the subject."""
    rows: dict[str, list[int]] = defaultdict(list)
    for row, seen in enumerate(looks):
        rows[seen.scan.participant_id].append(row)
    for name, same in rows.items():
        sessions = {row: looks[row].scan.session_id or "" for row in same}
        first = min(sessions, key=lambda row: sessions[row])
        if len(set(sessions.values())) < len(same):
            for row in same:
                yield row, Fault(name, "", "a subject is there once", f"{len(same)} scans", "keep the right one")
            continue
        for row in sorted(set(same) - {first}):
            found = f"ses-{sessions[row]} beside {_session(sessions[first])}, which is kept"
            remedy = "name the other in a manifest, if that is meant"
            yield row, Fault(name, f"ses-{sessions[row]}", "a subject is studied in one session", found, remedy)


def _session(label: str) -> str:
    return f"ses-{label}" if label else "one without a session"


def other_images(looks: list[Look]) -> Faults:
    """No two images hold the same numbers: a subject under two ids would sit on both sides of a split."""
    holders: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for row, seen in enumerate(looks):
        for kind, summary in seen.summaries.items():
            if kind != MASK:
                holders[summary.digest].append((row, kind))
    told = set()
    for same in holders.values():
        for row, kind in same:
            twin = next((pair for pair in same if pair != (row, kind)), None)
            if twin is None or row in told:
                continue
            told.add(row)
            scan, other = looks[row].scan, looks[twin[0]].scan
            found = f"the values of {other.participant_id}, {other.channels[twin[1]].name}"
            remedy = "find out whose scan it is and remove the copy"
            file = scan.channels[kind].name
            yield row, Fault(scan.participant_id, file, "no two images have the same values", found, remedy)


def same_channels(looks: list[Look]) -> Faults:
    """All subjects have the channels that most have."""
    rule, remedy = "all subjects have the same channels", "add what is missing, or choose channels all have"
    yield from _as_most(looks, [tuple(sorted(seen.scan.channels)) for seen in looks], rule, " and ".join, remedy)


def one_space(looks: list[Look]) -> Faults:
    """Without registration a space is declared, and one for all."""
    declared = [row for row, seen in enumerate(looks) if seen.scan.space != NATIVE]
    for row in sorted(set(range(len(looks))) - set(declared)):
        file = next(iter(looks[row].scan.channels.values())).name
        rule, remedy = "a scan that is not registered states its space", "name the space, or register"
        yield row, Fault(looks[row].scan.participant_id, file, rule, "none", remedy)
    rule, remedy = "all subjects share one space", "register, or leave it out"
    spaces = [looks[row].scan.space for row in declared]
    for at, fault in _as_most([looks[row] for row in declared], spaces, rule, str, remedy):
        yield declared[at], fault


def one_grid(looks: list[Look]) -> Faults:
    """Without registration all scans lie on one grid."""
    grids: list[Header] = []
    numbers = []
    for seen in looks:
        header = next(iter(seen.headers.values()))
        number = next((at for at, known in enumerate(grids) if same_grid(known, header)), len(grids))
        grids += [header] if number == len(grids) else []
        numbers.append(number)
    rule, remedy = "all subjects share one grid", "resample it, or register"
    yield from _as_most(looks, numbers, rule, lambda number: grid_text(grids[number]), remedy)


def _as_most(
    looks: list[Look], having: Sequence[Hashable], rule: str, text: Callable[..., str], remedy: str
) -> Faults:
    """A fault for each scan that differs from what most have; the first of two equally common ones counts."""
    if len(set(having)) < 2:
        return
    common, number = Counter(having).most_common(1)[0]
    for row, value in enumerate(having):
        if value != common:
            found = f"{text(value)} where {number} of {len(having)} have {text(common)}"
            yield row, Fault(looks[row].scan.participant_id, "", rule, found, remedy)
