"""Against scikit-learn at a tolerance of 1e-9, and against refits without the subject."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.distance import pdist

from nigra.detection import detector as contract
from nigra.detection import svm_kernels
from nigra.detection.one_class_svm import VoxelwiseOneClassSVM, global_width
from nigra.detection.svm_torch import OnDevice
from nigra.errors import NigraError
from tests.detection.svm_oracle import bound, normal, peer

LOCATIONS = 6


def compare(
    svm: VoxelwiseOneClassSVM, codes: np.ndarray, others: np.ndarray, gamma: float | str | None = None
) -> tuple[float, float, int]:
    """Largest difference of scores, of decisions where rho is unique, and how often it is not.

    ``gamma`` is scikit-learn's; that of our location by default.
    """
    scores, decisions = svm.score_samples(others), svm.decision_function(others)
    worst, far, tied = 0.0, 0.0, 0
    for at in range(codes.shape[1]):
        theirs, unique = peer(codes[:, at], svm.nu, gamma or float(svm.gamma_[at]))
        assert svm.free_[at] == unique
        here = others[:, at].astype(np.float64)
        worst = max(worst, np.abs(theirs.score_samples(here) - scores[:, at]).max())
        if unique:
            far = max(far, np.abs(theirs.decision_function(here) - decisions[:, at]).max())
        tied += not unique
    assert svm.converged_.all()
    return worst, far, tied


@pytest.mark.parametrize("nu", [0.01, 0.1, 0.5, 0.83])
@pytest.mark.parametrize(("n", "d"), [(3, 4), (11, 3), (13, 9), (16, 5), (40, 16), (21, 40)])
def test_it_is_scikit_learns(rng: np.random.Generator, n: int, d: int, nu: float) -> None:
    codes = normal(rng, n, LOCATIONS, d)
    others = np.concatenate([codes, 2 * normal(rng, 5, LOCATIONS, d)])
    svm = VoxelwiseOneClassSVM(nu=nu).fit(codes)
    worst, far, tied = compare(svm, codes, others, "scale")
    assert 0 < worst < 1e-5
    assert far < 1e-5
    assert tied < LOCATIONS
    assert svm.decision_function(others)[-5:].min() < 0 < svm.score_samples(others).min()
    np.testing.assert_allclose(svm.weights_.sum(axis=1), nu * n, rtol=2e-6)


def test_nu_1_which_scikit_learn_refuses_to_solve(rng: np.random.Generator) -> None:
    codes = normal(rng, 9, LOCATIONS, 3)
    svm = VoxelwiseOneClassSVM(nu=1.0, gamma=0.2).fit(codes)
    assert (svm.weights_ == 1).all()
    squared = ((codes[:, None] - codes[None]).astype(np.float64) ** 2).sum(axis=3)
    expected = np.exp(-0.2 * squared).sum(axis=1)
    np.testing.assert_allclose(svm.score_samples(codes), expected, atol=1e-5)
    np.testing.assert_allclose(svm.offset_[0], expected.max(axis=0), atol=1e-5)
    assert not svm.free_.any()
    left = svm.leave_one_out_scores()
    np.testing.assert_allclose(left, expected - 1, atol=1e-5)


@pytest.mark.parametrize("gamma", ["median", 0.05, 0.7])
def test_gammas(rng: np.random.Generator, gamma: float | str) -> None:
    codes, others = normal(rng, 13, LOCATIONS, 4), normal(rng, 5, LOCATIONS, 4)
    svm = VoxelwiseOneClassSVM(nu=0.3, gamma=gamma).fit(codes)
    expected = [
        1 / np.median(pdist(codes[:, at], "sqeuclidean")) if gamma == "median" else gamma for at in range(6)
    ]
    np.testing.assert_allclose(svm.gamma_, expected, rtol=1e-5)
    worst, far, _ = compare(svm, codes, others)
    assert max(worst, far) < 1e-5


@pytest.mark.parametrize("gamma", ["scale", "median"])
def test_one_gamma_for_all_locations(rng: np.random.Generator, gamma: str) -> None:
    codes = normal(rng, 13, LOCATIONS, 4) * np.linspace(0.5, 2, LOCATIONS, dtype=np.float32)[:, None]
    own = VoxelwiseOneClassSVM(gamma=gamma).fit(codes)
    svm = VoxelwiseOneClassSVM(nu=0.2, gamma=gamma, gamma_per="global").fit(codes)
    np.testing.assert_allclose(svm.gamma_, 1 / np.mean(1 / own.gamma_), rtol=1e-5)
    assert own.gamma_.max() > 4 * own.gamma_.min()
    worst, far, _ = compare(svm, codes, codes)
    assert max(worst, far) < 1e-5
    codes[0, 0] = np.nan
    assert global_width(codes, gamma) == pytest.approx(np.mean(1 / own.gamma_[1:]), rel=1e-5)
    assert global_width(np.full((3, 2, 1), 0.5), gamma) == 1


@pytest.mark.parametrize("nu", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("n", [12, 40])
def test_nearly_singular_kernels(rng: np.random.Generator, n: int, nu: float) -> None:
    """One feature: some controls are all but the same, many weights are all but as good, scores stay close."""
    codes = normal(rng, n, 20, 1)
    svm = VoxelwiseOneClassSVM(nu=nu, gamma=0.3).fit(codes)
    worst, far, _ = compare(svm, codes, codes)
    assert worst < min(bound(nu * n), 2e-4)
    assert far < min(2 * bound(nu * n), 4e-4)


def test_two_controls(rng: np.random.Generator) -> None:
    codes, others = normal(rng, 2, LOCATIONS, 3), normal(rng, 4, LOCATIONS, 3)
    svm = VoxelwiseOneClassSVM(nu=0.3, gamma=0.1).fit(codes)
    worst, far, tied = compare(svm, codes, others)
    assert max(worst, far) < 1e-5
    assert tied == 0
    np.testing.assert_allclose(svm.weights_, 0.3, atol=1e-4)
    likeness = np.exp(-0.1 * ((codes[0] - codes[1]).astype(np.float64) ** 2).sum(axis=1))
    np.testing.assert_allclose(svm.leave_one_out_scores(), 0.3 * np.tile(likeness, (2, 1)), atol=1e-6)


@pytest.mark.parametrize(("n", "nu"), [(40, 0.9), (16, 0.5)])
def test_where_all_weights_may_lie_at_bounds_rounding_does_not_choose(
    rng: np.random.Generator, n: int, nu: float
) -> None:
    codes = normal(rng, n, 40, 1)
    svm = VoxelwiseOneClassSVM(nu=nu, gamma=0.3).fit(codes)
    _, _, tied = compare(svm, codes, codes)  # asserts that we agree with libsvm on where rho is unique
    assert 5 < tied < 40


def test_without_a_free_support_vector_rho_is_in_the_middle() -> None:
    """Two pairs, the inner one without weight: any rho from the outer's to the inner's score is optimal."""
    codes = np.array([-1, 1, 0.04, -0.04], np.float32)[:, None, None] * np.array([1, 1.1], np.float32)[:, None]
    svm = VoxelwiseOneClassSVM(nu=0.5, gamma=0.22).fit(codes)
    np.testing.assert_allclose(svm.weights_, [[1, 1, 0, 0]] * 2, atol=1e-6)
    assert not svm.free_.any()
    scores = svm.score_samples(codes)
    expected = np.exp(-0.22 * (np.array([1, 1.1]) * 2) ** 2) + 1
    np.testing.assert_allclose(scores[0], expected, atol=1e-6)
    np.testing.assert_allclose(svm.offset_[0], (scores[0] + scores[2:].min(axis=0)) / 2, atol=1e-6)
    assert (scores[2] - scores[0] > 0.01).all()


@pytest.mark.parametrize("d", [3, 16])
def test_an_offset_of_100(rng: np.random.Generator, d: int) -> None:
    codes = normal(rng, 13, LOCATIONS, d) + np.float32(100)
    svm = VoxelwiseOneClassSVM(nu=0.2).fit(codes)
    worst, far, _ = compare(svm, codes, codes[:5] + normal(rng, 5, LOCATIONS, d), "scale")
    assert max(worst, far) < 1e-5


def test_duplicated_subjects(rng: np.random.Generator) -> None:
    codes = normal(rng, 7, LOCATIONS, 3)
    codes = np.concatenate([codes, codes, codes[:2]])
    svm = VoxelwiseOneClassSVM(nu=0.35).fit(codes)
    worst, far, _ = compare(svm, codes, codes, "scale")
    assert max(worst, far) < 1e-5


@pytest.mark.parametrize("value", [0.3, -0.7, 100.3])
@pytest.mark.parametrize("gamma", ["scale", "median"])
def test_a_constant_location_has_gamma_1(rng: np.random.Generator, value: float, gamma: str) -> None:
    codes = normal(rng, 40, LOCATIONS, 3)
    codes[:, 2] = value
    svm = VoxelwiseOneClassSVM(nu=0.1, gamma=gamma).fit(codes)
    assert svm.gamma_[2] == 1
    assert svm.converged_.all()
    others = codes[:1] + np.array([0, 0.1, 1], np.float32)[:, None, None]
    expected = 4 * np.exp(-3.0 * np.array([0, 0.1, 1]) ** 2)
    np.testing.assert_allclose(svm.score_samples(others)[:, 2], expected, atol=1e-4)
    np.testing.assert_allclose(svm.leave_one_out_scores()[:, 2], 3.9, atol=1e-5)


def test_codes_that_are_not_numbers(rng: np.random.Generator) -> None:
    codes, others = normal(rng, 9, LOCATIONS, 3), normal(rng, 4, LOCATIONS, 3)
    svm = VoxelwiseOneClassSVM(nu=0.3).fit(codes)
    clean, left = svm.score_samples(others), svm.leave_one_out_scores()
    codes[4, 1, 2], codes[3, 5, 0], others[2, 3, 1] = np.nan, 1e20, np.nan
    svm.fit(codes)
    known = np.ones(clean.shape, bool)
    known[:, [1, 5]] = known[2, 3] = False
    scores = svm.score_samples(others)
    np.testing.assert_array_equal(np.isfinite(scores), known)
    np.testing.assert_array_equal(scores[known], clean[known])
    again = svm.leave_one_out_scores()
    assert np.isnan(again[:, [1, 5]]).all()
    np.testing.assert_array_equal(np.delete(again, [1, 5], axis=1), np.delete(left, [1, 5], axis=1))


def test_a_memory_map_of_float16_is_read_and_left_alone(rng: np.random.Generator, tmp_path: Path) -> None:
    codes = normal(rng, 9, LOCATIONS, 3).astype(np.float16)
    np.save(tmp_path / "codes.npy", codes)
    before = (tmp_path / "codes.npy").read_bytes()
    mapped = np.load(tmp_path / "codes.npy", mmap_mode="r+")
    svm, wide = VoxelwiseOneClassSVM().fit(mapped), VoxelwiseOneClassSVM().fit(codes.astype(np.float32))
    assert svm.codes_ is mapped
    np.testing.assert_array_equal(svm.leave_one_out_scores(), wide.leave_one_out_scores())
    np.testing.assert_array_equal(svm.score_samples(mapped), wide.score_samples(codes))
    assert svm.score_samples(mapped).std() > 0.01
    mapped.flush()
    assert (tmp_path / "codes.npy").read_bytes() == before


def test_blocks_change_no_bit(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    codes = normal(rng, 11, 150, 3).astype(np.float16)  # float32 in memory is read as it is, in one part

    def everything() -> list[np.ndarray]:
        svm, told = VoxelwiseOneClassSVM(nu=0.2).fit(codes), []
        left = svm.leave_one_out_decisions(tick=lambda done, text: told.append(done))
        assert told[-1] == 1
        assert all(a < b for a, b in pairwise(told))
        return [svm.weights_, svm.offset_, svm.gamma_, svm.score_samples(codes), left, np.array(told)]

    *whole, once = everything()
    monkeypatch.setattr(contract, "BLOCK_BYTES", 4 * 11 * 3 * 41)
    *parts, often = everything()
    assert (len(once), len(often)) == (1, 4)
    for first, second in zip(whole, parts, strict=True):
        np.testing.assert_array_equal(first, second)
        assert first.std() > 1e-3


def test_the_solver_is_compiled_once(rng: np.random.Generator, tmp_path: Path) -> None:
    """However the codes lie in memory; a second time would take half a minute."""
    codes = normal(rng, 9, 8, 3)
    fixed, aside = codes.copy(), np.asfortranarray(codes)
    fixed.flags.writeable = False
    np.save(tmp_path / "codes.npy", codes)
    mapped = np.load(tmp_path / "codes.npy", mmap_mode="r")
    for given in (codes, fixed, aside, mapped, codes.astype(np.float16), np.repeat(codes, 2, axis=1)[:, ::2]):
        svm = VoxelwiseOneClassSVM().fit(given)
        svm.score_samples(given)
        svm.leave_one_out_scores()
    for compiled in (svm_kernels.fit, svm_kernels.score, svm_kernels.leave_one_out):
        assert len(compiled.signatures) == 1


def refits(svm: VoxelwiseOneClassSVM, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores and decisions of scikit-learn's refits with the gamma of all, and where rho is unique."""
    scores = np.full(codes.shape[:2], np.nan)
    decisions, unique = scores.copy(), np.zeros(scores.shape, bool)
    for at in range(codes.shape[1]):
        for row in range(len(codes)):
            rest, one = np.delete(codes[:, at], row, axis=0), codes[row : row + 1, at].astype(np.float64)
            theirs, unique[row, at] = peer(rest, svm.nu, float(svm.gamma_[at]))
            scores[row, at], decisions[row, at] = theirs.score_samples(one)[0], theirs.decision_function(one)[0]
    return scores, decisions, unique


