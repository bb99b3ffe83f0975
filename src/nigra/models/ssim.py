"""Structural similarity of units, differentiable, in two dimensions and three.

Wang, Bovik, Sheikh, Simoncelli. Image quality assessment: from error visibility to structural similarity. IEEE
Transactions on Image Processing 13(4), 2004, equations 13 to 16: a Gaussian window of 11 and 1.5 voxels standard
deviation, K1 = 0.01, K2 = 0.03, the mean over every place the window fits into.
"""

from functools import cache

import torch
from jaxtyping import Float
from torch import Tensor

WINDOW, SIGMA, K1, K2 = 11, 1.5, 0.01, 0.03


def window_length(shape: tuple[int, ...]) -> int:
    """The published window, or the largest odd one that the unit has room for.

    >>> window_length((15, 40)), window_length((7, 7, 7)), window_length((8, 20))
    (11, 7, 7)
    """
    return min(WINDOW, (min(shape) - 1) // 2 * 2 + 1)


def ssim(
    rebuilt: Float[Tensor, "batch channels *size"], units: Float[Tensor, "batch channels *size"],
    data_range: float = 1.0,
) -> Float[Tensor, ""]:  # fmt: skip
    """Mean structural similarity, 1 for equal units.

    Args:
        rebuilt: one of the two; they play the same part.
        units: the other.
        data_range: between the smallest and the largest value there can be.
    """
    length = window_length(tuple(units.shape[2:]))
    maps = torch.stack([rebuilt, units, rebuilt**2, units**2, rebuilt * units])
    for axis in range(3, maps.dim()):  # the window is a product, so axis by axis
        band = _band(maps.shape[axis], length).to(maps)
        maps = torch.tensordot(maps, band, dims=([axis], [1])).movedim(-1, axis)
    mean_a, mean_b, square_a, square_b, product = maps
    c1, c2 = (K1 * data_range) ** 2, (K2 * data_range) ** 2
    luminance = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    variances = square_a - mean_a**2 + square_b - mean_b**2
    structure = (2 * (product - mean_a * mean_b) + c2) / (variances + c2)
    return (luminance * structure).mean()


@cache
def _band(size: int, length: int) -> Tensor:
    """The window at each place along an axis, as the rows of a matrix (size - length + 1, size)."""
    with torch.inference_mode(False):
        offsets = torch.arange(length, dtype=torch.float32) - (length - 1) / 2
        window = torch.exp(-(offsets**2) / (2 * SIGMA**2))
        band = torch.zeros(size - length + 1, size)
        for place in range(len(band)):
            band[place, place : place + length] = window / window.sum()
        return band
