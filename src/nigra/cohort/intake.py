"""Intake: which scans a source holds and whose they are, before any of them is opened."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from nigra.cohort import bids, manifest
from nigra.cohort.participants import participant_label, read_participants
from nigra.cohort.scan import Scan
from nigra.errors import Fault, NigraError


@dataclass(frozen=True)
class Intake:
    """Scans found, one per subject and session, and a fault per rule that kept a subject from being one."""

    scans: list[Scan]
    faults: list[Fault]


def find(
    source: Path,
    channels: tuple[str, ...] | None = None,
    participant_labels: tuple[str, ...] = (),
    session_labels: tuple[str, ...] = (),
    space: str | None = None,
    groups: Mapping[str, str] | None = None,
) -> Intake:
    """Find the scans of ``source``, a BIDS (derivative) folder or a TSV manifest.

    ``channels`` asks for these and no others (``None``: all that are recognised); ``participant_labels`` and
    ``session_labels`` select, with or without ``sub-`` and ``ses-``; ``space`` chooses where a subject has images
    in several; ``groups`` declares spellings of groups beyond the common ones.

    Raises NigraError when the source as a whole cannot be read or holds no subject; what is wrong with one
    subject is a fault and the others go on.
    """
    for given, meant in (groups or {}).items():
        if meant not in ("control", "patient"):
            raise NigraError(f"group {given!r} is declared as {meant!r}; declare it control or patient.")
    if source.is_dir():
        scans, faults = _from_folder(source, channels, space, groups)
    elif source.is_file():
        scans, faults = manifest.find_scans(source, channels, groups)
    else:
        raise NigraError(
            f"{source}: a source is a BIDS folder or a TSV manifest, but found neither; check the path."
        )
    _require(source, participant_labels, scans, faults)
    wanted = {participant_label(label) for label in participant_labels}
    sessions = {label.removeprefix("ses-") for label in session_labels}
    fitting = [s for s in scans if space in (None, s.space) and (not sessions or s.session_id in sessions)]
    for name in sorted({scan.participant_id for scan in scans} - {scan.participant_id for scan in fitting}):
        rule = "a subject has a scan of the session and space asked for"
        faults.append(Fault(name, "", rule, "none", "ask for another, or do without this subject"))
    return Intake(
        [scan for scan in fitting if not wanted or scan.participant_id in wanted],
        [fault for fault in faults if not wanted or fault.subject in wanted],
    )


def _require(source: Path, labels: tuple[str, ...], scans: list[Scan], faults: list[Fault]) -> None:
    """Every participant asked for is there, be it with a fault."""
    there = {scan.participant_id for scan in scans} | {fault.subject for fault in faults}
    absent = sorted({participant_label(label) for label in labels} - there)
    if absent:
        raise NigraError(
            f"{source}: every participant asked for is there, but found no {', '.join(absent)}; "
            "check --participant-label."
        )


def _from_folder(
    source: Path, channels: tuple[str, ...] | None, space: str | None, groups: Mapping[str, str] | None
) -> tuple[list[Scan], list[Fault]]:
    """Scans of a folder, joined with its participants table from both sides."""
    folders = bids.subject_folders(source)
    if not folders:
        raise NigraError(
            f"{source}: a BIDS folder holds a folder sub-X per subject, but found none; "
            "check the path, or write a manifest."
        )
    file = source / "participants.tsv"
    people, faults = read_participants(file, groups)
    known = set(people) | {fault.subject for fault in faults}
    for name in folders.keys() - known:
        rule, remedy = "a subject with a folder has a row", "add its group, age and sex"
        faults.append(Fault(name, file.name, rule, "none", remedy))
    for name in people.keys() - folders.keys():
        near = [other for other in folders if other[4:].lstrip("0") == name[4:].lstrip("0")]
        remedy = f"write {near[0]}, if that is meant" if near else "add its scans, or remove the row"
        faults.append(Fault(name, file.name, "a subject with a row has a folder", "none", remedy))
    scans, broken = bids.find_scans(source, people, channels, space)
    return scans, sorted(faults + broken, key=lambda fault: fault.subject)
