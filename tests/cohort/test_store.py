"""The store gives back what was put in, refuses what is not whole, and is never written to by a reader."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from nigra.cohort.store import Cohort, StoreWriter, open_cohort
from nigra.errors import NigraError
from nigra.files import read_json, write_json, write_tsv
from nigra.provenance import hash_file

CHANNELS = ("FA", "MD")


@pytest.fixture
def participants() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "participant_id": ["sub-007", "sub-3", "sub-1e3"],
            "session_id": ["ses-01", "ses-01", "ses-02"],
            "group": ["control", "patient", "control"],
            "age": [61.5, np.nan, 70.0],
            "sex": ["M", "F", None],
            "site": ["01", "02", "01"],
        },
        index=[4, 9, 2],
    )


@pytest.fixture
def volumes(rng, mask) -> np.ndarray:
    return rng.normal(size=(3, 2, *mask.shape)).astype(np.float32)


@pytest.fixture
def study(tmp_path: Path, participants, volumes, mask, affine) -> Path:
    writer = StoreWriter(tmp_path / "cohort", participants, CHANNELS, "MNI152NLin2009cAsym", mask, affine)
    for row in (2, 0, 1):
        writer.write(row, volumes[row])
    writer.close({"stage": "prepare"})
    return tmp_path


def test_there_and_back(study: Path, volumes, mask, affine) -> None:
    cohort = open_cohort(study)
    np.testing.assert_array_equal(cohort.volumes[:, :, mask], volumes[:, :, mask])
    assert cohort.volumes.dtype == np.float32
    np.testing.assert_array_equal(cohort.mask, mask)
    np.testing.assert_array_equal(cohort.affine, affine)
    assert (cohort.channels, cohort.space) == (CHANNELS, "MNI152NLin2009cAsym")
    assert cohort.ids == ["sub-007", "sub-3", "sub-1e3"]
    assert cohort.participants["site"].tolist() == ["01", "02", "01"]
    assert cohort.participants["age"].isna().tolist() == [False, True, False]
    assert cohort.digest == hash_file(study / "cohort" / "volumes.npy")
    content = read_json(study / "cohort" / "store.json")
    assert content["provenance"] == {"stage": "prepare"}
    assert content["hashes"]["mask.nii.gz"] == hash_file(study / "cohort" / "mask.nii.gz")
    np.testing.assert_allclose(nib.load(study / "cohort" / "mask.nii.gz").affine, affine)


def test_values_outside_the_mask_are_zero_even_where_nan(tmp_path, participants, volumes, mask, affine) -> None:
    given = volumes.copy()
    given[:, :, ~mask] = np.nan
    before = given.copy()
    writer = StoreWriter(tmp_path / "cohort", participants, CHANNELS, "S", mask, affine)
    for row in range(3):
        writer.write(row, given[row])
    writer.close({})
    cohort = open_cohort(tmp_path)
    assert not cohort.volumes[:, :, ~mask].any()
    assert cohort.volumes[:, :, mask].all()  # negative control: the inside is not zero
    np.testing.assert_array_equal(given, before)


def test_the_memory_map_cannot_be_written(study: Path) -> None:
    cohort = open_cohort(study)
    assert isinstance(cohort.volumes, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        cohort.volumes[0, 0, 0, 0, 0] = 1


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_inside_the_mask_is_refused_with_the_subjects_name(
    tmp_path, participants, volumes, mask, affine, value
) -> None:
    writer = StoreWriter(tmp_path / "cohort", participants, CHANNELS, "S", mask, affine)
    volumes[1, 1][tuple(np.argwhere(mask)[0])] = value
    writer.write(0, volumes[0])
    with pytest.raises(NigraError, match=r"^sub-3: prepared maps are finite inside the mask"):
        writer.write(1, volumes[1])


def test_a_volume_of_another_size_is_refused_with_the_subjects_name(
    tmp_path, participants, volumes, mask, affine
) -> None:
    writer = StoreWriter(tmp_path / "cohort", participants, CHANNELS, "S", mask, affine)
    with pytest.raises(NigraError, match=r"^sub-007: .*\(2, 11, 13, 9\), but found \(1, 11, 13, 9\)"):
        writer.write(0, volumes[0, :1])
    with pytest.raises(NigraError, match=r"found \(2, 11, 13, 8\)"):
        writer.write(0, volumes[0, :, :, :, :8])


def test_a_subject_twice_is_refused_before_anything_is_written(tmp_path, participants, mask, affine) -> None:
    participants.iloc[2, 0] = "sub-007"
    with pytest.raises(NigraError, match="sub-007 stands twice"):
        StoreWriter(tmp_path / "cohort", participants, CHANNELS, "S", mask, affine)
    assert not (tmp_path / "cohort").exists()


def test_an_unfinished_store_is_never_read(study: Path, participants, volumes, mask, affine) -> None:
    open_cohort(study)
    writer = StoreWriter(study / "cohort", participants, CHANNELS, "S", mask, affine)  # killed before close
    writer.write(0, volumes[0])
    with pytest.raises(NigraError, match="has no prepared cohort; run `nigra prepare SOURCE"):
        open_cohort(study)


def test_an_empty_folder_is_no_store(tmp_path: Path) -> None:
    with pytest.raises(NigraError, match="has no prepared cohort"):
        open_cohort(tmp_path)


def test_sizes_that_disagree_are_refused(study: Path, participants) -> None:
    write_tsv(study / "cohort" / "participants.tsv", participants.iloc[:2])
    with pytest.raises(NigraError, match="disagree in size; run `nigra prepare` again"):
        open_cohort(study)


@pytest.mark.parametrize("name", ["volumes.npy", "mask.nii.gz"])
@pytest.mark.parametrize("harm", ["missing", "cut short"])
def test_a_damaged_store_is_one_sentence(study: Path, name: str, harm: str) -> None:
    path = study / "cohort" / name
    content = path.read_bytes()
    path.unlink()
    if harm == "cut short":
        path.write_bytes(content[: len(content) // 2])
    with pytest.raises(NigraError, match="run `nigra prepare` again"):
        open_cohort(study)


def test_a_store_description_without_its_names_is_one_sentence(study: Path) -> None:
    write_json(study / "cohort" / "store.json", {"space": "S"})
    with pytest.raises(NigraError, match="run `nigra prepare` again"):
        open_cohort(study)


def test_rows_and_groups_go_by_name(study: Path) -> None:
    cohort = open_cohort(study)
    assert cohort.rows(["sub-1e3", "sub-007"]).tolist() == [2, 0]
    assert cohort.rows([]).tolist() == []
    assert cohort.group("control") == ["sub-007", "sub-1e3"]
    assert cohort.group("patient") == ["sub-3"]
    with pytest.raises(NigraError, match=r"no subject sub-7, 3; prepare"):
        cohort.rows(["sub-007", "sub-7", "3"])


def test_a_cohort_of_plain_arrays_needs_no_disk(participants, volumes, mask, affine) -> None:
    cohort = Cohort(volumes, mask, affine, CHANNELS, "S", participants)
    assert cohort.rows(["sub-3"]).tolist() == [1]
