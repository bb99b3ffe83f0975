"""The pass over all codes that a Student-t mixture's EM lives on: compiled, in blocks, alike for any thread number.

One kernel serves both kinds. A component has ``scales`` latent weights: one for all axes (multivariate t) or one
per axis (multiple-scale t). Codes are float32 and handled in blocks that stay in the cache, one feature per row, so
that every inner loop runs over contiguous codes; sums leave a block as float64. Chunks of codes are fixed by the
data's size alone and added up in order, so threads cannot change a digit.
"""

from typing import no_type_check

import numba
import numpy as np

BLOCK = 256
"""Codes handled at once: all that a block needs fits the second-level cache."""

CHUNK = 16
"""Blocks scored by one thread with the same working arrays."""

# sums of a block may be reordered to use vector units; the order is then fixed in the compiled code
_SUMS = {"reassoc", "contract", "nsz"}


@numba.njit(nogil=True, cache=True, fastmath=_SUMS)
@no_type_check
def _sum(a, size):
    total = np.float32(0)
    for b in range(size):
        total += a[b]
    return total


@numba.njit(nogil=True, cache=True, fastmath=_SUMS)
@no_type_check
def _dot(a, c, size):
    total = np.float32(0)
    for b in range(size):
        total += a[b] * c[b]
    return total


@numba.njit(nogil=True, cache=True)
@no_type_check
def _log1p(x, bits, out, size):
    """Natural log of 1 + x for x >= 0 to 2 ulp, in a form that vector units run (Cephes' logf polynomial)."""
    value = bits.view(np.float32)
    for b in range(size):
        value[b] = np.float32(1) + x[b]
    for b in range(size):
        exponent = (bits[b] - np.int32(0x3F3504F3)) >> np.int32(23)  # the mantissa lies in (0.7, 1.41]
        out[b] = np.float32(exponent)
        # what rounding took off 1 + x matters where x is small, that is, for many degrees of freedom
        x[b] = (x[b] - (value[b] - np.float32(1))) / value[b]
        bits[b] -= exponent << np.int32(23)
    for b in range(size):
        f, exponent, lost = value[b] - np.float32(1), out[b], x[b]
        p = np.float32(7.0376836292e-2)
        p = p * f + np.float32(-1.1514610310e-1)
        p = p * f + np.float32(1.1676998740e-1)
        p = p * f + np.float32(-1.2420140846e-1)
        p = p * f + np.float32(1.4249322787e-1)
        p = p * f + np.float32(-1.6668057665e-1)
        p = p * f + np.float32(2.0000714765e-1)
        p = p * f + np.float32(-2.4999993993e-1)
        p = p * f + np.float32(3.3333331174e-1)
        rest = p * f * f * f - np.float32(0.5) * f * f + exponent * np.float32(-2.12194440e-4) + lost
        out[b] = f + rest + exponent * np.float32(0.693359375)


@numba.njit(nogil=True, cache=True)
@no_type_check
def _exp(x, bits, size):
    """x becomes exp(x), x <= 0, to 2 ulp; below -87 it is 1e-38 (Cephes' expf polynomial)."""
    power = bits.view(np.float32)
    for b in range(size):
        value = max(x[b], np.float32(-87))
        n = np.floor(value * np.float32(1.44269504) + np.float32(0.5))
        f = value - n * np.float32(0.693359375) + n * np.float32(2.12194440e-4)
        p = np.float32(1.9875691500e-4)
        p = p * f + np.float32(1.3981999507e-3)
        p = p * f + np.float32(8.3334519073e-3)
        p = p * f + np.float32(4.1665795894e-2)
        p = p * f + np.float32(1.6666665459e-1)
        p = p * f + np.float32(5.0000001201e-1)
        x[b] = p * f * f + f + np.float32(1)
        bits[b] = (np.int32(n) + np.int32(127)) << np.int32(23)
    for b in range(size):
        x[b] *= power[b]


