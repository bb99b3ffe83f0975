"""What runs on a GPU, tried on the CPU against the compiled path: same arguments, same results to 1e-5."""

import numpy as np
import pytest
import torch

from nigra.detection import svm_kernels, svm_torch
from nigra.detection.kernel_matrix import GIVEN, MEDIAN, SCALE
from nigra.detection.svm_torch import OnDevice
from tests.detection.svm_oracle import TOLERANCE, exact, fitted, kernel, normal

DEVICE = OnDevice("cpu")


def scored(solver: object, codes: np.ndarray, found: dict[str, np.ndarray], others: np.ndarray) -> np.ndarray:
    out = np.full(others.shape[:2], 7, np.float32)
    solver.score(codes, found["weights"], found["gammas"], others, out)  # type: ignore[attr-defined]
    return out


def left_out(solver: object, codes: np.ndarray, found: dict[str, np.ndarray], nu: float) -> np.ndarray:
    """Scores and rhos (2, n, locations)."""
    out = np.full((2, *codes.shape[:2]), 7, np.float32)
    numbers = np.float32(nu), np.float32(TOLERANCE), 20_000
    solver.leave_one_out(codes, found["weights"], found["gammas"], *numbers, *out)  # type: ignore[attr-defined]
    return out


@pytest.mark.parametrize("nu", [0.02, 0.1, 0.5, 1.0])
@pytest.mark.parametrize("mode", [GIVEN, SCALE, MEDIAN])
@pytest.mark.parametrize(("n", "d", "offset"), [(3, 5, 0), (13, 4, 0), (16, 5, 100)])
def test_it_agrees_with_the_compiled_path(
    rng: np.random.Generator, n: int, d: int, offset: float, mode: int, nu: float
) -> None:
    codes, others = normal(rng, n, 7, d) + np.float32(offset), 2 * normal(rng, 5, 7, d) + np.float32(offset)
    codes[1, 3, 0] = np.nan
    ours, theirs = fitted(codes, nu, mode, 0.3, DEVICE), fitted(codes, nu, mode, 0.3)
    assert (ours["steps"] < 20_000).all()
    np.testing.assert_allclose(ours["gammas"], theirs["gammas"], rtol=2e-5)
    np.testing.assert_array_equal(ours["free"], theirs["free"])
    found = scored(DEVICE, codes, ours, others), scored(svm_kernels, codes, theirs, others)
    np.testing.assert_allclose(found[0] - ours["rho"], found[1] - theirs["rho"], atol=1e-5)
    found = left_out(DEVICE, codes, ours, nu), left_out(svm_kernels, codes, theirs, nu)
    np.testing.assert_allclose(found[0], found[1], atol=1e-5)
    assert np.isnan(found[0][:, :, 3]).all()
    assert np.isfinite(np.delete(found[0], 3, axis=2)).all()
    assert np.nanstd(found[0][0]) > 0.001


def test_little_memory_gives_the_same(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    codes = normal(rng, 11, 9, 3)
    expected = fitted(codes, 0.2, SCALE, solver=DEVICE)
    left = left_out(DEVICE, codes, expected, 0.2)
    monkeypatch.setattr(svm_torch, "_KERNEL_BYTES", 4 * 11**2 * 2)  # two locations at a time; one, left out
    found = fitted(codes, 0.2, SCALE, solver=DEVICE)
    np.testing.assert_allclose(found["weights"], expected["weights"], atol=1e-5)
    np.testing.assert_allclose(left_out(DEVICE, codes, expected, 0.2), left, atol=2e-6)
    assert left.std() > 0.01


@pytest.mark.parametrize("value", [0.3, -0.7, 100.3])
@pytest.mark.parametrize("mode", [SCALE, MEDIAN])
def test_a_constant_location_has_gamma_1(value: float, mode: int) -> None:
    found = fitted(np.full((13, 2, 3), value, np.float32), 0.2, mode, solver=DEVICE)
    assert (found["gammas"] == 1).all()
    np.testing.assert_allclose(found["weights"].sum(axis=1), 2.6, rtol=1e-5)


def test_solutions_are_the_best_of_all_active_sets(rng: np.random.Generator) -> None:
    codes = normal(rng, 5, 2)
    K = kernel(codes, codes, 1.0)
    start = torch.full((1, 5), 0.3)
    a, G, _ = svm_torch.solve(torch.tensor(K, dtype=torch.float32)[None], start, None, TOLERANCE, 20_000)
    expected = exact(K, 0.3)
    np.testing.assert_allclose(a[0].numpy(), expected, atol=1e-4)
    np.testing.assert_allclose(G[0].numpy(), K @ expected, atol=1e-5)
    assert np.ptp(expected) > 0.1


def test_rho_without_a_free_weight_is_in_the_middle() -> None:
    a = torch.tensor([[1.0, 1.0, 3e-7, 0.0], [0.5, 1.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0]])
    G = torch.tensor([1.0, 1.2, 1.6, 1.9]).expand(3, 4)
    rho, free = svm_torch.boundary(a, G, torch.ones(3, 4))
    np.testing.assert_allclose(rho.numpy(), [1.4, 1.0, 1.9], rtol=1e-6)
    assert free.tolist() == [False, True, False]
