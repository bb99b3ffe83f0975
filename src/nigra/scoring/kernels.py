"""The loops before and after a dense map, compiled; their arguments are checked by the callers."""

from typing import no_type_check

import numba
import numpy as np


@numba.njit(parallel=True, nogil=True, cache=True)
@no_type_check  # the suite's argument checks cannot go into compiled code
def pad_slices(volume, mask, gain, offset, low, high, half, out):
    """Fill ``out`` (planes, height + 2 half, width + 2 half, C) with a volume (C, height, width, planes).

    Scaled, masked and repeated beyond the border as ``units.kernels.gather`` does it patch by patch.
    """
    channels, height, width, planes = volume.shape
    for i in numba.prange(height + 2 * half):
        h = min(max(i - half, 0), height - 1)
        for j in range(width + 2 * half):
            w = min(max(j - half, 0), width - 1)
            for c in range(channels):
                for p in range(planes):
                    value = np.float32(0)
                    if mask[h, w, p]:
                        value = min(max(volume[c, h, w, p] * gain[c] + offset[c], low), high)
                    out[p, i, j, c] = value


@numba.njit(parallel=True, nogil=True, cache=True)
@no_type_check  # the suite's argument checks cannot go into compiled code
def read_codes(places, first, down, right, height, width, rows, codes):
    """Fill ``codes[rows]`` from ``places`` (places, features): features slowest, then a code's rows and columns.

    A code's pixels lie ``down`` and ``right`` places apart, from ``first`` on.
    """
    features = places.shape[1]
    for n in numba.prange(first.shape[0]):
        for i in range(height):
            for j in range(width):
                place = first[n] + i * down + j * right
                for f in range(features):
                    codes[rows[n], (f * height + i) * width + j] = places[place, f]
