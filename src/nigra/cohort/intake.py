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
        scans = [scan for scan in scans if space in (None, scan.space)]
    else:
        raise NigraError(
            f"{source}: a source is a BIDS folder or a TSV manifest, but found neither; check the path."
        )
    wanted = {participant_label(label) for label in participant_labels}
    absent = wanted - {scan.participant_id for scan in scans} - {fault.subject for fault in faults}
    if absent:
        raise NigraError(f"{source}: every participant asked for is there, but found no "
                         f"{', '.join(sorted(absent))}; check --participant-label.")  # fmt: skip
    sessions = {label.removeprefix("ses-") for label in session_labels}
    scans = [scan for scan in scans if not sessions or scan.session_id in sessions]
    if not scans and not faults:
        raise NigraError(f"{source}: a source holds at least one subject, but found none; check the path.")
    return Intake(
        [scan for scan in scans if not wanted or scan.participant_id in wanted],
        [fault for fault in faults if not wanted or fault.subject in wanted],
    )


def _from_folder(
    source: Path, channels: tuple[str, ...] | None, space: str | None, groups: Mapping[str, str] | None
) -> tuple[list[Scan], list[Fault]]:
    folders = bids.subject_folders(source)
    if not folders:
        raise NigraError(f"{source}: a BIDS folder holds a folder sub-X per subject, but found none; "
                         "check the path, or write a manifest.")  # fmt: skip
    people, faults = read_participants(source / "participants.tsv", groups)
    known = set(people) | {fault.subject for fault in faults}
    for name in folders.keys() - known:
        faults.append(Fault(name, "participants.tsv", "a subject with a folder has a row", "none",
                            "add its age, sex and group"))  # fmt: skip
    for name in known - folders.keys():
        faults.append(Fault(name, "participants.tsv", "a subject with a row has a folder", "none",
                            "add its scans, or remove the row"))  # fmt: skip
    scans, broken = bids.find_scans(source, people, channels, space)
    order = {name: row for row, name in enumerate(sorted(known | folders.keys()))}
    return scans, sorted(faults + broken, key=lambda fault: order[fault.subject])
