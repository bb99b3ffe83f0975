"""The per-voxel one-class SVM over many locations, compiled: thousands of small quadratic programs a second.

At each location ``kernel_matrix`` fills one small matrix and ``svm_solver`` finds the weights; memory for both is
made once a block. Locations go through in blocks of a fixed size, so that the number of threads never changes a
result.
"""

from typing import no_type_check

import numba
import numpy as np

from nigra.detection.compiled import forget_older
from nigra.detection.kernel_matrix import (
    GIVEN,
    centre,
    exponentials,
    kernel_width,
    means,
    squared_distances,
    squared_norms,
)
from nigra.detection.svm_descent import DESCENTS, TURNS, gradient
from nigra.detection.svm_responses import CHANGES, plain_start_without, start_without, sweep
from nigra.detection.svm_solver import boundary, improve, optimal

F = np.float32
BLOCK = 64
"""Locations a thread takes at a time."""


# What runs in parallel only hands out blocks: numba's parallel transformations of what stands inside such a loop
# were seen to corrupt memory, so nothing stands there.


@numba.njit(cache=True)
@no_type_check
def nearby(codes, begin):
    """A copy of a block's codes, read subject by subject: far-off memory, read place by place, is waited for."""
    n, locations, d = codes.shape
    near = np.empty((n, min(BLOCK, locations - begin), d), np.float32)
    for i in range(n):
        for where in range(near.shape[1]):
            for k in range(d):
                near[i, where, k] = codes[i, begin + where, k]
    return near


@numba.njit(cache=True)
@no_type_check
def all_below(codes, i, where, largest):
    """Whether the numbers of subject i's code at a location are finite and smaller than ``largest``."""
    good = True
    for k in range(codes.shape[2]):
        good &= abs(codes[i, where, k]) < largest  # False for NaN
    return good


