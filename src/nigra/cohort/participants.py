"""Who: the participants table of a cohort, as people write it, made uniform and never guessed.

Tables come as UTF-8 with or without byte order mark, UTF-16 or latin-1, with ids as ``sub-007`` or ``007``.
"""

import csv
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path

from nigra.cohort.store import CONTROL, PATIENT
from nigra.errors import Fault, NigraError

GROUPS = {
    **dict.fromkeys(("control", "controls", "ctrl", "hc", "healthy", "healthy control", "cn"), CONTROL),
    **dict.fromkeys(("patient", "patients", "pd", "parkinson", "parkinson's disease"), PATIENT),
}
"""Accepted spellings of the two groups, in lower case; anything else is a fault unless the user declares it."""

SEXES = {"m": "M", "male": "M", "man": "M", "f": "F", "female": "F", "woman": "F", "o": "O", "other": "O"}
"""Accepted spellings of sex, in lower case; numbers are refused, as tables disagree on which is which."""

_MISSING = ("", "n/a", "na", "nan", "none", "unknown")
_KNOWN = ("participant_id", "session_id", "group", "age", "sex", "site", "mask", "space")
_LABEL = re.compile(r"sub-[A-Za-z0-9]+")


@dataclass(frozen=True)
class Participant:
    """What is known of one subject; ``age`` in years, ``sex`` M, F or O, ``None`` where the table is silent.

    ``further`` holds what else the table tells (a clinical score, a scanner), column -> cell, as text.
    """

    participant_id: str
    group: str
    age: float | None = None
    sex: str | None = None
    site: str | None = None
    further: Mapping[str, str] = field(default_factory=dict)


def participant_label(text: str) -> str:
    """The id with its ``sub-`` prefix, otherwise untouched: ``007`` stays ``007``.

    >>> participant_label(" 007"), participant_label("sub-A1")
    ('sub-007', 'sub-A1')
    """
    text = text.strip()
    return text if text.startswith("sub-") else f"sub-{text}"


def is_label(participant_id: str) -> bool:
    """Whether an id is ``sub-`` and letters or digits, as BIDS asks: it becomes the name of a folder.

    >>> is_label("sub-007"), is_label("sub-../x")
    (True, False)
    """
    return _LABEL.fullmatch(participant_id) is not None


def told(cell: str) -> str | None:
    """What a cell says, or ``None`` where it says nothing (empty, ``n/a``, ``unknown``).

    >>> told("Lyon"), told("n/a")
    ('Lyon', None)
    """
    return None if cell.lower() in _MISSING else cell


def read_rows(path: Path) -> list[dict[str, str]]:
    """Rows of a tab separated table as text, stripped, known columns in lower case, ids with ``sub-``.

    Rows repeated word for word are given once. Raises NigraError when the file is missing, is no table or lacks
    ``participant_id`` or ``group``.
    """
    if not path.is_file():
        raise NigraError(
            f"{path}: a cohort has a table of its participants, but found none; write one with the columns "
            "participant_id, age, sex, group and site, tab separated."
        )
    try:
        lines = [
            line
            for line in csv.reader(StringIO(_decode(path.read_bytes()), newline=""), delimiter="\t")
            if any(line)
        ]
    except csv.Error as error:
        raise NigraError(f"{path}: a table is tab separated text, but found {error}; export it again.") from error
    columns = [_column(cell) for cell in lines[0]] if lines else []
    for name in ("participant_id", "group"):
        if columns.count(name) != 1:
            found = ", ".join(columns) or "nothing"
            raise NigraError(
                f"{path}: a table of participants has one column {name}, but found {found}; "
                "name it so, tab separated."
            )
    for number, line in enumerate(lines, 1):
        if any(line[len(columns) :]):
            raise NigraError(
                f"{path}: every row has at most {len(columns)} cells, but found {len(line)} in row {number}; "
                "remove the tabs too many."
            )
    filled = [line + [""] * (len(columns) - len(line)) for line in lines[1:]]
    rows = [dict(zip(columns, (cell.strip() for cell in line), strict=False)) for line in filled]
    for row in rows:
        row["participant_id"] = participant_label(row["participant_id"])
    return list({tuple(row.items()): row for row in rows}.values())


