import numpy as np
import pytest

from nigra.detection.gaussian import VoxelwiseMahalanobis, VoxelwiseZ
from nigra.detection.leave_one_out import LeaveOneOutDetector
from nigra.detection.neighbours import KNearest
from nigra.errors import NigraError

DETECTORS = [VoxelwiseZ(), VoxelwiseMahalanobis(), VoxelwiseMahalanobis(0.3), KNearest(3)]


@pytest.mark.parametrize("detector", DETECTORS, ids=repr)
def test_left_out_scores_are_those_of_refits(detector: LeaveOneOutDetector, rng: np.random.Generator) -> None:
    codes = rng.normal(size=(9, 7, 3)).astype(np.float32) * [1, 3, 0.2]
    codes[4:6, 2] = codes[3, 2]  # some controls are alike
    left_out = detector.fit(codes).leave_one_out_scores()
    refitted = np.empty(codes.shape[:2], np.float32)
    for i in range(len(codes)):
        refitted[i] = detector.fit(np.delete(codes, i, 0)).score_samples(codes[i : i + 1])[0]
    np.testing.assert_allclose(left_out, refitted, rtol=2e-5)
    assert (
        left_out < detector.fit(codes).score_samples(codes)
    ).mean() > 0.8  # negative control: not the plain ones


@pytest.mark.parametrize("detector", DETECTORS, ids=repr)
def test_new_controls_are_called_abnormal_as_often_as_asked(
    detector: LeaveOneOutDetector, rng: np.random.Generator
) -> None:
    codes = rng.normal(size=(60, 400, 3)).astype(np.float32)
    detector.set_params(contamination=0.1).fit(codes[:30])
    assert (detector.leave_one_out_scores() < detector.offset_).mean() == pytest.approx(0.1, abs=1e-3)
    new = (detector.predict(codes[30:]) == -1).mean()
    assert new == pytest.approx(0.1, abs=0.015)
    seen = (detector.predict(codes[:30]) == -1).mean()
    assert seen < new - 0.03, "controls of the fit look more normal than new ones"
    detector.set_params(contamination=0.02)


def test_scores_of_left_out_controls_cannot_be_changed_from_outside(rng: np.random.Generator) -> None:
    detector = VoxelwiseZ().fit(rng.normal(size=(5, 4, 2)))
    detector.leave_one_out_scores()[:] = 0
    assert (detector.leave_one_out_scores() < 0).all()


@pytest.mark.parametrize(
    ("detector", "subjects", "sentence"),
    [
        (VoxelwiseZ(), 2, "VoxelwiseZ needs 3 controls or more, but got 2"),
        (VoxelwiseMahalanobis(), 3, "needs 4 controls or more, but got 3"),
        (KNearest(5), 6, "needs 7 controls or more, but got 6"),
        (VoxelwiseZ(contamination=0.0), 5, "contamination is 0; give a share between 0 and 1"),
        (VoxelwiseZ(contamination=1.0), 5, "contamination is 1; give a share between 0 and 1"),
    ],
)
def test_refusals(detector: LeaveOneOutDetector, subjects: int, sentence: str, rng: np.random.Generator) -> None:
    with pytest.raises(NigraError, match=sentence):
        detector.fit(rng.normal(size=(subjects, 4, 2)))


def test_left_out_scores_need_a_fit() -> None:
    with pytest.raises(NigraError, match="not fitted yet"):
        VoxelwiseZ().leave_one_out_scores()


def test_progress_reaches_the_end(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nigra.detection.detector.BLOCK_BYTES", 2 * 4 * 5 * 3)
    told: list[tuple[float, str]] = []
    VoxelwiseZ().fit(rng.normal(size=(5, 7, 3)), tick=lambda done, text: told.append((done, text)))
    assert [text for _, text in told] == ["2/7 locations", "4/7 locations", "6/7 locations", "7/7 locations"]
    assert told[-1][0] == 1
