"""Distances, exponentials and gammas against numpy and scipy in float64."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist, pdist

from nigra.detection.kernel_matrix import (
    GIVEN,
    MEDIAN,
    SCALE,
    all_same,
    centre,
    exponentials,
    kernel_width,
    means,
    squared_distances,
    squared_norms,
)
from tests.detection.svm_oracle import normal


def columns_of(codes: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Codes (n, d) as the columns of (d, width), and their squared lengths."""
    x, norms = np.zeros((codes.shape[1], width), np.float32), np.zeros(width, np.float32)
    x[:, : len(codes)] = codes.T
    squared_norms(x, norms)
    return x, norms


def width_of(codes: np.ndarray, mode: int, gamma: float = 1.0) -> float:
    """gamma at the last location of ``codes``."""
    n, _, d = codes.shape
    width = (n + 7) // 8 * 8
    x, norms, K = (
        np.zeros((d, width), np.float32),
        np.zeros(width, np.float32),
        np.zeros((n + 3, width), np.float32),
    )
    return kernel_width(codes, codes.shape[1] - 1, mode, np.float32(gamma), np.zeros(d, np.float32), x, norms, K)


@pytest.mark.parametrize("offset", [0, 100])
def test_codes_are_centred_on_their_mean(rng: np.random.Generator, offset: float) -> None:
    codes = normal(rng, 11, 3, 5) + np.float32(offset)
    mean, x = np.zeros(5, np.float32), np.zeros((5, 16), np.float32)
    means(codes, 1, mean)
    centre(codes, 1, mean, x)
    expected = codes[:, 1].mean(axis=0, dtype=np.float64)
    np.testing.assert_allclose(mean, expected, atol=1e-6 * max(offset, 1))
    np.testing.assert_allclose(x[:, :11].T, codes[:, 1] - expected, atol=1e-6 * max(offset, 1))
    assert (x[:, 11:] == 0).all()


@pytest.mark.parametrize("value", [0.3, -0.7, 0.1, 7.77, 100.3, 1e-3])
@pytest.mark.parametrize("n", [7, 40])
def test_the_mean_of_equal_codes_is_that_code(value: float, n: int) -> None:
    codes, mean = np.full((n, 2, 3), value, np.float32), np.zeros(3, np.float32)
    means(codes, 0, mean)
    assert (mean == np.float32(value)).all()
    assert all_same(codes, 0)
    codes[-1, 1, 2] += 1e-3 * abs(value)
    assert all_same(codes, 0)
    assert not all_same(codes, 1)


@pytest.mark.parametrize("d", [1, 3, 4, 6, 32, 33])
@pytest.mark.parametrize("n", [2, 9, 16])
def test_distances_between_controls(rng: np.random.Generator, n: int, d: int) -> None:
    codes, width = normal(rng, n, d), (n + 7) // 8 * 8
    codes[-1] = codes[0]
    (x, norms), out = columns_of(codes, width), np.full((n + 3, width), -1, np.float32)
    squared_distances(x, norms, n, x, norms, True, out)
    expected = cdist(codes.astype(float), codes.astype(float), "sqeuclidean")
    np.testing.assert_allclose(out[:n, :n], expected, atol=2e-6 * d)
    if d < 32:
        np.testing.assert_array_equal(out[n - 1, :n], out[0, :n], "equal codes have equal rows")
    assert np.ptp(expected) > 0.1 or n == 2


@pytest.mark.parametrize("d", [1, 5, 36])
@pytest.mark.parametrize("m", [1, 4, 7])
def test_distances_from_others(rng: np.random.Generator, m: int, d: int) -> None:
    others, codes = normal(rng, m, d), normal(rng, 13, d)
    (rows, row_norms), (columns, norms) = columns_of(others, 8), columns_of(codes, 16)
    out = np.full((m + 3, 16), -1, np.float32)
    squared_distances(rows, row_norms, m, columns, norms, False, out)
    expected = cdist(others.astype(float), codes.astype(float), "sqeuclidean")
    np.testing.assert_allclose(out[:m, :13], expected, atol=2e-6 * d)
    assert expected.min() > 1e-4


def test_exponentials_are_numpys() -> None:
    x = np.linspace(0, 87, 100_001, dtype=np.float32)
    found, bits = x.copy(), np.zeros(len(x), np.int32)
    exponentials(found, np.float32(1), bits, bits.view(np.float32))
    relative = found / np.exp(-x.astype(np.float64)) - 1
    assert np.abs(relative).max() < 3e-7
    assert found[0] == 1
    odd = np.array([-1e-6, 100, 1e30, 0.5], np.float32)  # rounding below 0; far beyond float32's smallest
    exponentials(odd, np.float32(2), bits[:4], bits[:4].view(np.float32))
    np.testing.assert_allclose(odd, [1, 0, 0, np.exp(-1)], atol=1e-7)


@pytest.mark.parametrize("offset", [0, 100])
@pytest.mark.parametrize(("n", "d"), [(2, 3), (3, 1), (11, 4), (16, 33)])
def test_gamma_is_that_of_its_definition(rng: np.random.Generator, n: int, d: int, offset: float) -> None:
    codes = normal(rng, n, 2, d) + np.linspace(0, 1, d, dtype=np.float32) + np.float32(offset)
    here = codes[:, 1].astype(np.float64)
    assert width_of(codes, SCALE) == pytest.approx(1 / (d * here.var()), rel=1e-5)
    assert width_of(codes, MEDIAN) == pytest.approx(1 / np.median(pdist(here, "sqeuclidean")), rel=2e-5)
    assert width_of(codes, GIVEN, 0.25) == 0.25


@pytest.mark.parametrize("value", [0.3, -0.7, 0.0, 7.77, 100.3, 1e-3])
@pytest.mark.parametrize("n", [7, 13, 40])
@pytest.mark.parametrize("d", [1, 3])
def test_gamma_is_1_where_all_codes_are_the_same(value: float, n: int, d: int) -> None:
    codes = np.full((n, 1, d), value, np.float32)
    assert width_of(codes, SCALE) == width_of(codes, MEDIAN) == 1
    codes *= np.arange(1, d + 1, dtype=np.float32)  # features differ: there is a variance, as scikit-learn counts
    expected = 1 / (d * codes.astype(np.float64).var()) if d > 1 and value else 1
    assert width_of(codes, SCALE) == pytest.approx(expected, rel=1e-5)
