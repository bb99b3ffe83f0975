"""Where a refit without one control starts: how weights and gradients answer when it is taken away, compiled.

While the same weights lie at their bounds, the optimum is linear in the weight removed; where one reaches a bound,
or a gradient pulls one off it, it changes sides, and the optimum is linear again. ``sweep`` makes the table of
these answers once per location; ``start_without`` walks along it, mostly two or three changes, each a few vector
operations. This is the parametric form of the principal pivoting method (Cottle, Pang & Stone 1992, chapter 4). It
decides only how long a refit takes, never what it finds.

The table ``P`` is symmetric. ``y`` holds minus the weight of who is free and the gradient less rho of who is at a
bound; moving the other of the two by t for control j, the sum of all weights kept, adds ``t P[j]`` to ``y``.
"""

from typing import no_type_check

import numba
import numpy as np

from nigra.detection.svm_descent import BIG, gradient
from nigra.detection.svm_solver import settle

F = np.float32

CHANGES = 8
"""Changes of side that a start follows; where more would be needed, the solver is as quick."""

RIDGE, SINGULAR = np.float32(1e-5), np.float32(1e-6)
"""Added to the kernel matrix where it is inverted, as two controls may have one code; what a pivot must exceed."""


@numba.njit(fastmath=True, error_model="numpy", inline="never", cache=True)
@no_type_check
def pivot(P, n, p, row):
    """Sweep the symmetric ``P`` (>= n + 3, width) on p, in place: what moved and what answered change places.

    Four rows at a time; ``row`` (width,) is room to work in.
    """
    scale, pivoted = F(1) / P[p, p], P[p]
    for j in range(row.shape[0]):
        row[j] = scale * pivoted[j]
    row[p] = -scale
    for i in range(n):
        P[i, p] = F(0)
    for j in range(row.shape[0]):
        pivoted[j] = F(0)
    for i in range(0, n, 4):
        f0, f1, f2, f3 = row[i] / scale, row[i + 1] / scale, row[i + 2] / scale, row[i + 3] / scale
        if i <= p < i + 4:
            f0, f1 = F(-1) if i == p else f0, F(-1) if i + 1 == p else f1
            f2, f3 = F(-1) if i + 2 == p else f2, F(-1) if i + 3 == p else f3
        o0, o1, o2, o3 = P[i], P[i + 1], P[i + 2], P[i + 3]
        for j in range(row.shape[0]):
            o0[j] -= f0 * row[j]
            o1[j] -= f1 * row[j]
            o2[j] -= f2 * row[j]
            o3[j] -= f3 * row[j]


@numba.njit(fastmath=True, error_model="numpy", inline="never", cache=True)
@no_type_check
def sweep(K, n, a, G, top, P, y, low, high, ones, sums):
    """The table ``P`` and the state ``y``, with the bounds it keeps to, at weights ``a`` with gradient ``G``.

    Returns whether there is a table: without a free weight the sum could not be kept, and float32 cannot invert
    every kernel matrix.
    """
    width, free, level = K.shape[1], 0, F(0)
    for j in range(width):
        ones[j] = F(0)
    for j in range(n):
        if (a[j] > F(0)) and (a[j] < top[j]):
            ones[j] = F(1)
            level += G[j]
            free += 1
    if free == 0:
        return False
    level /= F(free)
    for i in range(n):
        copy, row = P[i], K[i]
        for j in range(width):
            copy[j] = row[j]
        P[i, i] += RIDGE
    for j in range(n):
        if ones[j] > F(0):
            if not P[j, j] > SINGULAR:
                return False
            pivot(P, n, j, y)
    gradient(P, n, ones, sums)
    total = F(0)
    for j in range(width):
        sums[j] = F(1) - ones[j] - sums[j]
        total += ones[j] * sums[j]
    for i in range(n):
        row, f = P[i], sums[i] / total
        for j in range(width):
            row[j] += f * sums[j]
    for j in range(width):
        y[j], low[j], high[j] = F(0), -BIG, BIG
    for j in range(n):
        if ones[j] > F(0):
            y[j], low[j], high[j] = -a[j], -top[j], F(0)
        elif a[j] > F(0):
            y[j], high[j] = G[j] - level, F(0)
        else:
            y[j], low[j] = G[j] - level, F(0)
    return True


