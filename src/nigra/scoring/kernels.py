"""The loop that reads codes from a dense map, compiled; its arguments are checked by the caller."""

from typing import no_type_check

import numba


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
