"""Noise of a model's own: seeded, normal, apart from torch's generator and from other streams."""

from copy import deepcopy

import pytest
import torch

from nigra.models.noise import Noise


def drawn(stream: int, seed: int) -> torch.Tensor:
    noise = Noise(stream)
    noise.seed(seed)
    return torch.cat([noise.like(torch.empty(50, 100)), noise.like(torch.empty(50, 100))])


def test_a_seed_and_a_stream_say_which_values() -> None:
    assert torch.equal(drawn(1, 7), drawn(1, 7))
    for other in (drawn(1, 8), drawn(2, 7)):
        assert abs(float(torch.corrcoef(torch.stack([drawn(1, 7).flatten(), other.flatten()]))[0, 1])) < 0.05
    first, second = drawn(1, 7).chunk(2)
    assert not torch.equal(first, second)


def test_values_are_standard_normal_and_of_the_type_asked_for() -> None:
    values = drawn(1, 0)
    assert float(values.mean()) == pytest.approx(0, abs=0.05)
    assert float(values.std()) == pytest.approx(1, abs=0.05)
    assert Noise(1).like(torch.empty(2, 3, dtype=torch.float64)).dtype == torch.float64


def test_torchs_generator_is_left_alone_and_copies_can_be_made() -> None:
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    noise = Noise(1)
    noise.like(torch.empty(5))
    assert torch.equal(torch.rand(4), expected)
    assert torch.equal(deepcopy(noise).like(torch.empty(5)), Noise(1).like(torch.empty(5)))
