"""Noise inside the brain, in training, on the input alone."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from nigra.models.composition import Composition, build
from nigra.models.corruption import Corruption, CorruptionSettings


@pytest.fixture
def units(rng: np.random.Generator) -> torch.Tensor:
    values = rng.random((200, 2, 9, 7)).astype(np.float32) + 0.1
    values[:, :, :3] = 0  # outside of the brain
    values[:, 0, 5] = 0  # inside, 0 in one channel
    return torch.from_numpy(values)


def test_noise_has_its_size_inside_and_is_nowhere_else(units: torch.Tensor) -> None:
    before = units.clone()
    noise = Corruption(CorruptionSettings(sd=0.2))(units) - units
    assert torch.equal(units, before)
    assert float(noise[:, :, :3].abs().max()) == 0
    assert float(noise[:, :, 3:].std()) == pytest.approx(0.2, rel=0.02)
    assert float(noise[:, 0, 5].std()) == pytest.approx(0.2, rel=0.1)
    assert float(noise[:, :, 3:].mean()) == pytest.approx(0, abs=0.005)


def test_an_epoch_says_which_noise_and_evaluation_has_none(units: torch.Tensor) -> None:
    corruption = Corruption(CorruptionSettings())
    corruption.begin_epoch(4)
    one, two = corruption(units), corruption(units)
    corruption.begin_epoch(4)
    assert torch.equal(corruption(units), one)
    assert not torch.equal(one, two)
    assert corruption.eval()(units) is units


def test_the_loss_compares_with_the_clean_unit(units: torch.Tensor) -> None:
    model = build(Composition(corruption=CorruptionSettings(sd=0.5)), 2, (15, 15))
    units = torch.rand(4, 2, 15, 15)
    model.begin_epoch(0.0, 1)
    seen = model.corruption(units)
    model.begin_epoch(0.0, 1)
    with torch.no_grad():
        expected = ((model(seen) - units) ** 2).mean()
        torch.testing.assert_close(model.terms(units)["reconstruction"], expected)
        model.eval()
        torch.testing.assert_close(model.terms(units)["reconstruction"], ((model(units) - units) ** 2).mean())


def test_no_noise_is_no_corruption() -> None:
    with pytest.raises(ValidationError, match="greater than 0"):
        CorruptionSettings(sd=0)
