"""The peers of the one-class SVM: scikit-learn's estimator, and libsvm's core without it, one location at a time.

Worker processes import this module, so it imports little.
"""

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from joblib import Parallel, delayed
from numpy import ndarray
from sklearn.svm import OneClassSVM, _libsvm

NU, TOLERANCE = 0.1, 1e-5
"""The settings of both sides; gamma is 1 / (d x variance of the location's codes), scikit-learn's 'scale'."""

EXACT = 1e-9
"""The tolerance of what results are checked against, so that a difference is ours alone."""

Blocks = Float[ndarray, "n_locations n_subjects d"]
"""Codes as a loop over locations likes them: float64, one location's codes side by side."""

Part = Callable[..., Any]


def scikit_learn(codes: Blocks, controls: int) -> Float[ndarray, "n_locations n_subjects"]:
    """Fit on the first ``controls`` of each location, give everybody's decision."""
    found = np.empty(codes.shape[:2])
    for at, block in enumerate(codes):
        svm = OneClassSVM(nu=NU, gamma="scale", tol=TOLERANCE).fit(block[:controls])
        found[at] = svm.decision_function(block)
    return found


def core(
    codes: Blocks, controls: int, tolerance: float = TOLERANCE
) -> tuple[Float[ndarray, "n_locations n_subjects"], Bool[ndarray, " n_locations"]]:
    """The same by libsvm's compiled functions alone, without an estimator's checks.

    Also says where a free support vector exists (0 < alpha < 1): without one, any offset of an interval is
    optimal, and two solvers need not agree on it.
    """
    _libsvm.set_verbosity_wrap(0)
    found, coefficients = np.empty(codes.shape[:2]), []
    labels, gammas = np.ones(controls), scale(codes[:, :controls])
    fit, decide = _libsvm.fit, _libsvm.decision_function
    for at, (block, gamma) in enumerate(zip(codes, gammas.tolist(), strict=True)):
        model = fit(block[:controls], labels, svm_type=2, gamma=gamma, nu=NU, tol=tolerance)
        found[at] = np.ravel(decide(block, *model[:5], svm_type=2, gamma=gamma))
        coefficients.append(model[3])
    return found, np.array([_is_free(alpha) for alpha in coefficients])


def refits(codes: Blocks, controls: int, tolerance: float = TOLERANCE) -> Float[ndarray, "n_locations n_subjects"]:
    """Leave-one-out scores the plain way: scikit-learn fitted anew without each subject, gamma as with it."""
    found = np.empty((len(codes), controls))
    for at, (block, gamma) in enumerate(zip(codes, scale(codes).tolist(), strict=True)):
        for row in range(controls):
            svm = OneClassSVM(nu=NU, gamma=gamma, tol=tolerance).fit(np.delete(block, row, axis=0))
            found[at, row] = svm.score_samples(block[row : row + 1])[0]
    return found


def _is_free(alpha: Any) -> bool:
    values = np.asarray(alpha)
    return bool(((values > 1e-6) & (values < 1 - 1e-6)).any())


def scale(codes: Blocks) -> Float[ndarray, " n_locations"]:
    """scikit-learn's gamma 'scale' of every location."""
    return 1 / (codes.shape[2] * codes.reshape(len(codes), -1).var(axis=1))


def spread(call: Part, codes: Blocks, controls: int, threads: int, backend: str, parts: int) -> list[Any]:
    """``call`` over parts of the locations, on all threads or processes."""
    if threads == 1:
        return [call(codes, controls)]
    jobs = (delayed(call)(part, controls) for part in np.array_split(codes, min(parts, len(codes))))
    return Parallel(n_jobs=threads, backend=backend)(jobs)


def quickest(
    call: Part, codes: Blocks, controls: int, threads: int, parts: Sequence[int] = (4, 16)
) -> tuple[Callable[[], list[Any]], str]:
    """The quickest way to spread ``call`` over all cores here, and its name; tried warm."""
    if threads == 1:
        return partial(spread, call, codes, controls, 1, "sequential", 1), "1 thread"
    ways = {}
    for backend in ("loky", "threading"):
        for each in parts:
            way = partial(spread, call, codes, controls, threads, backend, each * threads)
            way()
            began = time.perf_counter()
            way()
            ways[time.perf_counter() - began] = (
                way,
                f"joblib {backend}, {each * threads} batches, the best of 4 ways",
            )
    return ways[min(ways)]
