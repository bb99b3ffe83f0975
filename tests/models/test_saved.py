"""A saved model is the same model, and holds no pickle."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import SafetensorError

from nigra.errors import NigraError
from nigra.files import write_json
from nigra.models.composition import Composition
from nigra.models.composition import build as compose
from nigra.models.published import PRESETS, build
from nigra.models.saved import Trained, composition_of, load, read_tensors, save, write_tensors
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


def test_a_composition_is_built_again_and_an_older_file_names_its_preset(tmp_path: Path) -> None:
    scaling = IntensityScaling(np.zeros(1), np.ones(1), False, ())
    composition = Composition(architecture={"kind": "stack", "widths": (3, 4)}, variational={"beta": 2})
    model = compose(composition, 1, (7, 9, 8), seed=5).eval()
    written = {"composition": composition.model_dump(mode="json"), "channels": 1, "shape": [7, 9, 8]}
    save(tmp_path, Trained(model, scaling, ()), written)
    assert composition_of(tmp_path) == composition
    units = torch.rand(2, 1, 7, 9, 8)
    with torch.no_grad():
        assert torch.equal(load(tmp_path).model(units), model(units))
    older = {"preset": "mlcn2021-sae", "channels": 1, "shape": [15, 15]}
    save(tmp_path, Trained(build("mlcn2021-sae", 1), scaling, ()), older)
    assert composition_of(tmp_path) == PRESETS["mlcn2021-sae"].composition
    assert load(tmp_path).model.alpha == 0.005


def test_a_composition_that_is_none_is_one_sentence(tmp_path: Path) -> None:
    write_json(tmp_path / "model.json", {"composition": {"architecture": {"kind": "resnet"}}})
    with pytest.raises(NigraError, match=r"model\.json holds no composition of a model .*; train again\.$"):
        load(tmp_path)


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