@pytest.mark.parametrize("nu", [0.01, 0.1, 0.45, 0.85])
@pytest.mark.parametrize(("n", "d"), [(3, 4), (11, 5), (16, 9), (25, 40)])
def test_leave_one_out_is_a_refit(rng: np.random.Generator, n: int, d: int, nu: float) -> None:
    codes = normal(rng, n, 3, d)
    codes[0, 1] *= 3
    svm = VoxelwiseOneClassSVM(nu=nu).fit(codes)
    scores, decisions, unique = refits(svm, codes)
    found = svm.leave_one_out_scores()
    assert np.abs(found - scores).max() < 5e-6
    assert np.abs(svm.leave_one_out_decisions() - decisions)[unique].max(initial=0) < 1e-5
    assert unique.any()
    assert (svm.score_samples(codes) - found).max() > 1e-3, "a control is more normal to who has seen it"


@pytest.mark.parametrize("nu", [0.1, 0.5])
def test_leave_one_out_where_kernels_are_nearly_singular(rng: np.random.Generator, nu: float) -> None:
    codes = normal(rng, 40, 2, 1)
    svm = VoxelwiseOneClassSVM(nu=nu).fit(codes)
    scores, _, _ = refits(svm, codes)
    assert np.abs(svm.leave_one_out_scores() - scores).max() < min(bound(nu * 39), 5e-4)
    assert scores.std() > 0.05


