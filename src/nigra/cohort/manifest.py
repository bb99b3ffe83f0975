"""Where: scans named in a table, for data in no standard layout.

Columns ``participant_id session_id group age sex site <channel paths...> mask space``, tab separated; only
``participant_id``, ``group`` and one channel are required. A column is a channel when its cells end in
``.nii`` or ``.nii.gz``; its name is the channel's. Paths are relative to the table.
"""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from nigra.cohort.participants import MISSING, parse_row, participant_label, read_text_table
from nigra.cohort.scan import Scan
from nigra.errors import Fault, NigraError

_OTHER = {"participant_id", "session_id", "group", "age", "sex", "site", "mask", "space"}


def channel_columns(table: pd.DataFrame) -> list[str]:
    """Names of the columns that hold images."""
    return [
        name
        for name in table.columns
        if name not in _OTHER and table[name].str.lower().str.endswith((".nii", ".nii.gz")).any()
    ]


def find_scans(
    path: Path, channels: tuple[str, ...] | None = None, groups: Mapping[str, str] | None = None
) -> tuple[list[Scan], list[Fault]]:
    """Scans of a manifest, one per row, and the faults of the rows that were refused.

    Raises NigraError when the table has no channel, or lacks one that was asked for.
    """
    table = read_text_table(path)
    found = channel_columns(table)
    if not found:
        raise NigraError(f"{path}: a manifest has a column of .nii.gz paths per channel, but found "
                         f"{', '.join(table.columns)}; add a column such as T1w or FA.")  # fmt: skip
    missing = [name for name in channels or () if name not in found]
    if missing:
        raise NigraError(f"{path}: a manifest has a column per channel asked for, but found no "
                         f"{' and no '.join(missing)}; it has {', '.join(found)}.")  # fmt: skip
    scans: list[Scan] = []
    faults: list[Fault] = []
    for row in table.drop_duplicates().to_dict("records"):
        scan, broken = _scan(
            {str(key): str(value) for key, value in row.items()}, path, channels or tuple(found), groups
        )
        faults += broken
        scans += [scan] if scan is not None else []
    return scans, faults


def _scan(
    row: dict[str, str], path: Path, channels: tuple[str, ...], groups: Mapping[str, str] | None
) -> tuple[Scan | None, list[Fault]]:
    person, faults = parse_row(row, path.name, groups)
    name = participant_label(row["participant_id"])
    cells = {channel: row[channel] for channel in channels if row[channel].lower() not in MISSING}
    if not cells:
        faults.append(Fault(name, path.name, "a row names an image", "none", "fill in a channel's column"))
    mask = row.get("mask", "")
    for cell in (*cells.values(), *([] if mask.lower() in MISSING else [mask])):
        if not (path.parent / cell).is_file():
            faults.append(Fault(name, cell, "a file named in the manifest exists", "none at this path",
                                f"correct the path; it is relative to {path.name}"))  # fmt: skip
    if person is None or faults:
        return None, faults
    session, space = row.get("session_id", ""), row.get("space", "")
    return Scan(
        name,
        {channel: path.parent / cell for channel, cell in cells.items()},
        person.group,
        person.age,
        person.sex,
        person.site,
        None if session.lower() in MISSING else session.removeprefix("ses-"),
        None if mask.lower() in MISSING else path.parent / mask,
        "native" if space.lower() in MISSING else space,
    ), []
