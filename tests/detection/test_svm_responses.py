"""Inverses and responses against numpy; starts against the refits they start."""

import numpy as np
import pytest

from nigra.detection.svm_responses import invert, responses, start_without
from tests.detection.svm_oracle import fitted, kernel, normal

RIDGE = 1e-4


def solution(rng: np.random.Generator, n: int, nu: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Kernel matrix (n + 1, width) and (n, n), optimal weights and their upper bounds, both (width,)."""
    codes = normal(rng, n, 1, 4)
    K, width = kernel(codes[:, 0], codes[:, 0], 0.2), (n + 7) // 8 * 8
    padded, a, top = np.zeros((n + 1, width), np.float32), np.zeros(width, np.float32), np.zeros(width, np.float32)
    padded[:n, :n], top[:n], a[:n] = K, 1, fitted(codes, nu, gamma=0.2)["weights"][0]
    return padded, K, a, top


@pytest.mark.parametrize("n", [1, 2, 7, 16])
def test_invert(rng: np.random.Generator, n: int) -> None:
    codes = normal(rng, n, 3)
    K = kernel(codes, codes, 0.5) + 0.1 * np.eye(n)
    A = np.zeros((n, (n + 7) // 8 * 8), np.float32)
    A[:, :n] = K
    invert(A, n, A.shape[1])
    np.testing.assert_allclose(A[:, :n], np.linalg.inv(K), atol=1e-4)
    assert (A[:, n:] == 0).all()


@pytest.mark.parametrize("n", [5, 13, 16])
def test_responses_keep_the_sum_and_the_optimality_of_the_free(rng: np.random.Generator, n: int) -> None:
    padded, K, a, top = solution(rng, n, 0.45)
    index, A = np.zeros(n, np.int64), np.zeros((n, padded.shape[1]), np.float32)
    free = responses(padded, n, a, top, index, A)
    who = np.flatnonzero((a[:n] > 0) & (a[:n] < 1))
    assert free == len(who) >= 2
    np.testing.assert_array_equal(index[:free], who)
    inverse = np.linalg.inv(K[np.ix_(who, who)] + RIDGE * np.eye(free))
    u = inverse.sum(axis=0)
    np.testing.assert_allclose(A[:free, :free], inverse - np.outer(u, u) / u.sum(), rtol=2e-3, atol=2e-3)
    np.testing.assert_allclose(A[:free, :free].sum(axis=0), 0, atol=5e-3)


@pytest.mark.parametrize("nu", [0.1, 0.45, 0.7])
def test_a_start_is_feasible_and_nearer_to_the_refit_than_what_it_starts_from(
    rng: np.random.Generator, nu: float
) -> None:
    n = 17
    padded, K, a, top = solution(rng, n, nu)
    index, A = np.zeros(n, np.int64), np.zeros((n, padded.shape[1]), np.float32)
    free, total = responses(padded, n, a, top, index, A), a.sum()
    codes_total, better = total / (n - 1), []
    for i in np.flatnonzero(a[:n]):
        start, bounds = np.zeros_like(a), top.copy()
        bounds[i] = 0
        start_without(i, n, a, index, free, A, padded[i], bounds, total, start)
        assert start[i] == 0
        assert start.min() >= 0
        assert start.max() <= 1
        assert start.sum() == pytest.approx(total, rel=2e-5)
        others = np.delete(np.arange(n), i)
        K_rest = K[np.ix_(others, others)]
        flat = np.full(n - 1, codes_total)
        better.append((start[others] @ K_rest @ start[others]) / (flat @ K_rest @ flat))
    assert np.mean(better) < 0.99, "lower than where nothing is known"
    assert min(better) > 0.3