def test_leave_one_out_of_twins_and_of_a_single_location(rng: np.random.Generator) -> None:
    codes = normal(rng, 6, 1, 3)
    codes = np.concatenate([codes, codes])
    svm = VoxelwiseOneClassSVM(nu=0.4).fit(codes)
    scores, decisions, unique = refits(svm, codes)
    found = svm.leave_one_out_scores()
    np.testing.assert_allclose(found, scores, atol=5e-6)
    np.testing.assert_allclose(svm.leave_one_out_decisions()[unique], decisions[unique], atol=1e-5)
    np.testing.assert_allclose(found[:6], found[6:], atol=5e-6)
    assert found.std() > 0.01


def test_torch_gives_the_same(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    codes, others = normal(rng, 13, LOCATIONS, 4), normal(rng, 5, LOCATIONS, 4)
    svm = VoxelwiseOneClassSVM(nu=0.2).fit(codes)
    expected = svm.decision_function(others), svm.leave_one_out_scores(), svm.leave_one_out_decisions()
    monkeypatch.setattr(VoxelwiseOneClassSVM, "_solver", property(lambda self: OnDevice("cpu")))
    svm = VoxelwiseOneClassSVM(nu=0.2).fit(codes)
    found = svm.decision_function(others), svm.leave_one_out_scores(), svm.leave_one_out_decisions()
    for theirs, ours in zip(found, expected, strict=True):
        np.testing.assert_allclose(theirs, ours, atol=1e-5)
        assert (theirs != ours).any(), "another solver was asked"
    assert svm.converged_.all()


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"nu": 0.0}, "nu is 0; give a share above 0 and up to 1, such as 0.1."),
        ({"nu": 1.5}, "nu is 1.5; give a share above 0 and up to 1, such as 0.1."),
        ({"gamma": 0.0}, "gamma is 0; give scale, median or a number above 0."),
        ({"gamma": -1.0}, "gamma is -1; give scale, median or a number above 0."),
        ({"gamma": float("nan")}, "gamma is nan; give scale, median or a number above 0."),
        ({"gamma": "foo"}, "gamma is 'foo'; give scale, median or a number above 0."),
        ({"tolerance": 0.0}, "tolerance is 0; give a number above 0, such as 1e-5."),
    ],
)
def test_settings_that_cannot_be(rng: np.random.Generator, settings: dict[str, float], sentence: str) -> None:
    svm = VoxelwiseOneClassSVM().set_params(**settings)
    with pytest.raises(NigraError) as caught:
        svm.fit(normal(rng, 5, 2, 3))
    assert str(caught.value) == sentence


