"""Where a refit without one control starts: how the other weights answer when one is taken away, compiled.

On the free weights the optimum is linear in the weight removed as long as no other reaches a bound; the start is
near enough that a refit takes a few steps. It decides only how long a refit takes, never what it finds.
"""

from typing import no_type_check

import numba
import numpy as np

from nigra.detection.svm_solver import settle

F = np.float32


@numba.njit(fastmath=True, error_model="numpy", inline="never", cache=True)
@no_type_check
def invert(A, n, w):
    """Inverse of the leading n x n of a positive definite ``A`` in place (Gauss-Jordan), in the first w columns."""
    for p in range(n):
        pivot, row = F(1) / A[p, p], A[p, :w]
        A[p, p] = F(1)
        for j in range(row.shape[0]):
            row[j] *= pivot
        for i in range(n):
            if i != p:
                other, f = A[i, :w], A[i, p]
                A[i, p] = F(0)
                for j in range(row.shape[0]):
                    other[j] -= f * row[j]


@numba.njit(fastmath=True, error_model="numpy", inline="never", cache=True)
@no_type_check
def responses(K, n, a, top, index, A):
    """How free weights answer when one is moved and their sum is kept: columns of ``A``; returns their number.

    ``A = inverse(K) - u u' / sum(u)``, u the row sums of the inverse, over the free weights ``index``. A ridge
    keeps it finite; it only says where a refit starts.
    """
    free = 0
    for j in range(n):
        if (a[j] > F(0)) and (a[j] < top[j]):
            index[free] = j
            free += 1
    w = (free + 7) // 8 * 8
    for p in range(free):
        for q in range(free):
            A[p, q] = K[index[p], index[q]]
        for q in range(free, w):
            A[p, q] = F(0)
        A[p, p] += F(1e-4)
    invert(A, free, w)
    sums, total = np.zeros(w, np.float32), F(0)
    for p in range(free):
        for q in range(free):
            sums[p] += A[p, q]
        total += sums[p]
    for p in range(free):
        row, share = A[p, :w], sums[p] / total
        for q in range(row.shape[0]):
            row[q] -= share * sums[q]
    return free


@numba.njit(fastmath=True, error_model="numpy", inline="never", cache=True)
@no_type_check
def start_without(i, n, weights, index, free, A, likeness, top, total, a):
    """Weights of the same sum without control i, as near the optimum as the free weights' responses tell."""
    at = -1
    for p in range(free):
        if index[p] == i:
            at = p
    for j in range(n):
        a[j] = weights[j]
    if at >= 0 and A[at, at] > F(0):
        scale = weights[i] / A[at, at]
        for p in range(free):
            j = index[p]
            a[j] = min(max(weights[j] - scale * A[p, at], F(0)), F(1))
        a[i] = F(0)
    else:  # at its upper bound: shared out by likeness
        a[i], like = F(0), F(0)
        for j in range(n):
            like += a[j] * likeness[j]
        for j in range(n):
            a[j] = min(a[j] + weights[i] * a[j] * likeness[j] / max(like, F(1e-20)), F(1))
    settle(n, a, top, total)
