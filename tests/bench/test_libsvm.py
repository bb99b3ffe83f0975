"""The peers give scikit-learn's own numbers, however they are spread."""

import numpy as np
import pytest
from sklearn.svm import OneClassSVM

from nigra.bench import libsvm, samples

CONTROLS = 9


@pytest.fixture
def codes() -> np.ndarray:
    return samples.blocks(samples.codes(CONTROLS + 2, 7, 3, seed=4))


def estimator(block: np.ndarray, tolerance: float = libsvm.TOLERANCE) -> OneClassSVM:
    return OneClassSVM(nu=libsvm.NU, gamma="scale", tol=tolerance).fit(block[:CONTROLS])


def test_core_and_estimator_decide_alike(codes) -> None:
    decisions, free = libsvm.core(codes, CONTROLS)
    assert np.array_equal(decisions, libsvm.scikit_learn(codes, CONTROLS))
    for block, mine, known in zip(codes, decisions, free, strict=True):
        svm = estimator(block)
        assert np.array_equal(mine, svm.decision_function(block))
        assert known == bool(((svm.dual_coef_ > 1e-6) & (svm.dual_coef_ < 1 - 1e-6)).any())
    assert decisions.std() > 1e-3


def test_a_location_without_a_free_support_vector_is_known() -> None:
    """nu x n is 1, and of the lonely point the whole weight: alpha is 1, and nothing between."""
    block = np.full((1, 10, 1), 0.0)
    block[0, 0] = 40.0
    block[0, 1:, 0] = np.linspace(0, 0.01, 9)
    gamma = libsvm.scale(block)[0]
    svm = OneClassSVM(nu=libsvm.NU, gamma=gamma, tol=1e-9).fit(block[0])
    expected = bool(((svm.dual_coef_ > 1e-6) & (svm.dual_coef_ < 1 - 1e-6)).any())
    assert libsvm.core(block, 10, 1e-9)[1].tolist() == [expected]


def test_gamma_is_scikit_learns_scale(codes) -> None:
    expected = [OneClassSVM(gamma="scale").fit(block)._gamma for block in codes]
    assert libsvm.scale(codes) == pytest.approx(expected, rel=1e-12)


def test_refits_leave_one_out(codes) -> None:
    scores = libsvm.refits(codes, CONTROLS + 2)
    block, row = codes[3], 5
    gamma = 1 / (3 * block.var())
    svm = OneClassSVM(nu=libsvm.NU, gamma=gamma, tol=libsvm.TOLERANCE).fit(np.delete(block, row, axis=0))
    assert scores[3, row] == svm.score_samples(block[[row]])[0]
    assert scores.shape == (7, CONTROLS + 2)
    kept = OneClassSVM(nu=libsvm.NU, gamma=gamma, tol=libsvm.TOLERANCE).fit(block)
    assert abs(scores[3, row] - kept.score_samples(block[[row]])[0]) > 1e-3  # negative control: not left out


@pytest.mark.parametrize(("threads", "parts"), [(1, 1), (2, 3), (2, 99)])
def test_spread_over_threads_gives_the_same(codes, threads: int, parts: int) -> None:
    found = libsvm.spread(libsvm.scikit_learn, codes, CONTROLS, threads, "threading", parts)
    assert len(found) == min(parts, len(codes))
    assert np.array_equal(np.concatenate(found), libsvm.scikit_learn(codes, CONTROLS))


def test_quickest_says_how(codes) -> None:
    way, name = libsvm.quickest(libsvm.scikit_learn, codes, CONTROLS, 1)
    assert name == "1 thread"
    assert np.array_equal(way()[0], libsvm.scikit_learn(codes, CONTROLS))
