"""Many locations at once: each is what it is alone, whatever the threads and the neighbours."""

import numba
import numpy as np
import pytest

from nigra.detection import svm_kernels
from nigra.detection.kernel_matrix import SCALE
from nigra.detection.svm_kernels import BLOCK
from tests.detection.svm_oracle import TOLERANCE, fitted, kernel, normal

NU = 0.2
LOCATIONS = BLOCK + 7


def left_out(codes: np.ndarray, found: dict[str, np.ndarray]) -> np.ndarray:
    """Scores and rhos (2, n, locations)."""
    out = np.full((2, *codes.shape[:2]), 7, np.float32)
    numbers = np.float32(NU), np.float32(TOLERANCE), 20_000
    svm_kernels.leave_one_out(codes, found["weights"], found["gammas"], *numbers, *out)
    return out


def everything(codes: np.ndarray) -> list[np.ndarray]:
    found = fitted(codes, NU, SCALE)
    scores = np.full(codes.shape[:2], 7, np.float32)
    svm_kernels.score(codes, found["weights"], found["gammas"], codes, scores)
    return [*found.values(), scores, *left_out(codes, found)]


def test_one_thread_or_two_give_the_same_to_the_bit(rng: np.random.Generator) -> None:
    if numba.config.NUMBA_NUM_THREADS < 2:
        pytest.skip("numba may start one thread only")
    codes = normal(rng, 11, 3 * BLOCK + 5, 3)
    one = everything(codes)
    numba.set_num_threads(2)
    two = everything(codes)
    numba.set_num_threads(1)
    for first, second in zip(one, two, strict=True):
        np.testing.assert_array_equal(first, second)
    assert one[0].std() > 0.1


def test_a_location_does_not_depend_on_its_neighbours(rng: np.random.Generator) -> None:
    codes = normal(rng, 13, LOCATIONS, 3)
    together = everything(codes)
    for where in (0, BLOCK - 1, BLOCK, LOCATIONS - 1):
        alone = everything(codes[:, where : where + 1].copy())
        for all_of_them, single in zip(together, alone, strict=True):
            picked = all_of_them[where] if len(all_of_them) == LOCATIONS else all_of_them[:, where]
            np.testing.assert_array_equal(picked, single[0] if len(single) == 1 else single[:, 0])


def test_what_is_not_usable_is_left_as_it_is(rng: np.random.Generator) -> None:
    codes = normal(rng, 9, 5, 2)
    clean = everything(codes)
    codes[2, 3, 1] = np.nan
    weights, rho, gammas, _, steps, scores, left, rhos = everything(codes)
    assert weights[3].max() == steps[3] == 0
    assert np.isnan([rho[3], gammas[3], *scores[:, 3], *left[:, 3], *rhos[:, 3]]).all()
    np.testing.assert_array_equal(np.delete(scores, 3, axis=1), np.delete(clean[5], 3, axis=1))
    np.testing.assert_array_equal(np.delete(left, 3, axis=1), np.delete(clean[6], 3, axis=1))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_code_that_is_not_finite_has_no_score_and_takes_none_from_others(
    rng: np.random.Generator, value: float
) -> None:
    codes = normal(rng, 9, LOCATIONS, 2)
    found, (clean, scores) = fitted(codes, NU, SCALE), np.full((2, *codes.shape[:2]), 7, np.float32)
    svm_kernels.score(codes, found["weights"], found["gammas"], codes, clean)
    odd = codes.copy()
    odd[4, BLOCK + 2, 1] = value
    svm_kernels.score(codes, found["weights"], found["gammas"], odd, scores)
    assert np.argwhere(np.isnan(scores)).tolist() == [[4, BLOCK + 2]]
    scores[4, BLOCK + 2] = clean[4, BLOCK + 2]
    np.testing.assert_array_equal(scores, clean)


@pytest.mark.parametrize(("n", "d", "m"), [(5, 1, 3), (13, 4, 1), (16, 33, 10)])
def test_scores_are_weighted_sums_of_kernels(rng: np.random.Generator, n: int, d: int, m: int) -> None:
    controls, others = normal(rng, n, 4, d), normal(rng, m, 4, d)
    weights, gammas = rng.random((4, n)).astype(np.float32), rng.uniform(0.05, 0.5, 4).astype(np.float32)
    weights[:, ::3] = 0
    weights[2] = 0
    out = np.full((m, 4), 7, np.float32)
    svm_kernels.score(controls, weights, gammas, others, out)
    expected = [
        kernel(others[:, at], controls[:, at], float(gammas[at])) @ weights[at].astype(float) for at in range(4)
    ]
    np.testing.assert_allclose(out.T, expected, atol=3e-6)
    assert (out[:, 2] == 0).all()
    assert out.std() > 0.01
