"""Stages an encoder or a decoder is a sequence of: convolution, optional BatchNorm, activation."""

from collections import OrderedDict

from torch import nn


def stage(convolution: nn.Module, activation: nn.Module, batch_norm: bool = False) -> nn.Sequential:
    """One stage; BatchNorm stands between the convolution and the activation."""
    parts: OrderedDict[str, nn.Module] = OrderedDict(convolution=convolution)
    if batch_norm:
        parts["norm"] = nn.BatchNorm2d(int(convolution.out_channels))  # type: ignore[arg-type]
    parts["activation"] = activation
    return nn.Sequential(parts)


def strided_size(size: int) -> int:
    """Length after a convolution of kernel 3, stride 2, padding 1: ``ceil(size / 2)``.

    >>> [strided_size(n) for n in (121, 145, 8)]
    [61, 73, 4]
    """
    return (size + 1) // 2


def output_padding(small: tuple[int, int], large: tuple[int, int]) -> tuple[int, int]:
    """What a transposed convolution (kernel 3, stride 2, padding 1) must add to come from small to large.

    Such a convolution makes ``2 n - 1`` of n; an even target needs one row or column more.

    >>> output_padding((4, 5), (8, 10)), output_padding((61, 73), (121, 145))
    ((1, 1), (0, 0))
    """
    return large[0] - (2 * small[0] - 1), large[1] - (2 * small[1] - 1)
