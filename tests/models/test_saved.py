"""A saved model is the same model, and holds no pickle."""

from pathlib import Path

import numpy as np
import pytest
import torch

from nigra.errors import NigraError
from nigra.models.published import build
from nigra.models.saved import Trained, load, save
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
