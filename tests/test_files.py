"""Files are whole or absent, values come back as they went, broken files are one sentence (laws 8 and 9)."""

import json
import subprocess
import sys
from datetime import date
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from nigra.errors import NigraError
from nigra.files import (
    atomic,
    create_array,
    key_in,
    read_json,
    read_tsv,
    write_array,
    write_image,
    write_json,
    write_text,
    write_tsv,
)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_writer_that_fails_leaves_the_old_file_whole_and_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "table.tsv"
    path.write_text("old")

    def fail() -> None:
        with atomic(path) as temporary:
            temporary.write_text("half of the n")
            assert path.read_text() == "old"
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert path.read_text() == "old"
    assert names(tmp_path) == ["table.tsv"]


def test_a_writer_that_fails_leaves_no_file_where_there_was_none(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"score": [1.0, float("nan")]})
    with pytest.raises(ZeroDivisionError), atomic(tmp_path / "b.json"):
        raise ZeroDivisionError
    assert names(tmp_path) == []


def test_a_killed_writer_leaves_the_old_file_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("old")
    program = (
        "import os, sys; from pathlib import Path; from nigra.files import atomic\n"
        "with atomic(Path(sys.argv[1])) as t: t.write_text('half'); os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(path)], check=False)
    assert done.returncode == -9
    assert path.read_text() == "old"
    assert [name for name in names(tmp_path) if not name.startswith(".")] == ["a.json"]  # the rest is hidden


@pytest.mark.parametrize("name", ["map.nii.gz", "map.nii", "volumes.npy", "sub-01_space-X.Y_T1w.nii.gz"])
def test_the_temporary_file_is_hidden_beside_the_target_and_keeps_its_extension(tmp_path: Path, name: str) -> None:
    path = tmp_path / "deep" / "er" / name
    with atomic(path) as temporary:
        assert temporary.parent == path.parent
        assert temporary.name.startswith(".")
        assert temporary.name.endswith(".nii.gz" if name.endswith(".nii.gz") else path.suffix)
        temporary.write_bytes(b"whole")
        assert not path.exists()
    assert path.read_bytes() == b"whole"
    assert names(path.parent) == [name]
    assert path.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_json_has_no_nan_and_no_infinity(tmp_path: Path, value: float) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"a": 1})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, {"a": value})
    assert json.loads(path.read_text()) == {"a": 1}


def test_json_there_and_back_with_paths_dates_and_accents(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"path": Path("x/y"), "day": date(2021, 10, 23), "who": "Muñoz", "n": [1, 0.1]})
    expected = {"path": "x/y", "day": "2021-10-23", "who": "Muñoz", "n": [1, 0.1]}
    assert read_json(tmp_path / "a.json") == expected


def test_text_is_utf8(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "sélection\n")
    assert (tmp_path / "a.txt").read_bytes() == b"s\xc3\xa9lection\n"


def test_subject_007_stays_text_and_missing_values_stay_missing(tmp_path: Path) -> None:
    table = pd.DataFrame({"participant_id": ["007", "1e3"], "age": [61.5, np.nan], "site": [None, "12"]})
    write_tsv(tmp_path / "a.tsv", table)
    assert (tmp_path / "a.tsv").read_bytes() == b"participant_id\tage\tsite\n007\t61.5\tn/a\n1e3\tn/a\t12\n"
    back = read_tsv(tmp_path / "a.tsv")
    assert back["participant_id"].tolist() == ["007", "1e3"]
    assert back["age"].tolist()[0] == 61.5
    assert back["age"].isna().tolist() == [False, True]
    assert back["site"].tolist()[1] == 12  # negative control: a column not named as text becomes a number
    assert read_tsv(tmp_path / "a.tsv", ("site",))["site"].tolist()[1] == "12"


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_bytes(b"\xef\xbb\xbfparticipant_id\tage\n007\t61\n")
    assert read_tsv(tmp_path / "a.tsv")["participant_id"].tolist() == ["007"]


@pytest.mark.parametrize("read", [read_json, read_tsv])
@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "does not exist; run the stage that writes it first"),
        (b"", "is not (a )?readable"),
        (b"\xff\xfe\xfa\x00", "is not (a )?readable"),
        ("folder", "is a folder"),
    ],
    ids=["missing", "empty", "not text", "folder"],
)
def test_missing_and_broken_files_are_one_sentence(read, content, sentence: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    if content == "folder":
        path.mkdir()
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(NigraError, match=sentence) as caught:
        read(path)
    assert str(path) in str(caught.value)


def test_half_a_json_and_a_ragged_table_are_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"a": [1, 2')
    with pytest.raises(NigraError, match=r"not readable JSON .*; delete it and run its stage again"):
        read_json(tmp_path / "a.json")
    (tmp_path / "a.tsv").write_text("a\tb\n1\t2\n1\t2\t3\n")
    with pytest.raises(NigraError, match="not a readable table"):
        read_tsv(tmp_path / "a.tsv")


def test_arrays_come_back_and_objects_are_refused(tmp_path: Path, rng: np.random.Generator) -> None:
    values = rng.normal(size=(3, 5)).astype(np.float32)
    write_array(tmp_path / "a.npy", values)
    back = np.load(tmp_path / "a.npy", allow_pickle=False)
    assert back.dtype == np.float32
    np.testing.assert_array_equal(back, values)
    with pytest.raises(ValueError, match="Object arrays cannot be saved"):
        write_array(tmp_path / "b.npy", np.array([{}], dtype=object))
    assert names(tmp_path) == ["a.npy"]


@pytest.mark.parametrize("kind", [np.float32, np.int16, np.int32, np.uint8, bool])
def test_images_keep_values_type_affine_and_units(tmp_path: Path, rng, affine, kind) -> None:
    data = rng.integers(0, 2 if kind is bool else 200, size=(11, 13, 9)).astype(kind)
    if kind in (np.int16, np.int32):
        data[0, 0, 0] = 300
    write_image(tmp_path / "a.nii.gz", data, affine)
    image = nib.load(tmp_path / "a.nii.gz")
    np.testing.assert_array_equal(np.asarray(image.dataobj), data)
    assert image.get_data_dtype() == (np.uint8 if kind is bool else kind)
    np.testing.assert_allclose(image.affine, affine)
    np.testing.assert_allclose(image.get_qform(), affine, atol=1e-5)
    assert (int(image.header["sform_code"]), int(image.header["qform_code"])) == (4, 4)
    assert image.header.get_xyzt_units()[0] == "mm"


def test_an_array_to_fill_has_its_room_on_the_disk(tmp_path: Path) -> None:
    array = create_array(tmp_path / "a.npy", (300, 1000))
    array[7] = 2
    del array
    assert (tmp_path / "a.npy").stat().st_blocks * 512 >= 300 * 1000 * 4  # a sparse file would hold one row
    back = np.load(tmp_path / "a.npy")
    assert back.dtype == np.float32
    assert back.sum() == 2 * 1000


@pytest.mark.parametrize(("text", "key"), [('{"key": "k"}', "k"), ("{}", None), ("[]", None), ('{"key": "', None)])
def test_only_a_whole_json_has_a_key(tmp_path: Path, text: str, key: str | None) -> None:
    assert key_in(tmp_path / "model.json") is None
    (tmp_path / "model.json").write_text(text)
    assert key_in(tmp_path / "model.json") == key
