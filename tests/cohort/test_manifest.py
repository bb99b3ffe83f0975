from pathlib import Path

import pytest

from nigra.cohort.manifest import find_scans
from nigra.cohort.scan import Scan
from nigra.errors import NigraError

COLUMNS = ("participant_id", "session_id", "group", "age", "sex", "site", "FA", "MD", "note", "mask", "space")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("1/fa.nii.gz", "1/md.nii.gz", "1/mask.nii.gz", "2/fa.nii.gz"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def write(folder: Path, *rows: tuple[str, ...]) -> Path:
    path = folder / "manifest.tsv"
    path.write_text("\n".join("\t".join(row) for row in (COLUMNS, *rows)) + "\n", encoding="utf-8")
    return path


ONE = ("1", "ses-BL", "PD", "60", "f", "Lyon", "1/fa.nii.gz", "1/md.nii.gz", "a note", "1/mask.nii.gz", "S")
TWO = ("2", "n/a", "HC", "50", "m", "n/a", "2/fa.nii.gz", "n/a", "", "", "")


def test_a_row_becomes_a_scan(folder: Path) -> None:
    scans, faults = find_scans(write(folder, ONE, TWO))
    channels = {"FA": folder / "1/fa.nii.gz", "MD": folder / "1/md.nii.gz"}
    assert scans == [
        Scan(
            "sub-1", channels, "patient", 60.0, "F", "Lyon", "BL", folder / "1/mask.nii.gz", "S", {"note": "a note"}
        ),
        Scan("sub-2", {"FA": folder / "2/fa.nii.gz"}, "control", 50.0, "M", None, None, None, "native"),
    ]
    assert faults == []


def test_channels_choose_and_order(folder: Path) -> None:
    scans, _ = find_scans(write(folder, ONE), ("MD", "FA"))
    assert list(scans[0].channels) == ["MD", "FA"]
    scans, _ = find_scans(write(folder, ONE), ("MD",))
    assert list(scans[0].channels) == ["MD"]


def test_absolute_paths_are_taken(folder: Path) -> None:
    row = (*ONE[:6], str(folder / "2/fa.nii.gz"), *ONE[7:])
    assert find_scans(write(folder, row))[0][0].channels["FA"] == folder / "2/fa.nii.gz"


@pytest.mark.parametrize(
    ("place", "cell", "file", "rule", "found"),
    [
        (6, "1/none.nii.gz", "1/none.nii.gz", "a file named in the manifest exists", "none at this path"),
        (9, "1/none.nii.gz", "1/none.nii.gz", "a file named in the manifest exists", "none at this path"),
        (2, "SWEDD", "manifest.tsv", "a group is control or patient", "'SWEDD'"),
        (1, "../V04", "manifest.tsv", "a session_id is letters and digits", "'../V04'"),
        (10, "MNI 152", "manifest.tsv", "a space is letters and digits", "'MNI 152'"),
        (0, "../1", "manifest.tsv", "a participant_id is letters and digits", "'../1'"),
    ],
)
def test_a_wrong_row_is_a_fault_and_the_others_go_on(
    folder: Path, place: int, cell: str, file: str, rule: str, found: str
) -> None:
    scans, (fault,) = find_scans(write(folder, (*ONE[:place], cell, *ONE[place + 1 :]), TWO))
    assert [scan.participant_id for scan in scans] == ["sub-2"]
    assert (fault.file, fault.rule, fault.found) == (file, rule, found)


def test_a_row_without_an_image_is_a_fault(folder: Path) -> None:
    _, (fault,) = find_scans(write(folder, ONE, (*TWO[:6], "n/a", "", *TWO[8:])))
    assert (fault.subject, fault.rule) == ("sub-2", "a row names an image")


def test_rows_repeated_count_once_and_sessions_apart(folder: Path) -> None:
    scans, _ = find_scans(write(folder, ONE, ONE, (ONE[0], "V04", *ONE[2:])))
    assert [scan.session_id for scan in scans] == ["BL", "V04"]


def test_a_manifest_without_images_is_one_sentence(folder: Path) -> None:
    with pytest.raises(NigraError, match=r"a column of .nii.gz paths per channel, but found none"):
        find_scans(write(folder, (*ONE[:6], "fa.mgz", "", *ONE[8:])))


def test_a_channel_becomes_part_of_file_names(folder: Path) -> None:
    path = write(folder, ONE)
    path.write_text(path.read_text().replace("\tFA\t", "\tF/A\t"))
    with pytest.raises(NigraError, match="a channel's name is letters and digits, but found 'F/A'; rename"):
        find_scans(path)


def test_a_channel_asked_for_and_absent_is_one_sentence(folder: Path) -> None:
    with pytest.raises(NigraError, match="no T1w; choose among FA, MD"):
        find_scans(write(folder, ONE), ("T1w", "FA"))


def test_other_columns_of_a_manifest_stay_with_the_subject(folder: Path) -> None:
    table = folder / "cohort.tsv"
    table.write_text("participant_id\tgroup\tT1w\tmotor_score\n1\tcontrol\t1/fa.nii.gz\t4\n")
    scans, faults = find_scans(table)
    assert not faults
    assert scans[0].further == {"motor_score": "4"}
