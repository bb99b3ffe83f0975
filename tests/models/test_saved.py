"""A saved model is the same model, and holds no pickle."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import SafetensorError

from nigra.errors import NigraError
from nigra.models.published import build
from nigra.models.saved import Trained, load, read_tensors, save, write_tensors
from nigra.preparation.scaling import IntensityScaling


def test_there_and_back(tmp_path: Path) -> None:
    model = build("isbi2023-sae", 2, seed=3).eval()
    scaling = IntensityScaling(np.array([0.1, 0.2]), np.array([0.9, 2.0]), False, ("sub-1", "sub-2"))
    description = {"preset": "isbi2023-sae", "channels": 2, "shape": [15, 15]}
    save(tmp_path, Trained(model, scaling, ("sub-1", "sub-2")), description)
    back = load(tmp_path)
    units = torch.rand(4, 2, 15, 15)
    with torch.no_grad():
        assert torch.equal(back.model(units), model(units))
    assert back.trained_on == ("sub-1", "sub-2")
    np.testing.assert_array_equal(back.scaling.gain, scaling.gain)
    assert b"pickle" not in (tmp_path / "model.safetensors").read_bytes()


def test_weights_of_another_model_are_refused(tmp_path: Path) -> None:
    scaling = IntensityScaling(np.zeros(1), np.ones(1), False, ())
    save(
        tmp_path,
        Trained(build("isbi2023-ae", 1), scaling, ()),
        {"preset": "mlcn2021-sae", "channels": 1, "shape": [15, 15]},
    )
    with pytest.raises(NigraError, match="does not fit"):
        load(tmp_path)


def test_a_damaged_or_missing_file_and_a_full_disk_are_one_sentence(tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "model.safetensors"
    write_tensors(path, {"a": torch.arange(100.0)}, {"epoch": "3"})
    assert torch.equal(read_tensors(path)["a"], torch.arange(100.0))
    path.write_bytes(path.read_bytes()[:90])
    with pytest.raises(NigraError, match=r"is damaged .* delete it and train again"):
        read_tensors(path)
    path.unlink()
    with pytest.raises(NigraError, match="is damaged"):
        read_tensors(path)

    def full(*arguments: object) -> None:
        raise SafetensorError("No space left on device")

    monkeypatch.setattr("nigra.models.saved.save_file", full)
    with pytest.raises(NigraError, match=r"cannot be written .*No space left.* make room"):
        write_tensors(path, {"a": torch.zeros(3)})
    assert list(tmp_path.iterdir()) == []