def test_one_control_is_not_enough(rng: np.random.Generator) -> None:
    with pytest.raises(NigraError, match=r"^a one-class SVM needs 2 controls or more, but got 1; add controls\.$"):
        VoxelwiseOneClassSVM().fit(normal(rng, 1, 4, 3))
    with pytest.raises(NigraError, match="not fitted yet; call fit with controls' codes first"):
        VoxelwiseOneClassSVM().leave_one_out_scores()


@pytest.mark.parametrize("n", [13, 40])
@pytest.mark.parametrize("nu", [0.1, 0.37, 1.0])
@pytest.mark.parametrize(
    ("gamma", "sentence"),
    [
        (1e-20, "a constant score detects nothing"),
        (1e-9, "a constant score detects nothing|so small that every new subject .*; give a larger one, or scale"),
        (1e5, "gamma is 100000, so large that every new subject would get the same score; give a smaller one"),
        (1e12, r"gamma is 1e\+12, so large that every new subject"),
    ],
)
def test_a_constant_score_is_refused(
    rng: np.random.Generator, gamma: float, nu: float, n: int, sentence: str
) -> None:
    codes = normal(rng, n, 30, 8)
    with pytest.raises(NigraError, match=sentence):
        VoxelwiseOneClassSVM(nu=nu, gamma=gamma).fit(codes)
    VoxelwiseOneClassSVM(nu=nu, gamma=0.1).fit(codes)