def _column(cell: str) -> str:
    name = cell.strip()
    lower = "sex" if name.lower() == "gender" else name.lower()
    return lower if lower in _KNOWN else name


def _decode(raw: bytes) -> str:
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return raw.decode("utf-16", errors="replace")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def parse_row(
    row: Mapping[str, str], file: str, groups: Mapping[str, str] | None = None
) -> tuple[Participant | None, list[Fault]]:
    """One row as a participant, or ``None`` and one fault per cell that cannot be understood.

    ``groups`` declares further spellings, such as ``{"prodromal": "patient"}``.
    """
    name, age, sex = row["participant_id"], told(row.get("age", "")), told(row.get("sex", ""))
    spellings = GROUPS | {key.strip().lower(): meant for key, meant in (groups or {}).items()}
    group = spellings.get(row["group"].lower())
    years = None if age is None else _years(age)
    faults = []
    if not is_label(name):
        remedy = "rename the subject"
        faults.append(Fault(name, file, "a participant_id is letters and digits", repr(name[4:]), remedy))
    if group is None:
        remedy = "write control or patient, or declare what this group is"
        faults.append(Fault(name, file, "a group is control or patient", repr(row["group"]), remedy))
    if sex is not None and sex.lower() not in SEXES:
        faults.append(Fault(name, file, "a sex is M, F, O or n/a", repr(sex), "write one of these"))
    if age is not None and years is None:
        rule = "an age is a number of years from 0 to 120, or n/a"
        faults.append(Fault(name, file, rule, repr(age), "write the age in years"))
    if faults or group is None:
        return None, faults
    further = {key: cell for key, cell in row.items() if key and key not in _KNOWN and told(cell)}
    sex = SEXES[sex.lower()] if sex else None
    return Participant(name, group, years, sex, told(row.get("site", "")), further), []


def _years(text: str) -> float | None:
    try:
        years = float(text)
    except ValueError:
        return None
    return years if 0 <= years <= 120 else None


def read_participants(
    path: Path, groups: Mapping[str, str] | None = None
) -> tuple[dict[str, Participant], list[Fault]]:
    """Read ``participants.tsv``: participants by id, and the faults of the rows that were refused.

    A subject whose rows disagree on group, age, sex or site is refused; what its rows (of several sessions) tell
    differently in any other column is not told. Raises NigraError as ``read_rows``.
    """
    of_subject: dict[str, list[dict[str, str]]] = defaultdict(list)
    table = read_rows(path)
    further = _agreed(table)
    for row in table:
        kept = {key: row.get(key, "") for key in ("participant_id", "group", "age", "sex", "site")}
        kept |= further[row["participant_id"]]
        if kept not in of_subject[row["participant_id"]]:
            of_subject[row["participant_id"]].append(kept)
    people: dict[str, Participant] = {}
    faults: list[Fault] = []
    for name, rows in of_subject.items():
        if len(rows) > 1:
            found = f"{len(rows)} that disagree"
            faults.append(Fault(name, path.name, "a subject has one row", found, "keep the right one"))
            continue
        person, broken = parse_row(rows[0], path.name, groups)
        faults += broken
        if person is not None:
            people[name] = person
    return people, faults


def _agreed(rows: list[dict[str, str]]) -> dict[str, dict[str, str]]:
    """Cells of the further columns by subject, where all of a subject's rows that say something say the same."""
    cells: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for row in rows:
        for key in row.keys() - {*_KNOWN, ""}:
            cells[row["participant_id"]][key] |= {row[key]} if told(row[key]) else set()
    columns = [key for key in rows[0] if key and key not in _KNOWN] if rows else []
    return {
        row["participant_id"]: {
            key: next(iter(cells[row["participant_id"]][key]))
            for key in columns if len(cells[row["participant_id"]][key]) == 1
        }
        for row in rows
    }  # fmt: skip
