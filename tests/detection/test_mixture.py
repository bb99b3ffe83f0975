"""The mixture's numbers against scipy's densities, scikit-learn's Gaussian mixture, root finders and torch."""

from dataclasses import fields

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import digamma
from scipy.stats import multivariate_t, ortho_group
from scipy.stats import t as student
from sklearn.mixture import GaussianMixture

from nigra.detection.mixture import FLOOR, Compiled, Parameters, degrees_of_freedom, maximisation, rotated
from nigra.detection.mixture_kernels import BLOCK, _exp, _log1p
from nigra.detection.mixture_torch import OnDevice

K = 4
KINDS = [(1, 1), (3, 1), (3, 3), (5, 5)]
"""Features and scales."""


def mixture(rng: np.random.Generator, d: int, scales: int, dof: float | None = None) -> Parameters:
    axes = np.stack([ortho_group.rvs(d, random_state=rng) if d > 1 else np.ones((1, 1)) for _ in range(K)])
    chosen = rng.uniform(0.5, 30, (K, scales)) if dof is None else np.full((K, scales), float(dof))
    return Parameters(
        rng.dirichlet(np.ones(K)), rng.normal(size=(K, d)), axes, rng.uniform(0.05, 2, (K, d)), chosen
    )


def log_densities(codes: np.ndarray, now: Parameters) -> np.ndarray:
    """log p(y, k), (n, K), by scipy."""
    found = []
    for k in range(len(now.weights)):
        if now.dof.shape[1] == 1:
            scatter = now.axes[k] * now.scales[k] @ now.axes[k].T
            each = multivariate_t(now.means[k], scatter, now.dof[k, 0]).logpdf(codes)
        else:
            along = (codes - now.means[k]) @ now.axes[k]
            each = student(now.dof[k], scale=np.sqrt(now.scales[k])).logpdf(along).sum(axis=1)
        found.append(each + np.log(now.weights[k]))
    return np.stack(found, axis=1)


