"""Sizes there and back, a smooth clip."""

import itertools

import pytest
import torch
from torch import nn

from nigra.models.blocks import convolved_size, output_padding, soft_clip, stage


def test_a_transposed_convolution_comes_back_to_every_size() -> None:
    """Oracle: the layers themselves."""
    tried = 0
    for size, kernel, stride, padding in itertools.product(range(5, 14), (1, 2, 3, 5), (1, 2, 3), (0, 1)):
        if padding > kernel // 2:
            continue
        down = nn.Conv2d(1, 1, kernel, stride, padding)(torch.zeros(1, 1, size, size + 1))
        assert tuple(down.shape[2:]) == tuple(convolved_size(n, kernel, stride, padding) for n in (size, size + 1))
        added = output_padding(tuple(down.shape[2:]), (size, size + 1), kernel, stride, padding)
        up = nn.ConvTranspose2d(1, 1, kernel, stride, padding, output_padding=added)
        assert up(down).shape == (1, 1, size, size + 1)
        tried += 1
    assert tried > 100


def test_soft_clip_is_a_clip_but_at_its_corners_and_keeps_gradients() -> None:
    values = torch.linspace(-30, 30, 601).requires_grad_()
    found = soft_clip(values, -10.0, 5.0)
    low, high = found.detach().aminmax()
    assert float(low) >= -10 - 1e-5
    assert float(high) <= 5 + 1e-5
    away = ((values + 10).abs() > 5) & ((values - 5).abs() > 5)
    torch.testing.assert_close(found[away], values.clamp(-10, 5)[away], atol=0.01, rtol=0)
    found.sum().backward()
    assert float(values.grad[300]) == pytest.approx(1, abs=0.01)
    assert (values.grad[150:450] > 0).all()


@pytest.mark.parametrize(
    ("layer", "norm"),
    [
        (nn.Conv2d(1, 4, 3), nn.BatchNorm2d),
        (nn.Conv3d(1, 4, 3), nn.BatchNorm3d),
        (nn.ConvTranspose3d(2, 5, 3), nn.BatchNorm3d),
    ],
)
def test_the_norm_fits_the_convolution(layer: nn.Module, norm: type[nn.Module]) -> None:
    parts = stage(layer, nn.ReLU(), batch_norm=True)
    assert [type(part) for part in parts] == [type(layer), norm, nn.ReLU]
    assert parts.norm.num_features == layer.out_channels
