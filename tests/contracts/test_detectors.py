"""What every detector promises, whatever it takes for normal: one list, and each test runs over all of it."""

import importlib
import pkgutil
from inspect import isabstract
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.metrics import roc_auc_score

import nigra.detection
from nigra.detection.detector import Detector, score_map_values
from nigra.detection.gaussian import VoxelwiseMahalanobis, VoxelwiseZ
from nigra.detection.local_change import LocalChange
from nigra.detection.neighbours import KNearest
from nigra.detection.one_class_svm import VoxelwiseOneClassSVM
from nigra.detection.pooled_svm import EnsembleOneClassSVM, SubjectOneClassSVM
from nigra.detection.principal_components import PrincipalComponents
from nigra.detection.raw_intensity import RawIntensity
from nigra.detection.student_mixture import StudentMixture
from nigra.errors import NigraError
from nigra.provenance import FittedOnError

SUBJECTS, LOCATIONS, D = 16, 80, 3

DETECTORS: list[Detector] = [
    VoxelwiseZ(),
    VoxelwiseMahalanobis(),
    VoxelwiseMahalanobis(shrinkage=0.1),
    KNearest(),
    # with gamma "scale", so few controls make a narrow region: half of the healthy would lie outside
    VoxelwiseOneClassSVM(gamma="median"),
    VoxelwiseOneClassSVM(nu=0.3, gamma=0.05),
    EnsembleOneClassSVM(members=3, samples=200, nu=0.1),
    SubjectOneClassSVM(nu=0.2),
    StudentMixture(components=2, restarts=1, max_iterations=30),
    # its published proximity is high where a code is central along any one axis, and so finds few shifts
    StudentMixture(components=2, kind="multiple-scale", score="density", restarts=1, max_iterations=10),
    PrincipalComponents(components=2),
    RawIntensity(),
    LocalChange(),  # without a grid, as its locations here lie nowhere
]


@pytest.fixture(params=DETECTORS, ids=repr)
def detector(request: pytest.FixtureRequest) -> Detector:
    """A detector that no other test has fitted."""
    return clone(request.param)


def draw(rng: np.random.Generator, subjects: int = SUBJECTS) -> np.ndarray:
    """Codes of healthy people: each location has a mean and a spread of its own. float16 holds them exactly."""
    place = np.random.default_rng(5)
    mean, spread = 0.5 * place.normal(size=(LOCATIONS, D)), place.uniform(0.7, 1.3, size=(LOCATIONS, D))
    return (mean + spread * rng.normal(size=(subjects, LOCATIONS, D))).astype(np.float16).astype(np.float32)


@pytest.fixture
def controls(rng: np.random.Generator) -> np.ndarray:
    return draw(rng)


@pytest.fixture
def others(rng: np.random.Generator) -> np.ndarray:
    """New healthy people, one of whom is an outlier in the first locations."""
    codes = draw(np.random.default_rng(6), 5)
    codes[1, :4] += 8
    return codes.astype(np.float16).astype(np.float32)


def in_subject(detector: Detector) -> bool:
    """Whether a subject is compared with itself, so that its scores hang together."""
    return isinstance(detector, SubjectOneClassSVM)


def as_a_whole(detector: Detector) -> bool:
    """Whether all locations are projected together, so that one of them moves the others a little."""
    return isinstance(detector, PrincipalComponents)


def test_no_detector_is_missing() -> None:
    found = set()
    for module in pkgutil.iter_modules(nigra.detection.__path__):
        for thing in vars(importlib.import_module(f"nigra.detection.{module.name}")).values():
            if isinstance(thing, type) and issubclass(thing, Detector) and not isabstract(thing):
                found.add(thing)
    assert len(found) > 5
    assert found == {type(detector) for detector in DETECTORS}


def test_fit_returns_the_detector_with_its_parameters_as_they_were(
    detector: Detector, controls: np.ndarray
) -> None:
    before = detector.get_params()
    assert detector.fit(controls) is detector
    assert detector.get_params() == before
    assert clone(detector).get_params() == before
    assert not hasattr(clone(detector), "n_features_in_")
    assert (detector.n_subjects_, detector.n_locations_, detector.n_features_in_) == controls.shape


