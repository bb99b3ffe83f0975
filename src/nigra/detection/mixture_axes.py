"""The axes of a multiple-scale t: plane rotations that lower the sum of the axes' log scales.

Given the other parameters, the M-step's share of a component's axes D and scales A is
sum_m log A_m + D_m' S_m D_m / A_m, S_m the scatter under axis m's own weights (Forbes & Wraith 2014). With the
best A_m that is sum_m log(D_m' S_m D_m), lowered as Flury & Gautschi (1986) do it: two axes of D at a time.
"""

from typing import no_type_check

import numba
import numpy as np

_ANGLES = np.linspace(-np.pi, np.pi, 32, endpoint=False)
_COS, _SIN = np.cos(_ANGLES), np.sin(_ANGLES)


@numba.njit(cache=True)
@no_type_check
def _form(left, matrix, right):
    total = 0.0
    for i in range(len(left)):
        for j in range(len(right)):
            total += left[i] * matrix[i, j] * right[j]
    return total


@numba.njit(cache=True)
@no_type_check
def _cost(first, second, cos, sin, floor):
    """Both axes' log A + scale / A after a turn by half the angle; scale = middle + c cos + s sin, A >= floor."""
    total = 0.0
    for middle, c, s in (first, second):
        scale = middle + c * cos + s * sin
        kept = max(scale, floor)
        total += np.log(kept) + scale / kept
    return total


@numba.njit(cache=True)
@no_type_check
def _best(first, second, floor):
    """Twice the angle of least cost: the best of a grid, refined by Newton's method; 0 where none is better."""
    least, double = np.inf, 0.0
    for g in range(len(_ANGLES)):
        cost = _cost(first, second, _COS[g], _SIN[g], floor)
        if cost < least:
            least, double = cost, _ANGLES[g]
    for _ in range(4):
        slope, bend, cos, sin = 0.0, 0.0, np.cos(double), np.sin(double)
        for middle, c, s in (first, second):
            scale = max(middle + c * cos + s * sin, floor)
            part = (s * cos - c * sin) / scale
            slope += part
            bend += (middle - scale) / scale - part * part
        if bend <= 0:
            break
        tried = double - min(max(slope / bend, -0.1), 0.1)
        cost = _cost(first, second, np.cos(tried), np.sin(tried), floor)
        if cost >= least:
            break
        least, double = cost, tried
    return double if least < _cost(first, second, 1.0, 0.0, floor) - 1e-12 else 0.0


@numba.njit(cache=True)
@no_type_check
def _plane(scatter, m, n):
    """An axis' scale as a function of twice the angle of a turn from m to n."""
    own, other, mixed = _form(m, scatter, m), _form(n, scatter, n), _form(m, scatter, n)
    return (own + other) / 2, (own - other) / 2, mixed


@numba.njit(cache=True)
@no_type_check
def _turned(scatter, rows, m, n):
    """As ``_plane`` for the second axis, which turns the other way."""
    middle, cos, sin = _plane(scatter, rows[n], rows[m])
    return middle, cos, -sin


@numba.njit(cache=True)
@no_type_check
def rotate(axes, scatter, floor, sweeps):
    """Turn ``axes`` (K, d, d; one per column) in place, where that lowers the cost; scatter (K, d, d, d)."""
    components, d, _ = axes.shape
    for k in range(components):
        rows = axes[k].T.copy()
        for _ in range(sweeps):
            largest = 0.0
            for m in range(1, d):
                for n in range(m):
                    double = _best(
                        _plane(scatter[k, m], rows[m], rows[n]), _turned(scatter[k, n], rows, m, n), floor
                    )
                    cos, sin = np.cos(double / 2), np.sin(double / 2)
                    for i in range(d):
                        old, other = rows[m, i], rows[n, i]
                        rows[m, i], rows[n, i] = cos * old + sin * other, cos * other - sin * old
                    largest = max(largest, abs(double))
            if largest < 1e-5:
                break
        axes[k] = rows.T
