"""The table of answers against inverses by numpy; starts against the optimum libsvm finds without a control."""

import numpy as np
import pytest
from sklearn.svm import OneClassSVM

from nigra.detection.svm_responses import CHANGES, RIDGE, pivot, plain_start_without, start_without, sweep
from nigra.detection.svm_solver import optimal
from tests.detection.svm_oracle import fitted, kernel, normal

SLACK = 1e-6


class Solved:
    """A problem and its solution as the compiled code holds them, and room for what is made of it."""

    def __init__(self, codes: np.ndarray, nu: float, gamma: float = 0.2) -> None:
        self.n = n = len(codes)
        width = (n + 7) // 8 * 8
        self.K = kernel(codes[:, 0], codes[:, 0], gamma)
        self.padded, self.P = np.zeros((n + 3, width), np.float32), np.zeros((n + 3, width), np.float32)
        self.a, self.top, self.G = (np.zeros(width, np.float32) for _ in range(3))
        self.padded[:n, :n], self.top[:n] = self.K, 1
        self.a[:n] = fitted(codes, nu, gamma=gamma)["weights"][0]
        self.G[:n] = self.K @ self.a[:n]
        self.total = self.a.sum()
        self.state = np.zeros((5, width), np.float32)
        self.has_table = sweep(self.padded, n, self.a, self.G, self.top, self.P, *self.state)

    def without(self, i: int) -> np.ndarray:
        """The start for the refit without control i, (n,)."""
        start, top = np.zeros_like(self.a), self.top.copy()
        top[i] = 0
        room, changed = np.zeros((CHANGES + 4, len(start)), np.float32), np.zeros(CHANGES, np.int64)
        assert start_without(
            i, self.n, self.a, self.P, *self.state[:3], np.float32(SLACK), top, self.total, room, changed, start
        )
        assert start[i] == 0
        assert start.min() >= 0
        assert (start <= top).all()
        assert start.sum() == pytest.approx(self.total, rel=2e-5)
        return start[: self.n]

    def violation(self, start: np.ndarray, i: int) -> float:
        """By how much the worst pair of the others violates optimality."""
        others = np.delete(np.arange(self.n), i)
        G, a = (self.K @ start)[others], start[others]
        return float(max(G[a > 0].max() - G[a < 1].min(), 0))


@pytest.mark.parametrize("n", [1, 2, 7, 8, 16, 21])
def test_pivots_invert(rng: np.random.Generator, n: int) -> None:
    codes = normal(rng, n, 3)
    K, width = kernel(codes, codes, 0.5) + 0.1 * np.eye(n), (n + 7) // 8 * 8
    P = np.zeros((n + 3, width), np.float32)
    P[:n, :n] = K
    for p in rng.permutation(n):
        pivot(P, n, p, np.zeros(width, np.float32))
    np.testing.assert_allclose(P[:n, :n], -np.linalg.inv(K), atol=1e-4)


@pytest.mark.parametrize("nu", [0.1, 0.3, 0.6])
@pytest.mark.parametrize("n", [5, 13, 16])
def test_the_table_tells_how_a_solution_answers(rng: np.random.Generator, n: int, nu: float) -> None:
    solved = Solved(normal(rng, n, 1, 4), nu)
    assert solved.has_table
    a, P = solved.a[:n].astype(float), solved.P[:n, :n]
    free = (a > 0) & (a < 1)
    inverse = np.linalg.inv(solved.K[np.ix_(free, free)] + RIDGE * np.eye(free.sum()))
    cross = solved.K[np.ix_(free, ~free)]
    u = inverse.sum(axis=0)
    b = np.zeros(n)
    b[free], b[~free] = u, 1 - cross.T @ u
    expected = np.zeros((n, n))
    expected[np.ix_(free, free)] = -inverse
    expected[np.ix_(free, ~free)], expected[np.ix_(~free, free)] = inverse @ cross, (inverse @ cross).T
    rest = solved.K[np.ix_(~free, ~free)] + RIDGE * np.eye((~free).sum())
    expected[np.ix_(~free, ~free)] = rest - cross.T @ inverse @ cross
    np.testing.assert_allclose(P, expected + np.outer(b, b) / u.sum(), atol=2e-4)
    np.testing.assert_allclose(P[free][:, free].sum(axis=0), 0, atol=2e-4)  # the sum is kept
    y, low, high = solved.state[:3, :n]
    np.testing.assert_array_equal(y[free], -solved.a[:n][free])
    rho = solved.G[:n][free].mean()
    np.testing.assert_allclose(y[~free], solved.G[:n][~free] - rho, atol=1e-5)
    assert (y >= low - 1e-5).all()
    assert (y <= high + 1e-5).all()


