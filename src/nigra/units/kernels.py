"""The loops that touch every pixel of every unit, compiled; their arguments are checked by the callers.

They see volumes as (..., height, width, planes), see ``planes.planes_last``, so one kernel serves all planes.
"""

from typing import no_type_check

import numba
import numpy as np


@numba.njit(parallel=True, nogil=True, cache=True)
@no_type_check  # the suite's argument checks cannot go into compiled code
def gather(volumes, mask, gain, offset, low, high, rows, locations, half, out):
    """Fill ``out`` (n, C, size, size) with scaled patches; beyond the border the nearest voxel is repeated.

    Values are read before the mask is asked: neighbouring pixels can be whole pages apart, and reads that wait for
    no branch overlap.
    """
    height, width = mask.shape[0], mask.shape[1]
    size = 2 * half + 1
    for n in numba.prange(rows.shape[0]):
        row, h0, w0, p = rows[n], locations[n, 0] - half, locations[n, 1] - half, locations[n, 2]
        interior = h0 >= 0 and w0 >= 0 and h0 + size <= height and w0 + size <= width
        for c in range(volumes.shape[1]):
            if interior:
                window = volumes[row, c, h0 : h0 + size, w0 : w0 + size, p]
                for i in range(size):
                    for j in range(size):
                        out[n, c, i, j] = window[i, j]
            else:
                for i in range(size):
                    h = min(max(h0 + i, 0), height - 1)
                    for j in range(size):
                        out[n, c, i, j] = volumes[row, c, h, min(max(w0 + j, 0), width - 1), p]
        for i in range(size):
            h = min(max(h0 + i, 0), height - 1)
            for j in range(size):
                inside = mask[h, min(max(w0 + j, 0), width - 1), p]
                for c in range(volumes.shape[1]):
                    value = min(max(out[n, c, i, j] * gain[c] + offset[c], low), high)
                    out[n, c, i, j] = value if inside else np.float32(0)


@numba.njit(parallel=True, nogil=True, cache=True)
@no_type_check
def lay_out(volume, mask, gain, offset, low, high, half, out):
    """Fill ``out`` (planes, C, height + 2 half, width + 2 half) with a scaled volume (C, height, width, planes).

    Its border repeats the nearest voxel, so that every patch is a plain window of one plane.
    """
    channels, height, width, planes = volume.shape
    for i in numba.prange(height + 2 * half):
        h = min(max(i - half, 0), height - 1)
        for c in range(channels):
            for j in range(width + 2 * half):
                w = min(max(j - half, 0), width - 1)
                for p in range(planes):
                    value = min(max(volume[c, h, w, p] * gain[c] + offset[c], low), high)
                    out[p, c, i, j] = value if mask[h, w, p] else np.float32(0)


@numba.njit(parallel=True, nogil=True, cache=True)
@no_type_check
def windows(planes, subjects, locations, out):
    """Fill ``out`` (n, C, size, size) from ``lay_out``'s planes (subjects, planes, C, height, width)."""
    size = out.shape[2]
    for n in numba.prange(subjects.shape[0]):
        h, w = locations[n, 0], locations[n, 1]
        for c in range(out.shape[1]):
            window = planes[subjects[n], locations[n, 2], c, h : h + size, w : w + size]
            for i in range(size):
                for j in range(size):
                    out[n, c, i, j] = window[i, j]


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


@numba.njit(parallel=True, nogil=True, cache=True)
@no_type_check
def gather_cubes(volumes, mask, gain, offset, low, high, rows, locations, half, out):
    """Fill ``out`` (n, C, size, size, size) with scaled cubes of volumes (subjects, C, x, y, z).

    Beyond the border the nearest voxel is repeated.
    """
    last_x, last_y, last_z = mask.shape[0] - 1, mask.shape[1] - 1, mask.shape[2] - 1
    size = 2 * half + 1
    for n in numba.prange(rows.shape[0]):
        row, x0, y0, z0 = rows[n], locations[n, 0] - half, locations[n, 1] - half, locations[n, 2] - half
        for i in range(size):
            x = min(max(x0 + i, 0), last_x)
            for j in range(size):
                y = min(max(y0 + j, 0), last_y)
                for k in range(size):
                    z = min(max(z0 + k, 0), last_z)
                    inside = mask[x, y, z]
                    for c in range(volumes.shape[1]):
                        value = min(max(volumes[row, c, x, y, z] * gain[c] + offset[c], low), high)
                        out[n, c, i, j, k] = value if inside else np.float32(0)


@numba.njit(parallel=True, nogil=True, cache=True)
@no_type_check
def cube_windows(planes, subjects, locations, out):
    """Fill ``out`` (n, C, size, size, size) from padded sagittal planes (subjects, x, C, y, z)."""
    size = out.shape[2]
    for n in numba.prange(subjects.shape[0]):
        x, y, z = locations[n, 0], locations[n, 1], locations[n, 2]
        for c in range(out.shape[1]):
            for i in range(size):
                window = planes[subjects[n], x + i, c, y : y + size, z : z + size]
                for j in range(size):
                    for k in range(size):
                        out[n, c, i, j, k] = window[j, k]


@numba.njit(nogil=True, cache=True)
@no_type_check
def scatter_cubes(values, locations, half, total, count):
    """Add cubes (n, K, size, size, size) onto ``total`` (K, x, y, z); voxels beyond it are dropped.

    Runs in one thread and adds in the order of the cubes, so the result does not depend on a schedule.
    """
    size = 2 * half + 1
    for n in range(values.shape[0]):
        x0, y0, z0 = locations[n, 0] - half, locations[n, 1] - half, locations[n, 2] - half
        for i in range(max(0, -x0), min(size, count.shape[0] - x0)):
            for j in range(max(0, -y0), min(size, count.shape[1] - y0)):
                for k in range(max(0, -z0), min(size, count.shape[2] - z0)):
                    count[x0 + i, y0 + j, z0 + k] += 1
                    for c in range(values.shape[1]):
                        total[c, x0 + i, y0 + j, z0 + k] += values[n, c, i, j, k]
