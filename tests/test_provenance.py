"""Hashes, versions and who a thing was fitted on."""

import hashlib
import json
import re
from importlib.metadata import version
from pathlib import Path

import pytest

from nigra.errors import NigraError
from nigra.provenance import FittedOnError, hash_file, hash_settings, record, refuse_fitted, versions


def test_a_files_hash_is_sha256_of_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    (tmp_path / "b").write_bytes(b"abd")
    # FIPS 180-2, appendix B.1
    assert hash_file(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert hash_file(tmp_path / "b") != hash_file(tmp_path / "a")


def test_the_hash_of_settings_ignores_order_of_names_but_not_values() -> None:
    assert hash_settings({"a": 1, "b": [1, 2]}) == hash_settings({"b": [1, 2], "a": 1})
    assert hash_settings({"a": 1}) == hashlib.sha256(b'{"a":1}').hexdigest()
    different = [{"a": 1}, {"a": 2}, {"b": 1}, {"a": [1]}, {"a": None}, {"a": "1"}, [["a", 1]], {"a": {"a": 1}}]
    assert len({hash_settings(one) for one in different}) == len(different)
    assert hash_settings([1, 2]) != hash_settings([2, 1])


def test_a_record_says_stage_settings_inputs_versions_and_time() -> None:
    content = record("train", {"epochs": 3}, {"volumes.npy": "abc"})
    assert json.loads(json.dumps(content)) == content
    assert (content["stage"], content["settings"], content["inputs"]) == (
        "train", {"epochs": 3}, {"volumes.npy": "abc"},
    )  # fmt: skip
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", content["created"])
    assert content["versions"] == versions()
    assert versions()["numpy"] == version("numpy")
    assert {"nigra", "python", "torch"} <= set(versions())


def test_a_record_names_no_user_and_no_machine() -> None:
    assert set(record("train", {})["machine"]) == {"system", "processor"}


def test_a_subject_something_was_fitted_on_cannot_be_held_out() -> None:
    refuse_fitted("threshold", ["a", "b"], ["c", "d"])
    refuse_fitted("threshold", [], ["c"])
    with pytest.raises(FittedOnError, match=r"^the threshold was fitted on b; evaluate it on other subjects\.$"):
        refuse_fitted("threshold", ["a", "b"], ["c", "b"])
    assert issubclass(FittedOnError, NigraError)


def test_many_shared_subjects_are_counted() -> None:
    people = [f"sub-{n}" for n in range(8)]
    with pytest.raises(FittedOnError, match="sub-0, sub-1, sub-2, sub-3, sub-4 and 3 more;"):
        refuse_fitted("detector", people, people)
