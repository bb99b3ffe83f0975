"""Fast ways towards the solution of a one-class SVM's quadratic program: gradients, compiled.

Projected gradients with Barzilai-Borwein lengths and exact line search (Dai & Fletcher 2006) find which weights lie
at a bound; conjugate gradients then solve for those between the bounds (Moré & Toraldo 1991). Neither decides when
a solution is good: ``svm_solver`` does. Vectors and ``K`` as there.

Loops are short and without branches: LLVM makes vector instructions of a loop only where it can show in a few tests
that the arrays it writes overlap with none it reads, and a branch on data is mispredicted half of the time.
"""

from typing import no_type_check

import numba
import numpy as np

F = np.float32
BIG, NOTHING = np.float32(1e30), np.float32(1e-30)

DESCENTS = 5
"""Projected gradients; more gain nothing where the kernel matrix is nearly singular."""

TURNS = 16
"""Conjugate gradients after them; where these are not enough, the kernel matrix is nearly singular."""


@numba.njit(fastmath=True, error_model="numpy", inline="never", cache=True)
@no_type_check
def gradient(K, n, a, G):
    """``G = K a``, four rows at a time."""
    width = K.shape[1]
    for j in range(width):
        G[j] = F(0)
    k = 0
    while k + 4 <= n:
        a0, a1, a2, a3 = a[k], a[k + 1], a[k + 2], a[k + 3]
        K0, K1, K2, K3 = K[k], K[k + 1], K[k + 2], K[k + 3]
        for j in range(width):
            G[j] += a0 * K0[j] + a1 * K1[j] + a2 * K2[j] + a3 * K3[j]
        k += 4
    while k < n:
        a0, K0 = a[k], K[k]
        for j in range(width):
            G[j] += a0 * K0[j]
        k += 1


@numba.njit(fastmath=True, error_model="numpy", inline="never", cache=True)
@no_type_check
def project(v, n, top, total, level):
    """The level with ``sum clip(v - level, 0, top) = total``, by Newton steps from ``level`` inside a bracket."""
    low, high = -BIG, BIG
    for _ in range(40):
        f, free = -total, F(0)
        for j in range(n):
            x = v[j] - level
            y = min(max(x, F(0)), top[j])
            f += y
            free += F(1) if y == x else F(0)
        if abs(f) <= F(1e-6) * total:
            break
        if f > F(0):
            low = level
        else:
            high = level
        plateau = max(f, F(1)) if f > F(0) else min(f, F(-1))
        step = level + (f / free if free > F(0) else plateau)
        if (free == F(0) or step <= low or step >= high) and low > -BIG and high < BIG:
            step = (low + high) / F(2)
        level = step
    return level


@numba.njit(fastmath=True, error_model="numpy", inline="never", cache=True)
@no_type_check
def descend(K, n, a, G, top, total, v, Q, steps, enough):
    """Projected gradients from ``a``, until a step is shorter than ``enough`` or ``steps`` are done."""
    length, level = F(1), F(0)
    for _ in range(steps):
        mean = F(0)
        for j in range(n):
            mean += G[j]
        mean /= F(n)
        for j in range(n):
            v[j] = a[j] - length * (G[j] - mean)
        level = project(v, n, top, total, level)
        longest, pp, slope = F(0), F(0), F(0)
        for j in range(n):
            p = min(max(v[j] - level, F(0)), top[j]) - a[j]
            v[j] = p
            pp += p * p
            slope += p * (G[j] - mean)
            longest = max(longest, abs(p))
        if longest < enough or slope >= F(0):
            break
        gradient(K, n, v, Q)
        curvature = F(0)
        for j in range(n):
            curvature += v[j] * Q[j]
        curvature = max(curvature, F(1e-6) * pp)
        t = min(-slope / curvature, F(1))
        for j in range(n):
            a[j] += t * v[j]
        for j in range(K.shape[1]):
            G[j] += t * Q[j]
        length = pp / curvature