@numba.njit(nogil=True, cache=True)
@no_type_check
def _whiten(y, mean, whiten, v, size):
    """v (d, block) = whiten (y - mean)."""
    for j in range(v.shape[0]):
        row = v[j]
        row[:size] = 0
        for i in range(y.shape[0]):
            factor, centre, values = whiten[j, i], mean[i], y[i]
            for b in range(size):
                row[b] += factor * (values[b] - centre)


@numba.njit(nogil=True, cache=True)
@no_type_check
def _weights(v, dof, half, u, logs, posterior, spare, bits, size):
    """E[W | y, component] into u, log(1 + distance / dof) into logs; the log density is taken off posterior."""
    scales = u.shape[0]
    spread = v.shape[0] // scales  # axes that share a weight
    for s in range(scales):
        nu, h, weight, log = dof[s], half[s], u[s], logs[s]
        inverse = np.float32(1) / nu
        spare[:size] = 0
        for j in range(s * spread, (s + 1) * spread):
            row = v[j]
            for b in range(size):
                spare[b] += row[b] * row[b]
        for b in range(size):
            weight[b] = np.float32(2) * h / (nu + spare[b])
            spare[b] *= inverse
        _log1p(spare, bits, log, size)
        for b in range(size):
            posterior[b] -= h * log[b]


@numba.njit(nogil=True, cache=True)
@no_type_check
def _normalise(posterior, density, spare, bits, size):
    """Log densities (K, block) become posteriors, ``density`` their log-sum."""
    density[:size] = posterior[0, :size]
    for k in range(1, posterior.shape[0]):
        row = posterior[k]
        for b in range(size):
            density[b] = max(density[b], row[b])
    spare[:size] = 0
    for k in range(posterior.shape[0]):
        row = posterior[k]
        for b in range(size):
            row[b] -= density[b]
        _exp(row, bits, size)
        for b in range(size):
            spare[b] += row[b]
    for k in range(posterior.shape[0]):
        row = posterior[k]
        for b in range(size):
            row[b] /= spare[b]
    for b in range(size):
        spare[b] = max(spare[b] - np.float32(1), np.float32(0))
    log = np.empty(size, np.float32)
    _log1p(spare, bits, log, size)
    for b in range(size):
        density[b] += log[b]


@numba.njit(nogil=True, cache=True)
@no_type_check
def _posteriors(y, mean, whiten, constant, half, dof, v, u, logs, posterior, density, spare, bits, size):
    """The E-step of a block."""
    for k in range(mean.shape[0]):
        posterior[k, :size] = constant[k]
        _whiten(y, mean[k], whiten[k], v[k], size)
        _weights(v[k], dof[k], half[k], u[k], logs[k], posterior[k], spare, bits, size)
    _normalise(posterior, density, spare, bits, size)


@numba.njit(nogil=True, cache=True)
@no_type_check
def _load(codes, begin, y, missing):
    """Codes become columns, at most ``BLOCK`` of them; one with a NaN is marked and read as 0."""
    size = min(codes.shape[0] - begin, y.shape[1])
    missing[:size] = False
    for b in range(size):
        for i in range(y.shape[0]):
            value = codes[begin + b, i]
            if np.isfinite(value):
                y[i, b] = value
            else:
                y[i, b] = 0
                missing[b] = True
    return size


@numba.njit(cache=True)
@no_type_check
def _workspace(components, scales, d):
    """Arrays a block of codes works in: codes, whitened codes, weights, their logs, posteriors, spare ones."""
    y, v = np.empty((d, BLOCK), np.float32), np.empty((components, d, BLOCK), np.float32)
    u = np.empty((2, components, scales, BLOCK), np.float32)
    posterior, rows = np.empty((components, BLOCK), np.float32), np.empty((2, BLOCK), np.float32)
    return y, v, u[0], u[1], posterior, rows[0], rows[1], np.empty(BLOCK, np.int32), np.empty(BLOCK, np.bool_)


