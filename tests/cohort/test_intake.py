from pathlib import Path

import pytest

from nigra.cohort.intake import find
from nigra.errors import NigraError


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Three subjects; the first has two sessions. No dataset_description.json, as many have none."""
    for name, session in (("1", "BL"), ("1", "V04"), ("2", "BL"), ("007", "BL")):
        folder = tmp_path / f"sub-{name}" / f"ses-{session}" / "anat"
        folder.mkdir(parents=True)
        (folder / f"sub-{name}_ses-{session}_T1w.nii.gz").touch()
    (tmp_path / "participants.tsv").write_text("participant_id\tgroup\n1\tHC\nsub-2\tPD\n007\tHC\n")
    return tmp_path


def test_a_folder_is_found(source: Path) -> None:
    intake = find(source)
    assert [(scan.participant_id, scan.session_id, scan.group) for scan in intake.scans] == [
        ("sub-007", "BL", "control"),
        ("sub-1", "BL", "control"),
        ("sub-1", "V04", "control"),
        ("sub-2", "BL", "patient"),
    ]
    assert intake.faults == []


def test_a_description_changes_nothing(source: Path) -> None:
    before = find(source)
    (source / "dataset_description.json").write_text('{"Name": "x", "BIDSVersion": "1.10.0"}')
    assert find(source) == before


def test_labels_choose_with_or_without_prefix(source: Path) -> None:
    intake = find(source, participant_labels=("1", "sub-007"), session_labels=("ses-BL",))
    assert [(scan.participant_id, scan.session_id) for scan in intake.scans] == [("sub-007", "BL"), ("sub-1", "BL")]
    assert intake.faults == []


def test_a_subject_without_the_session_asked_for_is_a_fault(source: Path) -> None:
    intake = find(source, participant_labels=("1", "2"), session_labels=("V04",))
    assert [scan.participant_id for scan in intake.scans] == ["sub-1"]
    (fault,) = intake.faults
    assert (fault.subject, fault.rule) == ("sub-2", "a subject has a scan of the session and space asked for")


def test_folders_and_rows_are_joined_from_both_sides(source: Path) -> None:
    (source / "participants.tsv").write_text("participant_id\tgroup\n1\tHC\n7\tHC\n9\tHC\n")
    intake = find(source)
    assert {scan.participant_id for scan in intake.scans} == {"sub-1"}
    assert [(fault.subject, fault.rule, fault.remedy) for fault in intake.faults] == [
        ("sub-007", "a subject with a folder has a row", "add its group, age and sex"),
        ("sub-2", "a subject with a folder has a row", "add its group, age and sex"),
        ("sub-7", "a subject with a row has a folder", "write sub-007, if that is meant"),
        ("sub-9", "a subject with a row has a folder", "add its scans, or remove the row"),
    ]


def test_an_unknown_group_keeps_the_others(source: Path) -> None:
    (source / "participants.tsv").write_text("participant_id\tgroup\n1\tHC\n2\tSWEDD\n007\tHC\n")
    intake = find(source)
    assert {scan.participant_id for scan in intake.scans} == {"sub-1", "sub-007"}
    (fault,) = intake.faults
    assert (fault.subject, fault.found) == ("sub-2", "'SWEDD'")
    declared = find(source, groups={"SWEDD": "patient"})
    assert {scan.participant_id: scan.group for scan in declared.scans}["sub-2"] == "patient"


def test_a_manifest_is_found(source: Path) -> None:
    rows = ("participant_id\tgroup\tT1w\tspace", "1\tHC\tsub-1/ses-BL/anat/sub-1_ses-BL_T1w.nii.gz\tS")
    manifest = source / "manifest.tsv"
    manifest.write_text("\n".join(rows))
    (scan,) = find(manifest).scans
    assert (scan.participant_id, scan.space) == ("sub-1", "S")
    assert [fault.subject for fault in find(manifest, space="T").faults] == ["sub-1"]


def test_mistakes_about_the_whole_source_are_one_sentence(
    source: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    empty = tmp_path_factory.mktemp("empty")
    with pytest.raises(NigraError, match=r"no sub-9, sub-x; check --participant-label\."):
        find(source, participant_labels=("x", "1", "9"))
    with pytest.raises(NigraError, match="found none; check the path, or write a manifest"):
        find(empty)
    with pytest.raises(NigraError, match="found neither; check the path"):
        find(empty / "absent")
    with pytest.raises(NigraError, match="'SWEDD' is declared as 'ill'; declare it control or patient"):
        find(source, groups={"SWEDD": "ill"})
    (source / "participants.tsv").unlink()
    with pytest.raises(NigraError, match="found none; write one with the columns participant_id"):
        find(source)


@pytest.mark.real
def test_the_real_cohort_is_found(real_data: Path) -> None:
    intake = find(real_data / "ixi")
    assert intake.faults == []
    assert len(intake.scans) == 101
    assert {scan.group for scan in intake.scans} == {"control"}
    assert all(scan.mask is not None and "desc" not in scan.channels["T1w"].name for scan in intake.scans)
