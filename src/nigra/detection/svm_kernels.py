"""The compiled core of the per-voxel one-class SVM: thousands of small quadratic programs a second.

At each location: minimise ``a' K a / 2`` over ``0 <= a_i <= 1, sum a = nu n`` (Schölkopf et al. 2001, in the scale
of LIBSVM), K the RBF kernel of the controls' codes there, centred first, because float32 cannot hold small
distances far from zero. Two steps: projected gradients with Barzilai-Borwein lengths and exact line search (Dai &
Fletcher 2006) find which variables lie at a bound; sequential minimal optimisation with second-order choice of the
pair (Fan, Chen & Lin 2005), from there, brings the largest violation of optimality below the tolerance. The first
is only fast, the second alone decides when a solution is good.

Rows are padded to ``width`` columns, a multiple of 8, so that the loops over them become vector instructions.
Locations go through in blocks of a fixed size, so that the number of threads never changes a result.
"""

from typing import no_type_check

import numba
import numpy as np

F = np.float32
BIG = np.float32(1e30)
BLOCK = 64
DESCENTS = 12
"""Projected gradients before SMO; more gain nothing where the kernel matrix is nearly singular."""

CURVATURE = np.float32(1e-6)
"""Least curvature along a pair: below, float32 cannot tell the kernel from 1, and steps would overshoot."""

ROUNDING = np.float32(5e-7)
"""Of a gradient; no solution in float32 can be judged more finely."""

GIVEN, SCALE, MEDIAN = 0, 1, 2
"""How gamma is found: as given, 1 / (d variance), 1 / (median squared distance)."""


@numba.njit(fastmath=True, inline="never", cache=True)
@no_type_check
def centre(codes, where, mean, out):
    """Write the codes at location ``where``, less ``mean``, into ``out`` (d, width), one subject per column."""
    for i in range(codes.shape[0]):
        for k in range(codes.shape[2]):
            out[k, i] = codes[i, where, k] - mean[k]


@numba.njit(fastmath=True, inline="never", cache=True)
@no_type_check
def means(codes, where, mean):
    """Mean code at location ``where`` into ``mean`` (d,)."""
    n = codes.shape[0]
    for k in range(codes.shape[2]):
        mean[k] = F(0)
    for i in range(n):
        for k in range(codes.shape[2]):
            mean[k] += codes[i, where, k] / F(n)


@numba.njit(fastmath=True, inline="never", cache=True)
@no_type_check
def squared_norms(x, out):
    """Squared length of every column of ``x`` (d, width)."""
    for j in range(x.shape[1]):
        out[j] = F(0)
    for k in range(x.shape[0]):
        for j in range(x.shape[1]):
            out[j] += x[k, j] * x[k, j]