# What runs in parallel only hands out blocks: numba's parallel transformations of array code inside such a loop
# were seen to corrupt memory (``svm_kernels``), so none stands there.


@numba.njit(parallel=True, nogil=True, cache=True)
@no_type_check
def expectation(codes, mean, whiten, constant, half, dof, s0, s1, s2, s3, s4, density_sum):
    """Add each chunk's sums over its codes to the arrays, whose first axis is the chunk (``mixture.from_local``).

    s0 (C, K), s1 (C, K, scales, d), s2 (C, K, scales, d, d; lower triangle), s3 and s4 (C, K, scales).
    Codes are finite.
    """
    for c in numba.prange(s0.shape[0]):
        _expectation_chunk(c, codes, mean, whiten, constant, half, dof, s0, s1, s2, s3, s4, density_sum)


@numba.njit(cache=True)
@no_type_check
def _expectation_chunk(c, codes, mean, whiten, constant, half, dof, s0, s1, s2, s3, s4, density_sum):
    """One chunk of ``expectation``."""
    components, d = mean.shape
    scales, chunks = dof.shape[1], s0.shape[0]
    blocks = (codes.shape[0] + BLOCK - 1) // BLOCK
    y, v, u, logs, posterior, density, spare, bits, missing = _workspace(components, scales, d)
    for block in range(c * blocks // chunks, (c + 1) * blocks // chunks):
        size = _load(codes, block * BLOCK, y, missing)
        _posteriors(y, mean, whiten, constant, half, dof, v, u, logs, posterior, density, spare, bits, size)
        density_sum[c] += np.float64(_sum(density, size))
        for k in range(components):
            row = posterior[k]
            s0[c, k] += np.float64(_sum(row, size))
            for s in range(scales):
                weight = u[k, s]
                s4[c, k, s] += np.float64(_dot(row, logs[k, s], size))
                for b in range(size):
                    weight[b] *= row[b]
                s3[c, k, s] += np.float64(_sum(weight, size))
                for i in range(d):
                    left = v[k, i]
                    s1[c, k, s, i] += np.float64(_dot(weight, left, size))
                    for b in range(size):
                        spare[b] = weight[b] * left[b]
                    for j in range(i + 1):
                        s2[c, k, s, i, j] += np.float64(_dot(spare, v[k, j], size))


@numba.njit(parallel=True, nogil=True, cache=True)
@no_type_check
def score(codes, mean, whiten, constant, half, dof, proximity, out):
    """Proximity (or the log density) of each code into ``out`` (n,); NaN for a code with a NaN."""
    for c in numba.prange((codes.shape[0] + CHUNK * BLOCK - 1) // (CHUNK * BLOCK)):
        _score_chunk(c, codes, mean, whiten, constant, half, dof, proximity, out)


@numba.njit(cache=True)
@no_type_check
def _score_chunk(c, codes, mean, whiten, constant, half, dof, proximity, out):
    """``CHUNK`` blocks of ``score``."""
    components, d = mean.shape
    scales = dof.shape[1]
    y, v, u, logs, posterior, density, spare, bits, missing = _workspace(components, scales, d)
    for block in range(c * CHUNK, min((c + 1) * CHUNK, (codes.shape[0] + BLOCK - 1) // BLOCK)):
        size = _load(codes, block * BLOCK, y, missing)
        _posteriors(y, mean, whiten, constant, half, dof, v, u, logs, posterior, density, spare, bits, size)
        if proximity:
            density[:size] = 0
            for s in range(scales):
                spare[:size] = 0
                for k in range(components):
                    row, weight = posterior[k], u[k, s]
                    for b in range(size):
                        spare[b] += row[b] * weight[b]
                for b in range(size):
                    density[b] = max(density[b], spare[b])
        for b in range(size):
            out[block * BLOCK + b] = np.float32(np.nan) if missing[b] else density[b]
