"""Gradients, projections and conjugate gradients against products, a root finder and solved systems."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq

from nigra.detection.svm_descent import DESCENTS, TURNS, conjugate, descend, gradient, project
from tests.detection.svm_oracle import exact, normal, problem, vectors

F = np.float32


@pytest.mark.parametrize("n", [1, 2, 7, 16, 19])
def test_the_gradient_is_a_product(rng: np.random.Generator, n: int) -> None:
    padded, K = problem(rng, n)
    a, G = vectors(n, 2)
    a[:n] = rng.random(n)
    G[:] = 7
    gradient(padded, n, a, G)
    np.testing.assert_allclose(G[:n], K @ a[:n], rtol=2e-6)
    assert (G[n:] == 0).all()


@given(seed=st.integers(0, 10**6), n=st.integers(1, 20), share=st.floats(0.01, 0.99))
@settings(max_examples=60, deadline=None)
def test_project_finds_the_level_a_root_finder_finds(seed: int, n: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    v, top = 3 * normal(rng, n), (rng.random(n) < 0.8).astype(np.float32)
    top[0] = 1
    total = F(share * top.sum())

    def excess(level: float) -> float:
        return float(np.clip(v.astype(float) - level, 0, top).sum() - total)

    level = project(v, n, top, total, F(rng.normal()))
    root = brentq(excess, v.min() - 2, v.max() + 2, xtol=1e-12)
    assert excess(level) == pytest.approx(0, abs=2e-6 * n)
    np.testing.assert_allclose(np.clip(v - level, 0, top), np.clip(v - root, 0, top), atol=1e-5)


def test_a_descent_never_climbs_and_stays_feasible(rng: np.random.Generator) -> None:
    n, total = 9, F(2.25)
    padded, K = problem(rng, n)
    a, G, top, v, Q = vectors(n, 5)
    top[:n], a[:n] = 1, total / n
    gradient(padded, n, a, G)
    heights = [a[:n] @ K @ a[:n]]
    for _ in range(DESCENTS):
        descend(padded, n, a, G, top, total, v, Q, 1, F(0))
        heights.append(a[:n] @ K @ a[:n])
        assert a.min() >= -1e-6
        assert a.max() <= 1 + 1e-6
        assert a.sum() == pytest.approx(total, rel=1e-5)
    assert (np.diff(heights) <= 1e-6).all()
    assert heights[-1] < 0.99 * heights[0]
    best = exact(K, float(total) / n)
    assert heights[-1] == pytest.approx(best @ K @ best, rel=1e-2)


@given(seed=st.integers(0, 10**6), n=st.integers(2, 20), nu=st.floats(0.05, 0.95))
@settings(max_examples=60, deadline=None)
def test_conjugate_gradients_never_climb_and_stay_feasible(seed: int, n: int, nu: float) -> None:
    rng = np.random.default_rng(seed)
    total = F(nu * n)
    padded, K = problem(rng, n)
    a, G, top, free, v, Q = vectors(n, 6)
    top[:n], a[:n] = 1, total / n
    gradient(padded, n, a, G)
    descend(padded, n, a, G, top, total, v, Q, 3, F(0))
    height = a[:n].astype(float) @ K @ a[:n]
    conjugate(padded, n, a, G, top, total, free, v, Q, 40, F(1e-6))
    assert a[:n].astype(float) @ K @ a[:n] <= height * (1 + 1e-5)
    assert a.min() >= -2e-6 * total
    assert (a <= top + 2e-6 * total).all()
    assert a.sum() == pytest.approx(total, rel=1e-5)


def test_conjugate_gradients_solve_for_the_weights_between_their_bounds(rng: np.random.Generator) -> None:
    n = 17
    padded, K = problem(rng, n, 8)
    a, G, top, free, v, Q = vectors(n, 6)
    top[:n], a[:n] = 1, 0.3
    gradient(padded, n, a, G)
    conjugate(padded, n, a, G, top, F(0.3 * n), free, v, Q, 60, F(1e-6))
    best = exact_active(K, a[:n].astype(float), 0.3 * n)
    np.testing.assert_allclose(a[:n], best, atol=2e-5)


def exact_active(K: np.ndarray, a: np.ndarray, total: float) -> np.ndarray:
    """The minimum with the weights found at a bound held there: one linear system in float64."""
    free = (a > 1e-5) & (a < 1 - 1e-5)
    m = int(free.sum())
    assert m > 1
    system = np.ones((m + 1, m + 1))
    system[:m, :m], system[m, m] = K[np.ix_(free, free)], 0
    held = np.where(free, 0, a)
    solved = np.linalg.solve(system, np.append(-(K @ held)[free], total - held.sum()))
    held[free] = solved[:m]
    return held


def test_conjugate_gradients_leave_what_has_no_room_alone(rng: np.random.Generator) -> None:
    """Padding and a control left out have top 0: they stay 0, however their gradient pulls."""
    n = 11
    padded, _ = problem(rng, n)
    padded[:, n:] = 0.5
    a, G, top, free, v, Q = vectors(n, 6)
    top[:n], a[:n] = 1, 0.25
    top[4] = a[4] = 0
    gradient(padded, n, a, G)
    conjugate(padded, n, a, G, top, F(2.5), free, v, Q, TURNS, F(1e-6))
    assert a[4] == 0
    assert (a[n:] == 0).all()
    assert np.ptp(a[:n]) > 0.01
