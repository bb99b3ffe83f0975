"""The quadratic program of one one-class SVM, compiled: weights from a kernel matrix.

Minimise ``a' K a / 2`` over ``0 <= a_i <= top_i, sum a = total`` (Schölkopf et al. 2001, in the scale of LIBSVM:
``top`` 1, ``total`` nu n). Three steps, the first two as Moré & Toraldo (1991) alternate them: projected gradients
with Barzilai-Borwein lengths and exact line search (Dai & Fletcher 2006) find which variables lie at a bound;
conjugate gradients solve for those between the bounds; sequential minimal optimisation with second-order choice of
the pair (Fan, Chen & Lin 2005) brings the largest violation of optimality below the tolerance. The first two are
only fast, the last alone decides when a solution is good; mostly it finds nothing left to do.

Vectors are as wide as the rows of ``K`` (width, a multiple of 8); variables from n on have ``top`` 0 and stay 0.
"""

from typing import no_type_check

import numba
import numpy as np

from nigra.detection.svm_descent import BIG, conjugate, descend, gradient

F = np.float32

CURVATURE = np.float32(1e-6)
"""Least curvature along a pair: below, float32 cannot tell the kernel from 1, and steps would overshoot."""

ROUNDING = np.float32(5e-7)
"""Of a gradient; no solution in float32 can be judged more finely."""


@numba.njit(fastmath=True, error_model="numpy", inline="never", cache=True)
@no_type_check
def settle(n, a, top, total):
    """Bring ``a`` exactly between its bounds, onto the sum ``total``: rounding moved it a little."""
    rest, free = total, F(0)
    for _ in range(4):
        for j in range(a.shape[0]):
            x = F(0) if a[j] < F(1e-6) * top[j] else a[j]
            a[j] = top[j] if x > F(1 - 1e-6) * top[j] else x
        rest, free = total, F(0)
        for j in range(a.shape[0]):
            rest -= a[j]
            free += (F(1) if a[j] > F(0) else F(0)) * (F(1) if a[j] < top[j] else F(0))
        if rest == F(0) or free == F(0):
            break
        for j in range(a.shape[0]):
            inside = (F(1) if a[j] > F(0) else F(0)) * (F(1) if a[j] < top[j] else F(0))
            a[j] = min(max(a[j] + inside * rest / free, F(0)), top[j])
    if abs(rest) > F(1e-5) * total:  # never seen; the plain start is always right
        room = F(0)
        for j in range(n):
            room += top[j]
        for j in range(n):
            a[j] = total * top[j] / room


@numba.njit(fastmath=True, error_model="numpy", inline="never", cache=True)
@no_type_check
def pair_steps(K, n, a, G, top, up, low, gain, tolerance, limit):
    """SMO until no pair violates optimality by more than ``tolerance``; returns the number of steps.

    After a first round ``G`` is held less ``level``, its smallest value that matters: late steps may change it by
    less than float32 keeps of the whole, and would go round in circles.
    """
    width = K.shape[1]
    for j in range(width):
        up[j] = low[j] = BIG
    for j in range(n):
        up[j] = F(0) if a[j] < top[j] else BIG
        low[j] = F(0) if a[j] > F(0) else BIG
    steps, drifted, level = 0, 0, F(0)
    while steps < limit:
        if drifted >= 100:  # rounding adds up over the steps
            gradient(K, n, a, G)
            drifted, level = 0, F(0)
        smallest = BIG
        for j in range(width):
            smallest = min(smallest, G[j] + up[j])
        i = np.int32(width)
        for j in range(width):
            i = min(i, np.int32(j) if G[j] + up[j] == smallest else np.int32(width))
        Ki = K[i]
        largest, best = -BIG, F(-1)
        for j in range(width):
            g = G[j] - low[j]
            largest = max(largest, g)
            excess = max(g - smallest, F(0))
            gain[j] = excess * excess / max(F(2) - F(2) * Ki[j], CURVATURE)
            best = max(best, gain[j])
        if largest - smallest < max(tolerance, ROUNDING * (largest + level)):
            if drifted == 0:
                return steps
            gradient(K, n, a, G)  # judged by a fresh one
            drifted, level = 0, F(0)
            continue
        if drifted == 0 and steps > 0:
            level, smallest = smallest, F(0)
            for j in range(width):
                G[j] -= level
        s = np.int32(width)
        for j in range(width):
            s = min(s, np.int32(j) if gain[j] == best else np.int32(width))
        room, mass = top[i] - a[i], a[s]
        t = min((G[s] - smallest) / max(F(2) - F(2) * Ki[s], CURVATURE), min(room, mass))
        a[i] = top[i] if t == room else a[i] + t
        a[s] = F(0) if t == mass else a[s] - t
        up[i] = F(0) if a[i] < top[i] else BIG
        low[s] = F(0) if a[s] > F(0) else BIG
        up[s] = low[i] = F(0)
        Ks = K[s]
        for j in range(width):
            G[j] += t * (Ki[j] - Ks[j])
        steps += 1
        drifted += 1
    gradient(K, n, a, G)
    return steps


@numba.njit(fastmath=True, error_model="numpy", inline="never", cache=True)
@no_type_check
def optimal(a, G, top, tolerance):
    """Whether no pair of weights violates optimality by more than ``tolerance``."""
    smallest, largest = BIG, -BIG
    for j in range(a.shape[0]):
        smallest = min(smallest, G[j] if a[j] < top[j] else BIG)
        largest = max(largest, G[j] if a[j] > F(0) else -BIG)
    return largest - smallest < max(tolerance, ROUNDING * largest)


@numba.njit(cache=True)
@no_type_check
def improve(K, n, a, G, top, total, up, low, gain, descents, turns, tolerance, limit):
    """From any weights ``a`` with gradient ``G`` to the solution; returns the number of SMO steps."""
    descend(K, n, a, G, top, total, up, gain, descents, F(1e-4) * total / F(n))
    conjugate(K, n, a, G, top, total, low, up, gain, turns, F(0.4) * tolerance)
    settle(n, a, top, total)
    gradient(K, n, a, G)
    if optimal(a, G, top, tolerance):
        return 0
    return pair_steps(K, n, a, G, top, up, low, gain, tolerance, limit)


@numba.njit(cache=True)
@no_type_check
def boundary(n, a, G, top, total):
    """rho: the mean gradient of free support vectors; without one, the middle of what optimality allows.

    Also says whether there was one. A weight as near to a bound as the rounding of the sum is not free: where
    nu n is a whole number, all weights may belong at bounds, and what rounding left would choose an end.
    """
    between, free, above, below = F(0), 0, BIG, -BIG
    slack = F(1e-6) * total
    for j in range(n):
        if top[j] == F(0):
            continue
        if a[j] >= top[j] - slack:
            below = max(below, G[j])
        elif a[j] <= slack:
            above = min(above, G[j])
        else:
            between += G[j]
            free += 1
    if free:
        return between / F(free), True
    if above == BIG:
        return below, False
    if below == -BIG:
        return above, False
    return (above + below) / F(2), False
