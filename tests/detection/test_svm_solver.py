"""The quadratic program against all active sets tried, a root finder, and the conditions of optimality."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nigra.detection.svm_descent import DESCENTS, TURNS, gradient
from nigra.detection.svm_solver import boundary, improve, settle
from tests.detection.svm_oracle import TOLERANCE, exact, fitted, kernel, normal, problem, vectors

F = np.float32


def solved(padded: np.ndarray, n: int, total: float) -> np.ndarray:
    a, G, top, up, low, gain = vectors(n, 6)
    top[:n], a[:n] = 1, total / n
    gradient(padded, n, a, G)
    assert improve(padded, n, a, G, top, F(total), up, low, gain, DESCENTS, TURNS, F(TOLERANCE), 20_000) < 20_000
    return a[:n]


def test_settling_brings_weights_between_their_bounds_onto_their_sum(rng: np.random.Generator) -> None:
    n, total = 13, F(5)
    a, top = vectors(n, 2)
    top[:n] = 1
    a[:n] = np.clip(rng.normal(0.4, 0.4, n), 0, 1)
    a[:n] *= F(5) / a.sum()
    a[:4] = [-1e-7, 1 + 1e-7, 1e-8, 1 - 1e-7]
    a[4:n] *= (total - F(2)) / a[4:n].sum()
    a[4] += F(3e-5)
    settle(n, a, top, total)
    assert list(a[:4]) == [0, 1, 0, 1]
    assert a[:n].astype(float).sum() == pytest.approx(5, abs=2e-6)
    lost = a.copy()
    lost[:n] = 0
    settle(n, lost, top, total)  # nothing free to carry the rest
    np.testing.assert_allclose(lost[:n], 5 / 13, rtol=1e-6)


@pytest.mark.parametrize("nu", [0.05, 0.25, 0.4, 0.5, 0.77, 1.0])
@pytest.mark.parametrize("n", [2, 3, 5])
def test_tiny_problems_have_the_best_of_all_active_sets(rng: np.random.Generator, n: int, nu: float) -> None:
    for gamma in (0.1, 1.0):
        padded, K = problem(rng, n, 2, gamma)
        expected = exact(K, nu)
        found = solved(padded, n, nu * n)
        np.testing.assert_allclose(K @ found, K @ expected, atol=1e-5)
        np.testing.assert_allclose(found, expected, atol=1e-3)


@given(
    seed=st.integers(0, 10**6), n=st.integers(2, 26), d=st.integers(1, 6), nu=st.floats(0.01, 1.0),
    spread=st.floats(1e-3, 3), twins=st.booleans(),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_solutions_are_optimal(seed: int, n: int, d: int, nu: float, spread: float, twins: bool) -> None:
    """Karush, Kuhn and Tucker, in float64: no gradient of a weight that can shrink is above one that can grow."""
    gamma = float(np.float32(spread / d))
    codes = normal(np.random.default_rng(seed), n, 2, d)
    if twins:
        codes[1::2] = codes[0 : n - n % 2 : 2]
    found = fitted(codes, nu, gamma=gamma)
    assert (found["steps"] < 20_000).all()
    for where in range(2):
        a = found["weights"][where].astype(np.float64)
        gradients = kernel(codes[:, where], codes[:, where], gamma) @ a
        assert a.min() >= 0
        assert a.max() <= 1
        assert a.sum() == pytest.approx(nu * n, rel=2e-6)
        longest = (codes[:, where].astype(float) ** 2).sum(axis=1).max()
        room = 1e-5 + 1e-6 * gradients.max() * (1 + gamma * longest)  # the tolerance, and float32's kernel
        grow, shrink = gradients[a < 1], gradients[a > 0]
        if grow.size:
            assert shrink.max() - grow.min() <= room
        if found["free"][where]:
            assert grow.min() - room <= found["rho"][where] <= shrink.max() + room


def test_the_conditions_would_notice_a_wrong_solution(rng: np.random.Generator) -> None:
    codes = normal(rng, 12, 1, 3)
    gradients = kernel(codes[:, 0], codes[:, 0], 1.0) @ np.full(12, 0.3)
    assert np.ptp(gradients) > 0.1


def test_rho_is_the_mean_gradient_of_free_weights(rng: np.random.Generator) -> None:
    a = np.array([0, 0.2, 1, 0.7, 0, 0, 0, 0], np.float32)
    G, top = normal(rng, 8), np.array([1, 1, 1, 1, 1, 0, 0, 0], np.float32)
    rho, free = boundary(5, a, G, top, a.sum())
    assert free
    assert rho == pytest.approx((G[1] + G[3]) / 2)


@pytest.mark.parametrize("rest", [0, 3e-7, -3e-7])
def test_without_a_free_weight_rho_is_in_the_middle(rest: float) -> None:
    """``rest`` is what rounding leaves on a weight; it frees nobody."""
    a = np.array([1, 1 - abs(rest), abs(rest), 0, 0, 0, 0, 0], np.float32)
    G, top = np.array([1.0, 1.2, 1.6, 1.9, 0.1, 0, 0, 0], np.float32), np.array([1] * 4 + [0] * 4, np.float32)
    assert boundary(5, a, G, top, F(2)) == (pytest.approx(1.4), False)  # the fifth is left out: top 0
    assert boundary(2, a, G, top, F(2)) == (pytest.approx(1.2), False)  # all at their top
    empty = np.zeros(8, np.float32)
    assert boundary(4, empty, G, top, F(0.0)) == (pytest.approx(1.0), False)  # all at 0
