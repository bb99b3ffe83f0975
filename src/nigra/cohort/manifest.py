"""Where: scans named in a table, for data in no standard layout.

Columns ``participant_id session_id group age sex site <channel paths...> mask space``, tab separated; only
``participant_id``, ``group`` and one channel are required. A column is a channel when its cells end in
``.nii`` or ``.nii.gz``; its name is the channel's. Paths are relative to the table. Other columns (a clinical
score, a scanner) go on into the study's table of participants.
"""

from collections.abc import Mapping
from pathlib import Path

from nigra.cohort.bids import MASK, NATIVE
from nigra.cohort.participants import is_label, parse_row, read_rows, told
from nigra.cohort.scan import Scan
from nigra.errors import Fault, NigraError


def channel_columns(rows: list[dict[str, str]]) -> tuple[str, ...]:
    """Names of the columns that hold images, in the table's order."""
    names = {key: None for row in rows for key, cell in row.items() if cell.lower().endswith((".nii", ".nii.gz"))}
    return tuple(name for name in names if name != MASK)


def find_scans(
    path: Path, channels: tuple[str, ...] | None = None, groups: Mapping[str, str] | None = None
) -> tuple[list[Scan], list[Fault]]:
    """Scans of a manifest, one per row, and the faults of the rows that were refused.

    Raises NigraError when the table has no channel, or lacks one that was asked for.
    """
    rows = read_rows(path)
    found = channel_columns(rows)
    if not found:
        raise NigraError(
            f"{path}: a manifest has a column of .nii.gz paths per channel, but found none; "
            "add a column such as T1w or FA."
        )
    odd = [name for name in found if not is_label(f"sub-{name}")]
    if odd:
        raise NigraError(
            f"{path}: a channel's name is letters and digits, but found {odd[0]!r}; rename the column."
        )
    missing = [name for name in channels or () if name not in found]
    if missing:
        raise NigraError(
            f"{path}: a manifest has every channel asked for, but found no {' and no '.join(missing)}; "
            f"choose among {', '.join(found)}."
        )
    scans: list[Scan] = []
    faults: list[Fault] = []
    for row in rows:
        scan, broken = _scan(row, path, channels or found, found, groups)
        faults += broken
        scans += [scan] if scan is not None else []
    return scans, faults


def _scan(
    row: dict[str, str],
    path: Path,
    channels: tuple[str, ...],
    images: tuple[str, ...],
    groups: Mapping[str, str] | None,
) -> tuple[Scan | None, list[Fault]]:
    """One row as a scan, or what is wrong with it."""
    person, faults = parse_row(row, path.name, groups)
    name = row["participant_id"]
    for column in ("session_id", "space"):  # both become parts of file names
        label = (told(row.get(column, "")) or "x").removeprefix("ses-")
        if not is_label(f"sub-{label}"):
            faults.append(Fault(name, path.name, f"a {column} is letters and digits", repr(label), "rename it"))
    cells = {channel: cell for channel in channels if (cell := told(row[channel]))}
    mask = told(row.get(MASK, ""))
    if not cells:
        faults.append(Fault(name, path.name, "a row names an image", "none", "fill in a channel's column"))
    for cell in (*cells.values(), *((mask,) if mask else ())):
        if not (path.parent / cell).is_file():
            remedy = f"correct the path; it is relative to {path.name}"
            faults.append(Fault(name, cell, "a file named in the manifest exists", "none at this path", remedy))
    if person is None or faults:
        return None, faults
    session = told(row.get("session_id", ""))
    return Scan(
        participant_id=name,
        channels={channel: path.parent / cell for channel, cell in cells.items()},
        group=person.group,
        age=person.age,
        sex=person.sex,
        site=person.site,
        session_id=session.removeprefix("ses-") if session else None,
        mask=path.parent / mask if mask else None,
        space=told(row.get("space", "")) or NATIVE,
        further={key: cell for key, cell in person.further.items() if key not in images},
    ), []
