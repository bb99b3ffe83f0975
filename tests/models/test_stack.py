"""The described stack and its mirror, for shapes odd and even, in two dimensions and three."""

import itertools

import numpy as np
import pytest
import torch
from torch import nn

from nigra.errors import NigraError
from nigra.models.stack import Stack


def sizes_through(network: nn.Sequential, units: torch.Tensor) -> list[tuple[int, ...]]:
    found = []
    for part in network:
        units = part(units)
        found.append(tuple(units.shape[1:]))
    return found


def test_sizes_of_a_strided_stack_are_those_worked_out_by_hand() -> None:
    encoder, decoder = Stack(widths=(4, 8, 6), strides=(2, 1, 2)).network(2, (15, 12))
    assert sizes_through(encoder, torch.rand(1, 2, 15, 12)) == [(4, 8, 6), (8, 8, 6), (6, 4, 3)]
    assert sizes_through(decoder, torch.rand(1, 6, 4, 3)) == [(8, 8, 6), (4, 8, 6), (2, 15, 12)]


def test_sizes_of_a_valid_pooled_stack_with_a_code() -> None:
    stack = Stack(widths=(4, 5), kernel=3, down="pool", padding="valid", code_size=3, batch_norm=False)
    encoder, decoder = stack.network(1, (15, 16))
    assert sizes_through(encoder, torch.rand(1, 1, 15, 16)) == [
        (4, 13, 14), (4, 6, 7), (5, 4, 5), (5, 2, 2), (3, 2, 2)
    ]  # fmt: skip
    assert sizes_through(decoder, torch.rand(1, 3, 2, 2)) == [
        (5, 2, 2), (5, 4, 5), (4, 6, 7), (4, 13, 14), (1, 15, 16)
    ]  # fmt: skip


@pytest.mark.parametrize("shape", [(15, 15), (16, 21), (29, 18), (7, 7, 7), (9, 8, 11)])
@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("down", ["stride", "pool"])
def test_every_shape_comes_back(shape: tuple[int, ...], padding: str, down: str) -> None:
    tried = 0
    for kernel, strides, code in itertools.product(
        (1, 2, 3, 5), ((1, 2), (2, 3), (4, 1)), ("none", "spatial", "dense")
    ):
        if padding == "same" and kernel % 2 == 0:
            continue
        stack = Stack(
            widths=(3, 4), kernel=kernel, strides=strides, down=down, padding=padding,
            code="dense" if code == "dense" else "spatial", code_size=0 if code == "none" else 2,
        )  # fmt: skip
        try:
            encoder, decoder = stack.network(2, shape)
        except NigraError as error:
            assert "leaves nothing" in str(error)  # noqa: PT017
            continue
        with torch.no_grad():
            codes = encoder.eval()(torch.rand(2, 2, *shape))
            assert decoder.eval()(codes).shape == (2, 2, *shape)
        assert codes.shape[1] == (4 if code == "none" else 2)
        assert code != "dense" or codes[0, 0].numel() == 1
        tried += 1
    assert tried >= 12


def test_a_dense_code_is_flattening_and_a_matrix() -> None:
    """Oracle: the same weights as a linear layer, in numpy, both ways."""
    stack = Stack(widths=(3,), strides=(2,), code="dense", code_size=5, batch_norm=False)
    encoder, decoder = stack.network(1, (6, 8))
    with torch.no_grad():
        units = torch.rand(4, 1, 6, 8)
        last = encoder[0](units).flatten(1).numpy()
        matrix, bias = (each.detach().numpy() for each in (encoder[1].weight.flatten(1), encoder[1].bias))
        code = encoder(units)
        np.testing.assert_allclose(code.flatten(1).numpy(), last @ matrix.T + bias, atol=1e-5)
        up = decoder[0].convolution
        grown = code.flatten(1).numpy() @ up.weight.flatten(1).numpy()
        expected = np.maximum(grown.reshape(4, 3, 3, 4) + up.bias.numpy()[:, None, None], 0)
        np.testing.assert_allclose(decoder[0](code).numpy(), expected, atol=1e-5)


def test_what_is_described_is_what_is_there() -> None:
    encoder, decoder = Stack(widths=(3,), activation="gelu", output="linear", batch_norm=True).network(1, (8, 8))
    kinds = [type(part).__name__ for part in (*encoder[0], *decoder[0])]
    assert kinds == ["Conv2d", "BatchNorm2d", "GELU", "ConvTranspose2d", "Identity"]
    encoder, decoder = Stack(widths=(3,), batch_norm=False).network(1, (8, 8, 8))
    kinds = [type(part).__name__ for part in (*encoder[0], *decoder[0])]
    assert kinds == ["Conv3d", "ReLU", "ConvTranspose3d", "Sigmoid"]


def test_a_unit_too_small_is_refused_with_stage_and_sizes() -> None:
    sentence = r"units are 7 x 11, and of their 3 x 7 stage 2 of the stack \(kernel 5, valid, stride 1\) leaves"
    with pytest.raises(NigraError, match=sentence):
        Stack(widths=(2, 2), kernel=5, strides=(1, 1), padding="valid").network(1, (7, 11))
    with pytest.raises(NigraError, match=r"of their 1 x 4 stage 3 .*pool 2"):
        Stack(widths=(2, 2, 2), down="pool").network(1, (5, 17))
