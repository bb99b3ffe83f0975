"""The RBF kernel matrix of the codes at one location, compiled: centring, squared distances, gamma, exponentials.

Codes are centred first, because float32 cannot hold small distances far from zero. One subject is a column, and
columns are padded to ``width``, a multiple of 8, so that the loops over them become vector instructions; what
stands in the padding is computed along and decides nothing.
"""

from typing import no_type_check

import numba
import numpy as np

F = np.float32

GIVEN, SCALE, MEDIAN = 0, 1, 2
"""How gamma is found: as given, 1 / (d variance), 1 / (median squared distance)."""

NOTHING = np.float32(1e-30)
"""A variance that is none: codes are the same, and float32 could not hold its inverse times a distance."""


@numba.njit(cache=True)
@no_type_check
def all_same(codes, where):
    """Whether all controls have the same code at location ``where``; mostly the second answers it."""
    for i in range(1, codes.shape[0]):
        for k in range(codes.shape[2]):
            if codes[i, where, k] != codes[0, where, k]:
                return False
    return True


@numba.njit(fastmath=True, inline="never", cache=True)
@no_type_check
def means(codes, where, mean):
    """Mean code at location ``where`` into ``mean`` (d,), exact where all are the same: their variance is 0."""
    n = codes.shape[0]
    for k in range(codes.shape[2]):
        mean[k] = F(0)
    for i in range(n):
        for k in range(codes.shape[2]):
            mean[k] += codes[i, where, k] / F(n)
    if all_same(codes, where):
        for k in range(codes.shape[2]):
            mean[k] = codes[0, where, k]


@numba.njit(fastmath=True, inline="never", cache=True)
@no_type_check
def centre(codes, where, mean, out):
    """Write the codes at location ``where``, less ``mean``, into ``out`` (d, width), one subject per column."""
    for i in range(codes.shape[0]):
        for k in range(codes.shape[2]):
            out[k, i] = codes[i, where, k] - mean[k]


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
    """Squared distances of the first m columns of ``rows`` to all of ``columns``: ``out`` (>= m + 3, width).

    ``mutual`` says that both are the same; with many features half of it, mirrored, is quicker. What rounding
    leaves on the diagonal stays, as it leaves the same between equal codes: with zeros there SMO went in circles.
    """
    d = columns.shape[0]
    half = mutual and d >= 32
    for i in range(0, m, 4):  # four rows and four features at a time: each column read serves sixteen products
        begin = i // 8 * 8 if half else 0
        o0, o1, o2, o3 = out[i, begin:], out[i + 1, begin:], out[i + 2, begin:], out[i + 3, begin:]
        n0, n1, n2, n3 = row_norms[i], row_norms[i + 1], row_norms[i + 2], row_norms[i + 3]
        norms = column_norms[begin:]
        for j in range(o0.shape[0]):
            o0[j] = n0 + norms[j]
            o1[j] = n1 + norms[j]
            o2[j] = n2 + norms[j]
            o3[j] = n3 + norms[j]
        k = 0
        while k + 4 <= d:
            c0, c1, c2, c3 = (
                columns[k, begin:],
                columns[k + 1, begin:],
                columns[k + 2, begin:],
                columns[k + 3, begin:],
            )
            p0, p1, p2, p3 = rows[k], rows[k + 1], rows[k + 2], rows[k + 3]
            a0, a1, a2, a3 = F(-2) * p0[i], F(-2) * p1[i], F(-2) * p2[i], F(-2) * p3[i]
            b0, b1, b2, b3 = F(-2) * p0[i + 1], F(-2) * p1[i + 1], F(-2) * p2[i + 1], F(-2) * p3[i + 1]
            e0, e1, e2, e3 = F(-2) * p0[i + 2], F(-2) * p1[i + 2], F(-2) * p2[i + 2], F(-2) * p3[i + 2]
            f0, f1, f2, f3 = F(-2) * p0[i + 3], F(-2) * p1[i + 3], F(-2) * p2[i + 3], F(-2) * p3[i + 3]
            for j in range(o0.shape[0]):
                o0[j] += a0 * c0[j] + a1 * c1[j] + a2 * c2[j] + a3 * c3[j]
                o1[j] += b0 * c0[j] + b1 * c1[j] + b2 * c2[j] + b3 * c3[j]
                o2[j] += e0 * c0[j] + e1 * c1[j] + e2 * c2[j] + e3 * c3[j]
                o3[j] += f0 * c0[j] + f1 * c1[j] + f2 * c2[j] + f3 * c3[j]
            k += 4
        while k < d:
            c0, p0 = columns[k, begin:], rows[k]
            a0, b0, e0, f0 = F(-2) * p0[i], F(-2) * p0[i + 1], F(-2) * p0[i + 2], F(-2) * p0[i + 3]
            for j in range(o0.shape[0]):
                o0[j] += a0 * c0[j]
                o1[j] += b0 * c0[j]
                o2[j] += e0 * c0[j]
                o3[j] += f0 * c0[j]
            k += 1
    if half:
        for i in range(m):
            for j in range(i // 8 * 8):
                out[i, j] = out[j, i]


@numba.njit(cache=True)
@no_type_check
def kernel_width(codes, where, mode, gamma, mean, x, norms, K):
    """gamma at location ``where``; leaves centred codes in ``x``, their squared distances in ``K``.

    1 where all codes are the same, as scikit-learn's.
    """
    n, _, d = codes.shape
    means(codes, where, mean)
    centre(codes, where, mean, x)
    squared_norms(x, norms)
    squared_distances(x, norms, n, x, norms, True, K)
    if mode == GIVEN:
        return gamma
    if mode == SCALE:  # variance over subjects and features together, as scikit-learn's
        middle, spread = mean[0], F(0)
        for k in range(1, d):
            middle += (mean[k] - mean[0]) / F(d)
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
    return F(1) / width if width > NOTHING else F(1)


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
