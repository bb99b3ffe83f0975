"""Who: the participants table of a cohort, as people write it, made uniform and never guessed.

Tables come as UTF-8 with or without byte order mark, UTF-16 or latin-1, with ids as ``sub-007`` or ``007``.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import pandas as pd

from nigra.cohort.store import CONTROL, PATIENT
from nigra.errors import Fault, NigraError

GROUPS = {
    **dict.fromkeys(("control", "controls", "ctrl", "hc", "healthy", "healthy control", "cn"), CONTROL),
    **dict.fromkeys(("patient", "patients", "pd", "parkinson", "parkinson's disease"), PATIENT),
}
"""Accepted spellings of the two groups, in lower case; anything else is a fault unless the user declares it."""

SEXES = {"m": "M", "male": "M", "man": "M", "f": "F", "female": "F", "woman": "F", "o": "O", "other": "O"}
"""Accepted spellings of sex, in lower case; numbers are refused, as tables disagree on which is which."""

MISSING = ("", "n/a", "na", "nan", "none", "unknown")
_LABEL = re.compile(r"sub-[A-Za-z0-9]+")


@dataclass(frozen=True)
class Participant:
    """What is known of one subject; ``age`` in years, ``sex`` M, F or O, ``None`` where the table is silent."""

    participant_id: str
    group: str
    age: float | None = None
    sex: str | None = None
    site: str | None = None


def participant_label(text: str) -> str:
    """The id with its ``sub-`` prefix, otherwise untouched: ``007`` stays ``007``.

    >>> participant_label(" 007"), participant_label("sub-A1")
    ('sub-007', 'sub-A1')
    """
    text = text.strip()
    return text if text.startswith("sub-") else f"sub-{text}"


def is_label(participant_id: str) -> bool:
    """Whether an id is ``sub-`` and letters or digits, as BIDS asks; it becomes a folder's name.

    >>> is_label("sub-007"), is_label("sub-../x")
    (True, False)
    """
    return _LABEL.fullmatch(participant_id) is not None


def read_text_table(path: Path) -> pd.DataFrame:
    """Read a tab separated table as text: every cell a string, missing ones ``""``, column names stripped.

    Raises NigraError when the file is missing, empty, or separated by something else.
    """
    if not path.is_file():
        raise NigraError(f"{path}: a table of participants is needed, but found none; write one with the columns "
                         "participant_id, age, sex, group and site, tab separated.")  # fmt: skip
    try:
        table = pd.read_csv(StringIO(_decode(path.read_bytes())), sep="\t", dtype=str, keep_default_na=False)
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise NigraError(f"{path}: a table has a header and tab separated rows, but found {error}; "
                         "export it again as tab separated text.") from error  # fmt: skip
    table.columns = table.columns.str.strip()
    for column in ("participant_id", "group"):
        if column not in map(str.lower, table.columns):
            raise NigraError(f"{path}: a table of participants has a column {column}, but found "
                             f"{', '.join(map(repr, table.columns))}; add it, tab separated.")  # fmt: skip
    known = ("participant_id", "session_id", "group", "age", "sex", "site", "mask", "space")
    lowered = {name: name.lower() for name in table.columns if name.lower() in known}
    table = table.rename(columns=lowered)
    if table.columns.duplicated().any():
        raise NigraError(f"{path}: column names are unique, but found {table.columns[table.columns.duplicated()][0]} "
                         "twice; remove one.")  # fmt: skip
    return table.fillna("").apply(lambda column: column.str.strip())


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
    """One row of a table as a participant, or ``None`` and one fault per cell that cannot be understood.

    ``groups`` declares further spellings, such as ``{"prodromal": "patient"}``.
    """
    name = participant_label(row["participant_id"])
    faults = []
    if not is_label(name):
        faults.append(Fault(name, file, "a participant_id is letters and digits", repr(row["participant_id"]),
                            "rename the subject"))  # fmt: skip
    spellings = GROUPS | {key.strip().lower(): value for key, value in (groups or {}).items()}
    group = spellings.get(row["group"].lower())
    if group is None:
        faults.append(Fault(name, file, "a group is control or patient", repr(row["group"]),
                            "write control or patient, or declare what this group is"))  # fmt: skip
    sex, age = row.get("sex", ""), row.get("age", "")
    if sex.lower() not in (*SEXES, *MISSING):
        faults.append(Fault(name, file, "a sex is M, F, O or n/a", repr(sex), "write one of these"))
    years = _years(age)
    if years is None and age.lower() not in MISSING:
        faults.append(Fault(name, file, "an age is a number of years from 0 to 120, or n/a", repr(age),
                            "write the age in years"))  # fmt: skip
    if faults or group is None:
        return None, faults
    site = row.get("site", "")
    return Participant(name, group, years, SEXES.get(sex.lower()), None if site.lower() in MISSING else site), []


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

    Rows repeated word for word count once; rows of one subject that disagree refuse that subject.
    """
    table = read_text_table(path)
    table["participant_id"] = table["participant_id"].map(participant_label)
    columns = [c for c in ("participant_id", "group", "age", "sex", "site") if c in table.columns]
    table = table[columns].drop_duplicates()
    people: dict[str, Participant] = {}
    faults: list[Fault] = []
    for name, rows in table.groupby("participant_id", sort=False):
        if len(rows) > 1:
            faults.append(Fault(str(name), path.name, "a subject has one row", f"{len(rows)} that disagree",
                                "keep the right one"))  # fmt: skip
            continue
        person, broken = parse_row(rows.iloc[0].to_dict(), path.name, groups)
        faults += broken
        if person is not None:
            people[person.participant_id] = person
    return people, faults