@numba.njit(fastmath=True, inline="never", cache=True)
@no_type_check
def squared_distances(rows, row_norms, m, columns, column_norms, mutual, out):
    """Squared distances of the first m columns of ``rows`` to all of ``columns``: ``out`` (>= m + 1, width).

    ``mutual`` says that both are the same; with many features half of it, mirrored, is quicker.
    """
    d = columns.shape[0]
    half = mutual and d >= 32
    for i in range(0, m, 2):  # two rows at a time: each column read serves both
        begin = i // 8 * 8 if half else 0
        o0, o1, norms = out[i, begin:], out[i + 1, begin:], column_norms[begin:]
        width = o0.shape[0]
        for j in range(width):
            o0[j] = row_norms[i] + norms[j]
            o1[j] = row_norms[i + 1] + norms[j]
        k = 0
        while k + 4 <= d:
            c0, c1, c2, c3 = (
                columns[k, begin:],
                columns[k + 1, begin:],
                columns[k + 2, begin:],
                columns[k + 3, begin:],
            )
            a0, a1 = F(-2) * rows[k, i], F(-2) * rows[k + 1, i]
            a2, a3 = F(-2) * rows[k + 2, i], F(-2) * rows[k + 3, i]
            b0, b1 = F(-2) * rows[k, i + 1], F(-2) * rows[k + 1, i + 1]
            b2, b3 = F(-2) * rows[k + 2, i + 1], F(-2) * rows[k + 3, i + 1]
            for j in range(width):
                o0[j] += a0 * c0[j] + a1 * c1[j] + a2 * c2[j] + a3 * c3[j]
                o1[j] += b0 * c0[j] + b1 * c1[j] + b2 * c2[j] + b3 * c3[j]
            k += 4
        while k < d:
            c0, a0, b0 = columns[k, begin:], F(-2) * rows[k, i], F(-2) * rows[k, i + 1]
            for j in range(width):
                o0[j] += a0 * c0[j]
                o1[j] += b0 * c0[j]
            k += 1
    if half:
        for i in range(m):
            for j in range(i // 8 * 8):
                out[i, j] = out[j, i]


@numba.njit(fastmath=True, inline="never", cache=True)
@no_type_check
def exponentials(distances, gamma, bits, power):
    """``exp(-gamma distance)`` of a flat array in place; ``power`` is ``bits`` read as float32.

    Cody-Waite reduction and the polynomial of Cephes' expf, within 2e-7: numba's own exp is not vectorised.
    """
    for j in range(distances.shape[0]):
        x = max(-gamma * max(distances[j], F(0)), F(-87))
        e = np.floor(x * F(1.44269504) + F(0.5))
        bits[j] = np.int32((e + F(127)) * F(8388608))  # 2 ** e, as the bits of a float32
        x = x - e * F(0.693359375)
        x = x + e * F(2.12194440e-4)
        p = F(1.9875691500e-4)
        p = p * x + F(1.3981999507e-3)
        p = p * x + F(8.3334519073e-3)
        p = p * x + F(4.1665795894e-2)
        p = p * x + F(1.6666665459e-1)
        p = p * x + F(5.0000001201e-1)
        distances[j] = p * x * x + x + F(1)
    for j in range(distances.shape[0]):
        distances[j] *= power[j]


@numba.njit(fastmath=True, inline="never", cache=True)
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


@numba.njit(fastmath=True, inline="never", cache=True)
@no_type_check
def project(v, n, top, total, level):
    """The level with ``sum clip(v - level, 0, top) = total``, by Newton steps kept inside a bracket."""
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
        step = level + f / max(free, F(1))
        if (step <= low or step >= high) and low > -BIG and high < BIG:
            step = (low + high) / F(2)
        level = step
    return level


@numba.njit(fastmath=True, inline="never", cache=True)
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


@numba.njit(fastmath=True, inline="never", cache=True)
@no_type_check
def settle(n, a, top, total):
    """Bring ``a`` exactly between its bounds, onto the sum ``total``: rounding moved it a little."""
    for _ in range(4):
        rest, free = total, F(0)
        for j in range(n):
            x = a[j]
            x = F(0) if x < F(1e-6) * top[j] else x
            x = top[j] if x > F(1 - 1e-6) * top[j] else x
            a[j] = x
            rest -= x
            free += F(1) if (x > F(0)) and (x < top[j]) else F(0)
        if rest == F(0) or free == F(0):
            break
        for j in range(n):
            if (a[j] > F(0)) and (a[j] < top[j]):
                a[j] = min(max(a[j] + rest / free, F(0)), top[j])
    if abs(rest) > F(1e-5) * total:  # never seen; the plain start is always right
        room = F(0)
        for j in range(n):
            room += top[j]
        for j in range(n):
            a[j] = total * top[j] / room


@numba.njit(fastmath=True, inline="never", cache=True)
@no_type_check
def pair_steps(K, n, a, G, top, up, low, gain, tolerance, limit):
    """SMO until no pair violates optimality by more than ``tolerance``; returns the number of steps."""
    width = K.shape[1]
    for j in range(width):
        up[j] = low[j] = BIG
    for j in range(n):
        up[j] = F(0) if a[j] < top[j] else BIG
        low[j] = F(0) if a[j] > F(0) else BIG
    steps, drifted = 0, 0
    while steps < limit:
        if drifted >= 100:  # rounding adds up over the steps
            gradient(K, n, a, G)
            drifted = 0
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
        if largest - smallest < max(tolerance, ROUNDING * largest):
            if drifted == 0:
                break
            gradient(K, n, a, G)  # judged by a fresh one
            drifted = 0
            continue
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
    return steps


@numba.njit(cache=True)
@no_type_check
def improve(K, n, a, G, top, total, up, low, gain, descents, tolerance, limit):
    """From any weights ``a`` with gradient ``G`` to the solution; returns the number of SMO steps."""
    descend(K, n, a, G, top, total, up, gain, descents, F(1e-4) * total / F(n))
    settle(n, a, top, total)
    gradient(K, n, a, G)
    return pair_steps(K, n, a, G, top, up, low, gain, tolerance, limit)


@numba.njit(cache=True)
@no_type_check
def boundary(n, a, G, top):
    """rho: the mean gradient of free support vectors; without one, the middle of what optimality allows."""
    total, free, above, below = F(0), 0, BIG, -BIG
    for j in range(n):
        if top[j] == F(0):
            continue
        if a[j] >= top[j]:
            below = max(below, G[j])
        elif a[j] <= F(0):
            above = min(above, G[j])
        else:
            total += G[j]
            free += 1
    if free:
        return total / F(free), True
    if above == BIG:
        return below, False
    if below == -BIG:
        return above, False
    return (above + below) / F(2), False


@numba.njit(cache=True)
@no_type_check
def kernel_width(codes, where, mode, gamma, mean, x, norms, K):
    """gamma at location ``where``; leaves centred codes in ``x``, their squared distances in ``K``."""
    n, _, d = codes.shape
    means(codes, where, mean)
    centre(codes, where, mean, x)
    squared_norms(x, norms)
    squared_distances(x, norms, n, x, norms, True, K)
    if mode == GIVEN:
        return gamma
    if mode == SCALE:  # variance over subjects and features together, as scikit-learn's
        middle, spread = F(0), F(0)
        for k in range(d):
            middle += mean[k] / F(d)
        for k in range(d):
            spread += (mean[k] - middle) ** 2 / F(d)
        total = F(0)
        for j in range(n):
            total += norms[j]
        width = F(d) * (spread + total / F(n * d))
    else:
        pairs = np.empty(n * (n - 1) // 2, np.float32)
        count = 0
        for i in range(n):
            for j in range(i):
                pairs[count] = max(K[i, j], F(0))
                count += 1
        width = F(np.median(pairs)) if count else F(0)
    return F(1) / width if width > F(0) else F(1)


@numba.njit(cache=True)
@no_type_check
def workspace(n, width, d):
    """Arrays a block of locations works in: centred codes, squared lengths, mean, kernel matrix, bits, vectors."""
    x, norms, mean = np.zeros((d, width), np.float32), np.zeros(width, np.float32), np.zeros(d, np.float32)
    return x, norms, mean, np.zeros((n + 1, width), np.float32), np.zeros(n * width, np.int32), vectors(n, width)


@numba.njit(cache=True)
@no_type_check
def vectors(n, width):
    """Eight vectors of a problem: weights, gradient, up, low, gain, upper bounds and two to spare."""
    made = np.zeros((8, width), np.float32)
    for j in range(n):
        made[5, j] = F(1)
    return made


# What runs in parallel only hands out blocks: numba's parallel transformations of what stands inside such a loop
# were seen to corrupt memory, so nothing stands there.


@numba.njit(parallel=True, nogil=True, cache=True)
@no_type_check
def fit(codes, usable, nu, mode, gamma, tolerance, limit, weights, rho, gammas, free, steps):
    """Solve every usable location of ``codes`` (n, locations, d); the last five arguments are filled.

    ``weights`` (locations, n), ``rho``, ``gammas``, ``free`` (whether a free support vector fixes rho) and
    ``steps`` (of SMO) per location.
    """
    for b in numba.prange((codes.shape[1] + BLOCK - 1) // BLOCK):
        fit_block(b, codes, usable, nu, mode, gamma, tolerance, limit, weights, rho, gammas, free, steps)


@numba.njit(cache=True)
@no_type_check
def fit_block(b, codes, usable, nu, mode, gamma, tolerance, limit, weights, rho, gammas, free, steps):
    """One block of ``fit``."""
    n, locations, d = codes.shape
    width = (n + 7) // 8 * 8
    x, norms, mean, K, bits, work = workspace(n, width, d)
    flat, power = K.ravel()[: n * width], bits.view(np.float32)
    a, G, up, low, gain, top = work[0], work[1], work[2], work[3], work[4], work[5]
    for where in range(b * BLOCK, min((b + 1) * BLOCK, locations)):
        if not usable[where]:
            continue
        gammas[where] = kernel_width(codes, where, mode, gamma, mean, x, norms, K)
        exponentials(flat, gammas[where], bits, power)
        for j in range(n):
            a[j] = nu
        gradient(K, n, a, G)
        steps[where] = improve(K, n, a, G, top, nu * F(n), up, low, gain, DESCENTS, tolerance, limit)
        rho[where], free[where] = boundary(n, a, G, top)
        for j in range(n):
            weights[where, j] = a[j]


@numba.njit(parallel=True, nogil=True, cache=True)
@no_type_check
def score(controls, weights, gammas, codes, out):
    """``out`` (m, locations) = sum over controls of weight x kernel, for m subjects' codes at every location.

    A location whose gamma is NaN gets NaN; NaN codes are the caller's to mark.
    """
    for b in numba.prange((codes.shape[1] + BLOCK - 1) // BLOCK):
        score_block(b, controls, weights, gammas, codes, out)


@numba.njit(cache=True)
@no_type_check
def score_block(b, controls, weights, gammas, codes, out):
    """One block of ``score``; only support vectors enter the kernel."""
    n, locations, d = controls.shape
    m = codes.shape[0]
    width, rows_width = (n + 7) // 8 * 8, (m + 7) // 8 * 8
    rows, row_norms, mean = (
        np.zeros((d, rows_width), np.float32),
        np.zeros(rows_width, np.float32),
        np.zeros(d, np.float32),
    )
    columns, norms = np.zeros(d * width, np.float32), np.zeros(width, np.float32)
    distances, bits = np.zeros((m + 1) * width, np.float32), np.zeros(m * width, np.int32)
    power, a = bits.view(np.float32), np.zeros(width, np.float32)
    for where in range(b * BLOCK, min((b + 1) * BLOCK, locations)):
        if not gammas[where] > F(0):
            for i in range(m):
                out[i, where] = np.nan
            continue
        support = 0
        for j in range(n):
            support += weights[where, j] > F(0)
        w = (support + 7) // 8 * 8
        means(controls, where, mean)
        centre(codes, where, mean, rows)
        supports, a[:], columns[:] = columns[: d * w].reshape((d, w)), F(0), F(0)
        support = 0
        for j in range(n):
            if weights[where, j] > F(0):
                for k in range(d):
                    supports[k, support] = controls[j, where, k] - mean[k]
                a[support] = weights[where, j]
                support += 1
        squared_norms(rows, row_norms)
        squared_norms(supports, norms[:w])
        K = distances[: (m + 1) * w].reshape((m + 1, w))
        squared_distances(rows, row_norms, m, supports, norms[:w], False, K)
        exponentials(distances[: m * w], gammas[where], bits, power)
        for i in range(m):
            out[i, where] = dot(a[:w], K[i])


@numba.njit(fastmath=True, cache=True)
@no_type_check
def dot(a, b):
    """Scalar product."""
    total = F(0)
    for j in range(a.shape[0]):
        total += a[j] * b[j]
    return total


@numba.njit(parallel=True, nogil=True, cache=True)
@no_type_check
def leave_one_out(codes, weights, gammas, nu, tolerance, limit, scores, rhos):
    """Fill ``scores`` and ``rhos`` (n, locations): each control's by the machine refitted without it, gamma kept.

    One kernel matrix serves all n refits, and one solution with the total weight of n - 1 controls serves every
    control that has no weight in it. Each other refit starts where the free weights' responses point.
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
    index, A = np.zeros(n, np.int64), np.zeros((n, width), np.float32)
    for where in range(b * BLOCK, min((b + 1) * BLOCK, locations)):
        if not gammas[where] > F(0):
            for i in range(n):
                scores[i, where] = rhos[i, where] = np.nan
            continue
        exponentials(flat, kernel_width(codes, where, GIVEN, gammas[where], mean, x, norms, K), bits, power)
        for j in range(n):
            less[j] = weights[where, j] * F(n - 1) / F(n)
        gradient(K, n, less, kept)
        improve(K, n, less, kept, top, total, up, low, gain, DESCENTS, tolerance, limit)
        count = responses(K, n, less, top, index, A)
        for i in range(n):
            top[i] = F(0)
            if less[i] > F(0):
                start_without(i, n, less, index, count, A, K[i], top, total, a)
                gradient(K, n, a, G)
                improve(K, n, a, G, top, total, up, low, gain, DESCENTS // 2, tolerance, limit)
                scores[i, where], rhos[i, where] = G[i], boundary(n, a, G, top)[0]
            else:  # leaving out what has no weight changes nothing
                scores[i, where], rhos[i, where] = kept[i], boundary(n, less, kept, top)[0]
            top[i] = F(1)


@numba.njit(fastmath=True, cache=True)
@no_type_check
def invert(A, n):
    """Inverse of the leading n x n of a positive definite ``A`` in place (Gauss-Jordan)."""
    for p in range(n):
        pivot, row = F(1) / A[p, p], A[p]
        A[p, p] = F(1)
        for j in range(row.shape[0]):
            row[j] *= pivot
        for i in range(n):
            if i != p:
                other, f = A[i], A[i, p]
                A[i, p] = F(0)
                for j in range(row.shape[0]):
                    other[j] -= f * row[j]


@numba.njit(fastmath=True, cache=True)
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
    invert(A[:free, :w], free)
    sums, total = np.zeros(free, np.float32), F(0)
    for p in range(free):
        for q in range(free):
            sums[p] += A[p, q]
        total += sums[p]
    for p in range(free):
        for q in range(free):
            A[p, q] -= sums[p] * sums[q] / total
    return free


@numba.njit(fastmath=True, cache=True)
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