@numba.njit(fastmath=True, error_model="numpy", inline="never", cache=True)
@no_type_check
def worst(y, low, high, excess):
    """Who is farthest outside its bounds, and by how much; the first of equals."""
    most = F(0)
    for j in range(y.shape[0]):
        excess[j] = max(low[j] - y[j], y[j] - high[j])
        most = max(most, excess[j])
    at = np.int32(y.shape[0])
    for j in range(y.shape[0]):
        at = min(at, np.int32(j) if excess[j] == most else np.int32(y.shape[0]))
    return at, most


@numba.njit(fastmath=True, error_model="numpy", inline="never", cache=True)
@no_type_check
def add(y, share, column):
    """``y += share column``."""
    for j in range(y.shape[0]):
        y[j] += share * column[j]


@numba.njit(error_model="numpy", cache=True)
@no_type_check
def answer(j, P, columns, changed, made, low, top):
    """Row j of the table after the ``made`` changes of side of ``changed``, into ``columns[made]``.

    Returns whether it can be followed: not where j changed sides before, or where float32 cannot tell how it moves.
    """
    column = columns[made]
    for k in range(column.shape[0]):
        column[k] = P[j, k]
    for t in range(made):
        p = changed[t]
        if p == j:  # back again: rounding decides, and the solver does it better
            return False
        scale = column[p] / columns[t, p]
        add(column, -scale, columns[t])
        column[p] = scale if low[p] == -top[p] else -scale
    return abs(column[j]) > SINGULAR


@numba.njit(error_model="numpy", cache=True)
@no_type_check
def change_sides(j, y, low, high, top, column):
    """Move control j along its ``column`` to the bound it is outside of, and let it answer from then on."""
    below = y[j] < low[j]
    moved = ((low[j] if below else high[j]) - y[j]) / column[j]
    add(y, moved, column)
    if low[j] == F(0) or low[j] == -BIG:  # off its bound, which was 0 or top
        y[j] = -moved if low[j] == F(0) else -top[j] - moved
        low[j], high[j] = -top[j], F(0)
    else:  # onto its bound
        y[j] = moved
        low[j], high[j] = (-BIG, F(0)) if below else (F(0), BIG)


@numba.njit(error_model="numpy", cache=True)
@no_type_check
def start_without(i, n, a, P, y0, low0, high0, slack, top, total, work, changed, start):
    """Weights of the same sum without control i: the optimum, but for rounding and more than ``CHANGES`` changes.

    ``work`` (CHANGES + 4, width) and ``changed`` (CHANGES,) are room to work in. Returns whether there is such a
    start: a weight that alone is free cannot be taken away while the others lie at their bounds.
    """
    width, made = y0.shape[0], 0
    y, low, high, excess, columns = work[0], work[1], work[2], work[3], work[4:]
    for j in range(width):
        y[j], low[j], high[j] = y0[j], low0[j], high0[j]
    if high[i] == F(0) and low[i] == -BIG:  # at its upper bound, where it need not change sides to become 0
        add(y, -a[i], P[i])
    elif answer(i, P, columns, changed, made, low, top):
        add(y, -y[i] / P[i, i], columns[0])
        changed[0], made = i, 1
    else:
        return False
    low[i], high[i] = -BIG, BIG
    while made < CHANGES:
        j, most = worst(y, low, high, excess)
        if most <= slack or not answer(j, P, columns, changed, made, low, top):
            break
        change_sides(j, y, low, high, top, columns[made])
        changed[made] = j
        made += 1
    # `low` tells who is free, `high` who lies at the upper bound
    for j in range(width):
        start[j] = min(max(-y[j], F(0)), top[j]) if low[j] == -top[j] else F(0)
    for j in range(n):
        if low[j] == -BIG and high[j] == F(0):
            start[j] = top[j]
    settle(n, start, top, total)
    return True


@numba.njit(fastmath=True, error_model="numpy", inline="never", cache=True)
@no_type_check
def plain_start_without(i, n, a, top, total, start):
    """Weights of the same sum without control i, the others' in their old proportions."""
    share = total / max(total - a[i], F(1e-6) * total)
    for j in range(start.shape[0]):
        start[j] = min(a[j] * share, top[j])
    settle(n, start, top, total)
