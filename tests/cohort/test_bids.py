"""Scans in folders; files are empty here, as intake opens none."""

from pathlib import Path

import pytest

from nigra.cohort.bids import find_scans, recognise, subject_folders
from nigra.cohort.participants import Participant
from nigra.cohort.scan import Scan
from nigra.errors import Fault

ONE = {"sub-1": Participant("sub-1", "patient", 60.0, "F", "Lyon")}


def touch(source: Path, *names: str) -> None:
    for name in names:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).touch()


def only(found: tuple[list[Scan], list[Fault]], source: Path) -> tuple[dict[str, str], str | None, str]:
    """Channels and mask of the one scan, relative to the source, and its space."""
    (scan,), faults = found
    assert faults == []
    names = {kind: path.relative_to(source).as_posix() for kind, path in scan.channels.items()}
    return names, scan.mask.relative_to(source).as_posix() if scan.mask else None, scan.space


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("sub-1_T1w.nii.gz", "T1w"),
        ("sub-1_T1w.nii", "T1w"),
        ("sub-1_space-S_model-tensor_param-fa_dwimap.nii.gz", "FA"),
        ("sub-1_ses-2_space-S_model-tensor_param-md_dwimap.nii.gz", "MD"),
        ("dti_FA.nii.gz", "FA"),
        ("dti_MD.nii.gz", "MD"),
        ("sub-1__fa.nii.gz", "FA"),
        ("sub-1__md.nii.gz", "MD"),
        ("fa.nii.gz", "FA"),
        ("sub-1_desc-brain_mask.nii.gz", "mask"),
        ("sub-1_mask.nii.gz", "mask"),
        ("sub-1_desc-lesion_mask.nii.gz", None),
        ("sub-1_label-GM_mask.nii.gz", None),
        ("sub-1_T1w.json", None),
        ("sub-1_T2w.nii.gz", None),
        ("sub-1_model-tensor_param-ad_dwimap.nii.gz", None),
        ("sub-1_ColFA.nii.gz", None),
        ("b0.nii.gz", None),
    ],
)
def test_names_are_recognised(name: str, kind: str | None) -> None:
    image = recognise(Path("sub-1/dwi") / name)
    assert (image.kind if image else None) == kind


def test_a_scan_carries_its_participant(tmp_path: Path) -> None:
    touch(tmp_path, "sub-1/ses-BL/anat/sub-1_ses-BL_T1w.nii.gz")
    (scan,), faults = find_scans(tmp_path, ONE)
    path = tmp_path / "sub-1/ses-BL/anat/sub-1_ses-BL_T1w.nii.gz"
    assert scan == Scan("sub-1", {"T1w": path}, "patient", 60.0, "F", "Lyon", "BL", None, "native")
    assert faults == []


def test_the_brain_is_taken_where_there_is_a_head(tmp_path: Path) -> None:
    touch(tmp_path, *(f"sub-1/anat/sub-1_{end}.nii.gz" for end in ("T1w", "desc-head_T1w", "desc-brain_mask")))
    found = only(find_scans(tmp_path, ONE), tmp_path)
    assert found == ({"T1w": "sub-1/anat/sub-1_T1w.nii.gz"}, "sub-1/anat/sub-1_desc-brain_mask.nii.gz", "native")


def test_the_head_is_taken_where_there_is_nothing_else(tmp_path: Path) -> None:
    touch(tmp_path, "sub-1/anat/sub-1_desc-head_T1w.nii.gz")
    assert only(find_scans(tmp_path, ONE), tmp_path)[0] == {"T1w": "sub-1/anat/sub-1_desc-head_T1w.nii.gz"}


def test_tensor_maps_and_their_mask_in_a_space(tmp_path: Path) -> None:
    start = "sub-1/dwi/sub-1_space-S_"
    maps = {"FA": "model-tensor_param-fa_dwimap", "MD": "model-tensor_param-md_dwimap"}
    extra = ("model-dki_param-fa_dwimap", "desc-brain_mask")
    touch(tmp_path, *(f"{start}{end}.nii.gz" for end in (*maps.values(), *extra)))
    touch(tmp_path, "sub-1/dwi/sub-1_desc-brain_mask.nii.gz")
    channels = {kind: f"{start}{end}.nii.gz" for kind, end in maps.items()}
    assert only(find_scans(tmp_path, ONE), tmp_path) == (channels, f"{start}desc-brain_mask.nii.gz", "S")


def test_the_mask_beside_the_image_is_taken(tmp_path: Path) -> None:
    touch(tmp_path, "sub-1/anat/sub-1_T1w.nii.gz", "sub-1/anat/sub-1_mask.nii.gz", "sub-1/dwi/sub-1_mask.nii.gz")
    assert only(find_scans(tmp_path, ONE), tmp_path)[1] == "sub-1/anat/sub-1_mask.nii.gz"


