"""The two loops that touch every pixel of every unit, compiled; their arguments are checked by the callers.

Both see volumes as (..., height, width, planes), see ``planes.planes_last``, so one kernel serves all planes.
"""

from typing import no_type_check

import numba
import numpy as np


@numba.njit(parallel=True, nogil=True, cache=True)
@no_type_check  # the suite's argument checks cannot go into compiled code
def gather(volumes, mask, gain, offset, low, high, rows, locations, half, out):
    """Fill ``out`` (n, C, size, size) with scaled patches; beyond the border the nearest voxel is repeated."""
    height, width = mask.shape[0], mask.shape[1]
    size = 2 * half + 1
    for n in numba.prange(rows.shape[0]):
        row, h0, w0, p = rows[n], locations[n, 0] - half, locations[n, 1] - half, locations[n, 2]
        for c in range(volumes.shape[1]):
            for i in range(size):
                h = min(max(h0 + i, 0), height - 1)
                for j in range(size):
                    w = min(max(w0 + j, 0), width - 1)
                    value = np.float32(0)
                    if mask[h, w, p]:
                        value = min(max(volumes[row, c, h, w, p] * gain[c] + offset[c], low), high)
                    out[n, c, i, j] = value


@numba.njit(nogil=True, cache=True)
@no_type_check
def scatter(values, locations, half, total, count):
    """Add patches (n, K, size, size) onto ``total`` (K, height, width, planes); pixels beyond it are dropped.

    Runs in one thread and adds in the order of the patches, so the result does not depend on a schedule.
    """
    height, width = count.shape[0], count.shape[1]
    size = 2 * half + 1
    for n in range(values.shape[0]):
        h0, w0, p = locations[n, 0] - half, locations[n, 1] - half, locations[n, 2]
        for i in range(size):
            h = h0 + i
            if h < 0 or h >= height:
                continue
            for j in range(size):
                w = w0 + j
                if w < 0 or w >= width:
                    continue
                count[h, w, p] += 1
                for k in range(values.shape[1]):
                    total[k, h, w, p] += values[n, k, i, j]