def test_input_is_left_alone(detector: Detector, controls: np.ndarray, others: np.ndarray) -> None:
    kept = controls.copy(), others.copy()
    controls.flags.writeable = others.flags.writeable = False
    scores = detector.fit(controls).score_samples(others)
    assert scores.shape == others.shape[:2]
    assert scores.dtype == np.float32
    np.testing.assert_array_equal(controls, kept[0])
    np.testing.assert_array_equal(others, kept[1])


def test_any_float_type_and_a_memory_map_give_the_same_scores(
    detector: Detector, controls: np.ndarray, others: np.ndarray, tmp_path: Path
) -> None:
    expected = detector.fit(controls).score_samples(others)
    for name in ("float16", "float32", "float64"):
        np.save(tmp_path / f"{name}.npy", controls.astype(name))
        mapped = np.load(tmp_path / f"{name}.npy", mmap_mode="r")
        for given in (controls.astype(name), mapped):
            ours = clone(detector).fit(given).score_samples(others.astype(name))
            np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-6)


def test_a_code_that_is_not_a_number_has_no_score_and_leaves_the_rest(
    detector: Detector, controls: np.ndarray, others: np.ndarray
) -> None:
    clean = detector.fit(controls).score_samples(others)
    others[2, 7, 1] = others[4, 0] = np.nan
    scores = detector.score_samples(others)
    unknown = np.zeros(scores.shape, bool)
    unknown[2, 7] = unknown[4, 0] = True
    np.testing.assert_array_equal(np.isnan(scores), unknown)
    assert (detector.predict(others)[unknown] == 1).all(), "without a score nothing is abnormal"
    if in_subject(detector):
        unknown[[2, 4]] = True  # their SVMs lost a code
    if as_a_whole(detector):
        np.testing.assert_allclose(scores[~unknown], clean[~unknown], atol=0.5)
        unknown[[2, 4]] = True
    np.testing.assert_allclose(scores[~unknown], clean[~unknown], rtol=1e-5, atol=1e-6)


def test_a_control_without_a_code(detector: Detector, controls: np.ndarray, others: np.ndarray) -> None:
    clean = detector.fit(controls).score_samples(others)
    controls[3, 9, 2] = np.nan
    scores = detector.fit(controls).score_samples(others)
    if not detector.per_location:
        assert np.isfinite(scores).all(), "the others' codes stand for it"
        return
    assert np.isnan(scores[:, 9]).all(), "fewer controls there than elsewhere would be another detector"
    close = {"atol": 0.8} if as_a_whole(detector) else {"rtol": 1e-4, "atol": 1e-6}
    np.testing.assert_allclose(np.delete(scores, 9, 1), np.delete(clean, 9, 1), **close)


def test_what_cannot_be_scored_is_refused(detector: Detector, controls: np.ndarray) -> None:
    with pytest.raises(NigraError, match="not fitted yet; call fit with controls' codes first"):
        detector.score_samples(controls)
    with pytest.raises(NigraError, match="ids; give one id each"):
        detector.fit(controls, ["a", "b"])
    ids = [f"sub-{row:02}" for row in range(SUBJECTS)]
    detector.fit(controls, ids)
    with pytest.raises(NigraError, match="codes have 2 features, the detector was fitted on 3"):
        detector.score_samples(controls[:, :, :2])
    with pytest.raises(FittedOnError, match="the detector was fitted on sub-03; evaluate it on other subjects"):
        detector.decision_function(controls[:2], ["sub-77", "sub-03"])
    assert np.isfinite(detector.score_samples(controls[:2], ["sub-77", "sub-78"])).all()
    if detector.per_location:
        with pytest.raises(NigraError, match="codes have 79 locations, the detector was fitted on 80"):
            detector.score_samples(controls[:, 1:])
    else:
        assert np.isfinite(detector.score_samples(controls[:, 1:])).all()


