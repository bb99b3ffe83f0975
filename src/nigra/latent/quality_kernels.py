"""The loops over all distances that the quality of an embedding needs, compiled; callers check the arguments."""

from typing import no_type_check

import numba
import numpy as np


@numba.njit(parallel=True, nogil=True, cache=True)
@no_type_check  # the suite's argument checks cannot go into compiled code
def judge(high, points, queries, k, intruders, missing, kept):
    """What the embedding does to the neighbourhoods of some codes.

    ``high`` (q, n) has squared distances of the queries' codes to all, ``points`` (m, n) the embedding, ``queries``
    (q,) rows. Fills per query: ``intruders``, the sum of rank - k in the latent space over neighbours in the
    embedding that are none there; ``missing``, the same the other way round; ``kept``, how many neighbours both
    spaces share. A rank counts the strictly nearer ones, and one: of equal distances all have the best rank.
    """
    count = points.shape[1]
    for q in numba.prange(len(queries)):
        i = queries[q]
        low = np.zeros(count, np.float64)
        for axis in range(len(points)):
            here = points[axis, i]
            for j in range(count):
                away = points[axis, j] - here
                low[j] += away * away
        row = high[q]
        row[i] = np.inf
        low[i] = np.inf
        near_high, near_low = nearest(row, k), nearest(low, k)
        intruders[q] = excess(row, row[near_low], k)
        missing[q] = excess(low, low[near_high], k)
        kept[q] = shared(near_high, near_low)


@numba.njit(nogil=True, cache=True)
@no_type_check
def nearest(row, k):
    """Indices of the ``k`` smallest values; of equal ones the first in the row."""
    found = np.empty(k, np.int64)
    values = np.full(k, np.inf)
    held = 0
    for j in range(len(row)):
        value = row[j]
        if held < k or value < values[k - 1]:
            at = held if held < k else k - 1
            while at > 0 and values[at - 1] > value:
                values[at] = values[at - 1]
                found[at] = found[at - 1]
                at -= 1
            values[at] = value
            found[at] = j
            held = min(held + 1, k)
    return found


@numba.njit(nogil=True, cache=True)
@no_type_check
def excess(row, thresholds, k):
    """Sum over ``thresholds`` of max(0, rank - k), the ranks being those among the values of ``row``."""
    total = 0
    for threshold in thresholds:  # a pass over the row for each: those vectorise, and one search per value does not
        nearer = 0
        for j in range(len(row)):
            nearer += row[j] < threshold
        total += max(0, nearer + 1 - k)
    return total


@numba.njit(nogil=True, cache=True)
@no_type_check
def shared(first, second):
    """How many indices two short lists share."""
    total = 0
    for i in first:
        for j in second:
            total += i == j
    return total
