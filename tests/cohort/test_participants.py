from pathlib import Path

import pytest

from nigra.cohort.participants import Participant, read_participants, read_rows
from nigra.errors import NigraError

HEADER = "participant_id\tage\tsex\tgroup\tsite\n"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return tmp_path / "participants.tsv"


def rules(table: Path, text: str) -> tuple[list[str], list[tuple[str, str, str]]]:
    """Ids kept, and (subject, rule, found) of each fault."""
    table.write_text(HEADER + text, encoding="utf-8")
    people, faults = read_participants(table)
    return list(people), [(fault.subject, fault.rule, fault.found) for fault in faults]


def test_a_row_becomes_a_participant(table: Path) -> None:
    table.write_text(HEADER + "sub-1\t61.5\tF\tpatient\tLyon\n2\tn/a\tn/a\tcontrol\tn/a\n")
    people, faults = read_participants(table)
    assert faults == []
    assert people == {
        "sub-1": Participant("sub-1", "patient", 61.5, "F", "Lyon"),
        "sub-2": Participant("sub-2", "control", None, None, None),
    }


@pytest.mark.parametrize(
    ("written", "group"),
    [("HC", "control"), ("Healthy", "control"), ("CONTROL", "control"), (" control ", "control"),
     ("PD", "patient"), ("Patient", "patient"), ("Parkinson's Disease", "patient")],
)  # fmt: skip
def test_spellings_of_groups(table: Path, written: str, group: str) -> None:
    table.write_text(HEADER + f"1\t60\tM\t{written}\tA\n")
    assert read_participants(table)[0]["sub-1"].group == group


@pytest.mark.parametrize("written", ["SWEDD", "prodromal", "", "1", "n/a"])
def test_an_unknown_group_is_never_mapped(table: Path, written: str) -> None:
    kept, faults = rules(table, f"1\t60\tM\t{written}\tA\n2\t60\tM\tHC\tA\n")
    assert kept == ["sub-2"]
    assert faults == [("sub-1", "a group is control or patient", repr(written))]


def test_a_group_can_be_declared(table: Path) -> None:
    table.write_text(HEADER + "1\t60\tM\tProdromal\tA\n2\t60\tM\tHC\tA\n")
    people, faults = read_participants(table, {"prodromal": "patient"})
    assert [person.group for person in people.values()] == ["patient", "control"]
    assert faults == []


@pytest.mark.parametrize(
    ("written", "sex"),
    [("male", "M"), ("m", "M"), ("Female", "F"), ("f", "F"), ("other", "O"), ("", None), ("unknown", None)],
)
def test_spellings_of_sex(table: Path, written: str, sex: str | None) -> None:
    table.write_text(HEADER + f"1\t60\t{written}\tHC\tA\n")
    assert read_participants(table)[0]["sub-1"].sex == sex


@pytest.mark.parametrize(
    ("row", "rule", "found"),
    [
        ("1\told\tM\tHC\tA", "an age is a number", "'old'"),
        ("1\t-3\tM\tHC\tA", "an age is a number", "'-3'"),
        ("1\t999\tM\tHC\tA", "an age is a number", "'999'"),
        ("1\tinf\tM\tHC\tA", "an age is a number", "'inf'"),
        ("1\t60\t1\tHC\tA", "a sex is M, F, O", "'1'"),
        ("../x\t60\tM\tHC\tA", "a participant_id is letters", "'../x'"),
        ("a_b\t60\tM\tHC\tA", "a participant_id is letters", "'a_b'"),
        ("\t60\tM\tHC\tA", "a participant_id is letters", "''"),
    ],
)
def test_a_cell_that_cannot_be_understood_is_a_fault(table: Path, row: str, rule: str, found: str) -> None:
    kept, faults = rules(table, f"{row}\n2\t60\tM\tHC\tA\n")
    assert kept == ["sub-2"]
    assert len(faults) == 1
    assert faults[0][1].startswith(rule)
    assert faults[0][2] == found


def test_every_broken_cell_of_a_row_is_told(table: Path) -> None:
    assert [rule[:6] for _, rule, _ in rules(table, "1\told\t7\twhat\tA\n")[1]] == ["a grou", "a sex ", "an age"]


def test_ids_stay_as_they_are(table: Path) -> None:
    """007 is neither 7 nor 7.0; a prefix is added once."""
    assert rules(table, "007\t60\tM\tHC\tA\n7\t60\tM\tHC\tA\nsub-3001\t60\tM\tHC\tA\n") == (
        ["sub-007", "sub-7", "sub-3001"], [],
    )  # fmt: skip


def test_rows_repeated_count_once_and_contradictions_refuse(table: Path) -> None:
    kept, faults = rules(table, "1\t60\tM\tHC\tA\nsub-1\t60\tM\tHC\tA\n2\t60\tM\tHC\tA\n2\t60\tM\tPD\tA\n")
    assert kept == ["sub-1"]
    assert faults == [("sub-2", "a subject has one row", "2 that disagree")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_encodings_and_line_ends(table: Path, encoding: str, end: str) -> None:
    text = HEADER + "1\t60\tM\tHC\tGenève\n\n"
    table.write_bytes(text.replace("\n", end).encode(encoding))
    people, faults = read_participants(table)
    assert people["sub-1"].site == "Genève"
    assert faults == []


def test_columns_may_stand_in_any_order_and_case(table: Path) -> None:
    table.write_text("Group\tGender\tnote\tparticipant_id\tAge\t\nHC\tf\tx\t1\t60\t\n")
    people, _ = read_participants(table)
    assert people == {"sub-1": Participant("sub-1", "control", 60.0, "F", further={"note": "x"})}


def test_quotes_of_a_spreadsheet_are_taken_off(table: Path) -> None:
    table.write_text('participant_id\tgroup\tsite\n"1"\t"HC"\t"a ""b"" c"\n')
    assert read_participants(table)[0]["sub-1"].site == 'a "b" c'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "one column participant_id, but found nothing"),
        (
            "participant_id,group\n1,HC\n",
            "one column participant_id, but found participant_id,group; .* tab separated",
        ),
        ("participant_id\tage\n1\t60\n", "one column group, but found participant_id, age"),
        ("participant_id\tgroup\tGroup\n1\tHC\tPD\n", "one column group"),
        ("participant_id\tgroup\n1\tHC\textra\n", "at most 2 cells, but found 3 in row 2"),
    ],
)
def test_a_table_that_is_none_is_one_sentence(table: Path, text: str, words: str) -> None:
    table.write_text(text)
    with pytest.raises(NigraError, match=words) as caught:
        read_rows(table)
    assert str(table) in str(caught.value)


def test_a_missing_table_says_what_to_write(table: Path) -> None:
    with pytest.raises(NigraError, match=r"found none; write one with the columns participant_id, age, sex, group"):
        read_participants(table)


def test_other_columns_go_along_as_they_stand(tmp_path: Path) -> None:
    path = tmp_path / "participants.tsv"
    path.write_text(
        "participant_id\tgroup\tNHY\tscanner\tsession_id\n"
        "1\tPD\t2\tTrio\tBL\n1\tPD\t3\tTrio\tV04\n2\tHC\tn/a\tTrio\tBL\n3\tPD\t101\t\tBL\n"
    )
    people, faults = read_participants(path)
    assert not faults
    assert people["sub-1"].further == {"scanner": "Trio"}, "two visits, two stages: none is the subject's"
    assert people["sub-2"].further == {"scanner": "Trio"}
    assert people["sub-3"].further == {"NHY": "101"}
