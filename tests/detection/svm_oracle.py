"""One-class SVMs the slow way: kernels in float64, all active sets tried, scikit-learn at a tolerance of 1e-9."""

from itertools import product

import numpy as np
from scipy.spatial.distance import cdist
from sklearn.svm import OneClassSVM

from nigra.detection import svm_kernels
from nigra.detection.kernel_matrix import GIVEN

TOLERANCE = 2.5e-6
"""Of the solver, where the detector's is 1e-5."""


def normal(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.standard_normal(shape, dtype=np.float32)


def kernel(rows: np.ndarray, columns: np.ndarray, gamma: float) -> np.ndarray:
    """exp(-gamma |row - column|^2), float64."""
    return np.exp(-gamma * cdist(rows.astype(np.float64), columns.astype(np.float64), "sqeuclidean"))


def exact(K: np.ndarray, nu: float) -> np.ndarray:
    """The optimal weights of a tiny problem: every way to put weights at 0, at 1 or between is tried."""
    n, best, weights = len(K), np.inf, np.full(len(K), np.nan)
    for where in product((0.0, 1.0, None), repeat=n):
        free = np.array([place is None for place in where])
        a = np.array([place or 0.0 for place in where])
        if free.any():  # K a is the same on free weights, and all sum to nu n
            system = np.zeros((free.sum() + 1,) * 2)
            system[:-1, :-1], system[:-1, -1], system[-1, :-1] = K[np.ix_(free, free)], -1, 1
            right = np.append(-K[np.ix_(free, ~free)] @ a[~free], nu * n - a.sum())
            a[free] = np.linalg.solve(system, right)[:-1]
        feasible = (a >= -1e-12).all() and (a <= 1 + 1e-12).all() and abs(a.sum() - nu * n) < 1e-9
        if feasible and a @ K @ a < best:
            best, weights = a @ K @ a, a
    return weights


def peer(codes: np.ndarray, nu: float, gamma: float | str) -> tuple[OneClassSVM, bool]:
    """scikit-learn's machine on codes (n, d), and whether a free support vector makes its rho unique."""
    svm = OneClassSVM(nu=nu, gamma=gamma, tol=1e-9).fit(codes.astype(np.float64))
    weights = svm.dual_coef_.ravel()
    return svm, bool(((weights > 1e-5) & (weights < 1 - 1e-5)).any())


def bound(total: float, tolerance: float = TOLERANCE) -> float:
    """Largest difference between scores of a solution within the tolerance and of the optimum.

    The objective is at most tolerance x total above the optimum's, and half the squared length, in the kernel's
    space, of the difference of weights is no more than that.
    """
    return float(np.sqrt(2 * tolerance * total))


def fitted(
    codes: np.ndarray, nu: float, mode: int = GIVEN, gamma: float = 1.0, solver: object = svm_kernels
) -> dict[str, np.ndarray]:
    """What ``fit`` fills: weights, rho, gammas, free, steps."""
    n, locations, _ = codes.shape
    found = {
        "weights": np.zeros((locations, n), np.float32), "rho": np.full(locations, np.nan, np.float32),
        "gammas": np.full(locations, np.nan, np.float32), "free": np.zeros(locations, bool),
        "steps": np.zeros(locations, np.int64),
    }  # fmt: skip
    numbers = np.float32(1e15), np.float32(nu), mode, np.float32(gamma), np.float32(TOLERANCE), 20_000
    solver.fit(codes, *numbers, *found.values())  # type: ignore[attr-defined]
    return found


def problem(rng: np.random.Generator, n: int, d: int = 3, gamma: float = 0.3) -> tuple[np.ndarray, np.ndarray]:
    """A kernel matrix as the solver takes it, (n + 3, width) in float32, and as it is, (n, n)."""
    codes = normal(rng, n, d)
    K = kernel(codes, codes, gamma)
    padded = np.zeros((n + 3, (n + 7) // 8 * 8), np.float32)
    padded[:n, :n] = K
    return padded, K


def vectors(n: int, count: int) -> list[np.ndarray]:
    return list(np.zeros((count, (n + 7) // 8 * 8), np.float32))