@numba.njit(parallel=True, nogil=True, cache=True)
@no_type_check
def fit(codes, largest, nu, mode, gamma, tolerance, limit, weights, rho, gammas, free, steps):
    """Solve every location of ``codes`` (n, locations, d) where all are below ``largest``; NaN is not.

    The last five arguments are filled there, and left as they are elsewhere: ``weights`` (locations, n), ``rho``,
    ``gammas``, ``free`` (whether a free support vector fixes rho) and ``steps`` (of SMO) per location.
    """
    for b in numba.prange((codes.shape[1] + BLOCK - 1) // BLOCK):
        fit_block(b, codes, largest, nu, mode, gamma, tolerance, limit, weights, rho, gammas, free, steps)


@numba.njit(cache=True)
@no_type_check
def fit_block(b, codes, largest, nu, mode, gamma, tolerance, limit, weights, rho, gammas, free, steps):
    """One block of ``fit``."""
    n, locations, d = codes.shape
    width, total = (n + 7) // 8 * 8, nu * F(n)
    x, norms, mean, K, bits, work = workspace(n, width, d)
    flat, power = K.ravel()[: n * width], bits.view(np.float32)
    a, G, up, low, gain, top = work[0], work[1], work[2], work[3], work[4], work[5]
    begin = b * BLOCK
    near = nearby(codes, begin)
    for where in range(begin, min(begin + BLOCK, locations)):
        usable = True
        for i in range(n):
            usable &= all_below(near, i, where - begin, largest)
        if not usable:
            continue
        gammas[where] = kernel_width(near, where - begin, mode, gamma, mean, x, norms, K)
        exponentials(flat, gammas[where], bits, power)
        for j in range(n):
            a[j] = nu
        gradient(K, n, a, G)
        steps[where] = improve(K, n, a, G, top, total, up, low, gain, DESCENTS, TURNS, tolerance, limit)
        rho[where], free[where] = boundary(n, a, G, top, total)
        for j in range(n):
            weights[where, j] = a[j]


@numba.njit(parallel=True, nogil=True, cache=True)
@no_type_check
def score(controls, weights, gammas, codes, out):
    """``out`` (m, locations) = sum over controls of weight x kernel, for m subjects' codes at every location.

    A location whose gamma is NaN gets NaN, and so does a code that is not finite.
    """
    for b in numba.prange((codes.shape[1] + BLOCK - 1) // BLOCK):
        score_block(b, controls, weights, gammas, codes, out)


@numba.njit(cache=True)
@no_type_check
def score_block(b, controls, weights, gammas, codes, out):
    """One block of ``score``; only support vectors enter the kernel."""
    n, locations, d = controls.shape
    m = codes.shape[0]
    width, columns_width = (n + 7) // 8 * 8, (m + 7) // 8 * 8
    columns, norms = np.zeros((d, columns_width), np.float32), np.zeros(columns_width, np.float32)
    rows, row_norms, a = np.zeros((d, width), np.float32), np.zeros(width, np.float32), np.zeros(width, np.float32)
    mean, total = np.zeros(d, np.float32), np.zeros(columns_width, np.float32)
    K, bits = np.zeros((n + 3, columns_width), np.float32), np.zeros(n * columns_width, np.int32)
    flat, power = K.ravel(), bits.view(np.float32)
    begin = b * BLOCK
    old, new = nearby(controls, begin), nearby(codes, begin)
    for where in range(begin, min(begin + BLOCK, locations)):
        if not gammas[where] > F(0):
            for i in range(m):
                out[i, where] = np.nan
            continue
        means(old, where - begin, mean)
        centre(new, where - begin, mean, columns)
        support = 0
        for j in range(n):
            if weights[where, j] > F(0):
                for k in range(d):
                    rows[k, support] = old[j, where - begin, k] - mean[k]
                a[support] = weights[where, j]
                support += 1
        squared_norms(columns, norms)
        squared_norms(rows, row_norms)
        squared_distances(rows, row_norms, support, columns, norms, False, K)
        exponentials(flat[: support * columns_width], gammas[where], bits, power)
        gradient(K, support, a, total)
        for i in range(m):
            out[i, where] = total[i] if all_below(new, i, where - begin, np.inf) else np.nan


@numba.njit(parallel=True, nogil=True, cache=True)
@no_type_check
def leave_one_out(codes, weights, gammas, nu, tolerance, limit, scores, rhos):
    """Fill ``scores`` and ``rhos`` (n, locations): each control's by the machine refitted without it, gamma kept.

    One kernel matrix serves all n refits, and one solution with the total weight of n - 1 controls serves every
    control that has no weight in it. Each other refit starts where the answers of weights and gradients point.
    """
    for b in numba.prange((codes.shape[1] + BLOCK - 1) // BLOCK):
        leave_one_out_block(b, codes, weights, gammas, nu, tolerance, limit, scores, rhos)


@numba.njit(cache=True)
@no_type_check
def leave_one_out_block(b, codes, weights, gammas, nu, tolerance, limit, scores, rhos):
    """One block of ``leave_one_out``."""
    n, locations, d = codes.shape
    width, total = (n + 7) // 8 * 8, nu * F(n - 1)
    x, norms, mean, K, bits, work = workspace(n, width, d)
    flat, power = K.ravel()[: n * width], bits.view(np.float32)
    a, G, up, low, gain, top, less, kept = work[0], work[1], work[2], work[3], work[4], work[5], work[6], work[7]
    P, state = np.zeros((n + 3, width), np.float32), np.zeros((5, width), np.float32)
    y, lowest, highest, ones, sums = state[0], state[1], state[2], state[3], state[4]
    room, changed = np.zeros((CHANGES + 4, width), np.float32), np.zeros(CHANGES, np.int64)
    for where in range(b * BLOCK, min((b + 1) * BLOCK, locations)):
        if not gammas[where] > F(0):
            for i in range(n):
                scores[i, where] = rhos[i, where] = np.nan
            continue
        exponentials(flat, kernel_width(codes, where, GIVEN, gammas[where], mean, x, norms, K), bits, power)
        for j in range(n):
            less[j] = weights[where, j] * F(n - 1) / F(n)
        gradient(K, n, less, kept)
        improve(K, n, less, kept, top, total, up, low, gain, DESCENTS, TURNS, tolerance, limit)
        answers = sweep(K, n, less, kept, top, P, y, lowest, highest, ones, sums)
        for i in range(n):
            top[i] = F(0)
            if less[i] > F(0):
                followed = answers and start_without(
                    i, n, less, P, y, lowest, highest, F(0.4) * tolerance, top, total, room, changed, a
                )
                if not followed:
                    plain_start_without(i, n, less, top, total, a)
                gradient(K, n, a, G)
                if not (followed and optimal(a, G, top, tolerance)):
                    descents = 0 if followed else DESCENTS
                    improve(K, n, a, G, top, total, up, low, gain, descents, TURNS, tolerance, limit)
                scores[i, where], rhos[i, where] = G[i], boundary(n, a, G, top, total)[0]
            else:  # leaving out what has no weight changes nothing
                scores[i, where], rhos[i, where] = kept[i], boundary(n, less, kept, top, total)[0]
            top[i] = F(1)


@numba.njit(cache=True)
@no_type_check
def workspace(n, width, d):
    """Arrays a block of locations works in: centred codes, squared lengths, mean, kernel matrix, bits, vectors."""
    x, norms, mean = np.zeros((d, width), np.float32), np.zeros(width, np.float32), np.zeros(d, np.float32)
    return x, norms, mean, np.zeros((n + 3, width), np.float32), np.zeros(n * width, np.int32), vectors(n, width)


@numba.njit(cache=True)
@no_type_check
def vectors(n, width):
    """Eight vectors of a problem: weights, gradient, up, low, gain, upper bounds and two to spare."""
    made = np.zeros((8, width), np.float32)
    for j in range(n):
        made[5, j] = F(1)
    return made


forget_older(fit)  # everything above has the code of other modules inside
