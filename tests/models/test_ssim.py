"""SSIM against Wang et al. 2004 written out window by window."""

import numpy as np
import pytest
import torch

from nigra.models.ssim import ssim, window_length


def by_hand(a: np.ndarray, b: np.ndarray, data_range: float = 1.0) -> float:
    """Equations 13 to 16 at every place of every image, float64, one window at a time."""
    length = min(11, (min(a.shape[2:]) - 1) // 2 * 2 + 1)
    grid = np.meshgrid(*[np.arange(length) - length // 2] * (a.ndim - 2), indexing="ij")
    w = np.exp(-sum(g.astype(float) ** 2 for g in grid) / (2 * 1.5**2))
    w /= w.sum()
    c1, c2, found = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2, []
    for x, y in zip(a.reshape(-1, *a.shape[2:]), b.reshape(-1, *b.shape[2:]), strict=True):
        for place in np.ndindex(*(n - length + 1 for n in x.shape)):
            window = tuple(slice(p, p + length) for p in place)
            p, q = x[window].astype(float), y[window].astype(float)
            mx, my = (w * p).sum(), (w * q).sum()
            vx, vy = (w * (p - mx) ** 2).sum(), (w * (q - my) ** 2).sum()
            vxy = (w * (p - mx) * (q - my)).sum()
            found.append((2 * mx * my + c1) * (2 * vxy + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2)))
    return float(np.mean(found))


@pytest.mark.parametrize("shape", [(15, 15), (13, 18), (8, 20), (3, 4), (7, 7, 7), (12, 5, 9)])
def test_equals_the_formula(shape: tuple[int, ...], rng: np.random.Generator) -> None:
    a = rng.random((2, 2, *shape)).astype(np.float32)
    b = (0.7 * a + 0.3 * rng.random(a.shape)).astype(np.float32)
    expected = by_hand(a, b)
    assert 0.2 < expected < 0.99
    assert float(ssim(torch.from_numpy(a), torch.from_numpy(b))) == pytest.approx(expected, abs=2e-5)
    assert float(ssim(torch.from_numpy(10 * a), torch.from_numpy(10 * b), 10.0)) == pytest.approx(
        expected, abs=2e-5
    )


def test_equal_units_have_1_and_inverted_ones_less_than_0(rng: np.random.Generator) -> None:
    units = torch.from_numpy(rng.random((3, 1, 15, 15)).astype(np.float32))
    assert float(ssim(units, units)) == pytest.approx(1, abs=1e-6)
    assert float(ssim(1 - units, units)) < 0
    flat = torch.full((1, 1, 9, 9), 0.5)
    assert float(ssim(flat, flat)) == pytest.approx(1, abs=1e-6)


def test_gradients_are_those_of_finite_differences(rng: np.random.Generator) -> None:
    a = torch.from_numpy(rng.random((1, 1, 6, 5))).requires_grad_()
    b = torch.from_numpy(rng.random((1, 1, 6, 5)))
    assert torch.autograd.gradcheck(lambda x: ssim(x, b), (a,), atol=1e-4)


def test_the_window_shrinks_with_the_unit() -> None:
    assert [window_length((n, 50)) for n in (3, 4, 10, 11, 12, 60)] == [3, 3, 9, 11, 11, 11]
