"""The code of every voxel-centred patch from one pass per slice (DESIGN, law 2).

Patches of neighbouring voxels overlap, and so does the work of encoding them one by one. An encoder of valid
convolutions and pools computes the same numbers on a whole slice: where a layer strides over a patch, on the
slice it takes every place instead, and all layers after it step over the places between (dilation). A patch's
code is then a handful of reads from the last map.
"""

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor, nn
from torch.nn import functional

from nigra.scoring.kernels import pad_slices, read_codes
from nigra.scoring.layers import ABSENT, POINTWISE, is_one_of, layers_of, refusal, require_evaluation, set_inplace
from nigra.shapes import Mask
from nigra.units import Patches, Source
from nigra.units.planes import planes_last

Pair = tuple[int, int]
Step = Callable[[Tensor], Tensor]

SLICES_AT_ONCE = {"cpu": 1, "cuda": 16}
"""Slices per pass: on a CPU one stays in the cache, a GPU wants more to do."""

_WHY_NOT = {
    nn.GroupNorm: "normalises each patch by its own values",
    nn.InstanceNorm2d: "normalises each patch by its own values",
    nn.LayerNorm: "normalises each patch by its own values",
    nn.LocalResponseNorm: "is not known to act alike on patches and on slices",
    nn.Linear: "sees the whole patch at once; a convolution as large as the last map gives the same and may stay",
    nn.Flatten: "ends the map that codes would be read from",
    nn.ConvTranspose2d: "is a transposed convolution, whose values depend on where the patch begins",
}


class DenseEncoder:
    """An encoder that gives the codes of all patches of a slice at once, equal to those of the patches alone.

    Shares the weights of the encoder it is derived from, and its device.

    Args:
        encoder: in evaluation mode: valid convolutions, pools, BatchNorm, pointwise activations.
        channels: of the patches.
        size: of the patches, in voxels.

    Raises:
        NotExactError: a layer that forbids it, with its name and the reason.
    """

    def __init__(self, encoder: nn.Module, channels: int, size: int) -> None:
        self.steps: list[Step] = []
        self.stride: Pair = (1, 1)
        fresh = False  # whether the map at hand is one's own to overwrite
        for name, layer in layers_of(encoder):
            require_evaluation("encoder", name, layer)
            if is_one_of(layer, ABSENT):
                continue
            step, stride = _at_every_place(name, layer, self.stride)
            if is_one_of(layer, POINTWISE):
                step = deepcopy(layer)
                set_inplace(step, fresh)
            fresh = fresh or is_one_of(layer, (nn.Conv2d, nn.BatchNorm2d))
            self.steps.append(step)
            self.stride = self.stride[0] * stride[0], self.stride[1] * stride[1]
        weight = next(encoder.parameters(), torch.empty(0))
        with torch.no_grad():
            code = encoder(torch.zeros(1, channels, size, size, dtype=weight.dtype, device=weight.device))
        _, self.features, self.height, self.width = code.shape
        self.length = self.features * self.height * self.width

    def map(self, slices: Float[Tensor, "n channels height width"]) -> Float[Tensor, "n features rows columns"]:
        """The last layer's value at every place; slices come padded by half a patch on each side."""
        values = slices.contiguous(memory_format=torch.channels_last)
        for step in self.steps:
            values = step(values)
        return values

    def read(
        self, values: Float[Tensor, "n features rows columns"], first: Int[Tensor, " patches"]
    ) -> Float[Tensor, "patches d"]:
        """Codes of patches, ordered as the encoder's own; ``first`` is the flat place (n, row, column) of each
        patch's first pixel in the map.
        """
        if values.device.type == "cpu":
            codes = np.empty((len(first), self.length), np.float32)
            self.read_into(codes, np.arange(len(first)), values, first)
            return torch.from_numpy(codes)
        return self._read_on_device(values, first)

    def _read_on_device(self, values: Tensor, first: Tensor) -> Tensor:
        rows = torch.arange(self.height, device=first.device) * (self.stride[0] * values.shape[3])
        shifts = rows[:, None] + torch.arange(self.width, device=first.device) * self.stride[1]
        found = _by_place(values).index_select(0, (first[:, None] + shifts.flatten()).flatten())
        return found.view(len(first), -1, self.features).transpose(1, 2).reshape(len(first), -1)

    def read_into(
        self, codes: Float[ndarray, "n_locations d"], rows: Int[ndarray, " patches"],
        values: Float[Tensor, "n features rows columns"], first: Int[Tensor, " patches"],
    ) -> None:  # fmt: skip
        """``read`` straight into the ``rows`` of ``codes``; on a CPU without a copy between."""
        if values.device.type == "cpu":
            steps = self.stride[0] * values.shape[3], self.stride[1]
            read_codes(_by_place(values).numpy(), first.numpy(), *steps, self.height, self.width, rows, codes)
        else:
            codes[rows] = self.read(values, first).cpu().numpy()


def _by_place(values: Tensor) -> Tensor:
    """(n, features, rows, columns) as (places, features); a view, as maps keep their channels last."""
    return values.permute(0, 2, 3, 1).reshape(-1, values.shape[1])


def _at_every_place(name: str, layer: nn.Module, dilation: Pair) -> tuple[Step, Pair]:
    """The layer with stride 1 and dilated by the strides before it, and the stride it had."""
    if is_one_of(layer, (nn.Conv2d,)):
        return _convolution(name, layer, dilation)
    if is_one_of(layer, (nn.MaxPool2d, nn.AvgPool2d)):
        return _pool(name, layer, dilation)
    if is_one_of(layer, (*POINTWISE, nn.BatchNorm2d)):
        return layer, (1, 1)
    why = next((why for kind, why in _WHY_NOT.items() if isinstance(layer, kind)), None)
    raise refusal("encoder", name, layer, why or "is not known to act alike on patches and on slices")


