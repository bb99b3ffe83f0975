import numpy as np
import pytest

from nigra.cohort.scan import Scan
from nigra.files import read_json, write_json
from nigra.preparation.derivative import Derivative, current, inputs, write

SETTINGS = {"resolution": 2.0}


@pytest.fixture
def written(tmp_path, mask, affine, rng):
    """A subject of two channels written with SETTINGS, its scan and the hashes of its inputs."""
    for name in ("fa.nii.gz", "md.nii.gz"):
        (tmp_path / name).write_bytes(name.encode())
    scan = Scan("sub-007", {"FA": tmp_path / "fa.nii.gz", "MD": tmp_path / "md.nii.gz"}, session_id="BL")
    target = Derivative(tmp_path / "study", "sub-007", "BL", "MNI", ("FA", "MD"))
    hashes = inputs(scan)
    maps = {name: rng.random(mask.shape).astype(np.float32) for name in ("FA", "MD")}
    write(target, maps, mask, affine, scan, hashes, SETTINGS, {"quality": {"dice": 0.9}})
    return scan, target, hashes


def test_names_follow_bids(tmp_path):
    target = Derivative(tmp_path, "sub-1", None, "MNI", ("T1w",))
    assert (
        target.image("T1w").relative_to(tmp_path).as_posix()
        == "sub-1/anat/sub-1_space-MNI_desc-prepared_T1w.nii.gz"
    )
    assert target.sidecar("T1w").name == "sub-1_space-MNI_desc-prepared_T1w.json"
    tensor = Derivative(tmp_path, "sub-1", "BL", "MNI", ("FA",))
    assert tensor.image("FA").relative_to(tmp_path).as_posix() == (
        "sub-1/ses-BL/dwi/sub-1_ses-BL_space-MNI_model-tensor_param-fa_desc-prepared_dwimap.nii.gz"
    )
    assert tensor.mosaic("FA").name == "sub-1_ses-BL_desc-mosaic_FA.png"


def test_what_was_written_is_current_for_its_inputs_and_settings_alone(written):
    scan, target, hashes = written
    assert current(target, hashes, SETTINGS) == {"dice": 0.9}
    assert current(target, hashes, {"resolution": 3.0}) is None
    scan.channels["MD"].write_bytes(b"another map")
    assert current(target, inputs(scan), SETTINGS) is None


@pytest.mark.parametrize("lost", ["image", "sidecar", "mask"])
def test_what_lacks_a_file_is_not_current(written, lost):
    _, target, hashes = written
    path = target.mask if lost == "mask" else getattr(target, lost)("MD")
    path.unlink()
    assert current(target, hashes, SETTINGS) is None


@pytest.mark.parametrize("content", ["", "{", "[]", '{"inputs": 3}', "null"])
def test_a_broken_sidecar_is_not_current(written, content):
    _, target, hashes = written
    target.sidecar("FA").write_text(content)
    assert current(target, hashes, SETTINGS) is None


def test_sidecar_says_what_made_the_map(written):
    _, target, hashes = written
    found = read_json(target.sidecar("FA"))
    assert found["inputs"] == hashes
    assert found["settings"] == SETTINGS
    assert found["SkullStripped"] is True
    assert found["SpatialReference"] == "MNI"
    assert {"numpy", "SimpleITK", "dipy"} <= found["versions"].keys()
    write_json(target.sidecar("FA"), found | {"settings_hash": "other"})
    assert current(target, hashes, SETTINGS) is None


def test_files_of_one_name_are_both_watched(tmp_path):
    for channel in ("FA", "MD"):
        (tmp_path / channel).mkdir()
        (tmp_path / channel / "007.nii.gz").write_bytes(channel.encode())
    scan = Scan("sub-007", {channel: tmp_path / channel / "007.nii.gz" for channel in ("FA", "MD")})
    before = inputs(scan)
    scan.channels["FA"].write_bytes(b"another map")
    assert inputs(scan) != before