def latent(codes: np.ndarray, now: Parameters) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Posteriors (n, K), E[W] and E[log W] (n, K, scales), from the definitions."""
    joint = log_densities(codes, now)
    posterior = np.exp(joint - np.logaddexp.reduce(joint, axis=1, keepdims=True))
    squares = np.einsum("nki,kim->nkm", codes[:, None] - now.means, now.axes) ** 2 / now.scales
    shared = squares.shape[2] // now.dof.shape[1]
    distance = squares.sum(axis=2, keepdims=True) if now.dof.shape[1] == 1 else squares
    shape, rate = (now.dof + shared) / 2, (now.dof + distance) / 2
    return posterior, shape / rate, digamma(shape) - np.log(rate)


@pytest.mark.parametrize(("d", "scales"), KINDS)
def test_the_e_step_is_that_of_brute_force(rng: np.random.Generator, d: int, scales: int) -> None:
    codes = (2 * rng.standard_t(3, size=(3 * BLOCK + 17, d))).astype(np.float32)
    now = mixture(rng, d, scales)
    posterior, w, log_w = latent(codes.astype(float), now)
    tw, n = posterior[:, :, None] * w, len(codes)
    found = Compiled().expectation(codes, now)
    expected = {
        "s0": posterior.mean(axis=0), "s3": tw.mean(axis=0),
        "s1": np.einsum("nks,ni->ksi", tw, codes) / n, "s2": np.einsum("nks,ni,nj->ksij", tw, codes, codes) / n,
        "s4": np.einsum("nk,nks->ks", posterior, log_w) / n,
        "log_likelihood": np.logaddexp.reduce(log_densities(codes, now), axis=1).mean(),
    }  # fmt: skip
    for name, value in expected.items():
        np.testing.assert_allclose(getattr(found, name), value, rtol=2e-5, atol=2e-6, err_msg=name)
    assert np.ptp(expected["s0"]) > 0.01


@pytest.mark.parametrize(("d", "scales"), KINDS)
def test_scores_are_those_of_brute_force(rng: np.random.Generator, d: int, scales: int) -> None:
    codes = (3 * rng.standard_t(3, size=(BLOCK + 5, d))).astype(np.float32)
    now = mixture(rng, d, scales)
    posterior, w, _ = latent(codes.astype(float), now)
    proximity = np.einsum("nk,nks->ns", posterior, w).max(axis=1)
    density = np.logaddexp.reduce(log_densities(codes, now), axis=1)
    codes[7] = np.nan
    for wanted, expected in ((True, proximity), (False, density)):
        found = Compiled().score(codes, now, wanted)
        assert np.flatnonzero(np.isnan(found)).tolist() == [7]
        np.testing.assert_allclose(np.delete(found, 7), np.delete(expected, 7), rtol=2e-5, atol=1e-5)


def test_many_degrees_of_freedom_are_a_gaussian_mixture(rng: np.random.Generator) -> None:
    """One step from the same parameters, and the density, as scikit-learn has them."""
    codes = rng.normal(size=(4000, 3)).astype(np.float32) * [1, 2, 0.5] + rng.integers(0, 3, (4000, 1))
    codes = codes.astype(np.float32)
    now = mixture(rng, 3, 1, dof=1e8)
    precisions = np.einsum("kim,km,kjm->kij", now.axes, 1 / now.scales, now.axes)
    peer = GaussianMixture(
        K, weights_init=now.weights, means_init=now.means, precisions_init=precisions, reg_covar=0
    )
    peer._initialize_parameters(codes.astype(float), np.random.RandomState(0))
    log_likelihood, log_posterior = peer._e_step(codes.astype(float))
    sums = Compiled().expectation(codes, now)
    assert sums.log_likelihood == pytest.approx(log_likelihood, rel=1e-6)
    density = Compiled().score(codes, now, False)
    np.testing.assert_allclose(density, peer.score_samples(codes.astype(float)), rtol=1e-5, atol=1e-5)
    peer._m_step(codes.astype(float), log_posterior)
    new = maximisation(sums, now)
    np.testing.assert_allclose(new.weights, peer.weights_, atol=1e-6)
    np.testing.assert_allclose(new.means, peer.means_, atol=1e-5)
    scatter = np.einsum("kim,km,kjm->kij", new.axes, new.scales, new.axes)
    np.testing.assert_allclose(scatter, peer.covariances_, atol=1e-5)
    few = Compiled().expectation(codes, mixture(np.random.default_rng(1), 3, 1, dof=3.0))
    assert abs(few.log_likelihood - log_likelihood) > 0.1  # negative control: with few it is another density


@pytest.mark.parametrize(("d", "scales"), KINDS)
def test_torch_agrees_with_the_compiled_pass(rng: np.random.Generator, d: int, scales: int) -> None:
    codes = (2 * rng.standard_t(3, size=(1000, d))).astype(np.float32)
    now, passes = mixture(rng, d, scales), OnDevice("cpu")
    mine, other = Compiled().expectation(codes, now), passes.expectation(passes.hold(codes), now)
    for f in fields(mine):
        np.testing.assert_allclose(getattr(other, f.name), getattr(mine, f.name), rtol=5e-5, atol=5e-6)
    codes[3, 0] = np.nan
    for proximity in (True, False):
        mine_scores = Compiled().score(codes, now, proximity)
        np.testing.assert_allclose(
            passes.score(passes.hold(codes), now, proximity), mine_scores, rtol=5e-5, atol=1e-5
        )
        assert np.nanstd(mine_scores) > 0.1


def test_log_and_exponential_are_exact_to_two_ulp(rng: np.random.Generator) -> None:
    x = np.concatenate([[0, 1e-38], np.exp(rng.uniform(-30, 40, 5000))]).astype(np.float32)
    found, exact = np.empty_like(x), np.log1p(x.astype(float))
    _log1p(x.copy(), np.empty(len(x), np.int32), found, len(x))
    assert (np.abs(found - exact) <= 2 * np.spacing(exact.astype(np.float32))).all()
    x = -np.concatenate([[0, 200], np.exp(rng.uniform(-10, 4.4, 5000))]).astype(np.float32)
    found, exact = x.copy(), np.exp(x.astype(float))
    _exp(found, np.empty(len(x), np.int32), len(x))
    assert found[1] < 1e-37
    keep = x > -87
    assert (np.abs(found - exact)[keep] <= 2 * np.spacing(exact[keep].astype(np.float32))).all()


def test_degrees_of_freedom_are_the_root(rng: np.random.Generator) -> None:
    dof = np.array([[0.3], [1.0], [4.5], [60.0]])
    gap = digamma(dof / 2) - np.log(dof / 2) - 1
    np.testing.assert_allclose(degrees_of_freedom(gap), dof, rtol=1e-6)
    found = brentq(lambda x: np.log(x / 2) - digamma(x / 2) + 1 - 1.2, 0.1, 1000)
    assert degrees_of_freedom(np.array([[-1.2]]))[0, 0] == pytest.approx(found)
    assert degrees_of_freedom(np.array([[-1.0], [-99.0]])).ravel() == pytest.approx([1000, 0.1])


def cost(axes: np.ndarray, scatter: np.ndarray) -> float:
    scale = np.maximum(np.einsum("im,mij,jm->m", axes, scatter, axes), FLOOR)
    return float(np.log(scale).sum())


def test_rotation_finds_common_axes_and_beats_any_other(rng: np.random.Generator) -> None:
    d = 4
    truth = ortho_group.rvs(d, random_state=rng)
    common = np.stack([truth * rng.uniform(0.1, 3, d) @ truth.T for _ in range(d)])
    found = rotated(ortho_group.rvs(d, random_state=rng)[None], common[None], sweeps=30)[0]
    np.testing.assert_allclose(np.abs(found.T @ truth).max(axis=0), 1, atol=1e-4)
    noise = rng.normal(size=(d, d, 7))
    scatter = np.einsum("mia,mja->mij", noise, noise) / 7
    start = ortho_group.rvs(d, random_state=rng)
    once = rotated(start[None], scatter[None], sweeps=1)[0]
    found = rotated(start[None], scatter[None], sweeps=30)[0]
    np.testing.assert_allclose(found.T @ found, np.eye(d), atol=1e-10)
    others = [cost(ortho_group.rvs(d, random_state=rng), scatter) for _ in range(300)]
    assert cost(found, scatter) <= cost(once, scatter) < cost(start, scatter)
    assert cost(found, scatter) < min(others)


def test_rotation_in_a_plane_is_the_best_angle(rng: np.random.Generator) -> None:
    noise = rng.normal(size=(2, 2, 3))
    scatter = np.einsum("mia,mja->mij", noise, noise)
    angles = np.linspace(0, np.pi, 20_001)
    costs = [cost(np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]]), scatter) for a in angles]
    assert cost(rotated(np.eye(2)[None], scatter[None])[0], scatter) == pytest.approx(min(costs), abs=1e-6)
    assert max(costs) - min(costs) > 0.1


def test_a_component_without_codes_keeps_its_shape(rng: np.random.Generator) -> None:
    codes = rng.normal(size=(500, 3)).astype(np.float32)
    now = mixture(rng, 3, 1, dof=50)
    far = Parameters(now.weights, now.means + np.array([0, 0, 0, 1e9])[:, None], now.axes, now.scales, now.dof)
    new = maximisation(Compiled().expectation(codes, far), far)
    np.testing.assert_array_equal(new.scales[3], far.scales[3])
    assert new.weights[3] < 1e-12
    assert all(np.isfinite(getattr(new, f.name)).all() for f in fields(new))
    assert not np.array_equal(new.scales[0], far.scales[0])