@pytest.mark.parametrize("nu", [0.07, 0.1, 0.31, 0.55])
@pytest.mark.parametrize(("n", "d"), [(17, 4), (40, 16), (24, 2)])
def test_a_start_is_the_optimum_without_the_control(rng: np.random.Generator, n: int, d: int, nu: float) -> None:
    codes = normal(rng, n, 1, d)
    solved = Solved(codes, nu, gamma=1 / d)
    violations, compared = [], 0
    enough = 1e-5 + 1e-6 * solved.total  # float32 rounds gradients, which are up to the total
    for i in np.flatnonzero(solved.a[:n]):
        start, others = solved.without(i), np.delete(np.arange(n), i)
        violations.append(solved.violation(start, i))
        svm = OneClassSVM(kernel="precomputed", nu=solved.total / (n - 1), tol=1e-9)
        svm.fit(solved.K[np.ix_(others, others)])
        exact = np.zeros(n)
        exact[others[svm.support_]] = svm.dual_coef_.ravel()
        if violations[-1] < enough:
            compared += 1
            assert solved.K[i] @ start == pytest.approx(solved.K[i] @ exact, abs=1e-4)
    assert compared >= 0.8 * len(violations), "a few may need more changes, or more digits, than a start has"
    assert np.median(violations) < enough


def test_some_starts_change_sides_both_ways(rng: np.random.Generator) -> None:
    left = entered = 0
    for _ in range(20):
        solved = Solved(normal(rng, 24, 1, 4), 0.2)
        for i in np.flatnonzero(solved.a[:24]):
            start, before = solved.without(i), np.delete(solved.a[:24], i)
            after = np.delete(start, i)
            left += ((before > 0) & (before < 1) & ((after == 0) | (after == 1))).sum()
            entered += (((before == 0) | (before == 1)) & (after > 0) & (after < 1)).sum()
    assert left > 20
    assert entered > 20


def test_same_codes_many_times_and_controls_at_their_upper_bound(rng: np.random.Generator) -> None:
    codes = np.repeat(normal(rng, 6, 1, 3), 4, axis=0)
    solved = Solved(codes, 0.4)
    for i in np.flatnonzero(solved.a[:24]):
        if solved.has_table:
            assert np.isfinite(solved.without(i)).all()
    far = normal(rng, 20, 1, 3)
    far[:3] *= 8
    solved = Solved(far, 0.3)
    upper = np.flatnonzero(solved.a[:20] == 1)
    assert len(upper)
    for i in upper:
        assert solved.violation(solved.without(i), i) < 1e-5


def test_no_table_without_a_free_weight_and_a_plain_start_then() -> None:
    codes = np.array([[[0.0]], [[0.01]], [[50.0]], [[90.0]]], np.float32)
    solved = Solved(codes, 0.5)
    solved.a[:4] = [0, 0, 1, 1]
    assert not sweep(solved.padded, 4, solved.a, solved.G, solved.top, solved.P, *solved.state)
    start, top = np.zeros_like(solved.a), solved.top.copy()
    top[2] = 0
    plain_start_without(2, 4, solved.a, top, np.float32(1.5), start)
    assert start[2] == 0
    assert start.sum() == pytest.approx(1.5)
    assert (start <= top).all()


def test_who_alone_is_free_cannot_be_taken_away() -> None:
    codes = np.array([[[0.0]], [[0.1]], [[5.0]], [[9.0]]], np.float32)
    solved = Solved(codes, 0.5)
    solved.a[:4] = [0, 0, 0.5, 1]
    solved.total = solved.a.sum()
    solved.G[:4] = solved.K @ solved.a[:4]
    assert sweep(solved.padded, 4, solved.a, solved.G, solved.top, solved.P, *solved.state)
    with pytest.raises(AssertionError):
        solved.without(2)
    assert solved.without(3)[2] == pytest.approx(
        0.75, abs=1e-3
    )  # as far from the two near ones as they are from it


def test_a_start_is_told_from_an_optimum(rng: np.random.Generator) -> None:
    solved = Solved(normal(rng, 16, 1, 4), 0.3)
    assert optimal(solved.a, solved.G, solved.top, np.float32(1e-5))
    assert not optimal(solved.a, solved.G[::-1].copy(), solved.top, np.float32(1e-5))