def _convolution(name: str, layer: Any, dilation: Pair) -> tuple[Step, Pair]:
    padding = (0, 0) if layer.padding == "valid" else layer.padding
    if padding != (0, 0):
        raise refusal("encoder", name, layer, _padding(padding))
    dilation = dilation[0] * layer.dilation[0], dilation[1] * layer.dilation[1]
    step = partial(functional.conv2d, weight=layer.weight, bias=layer.bias, dilation=dilation, groups=layer.groups)
    return step, layer.stride


def _pool(name: str, layer: Any, dilation: Pair) -> tuple[Step, Pair]:
    if _pair(layer.padding) != (0, 0):
        raise refusal("encoder", name, layer, _padding(layer.padding))
    if layer.ceil_mode:
        raise refusal("encoder", name, layer, "has ceil_mode, so its last place sees less than the others")
    own = _pair(getattr(layer, "dilation", 1))
    dilation = dilation[0] * own[0], dilation[1] * own[1]
    kernel = _pair(layer.kernel_size)
    if isinstance(layer, nn.MaxPool2d):
        if layer.return_indices:
            raise refusal("encoder", name, layer, "returns indices beside its values")
        return partial(_combine, kernel=kernel, dilation=dilation, by=torch.maximum), _pair(layer.stride)
    scale = 1 / (layer.divisor_override or kernel[0] * kernel[1])
    return partial(_combine, kernel=kernel, dilation=dilation, by=torch.add, scale=scale), _pair(layer.stride)


def _combine(
    values: Tensor, kernel: Pair, dilation: Pair, by: Callable[[Tensor, Tensor], Tensor], scale: float = 1.0
) -> Tensor:
    """A pool as maxima or sums of shifted maps, one axis after the other: quicker than a dilated pool."""
    for axis in (0, 1):
        length = values.shape[2 + axis] - (kernel[axis] - 1) * dilation[axis]
        combined = values.narrow(2 + axis, 0, length)
        for shift in range(1, kernel[axis]):
            combined = by(combined, values.narrow(2 + axis, shift * dilation[axis], length))
        values = combined
    # not in place: the first map may still be the caller's
    return values if scale == 1 else values * scale


def _pair(value: int | Pair) -> Pair:
    return (value, value) if isinstance(value, int) else (value[0], value[1])


def _padding(padding: object) -> str:
    return f"pads (padding {padding}), so a patch's border differs from the slice around it"


@dataclass(frozen=True)
class Part:
    """Some slices, cropped to the box that holds the patches of their voxels.

    ``numbers`` are the voxels in the order of ``numpy.nonzero(mask)``; ``n, h, w`` each patch's first pixel in the
    box of the padded slices.
    """

    slices: slice
    rows: slice
    columns: slice
    numbers: Int[ndarray, " patches"]
    n: Int[ndarray, " patches"]
    h: Int[ndarray, " patches"]
    w: Int[ndarray, " patches"]


def parts_of(mask: Mask, unit: Patches, device: str = "cpu") -> list[Part]:
    """How the voxels of a mask are gone through: slice by slice, on a GPU several at once."""
    number = np.empty(mask.shape, np.int64)
    number[mask] = np.arange(np.count_nonzero(mask))
    inside = np.ascontiguousarray(np.moveaxis(planes_last(mask, unit.plane), -1, 0))
    numbers = np.moveaxis(planes_last(number, unit.plane), -1, 0)
    at_once, parts = SLICES_AT_ONCE.get(torch.device(device).type, 1), []
    for begin in range(0, len(inside), at_once):
        some = slice(begin, begin + at_once)
        n, h, w = np.nonzero(inside[some])
        if len(n):
            rows, columns = slice(h.min(), h.max() + unit.size), slice(w.min(), w.max() + unit.size)
            own = numbers[some][inside[some]]
            parts.append(Part(some, rows, columns, own, n, h - rows.start, w - columns.start))
    return parts


def dense_maps(
    encoder: DenseEncoder, unit: Patches, source: Source, row: int, parts: list[Part], device: str = "cpu"
) -> Iterator[tuple[Int[ndarray, " patches"], Float[Tensor, "n features rows columns"], Int[Tensor, " patches"]]]:
    """Maps that hold the codes of the patches centred on the voxels of a mask, which ``parts_of`` divided.

    Yields:
        which voxels, as numbers in the order of ``numpy.nonzero(mask)``; a map; where ``read`` finds them in it.
    """
    volume, inside = planes_last(source.volumes[row], unit.plane), planes_last(source.mask, unit.plane)
    channels, height, width, planes = volume.shape
    padded = np.empty((planes, height + 2 * unit.half, width + 2 * unit.half, channels), np.float32)
    limits = np.float32(source.low), np.float32(source.high)
    pad_slices(volume, inside, source.gain, source.offset, *limits, unit.half, padded)
    slices = torch.from_numpy(padded).to(device).permute(0, 3, 1, 2)
    for part in parts:
        values = encoder.map(slices[part.slices, :, part.rows, part.columns])
        first = (part.n * values.shape[2] + part.h) * values.shape[3] + part.w
        yield part.numbers, values, torch.from_numpy(first).to(device)