@numba.njit(fastmath=True, error_model="numpy", inline="never", cache=True)
@no_type_check
def movable(a, G, top, slack, enough, free, v):
    """Mark in ``free`` what may move: weights between their bounds, and those at one whose gradient pulls them off.

    Leaves the steepest direction that keeps the sum in ``v``; returns how many move, their mean gradient, the
    squared length of ``v`` and its largest entry.
    """
    count, mean = F(0), F(0)
    for j in range(a.shape[0]):
        inside = (F(1) if a[j] > slack else F(0)) * (F(1) if a[j] < top[j] - slack else F(0))
        count += inside
        mean += inside * G[j]
    level = mean / max(count, F(1))
    for j in range(a.shape[0]):
        g = G[j] - level
        down = max(F(1) if a[j] > slack else F(0), F(1) if g < -enough else F(0))
        up = max(F(1) if a[j] < top[j] - slack else F(0), F(1) if g > enough else F(0))
        v[j] = down * up
    count, mean = F(0), F(0)
    for j in range(a.shape[0]):
        free[j] = v[j] if top[j] > F(0) else F(0)
    for j in range(a.shape[0]):
        count += free[j]
        mean += free[j] * G[j]
    level, rest = mean / max(count, F(1)), F(0)
    for j in range(a.shape[0]):
        v[j] = (level - G[j]) * free[j]
    for j in range(a.shape[0]):
        rest += v[j]
    # steps along a nearly flat direction are long: rounding must not move the sum
    square, longest, rest = F(0), F(0), rest / max(count, F(1))
    for j in range(a.shape[0]):
        v[j] -= rest * free[j]
    for j in range(a.shape[0]):
        square += v[j] * v[j]
        longest = max(longest, abs(v[j]))
    return count, level, square, longest


@numba.njit(fastmath=True, error_model="numpy", inline="never", cache=True)
@no_type_check
def along(a, top, v, Q, free):
    """Along ``v``, with ``Q = K v``: the curvature, 1 / the longest step inside the bounds, the sum of ``Q``."""
    curvature, shortest, total = F(0), F(0), F(0)
    for j in range(a.shape[0]):
        curvature += v[j] * Q[j]
        total += free[j] * Q[j]
    for j in range(a.shape[0]):  # only the bound ahead gives a positive quotient
        shortest = max(shortest, max(v[j] / (top[j] - a[j] + NOTHING), -v[j] / (a[j] + NOTHING)))
    return curvature, shortest, total


@numba.njit(fastmath=True, error_model="numpy", inline="never", cache=True)
@no_type_check
def step_to_bound(a, G, top, v, Q, t):
    """The step ``t`` along ``v`` that brings a weight to its bound, exactly onto it."""
    for j in range(a.shape[0]):
        x = v[j]
        room, end = (top[j] - a[j], top[j]) if x > F(0) else (a[j], F(0))
        there = (abs(x) > NOTHING) and (room <= t * abs(x) * F(1 + 1e-5))
        a[j] = end if there else a[j] + t * x
        G[j] += t * Q[j]


@numba.njit(fastmath=True, error_model="numpy", inline="never", cache=True)
@no_type_check
def step_inside(a, G, v, Q, free, t, level):
    """The step ``t`` along ``v``; leaves the next steepest direction in ``Q``: square, largest entry and sum."""
    for j in range(a.shape[0]):
        a[j] += t * v[j]
    for j in range(a.shape[0]):
        G[j] += t * Q[j]
    for j in range(a.shape[0]):
        Q[j] = (level - G[j]) * free[j]
    square, longest, rest = F(0), F(0), F(0)
    for j in range(a.shape[0]):
        square += Q[j] * Q[j]
        longest = max(longest, abs(Q[j]))
        rest += Q[j]
    return square, longest, rest


@numba.njit(fastmath=True, error_model="numpy", inline="never", cache=True)
@no_type_check
def turn(v, Q, free, share, rest):
    """The next direction: the steepest, less what rounding would move the sum by, and a share of the last."""
    for j in range(v.shape[0]):
        v[j] = Q[j] - rest * free[j] + share * v[j]


@numba.njit(error_model="numpy", cache=True)
@no_type_check
def conjugate(K, n, a, G, top, total, free, v, Q, turns, enough):
    """Conjugate gradients among the weights that may move, until optimality is violated by less than ``enough``.

    Where a step meets a bound it ends there, and begins anew with who may move then.
    """
    slack = F(1e-6) * total
    while turns > 0:
        count, level, square, longest = movable(a, G, top, slack, enough, free, v)
        if longest < enough:
            break
        while turns > 0:
            turns -= 1
            gradient(K, n, v, Q)
            curvature, shortest, sum_ = along(a, top, v, Q, free)
            t = square / max(curvature, F(1e-12))
            if t * shortest >= F(1):
                step_to_bound(a, G, top, v, Q, F(1) / shortest)
                break
            level += t * sum_ / count
            new, longest, rest = step_inside(a, G, v, Q, free, t, level)
            if longest < enough:
                break
            turn(v, Q, free, new / square, rest / count)
            square = new
