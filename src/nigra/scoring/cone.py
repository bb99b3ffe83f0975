"""The central pixel of a decoded patch or cube, without decoding all of it.

Only the central pixel of a voxel's own patch enters its score. Few values of the decoder's last hidden map
reach that pixel, few values of the map before reach those, and so on: a cone. Each layer that is affine becomes
the matrix between the values needed after it and those needed before it, so that what remains is a chain of
matrix products: for mlcn2021's patch network 37 thousand multiply-adds per voxel instead of 403 thousand.
isbi2023's decoder is small as it is; it gains by being four large products instead of many small convolutions.
"""

from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from nigra.scoring.layers import ABSENT, POINTWISE, is_one_of, layers_of, refusal, require_evaluation, set_inplace

AFFINE = (nn.Conv2d, nn.ConvTranspose2d, nn.BatchNorm2d, nn.AvgPool2d,
          nn.Conv3d, nn.ConvTranspose3d, nn.BatchNorm3d, nn.AvgPool3d,
          nn.Upsample, nn.UpsamplingNearest2d, nn.UpsamplingBilinear2d, nn.Linear)  # fmt: skip
"""Layers that are a matrix and an offset in evaluation mode, whatever their padding, stride or mode."""

RESHAPES = (nn.Flatten, nn.Unflatten)
"""Layers that leave a unit's values in their order."""

LARGEST_MATRIX = 20_000_000
"""Entries of a matrix beyond which the cone is no saving but a burden."""

CODES_AT_ONCE = {"cpu": 2048, "cuda": 65536}
"""Codes per chain of products: on a CPU what lies between two products stays in the cache."""


@dataclass(frozen=True)
class Affine:
    """``values @ weight.T + offset``."""

    weight: Float[Tensor, "after before"]
    offset: Float[Tensor, " after"]

    def then(self, other: "Affine") -> "Affine":
        """This map and another one after it, as one."""
        return Affine(other.weight @ self.weight, other.weight @ self.offset + other.offset)

    def __call__(self, values: Float[Tensor, "n before"]) -> Float[Tensor, "n after"]:
        """Apply it to rows."""
        return nn.functional.linear(values, self.weight, self.offset)


class Cone:
    """A decoder reduced to what the central pixel of its patch needs, derived in float64, run in float32.

    Args:
        decoder: in evaluation mode: affine layers and pointwise activations.
        code_shape: of one code: features, height, width; features alone; or with a third length.
        size: of the patch or cube.

    Raises:
        NotExactError: a layer that is neither, with its name.
    """

    def __init__(self, decoder: nn.Module, code_shape: tuple[int, ...], size: int, device: str = "cpu") -> None:
        with torch.inference_mode(False):  # in which there is no gradient, and a matrix is found as one
            self.steps = _merged(_steps(decoder, code_shape, size))
        self.multiply_adds = sum(step.weight.numel() for step in self.steps if isinstance(step, Affine))
        for number, step in enumerate(self.steps):
            if isinstance(step, Affine):
                self.steps[number] = Affine(step.weight.float().to(device), step.offset.float().to(device))
            else:
                set_inplace(step, number > 0)  # a product's result is ours to overwrite, the codes are not
        self.at_once = CODES_AT_ONCE.get(torch.device(device).type, CODES_AT_ONCE["cpu"])

    def __call__(self, codes: Float[Tensor, "n d"]) -> Float[Tensor, "n channels"]:
        """Central pixels of the patches that codes stand for."""
        return torch.cat([self._few(some) for some in codes.split(self.at_once)])

    def _few(self, values: Tensor) -> Tensor:
        for step in self.steps:
            values = step(values)
        return values


def central(units: Float[Tensor, "n channels *unit"]) -> Float[Tensor, "n channels"]:
    """The central pixels of units of odd lengths, which are half way through when all pixels stand in one row."""
    pixels = units.flatten(2)
    return pixels[:, :, pixels.shape[2] // 2]


def _steps(decoder: nn.Module, code_shape: tuple[int, ...], size: int) -> list[Affine | nn.Module]:
    """Steps from the code to the central pixel, found from the pixel backwards."""
    layers = [(name, deepcopy(layer).cpu().double()) for name, layer in layers_of(decoder)]
    values, given = torch.zeros(1, *code_shape, dtype=torch.float64), []
    with torch.no_grad():
        for name, layer in layers:
            require_evaluation("decoder", name, layer)
            given.append(values.shape[1:])
            values = layer(values)
    _, channels, *lengths = values.shape
    centre = int(np.ravel_multi_index((size // 2,) * len(lengths), lengths))
    needed = torch.arange(channels) * int(np.prod(lengths)) + centre
    steps: list[Affine | nn.Module] = []
    for (name, layer), shape in zip(reversed(layers), reversed(given), strict=True):
        if is_one_of(layer, (*ABSENT, *RESHAPES)):
            continue
        if is_one_of(layer, POINTWISE):
            steps.insert(0, layer)
            continue
        if not is_one_of(layer, AFFINE):
            raise refusal("decoder", name, layer, "is neither affine nor pointwise")
        if len(needed) * shape.numel() > LARGEST_MATRIX:
            raise refusal("decoder", name, layer, f"gives {len(needed)} values that the central pixel needs")
        affine = _matrix(layer, shape, needed)
        needed = affine.weight.any(dim=0).nonzero().flatten()
        steps.insert(0, Affine(affine.weight[:, needed], affine.offset))
    d = int(torch.tensor(code_shape).prod())
    if len(needed) < d:  # a matrix that only chooses; the first layer's takes it in
        chosen = torch.zeros(len(needed), d, dtype=torch.float64)
        chosen[torch.arange(len(needed)), needed] = 1
        steps.insert(0, Affine(chosen, torch.zeros(len(needed), dtype=torch.float64)))
    return steps


def _matrix(layer: nn.Module, shape: torch.Size, needed: Int[Tensor, " after"]) -> Affine:
    """The layer between all its inputs and the outputs that are needed: its gradient, the same everywhere."""
    with torch.enable_grad():
        given = torch.zeros(len(needed), *shape, dtype=torch.float64, requires_grad=True)
        found = layer(given).flatten(1)[torch.arange(len(needed)), needed]
        (gradient,) = torch.autograd.grad(found.sum(), given)
    return Affine(gradient.flatten(1), found.detach())


def _merged(steps: list[Affine | nn.Module]) -> list[Affine | nn.Module]:
    """Neighbouring matrices as one, wherever their product has fewer entries than they have."""
    merged: list[Affine | nn.Module] = []
    for step in steps:
        while isinstance(step, Affine) and merged and isinstance(before := merged[-1], Affine):
            if step.weight.shape[0] * before.weight.shape[1] > before.weight.numel() + step.weight.numel():
                break
            step = before.then(step)
            merged.pop()
        merged.append(step)
    return merged