@pytest.mark.parametrize("shape", [(0, 4, 3), (8, 0, 3), (8, 4, 0)])
def test_nothing_to_learn_from_is_refused(detector: Detector, shape: tuple[int, int, int]) -> None:
    with pytest.raises(NigraError, match="a detector needs subjects, locations and features"):
        detector.fit(np.empty(shape))


def test_scores_decisions_and_maps_agree_in_sign(
    detector: Detector, controls: np.ndarray, others: np.ndarray
) -> None:
    scores, decisions = detector.fit(controls).score_samples(others), detector.decision_function(others)
    np.testing.assert_array_equal(decisions, scores - detector.offset_)
    predicted = detector.predict(others)
    assert set(np.unique(predicted)) == {-1, 1}
    np.testing.assert_array_equal(predicted == -1, decisions < 0)
    np.testing.assert_array_equal(score_map_values(detector, others), detector.margin() - decisions)
    assert (decisions[1, :4] < 0).all(), "the outlier is abnormal"
    assert (decisions < 0).mean() < 0.5, "most of the others are not"


def test_subjects_that_are_alike_have_like_scores(detector: Detector, controls: np.ndarray) -> None:
    doubled = np.concatenate([controls, controls])
    scores = detector.fit(doubled).score_samples(doubled)
    assert np.isfinite(scores).all()
    np.testing.assert_allclose(scores[:SUBJECTS], scores[SUBJECTS:], rtol=1e-5, atol=1e-6)


def test_a_location_where_all_agree_spoils_no_other(
    detector: Detector, controls: np.ndarray, others: np.ndarray
) -> None:
    clean = detector.fit(controls).score_samples(others)
    controls[:, 9] = [0.3, 0.1, -0.7]
    scores = detector.fit(controls).score_samples(others)
    assert not np.isinf(scores).any()
    assert np.isfinite(np.delete(scores, 9, 1)).all()
    if detector.per_location:
        close = {"atol": 0.8} if as_a_whole(detector) else {"rtol": 1e-4, "atol": 1e-6}
        np.testing.assert_allclose(np.delete(scores, 9, 1), np.delete(clean, 9, 1), **close)


def test_a_single_location(detector: Detector, controls: np.ndarray, others: np.ndarray) -> None:
    if in_subject(detector):
        with pytest.raises(NigraError, match="compares the locations of a subject, but got 1"):
            detector.fit(controls[:, :1])
        return
    scores = detector.fit(controls[:, :1]).score_samples(others[:, :1])
    assert scores.shape == (5, 1)
    assert scores[:, 0].argmin() == 1, "the outlier"


def test_a_single_feature(detector: Detector, controls: np.ndarray, others: np.ndarray) -> None:
    scores = detector.fit(controls[:, :, :1]).score_samples(others[:, :, :1])
    assert np.isfinite(scores).all()
    assert scores[1, :4].mean() < np.quantile(scores[[0, 2, 3, 4]], 0.05), "the outlier"


def test_a_common_offset_changes_nothing(detector: Detector, controls: np.ndarray, others: np.ndarray) -> None:
    """float32 keeps 4e-6 of codes near 100; scores within 1e-3 of their spread."""
    expected = detector.fit(controls).score_samples(others)
    moved = detector.fit(controls + np.float32(100)).score_samples(others + np.float32(100))
    np.testing.assert_allclose(moved, expected, atol=1e-3 * np.std(expected))


