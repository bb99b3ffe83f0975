from itertools import pairwise

import numpy as np
import pytest
from sklearn.svm import OneClassSVM

from nigra.detection.pooled_svm import EnsembleOneClassSVM, SubjectOneClassSVM
from nigra.errors import NigraError


def codes_of(rng: np.random.Generator, subjects: int = 8, locations: int = 50, d: int = 4) -> np.ndarray:
    return rng.normal(size=(subjects, locations, d)).astype(np.float32)


@pytest.mark.parametrize("offset", [0, 100])
@pytest.mark.parametrize("gamma", ["scale", 0.2])
def test_one_member_on_all_codes_is_scikit_learns(gamma: float, offset: float, rng: np.random.Generator) -> None:
    codes = codes_of(rng) + np.float32(offset)
    ours = EnsembleOneClassSVM(members=1, samples=400, nu=0.1, gamma=gamma).fit(codes)
    peer = OneClassSVM(nu=0.1, gamma=gamma, tol=1e-5).fit(codes.reshape(-1, 4).astype(np.float64))
    test = codes_of(rng, subjects=3) * 2 + np.float32(offset)
    expected = peer.decision_function(test.reshape(-1, 4)).reshape(3, 50)
    assert expected.min() < -1
    assert expected.max() > 0.1
    np.testing.assert_allclose(ours.decision_function(test), expected, atol=1e-5 if offset == 0 else 1e-4)


def test_the_ensemble_is_the_mean_of_its_members(rng: np.random.Generator) -> None:
    codes = codes_of(rng)
    detector = EnsembleOneClassSVM(members=3, samples=60, nu=0.1).fit(codes)
    flat = codes.reshape(-1, 4)
    each = [member.score_samples(flat) - member.rho for member in detector.members_]
    np.testing.assert_allclose(detector.decision_function(codes).ravel(), np.mean(each, axis=0), atol=1e-6)
    assert all(np.abs(a - b).max() > 1e-3 for a, b in pairwise(each)), "each has its own draw"


def test_draws_come_from_finite_codes_of_all_subjects_and_locations(rng: np.random.Generator) -> None:
    codes = codes_of(rng, subjects=4, locations=30, d=2)
    codes[..., 0], codes[..., 1] = np.arange(4)[:, None], np.arange(30)  # a code says where it is from
    codes[2, :15, 1] = np.nan
    detector = EnsembleOneClassSVM(members=1, samples=500, nu=0.99).fit(codes)
    member = detector.members_[0]
    drawn = {tuple(code) for code in np.rint(member.support + member.centre).astype(int).tolist()}
    usable = {(s, at) for s in range(4) for at in range(30) if not (s == 2 and at < 15)}
    assert drawn <= usable
    assert len(drawn) > 0.95 * len(usable)
    few = EnsembleOneClassSVM(members=1, samples=20, nu=0.99).fit(codes).members_[0]
    assert 18 <= len(few.support) <= 20
    assert len({tuple(code) for code in few.support.tolist()}) == len(few.support), "each at most once"


def test_the_seed_alone_decides_the_draw(rng: np.random.Generator) -> None:
    codes = codes_of(rng)
    scores = [EnsembleOneClassSVM(samples=60, seed=seed).fit(codes).score_samples(codes) for seed in (1, 1, 2)]
    np.testing.assert_array_equal(scores[0], scores[1])
    assert np.abs(scores[0] - scores[2]).max() > 1e-2


def test_other_locations_can_be_scored(rng: np.random.Generator) -> None:
    detector = EnsembleOneClassSVM(samples=60).fit(codes_of(rng))
    assert np.isfinite(detector.score_samples(codes_of(rng, 2, 7))).all()


def test_a_subjects_svm_is_scikit_learns_on_its_own_codes(rng: np.random.Generator) -> None:
    codes = codes_of(rng) * np.arange(1, 9, dtype=np.float32)[:, None, None]
    scores = SubjectOneClassSVM(samples=50, nu=0.1).fit(codes).decision_function(codes)
    for subject, ours in zip(codes, scores, strict=True):
        peer = OneClassSVM(nu=0.1, tol=1e-5).fit(subject.astype(np.float64))
        np.testing.assert_allclose(ours, peer.decision_function(subject), atol=1e-5)


def test_a_subject_is_scored_alike_alone_and_among_others(rng: np.random.Generator) -> None:
    codes = codes_of(rng, locations=90)
    codes[3, :9] = np.nan  # draws in one subject leave those of the next alone
    detector = SubjectOneClassSVM(samples=30).fit(codes)
    together = detector.score_samples(codes)
    alone = np.concatenate([detector.score_samples(codes[i : i + 1]) for i in range(len(codes))])
    np.testing.assert_array_equal(together, alone)
    np.testing.assert_array_equal(detector.score_samples(codes[::-1]), together[::-1])
    other = SubjectOneClassSVM(samples=30, seed=1).fit(codes).score_samples(codes)
    assert np.nanmax(np.abs(other - together)) > 1e-3


def test_a_subject_without_spread_has_no_score_and_the_others_do(rng: np.random.Generator) -> None:
    codes = codes_of(rng)
    codes[2] = 0.5
    codes[4, 1:] = np.nan
    unknown = np.isnan(SubjectOneClassSVM().fit(codes).score_samples(codes)).all(axis=1)
    assert unknown.tolist() == [False, False, True, False, True, False, False, False]


def test_a_change_of_the_whole_brain_is_invisible_within_a_subject(rng: np.random.Generator) -> None:
    codes = codes_of(rng)
    within, pooled = SubjectOneClassSVM(nu=0.1).fit(codes), EnsembleOneClassSVM(nu=0.1, samples=200).fit(codes)
    np.testing.assert_allclose(within.score_samples(codes + 5), within.score_samples(codes), atol=1e-4)
    assert (pooled.predict(codes + 5) == -1).all()


@pytest.mark.parametrize("kind", [EnsembleOneClassSVM, SubjectOneClassSVM])
@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"nu": 0.0}, "nu is 0; give a share"),
        ({"nu": 1.0}, "nu is 1; give a share"),
        ({"samples": 1}, "samples is 1; an SVM needs 2"),
        ({"gamma": 0.0}, "gamma is 0.0; give 'scale' or a number above 0"),
    ],
)
def test_parameters_are_checked(
    kind: type[EnsembleOneClassSVM] | type[SubjectOneClassSVM], parameters: dict[str, float], sentence: str,
    rng: np.random.Generator,
) -> None:  # fmt: skip
    with pytest.raises(NigraError, match=sentence):
        kind(**parameters).fit(codes_of(rng))


def test_refusals(rng: np.random.Generator) -> None:
    with pytest.raises(NigraError, match="members is 0"):
        EnsembleOneClassSVM(members=0).fit(codes_of(rng))
    with pytest.raises(NigraError, match="fewer than 2 finite codes"):
        EnsembleOneClassSVM().fit(np.full((4, 5, 2), np.nan))
    with pytest.raises(NigraError, match="are all equal"):
        EnsembleOneClassSVM().fit(np.ones((4, 5, 2)))
    with pytest.raises(NigraError, match="compares the locations of a subject, but got 1"):
        SubjectOneClassSVM().fit(codes_of(rng, locations=1))