def test_files_of_other_tools_do_not_start_with_the_subject(tmp_path: Path) -> None:
    touch(tmp_path, "sub-1/DTI_Metrics/dti_FA.nii.gz", "sub-1/DTI_Metrics/dti_MD.nii.gz")
    assert set(only(find_scans(tmp_path, ONE), tmp_path)[0]) == {"FA", "MD"}


def test_numbered_folders_of_maps(tmp_path: Path) -> None:
    touch(tmp_path, "dwi/3001/fa.nii.gz", "dwi/3001/md.nii.gz", "dwi/3001/b0.nii.gz", "dwi/3002/fa.nii.gz")
    assert list(subject_folders(tmp_path)) == ["sub-3001", "sub-3002"]
    person = {"sub-3001": Participant("sub-3001", "control")}
    assert set(only(find_scans(tmp_path, person), tmp_path)[0]) == {"FA", "MD"}


def test_a_dataset_named_like_a_pattern_or_a_file_is_read(tmp_path: Path) -> None:
    source = tmp_path / "study[1].v2"
    touch(source, "sub-1/anat/sub-1_T1w.nii.gz", "sub-1/.cache/sub-1_T1w.nii.gz")
    assert only(find_scans(source, ONE), source)[0] == {"T1w": "sub-1/anat/sub-1_T1w.nii.gz"}


def test_sessions_are_scans_of_their_own(tmp_path: Path) -> None:
    touch(tmp_path, *(f"sub-1/ses-{s}/anat/sub-1_ses-{s}_T1w.nii.gz" for s in ("V04", "BL")))
    scans, faults = find_scans(tmp_path, ONE)
    assert [scan.session_id for scan in scans] == ["BL", "V04"]
    assert faults == []


def test_channels_and_space_choose(tmp_path: Path) -> None:
    touch(
        tmp_path, "sub-1/anat/sub-1_T1w.nii.gz", "sub-1/anat/sub-1_space-S_T1w.nii.gz", "sub-1/dwi/sub-1_FA.nii.gz"
    )
    assert only(find_scans(tmp_path, ONE, ("T1w",), "S"), tmp_path)[0] == {
        "T1w": "sub-1/anat/sub-1_space-S_T1w.nii.gz"
    }
    assert only(find_scans(tmp_path, ONE, ("FA", "T1w"), "native"), tmp_path) == (
        {"FA": "sub-1/dwi/sub-1_FA.nii.gz", "T1w": "sub-1/anat/sub-1_T1w.nii.gz"}, None, "native",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("names", "channels", "rule", "found"),
    [
        (["anat/sub-1_run-1_T1w", "anat/sub-1_run-2_T1w"], None, "a scan has one image of T1w", "2 that"),
        (["anat/sub-1_T1w", "anat/sub-1_space-S_T1w"], None, "a scan has one image of T1w", "2 that"),
        (["dwi/sub-1_FA", "dwi/sub-1_space-S_MD"], None, "the channels of a scan share one space", "S and native"),
        (["anat/sub-1_T1w"], ("T1w", "FA"), "a scan has an image of FA", "none"),
        (["anat/sub-1_T1w"], ("MD",), "a subject has an image of MD", "none"),
        (["anat/sub-1_mask"], None, "a subject has an image of T1w, FA or MD", "none"),
        (["anat/sub-1_T1w", "anat/sub-1_res-1_mask", "anat/sub-1_res-2_mask"], None, "at most one mask", "2"),
    ],
)
def test_what_names_do_not_tell_is_not_guessed(
    tmp_path: Path, names: list[str], channels: tuple[str, ...] | None, rule: str, found: str
) -> None:
    touch(
        tmp_path, *(f"sub-1/{name}.nii.gz" for name in names), "sub-2/anat/sub-2_T1w.nii.gz", "sub-2/sub-2_FA.nii"
    )
    touch(tmp_path, "sub-2/sub-2_MD.nii")
    people = ONE | {"sub-2": Participant("sub-2", "control")}
    scans, (fault,) = find_scans(tmp_path, people, channels)
    assert [scan.participant_id for scan in scans] == ["sub-2"]
    assert fault.subject == "sub-1"
    assert rule in fault.rule
    assert found in fault.found
    assert fault.remedy


def test_a_folder_with_another_label_is_a_fault(tmp_path: Path) -> None:
    touch(tmp_path, "sub-a_1/anat/sub-a_1_T1w.nii.gz")
    scans, (fault,) = find_scans(tmp_path, {})
    assert scans == []
    assert (fault.subject, fault.found) == ("sub-a_1", "'a_1'")