def test_scores_do_not_depend_on_who_is_scored_with_whom(
    detector: Detector, controls: np.ndarray, others: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = detector.fit(controls).score_samples(others)
    alone = np.concatenate([detector.score_samples(others[row : row + 1]) for row in range(len(others))])
    np.testing.assert_allclose(alone, expected, rtol=1e-5, atol=1e-6)
    monkeypatch.setattr("nigra.detection.detector.BLOCK_BYTES", 4 * SUBJECTS * D * 7)  # 7 locations at a time
    np.testing.assert_allclose(detector.score_samples(others), expected, rtol=1e-5, atol=1e-6)
    in_blocks = clone(detector).fit(controls)
    np.testing.assert_allclose(in_blocks.score_samples(others), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(in_blocks.offset_, detector.offset_, rtol=1e-5, atol=1e-6)


def test_the_same_seed_gives_the_same_scores(detector: Detector, controls: np.ndarray, others: np.ndarray) -> None:
    first, again = (clone(detector).fit(controls).score_samples(others) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert np.ptp(first) > 0


@pytest.mark.parametrize("shift", [6, -6, 0])
def test_a_planted_change_is_found_in_either_direction(
    detector: Detector, controls: np.ndarray, shift: float
) -> None:
    """DESIGN, law 6; without a shift the planted places are like any other."""
    healthy = draw(np.random.default_rng(7), 20)
    planted = np.zeros(healthy.shape[:2], bool)
    planted[:, 10:14] = True
    codes = healthy + np.float32(shift) * planted[..., None]
    area = roc_auc_score(planted.ravel(), -detector.fit(controls).score_samples(codes).ravel())
    if shift:
        assert area > 0.9
    else:
        assert 0.3 < area < 0.7


def test_a_constant_score_is_refused(detector: Detector) -> None:
    with pytest.raises(NigraError):
        detector.fit(np.full((12, 20, 3), 0.25, np.float32))


class Indifferent(Detector):
    """Finds everything equally normal."""

    def _fit(self, codes: np.ndarray, tick: object) -> None:
        pass

    def _score(self, codes: np.ndarray, at: object) -> np.ndarray:
        return np.full(codes.shape[:2], 0.5, np.float32)


def test_a_detector_that_is_indifferent_is_refused(controls: np.ndarray) -> None:
    with pytest.raises(NigraError, match=r"gives every control the score 0\.5 everywhere; a constant score"):
        Indifferent().fit(controls)


def test_progress_reaches_the_end(detector: Detector, controls: np.ndarray) -> None:
    told: list[float] = []
    detector.fit(controls).score_samples(controls, tick=lambda done, text: told.append(done))
    assert told == sorted(told)
    assert told[-1] == 1


def test_a_gpu_that_is_not_there_is_a_sentence(detector: Detector, controls: np.ndarray) -> None:
    import torch

    if "device" not in detector.get_params() or torch.cuda.is_available():
        pytest.skip("runs on the CPU alone, or there is a GPU")
    with pytest.raises(NigraError, match="torch sees no GPU here; use device cpu"):
        detector.set_params(device="cuda").fit(controls)


def percent_abnormal(make, values, controls: int, folds: int) -> float:
    """Of new people, beyond the 98 % quantile of controls each scored by a fit without its fold."""
    codes = np.random.default_rng(1).standard_normal((controls, 400, 4)).astype(np.float32)
    new = np.random.default_rng(2).standard_normal((60, 400, 4)).astype(np.float32)
    part = np.arange(controls) % folds
    scored = np.concatenate([values(make().fit(codes[part != k]), codes[part == k]) for k in range(folds)])
    return 100 * float((values(make().fit(codes), new) > np.quantile(scored, 0.98)).mean())


@pytest.mark.parametrize("make", [VoxelwiseOneClassSVM, VoxelwiseZ, VoxelwiseMahalanobis, KNearest])
def test_thresholds_of_fits_on_fewer_controls_keep_the_promise_for_new_people(make) -> None:
    """Cross-fitting, as a run does it: 2 % are promised. Codes are normal, so nothing else can move it."""
    assert 1.4 < percent_abnormal(make, score_map_values, 41, 3) < 2.8


def test_without_its_margin_an_svm_would_break_the_promise() -> None:
    """Negative control of the one above."""
    assert percent_abnormal(VoxelwiseOneClassSVM, lambda svm, codes: -svm.decision_function(codes), 41, 3) > 3


def test_a_fit_that_was_refused_does_not_pass_for_one() -> None:
    detector = VoxelwiseZ()
    with pytest.raises(NigraError, match="needs 3 controls"):
        detector.fit(np.zeros((2, 4, 3), np.float32))
    with pytest.raises(NigraError, match="is not fitted yet"):
        detector.score_samples(np.zeros((1, 4, 3), np.float32))
