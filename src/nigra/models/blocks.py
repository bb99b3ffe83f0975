"""What encoders and decoders are made of, for units of two axes and of three."""

from collections import OrderedDict

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

Shape = tuple[int, ...]
"""Lengths of a unit's axes: two for patches and slices, three for cubes."""

Network = tuple[nn.Sequential, nn.Sequential]
"""An encoder and its decoder."""

CONVOLUTION: dict[int, type[nn.Conv2d] | type[nn.Conv3d]] = {2: nn.Conv2d, 3: nn.Conv3d}
TRANSPOSED: dict[int, type[nn.ConvTranspose2d] | type[nn.ConvTranspose3d]] = {
    2: nn.ConvTranspose2d,
    3: nn.ConvTranspose3d,
}
MAX_POOL: dict[int, type[nn.MaxPool2d] | type[nn.MaxPool3d]] = {2: nn.MaxPool2d, 3: nn.MaxPool3d}
NORM: dict[int, type[nn.BatchNorm2d] | type[nn.BatchNorm3d]] = {2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
"""Layers by the number of a unit's axes."""


def stage(convolution: nn.Module, activation: nn.Module, batch_norm: bool = False) -> nn.Sequential:
    """One stage; BatchNorm stands between the convolution and the activation."""
    parts: OrderedDict[str, nn.Module] = OrderedDict(convolution=convolution)
    if batch_norm:
        axes = len(convolution.kernel_size)  # type: ignore[arg-type]
        parts["norm"] = NORM[axes](int(convolution.out_channels))  # type: ignore[arg-type]
    parts["activation"] = activation
    return nn.Sequential(parts)


def strided_size(size: int) -> int:
    """Length after a convolution of kernel 3, stride 2, padding 1: ``ceil(size / 2)``.

    >>> [strided_size(n) for n in (121, 145, 8)]
    [61, 73, 4]
    """
    return convolved_size(size, 3, 2, 1)


def convolved_size(size: int, kernel: int, stride: int, padding: int) -> int:
    """Length after a convolution; below 1 where it does not fit.

    >>> convolved_size(15, 3, 2, 1), convolved_size(15, 5, 1, 0), convolved_size(2, 5, 1, 0)
    (8, 11, -2)
    """
    return (size + 2 * padding - kernel) // stride + 1


def output_padding(small: Shape, large: Shape, kernel: int = 3, stride: int = 2, padding: int = 1) -> Shape:
    """What a transposed convolution must add to come from small back to large: 0 to stride - 1 on each axis.

    With kernel 3, stride 2, padding 1 it makes ``2 n - 1`` of n; an even target needs one row or column more.

    >>> output_padding((4, 5), (8, 10)), output_padding((61, 73), (121, 145))
    ((1, 1), (0, 0))
    """
    return tuple(b - ((a - 1) * stride - 2 * padding + kernel) for a, b in zip(small, large, strict=True))


def shape_text(shape: Shape) -> str:
    """A unit's lengths for a sentence.

    >>> shape_text((15, 15))
    '15 x 15'
    """
    return " x ".join(str(length) for length in shape)


def soft_clip(values: Float[Tensor, "*any"], low: float, high: float) -> Float[Tensor, "*any"]:
    """Keep values between low and high, smoothly, so that one at a limit still has a gradient (Rybkin 2021)."""
    below = low + functional.softplus(values - low)
    return high - functional.softplus(high - below)
