"""The detector: what it recovers, that its likelihood never falls, and hostile codes."""

import numba
import numpy as np
import pytest
from scipy.stats import ortho_group

from nigra.detection.student_mixture import StudentMixture
from nigra.errors import NigraError

MEANS = np.array([[0.0, 0, 0], [8, 0, 3], [0, -9, 4]])
SCALES = np.array([4.0, 1, 0.25])
DOF = 4


def simulated(rng: np.random.Generator, kind: str, shape: tuple[int, int] = (6, 1500)) -> np.ndarray:
    """Codes of three equal components with known axes (the identity), scales and degrees of freedom."""
    dims = 1 if kind == "multivariate" else 3
    w = rng.gamma(DOF / 2, 2 / DOF, size=(*shape, dims))
    noise = rng.normal(size=(*shape, 3)) * np.sqrt(SCALES / w)
    return (MEANS[rng.integers(0, 3, shape)] + noise).astype(np.float32)


@pytest.mark.parametrize("kind", ["multivariate", "multiple-scale"])
@pytest.mark.parametrize("online", [False, True])
def test_parameters_come_back(rng: np.random.Generator, kind: str, online: bool) -> None:
    codes = simulated(rng, kind)
    model = StudentMixture(3, kind=kind, online=online, batch=2000, max_iterations=200).fit(codes)
    at = [int(np.abs(model.means_ - mean).sum(axis=1).argmin()) for mean in MEANS]
    assert sorted(at) == [0, 1, 2]
    np.testing.assert_allclose(model.means_[at], MEANS, atol=0.25)
    np.testing.assert_allclose(model.weights_, 1 / 3, atol=0.03)
    np.testing.assert_allclose(model.scales_, np.tile(SCALES, (3, 1)), rtol=0.3)
    np.testing.assert_allclose(np.abs(model.axes_), np.tile(np.eye(3), (3, 1, 1)), atol=0.15)
    # EM moves degrees of freedom last; online they are still on their way from 10
    np.testing.assert_allclose(model.dof_, DOF, rtol=0.6 if online else 0.4)
    assert model.dof_.shape == (3, 1 if kind == "multivariate" else 3)


def test_multiple_scale_finds_turned_axes_and_tails_of_their_own(rng: np.random.Generator) -> None:
    axes, dof = ortho_group.rvs(3, random_state=rng), np.array([2.5, 8, 100])
    w = rng.gamma(dof / 2, 2 / dof, size=(5, 6000, 3))
    codes = (rng.normal(size=w.shape) * np.sqrt(SCALES / w)) @ axes.T
    model = StudentMixture(1, kind="multiple-scale", max_iterations=300).fit(codes.astype(np.float32))
    np.testing.assert_allclose(np.abs(model.axes_[0].T @ axes), np.eye(3), atol=0.05)
    np.testing.assert_allclose(model.dof_[0, :2], dof[:2], rtol=0.2)
    assert model.dof_[0, 2] > 15


@pytest.mark.parametrize("kind", ["multivariate", "multiple-scale"])
@pytest.mark.parametrize("d", [1, 2, 5])
def test_the_likelihood_never_falls(rng: np.random.Generator, kind: str, d: int) -> None:
    codes = rng.standard_t(2, size=(5, 400, d)) @ rng.normal(size=(d, d)) + rng.integers(0, 3, (5, 400, 1))
    model = StudentMixture(6, kind=kind, restarts=1, tolerance=-np.inf, max_iterations=60).fit(codes)
    gains = np.diff(model.log_likelihoods_)
    assert len(gains) == 59
    assert gains.min() > -1e-6  # float32 rounding of a mean over 2000 codes
    assert gains.sum() > 0.01


@pytest.mark.parametrize("kind", ["multivariate", "multiple-scale"])
@pytest.mark.parametrize("score", ["proximity", "density"])
def test_outliers_score_lower_and_inliers_do_not(rng: np.random.Generator, kind: str, score: str) -> None:
    model = StudentMixture(3, kind=kind, score=score).fit(simulated(rng, kind))
    inside = simulated(rng, kind, (2, 2000))
    outside = MEANS[rng.integers(0, 3, (2, 2000))] + 15 * rng.choice([-1, 1], (2, 2000, 3))
    assert (model.predict(outside.astype(np.float32)) == -1).mean() > 0.95
    assert (model.predict(inside) == -1).mean() == pytest.approx(0.02, abs=0.01)
    normal, abnormal = model.score_samples(inside), model.score_samples(outside.astype(np.float32))
    assert (np.median(normal) > abnormal).mean() > 0.99
    assert (np.median(normal) > model.score_samples(inside)).mean() == pytest.approx(0.5, abs=0.01)


def test_bic_finds_the_number_of_components(rng: np.random.Generator) -> None:
    codes = simulated(rng, "multivariate", (4, 500))
    model = StudentMixture("bic", candidates=(1, 5)).fit(codes)
    assert len(model.weights_) == 3
    assert model.bic_["components"].tolist() == [1, 2, 3, 4, 5]
    assert model.bic_["parameters"].tolist() == [10, 21, 32, 43, 54]
    chosen = model.bic_.iloc[2]
    assert chosen["log_likelihood"] == pytest.approx(2000 * model.log_likelihoods_[-1], rel=1e-4)
    assert chosen["bic"] == pytest.approx(-2 * chosen["log_likelihood"] + 32 * np.log(2000))


def test_density_is_a_density_in_the_codes_own_units(rng: np.random.Generator) -> None:
    codes = 50 + 7 * rng.standard_t(5, size=(3, 800, 1))
    model = StudentMixture(2, score="density").fit(codes)
    grid = np.linspace(-1950, 2050, 400_001)
    density = np.exp(model.score_samples(grid[None, :, None]).astype(float))
    assert density.sum() * 0.01 == pytest.approx(1, abs=2e-3)
    assert grid[density.argmax()] == pytest.approx(50, abs=2)


def test_same_seed_same_result_and_another_seed_another_start(rng: np.random.Generator) -> None:
    codes = simulated(rng, "multivariate", (3, 300))
    before = codes.copy()
    first, again, other = (StudentMixture(5, seed=s, max_iterations=3).fit(codes) for s in (1, 1, 2))
    np.testing.assert_array_equal(first.score_samples(codes), again.score_samples(codes))
    assert not np.array_equal(first.score_samples(codes), other.score_samples(codes))
    np.testing.assert_array_equal(codes, before)


def test_the_number_of_threads_changes_nothing(rng: np.random.Generator) -> None:
    if numba.config.NUMBA_NUM_THREADS < 2:
        pytest.skip("one thread only")
    codes, found = simulated(rng, "multiple-scale", (3, 4001)), []
    for threads in (1, 2):
        numba.set_num_threads(threads)
        found.append(StudentMixture(3, kind="multiple-scale", max_iterations=5).fit(codes))
    numba.set_num_threads(1)
    np.testing.assert_array_equal(found[0].means_, found[1].means_)
    np.testing.assert_array_equal(found[0].score_samples(codes), found[1].score_samples(codes))


def test_an_offset_of_100_changes_nothing(rng: np.random.Generator) -> None:
    codes = simulated(rng, "multivariate")
    near, far = (StudentMixture(3).fit(codes + shift) for shift in (0, 100))
    np.testing.assert_allclose(far.means_ - 100, near.means_, atol=1e-3)
    np.testing.assert_allclose(far.score_samples(codes + 100), near.score_samples(codes), atol=2e-3)
    assert near.score_samples(codes).std() > 0.1


def test_components_are_ordered_by_weight(rng: np.random.Generator) -> None:
    labels = rng.choice(3, p=[0.2, 0.5, 0.3], size=(3, 1000))
    codes = MEANS[labels] + rng.normal(size=(3, 1000, 3))
    for seed in (0, 1, 2):
        model = StudentMixture(3, seed=seed).fit(codes)
        np.testing.assert_allclose(model.weights_, [0.5, 0.3, 0.2], atol=0.03)
        np.testing.assert_allclose(model.means_, MEANS[[1, 2, 0]], atol=0.3)


def test_nan_codes_are_left_out_and_have_no_score(rng: np.random.Generator) -> None:
    codes = simulated(rng, "multivariate", (4, 500))
    holes = codes.copy()
    holes[1, ::50, 2] = np.nan
    model = StudentMixture(3, score="density").fit(holes)
    scores = model.score_samples(holes)
    np.testing.assert_array_equal(np.isnan(scores), np.isnan(holes).any(axis=2))
    assert np.isnan(scores).sum() == 10
    assert model.predict(holes)[1, 0] == 1
    whole = StudentMixture(3, score="density").fit(codes)
    np.testing.assert_allclose(np.sort(model.means_, axis=0), np.sort(whole.means_, axis=0), atol=0.1)


def test_duplicated_subjects_give_the_same_mixture(rng: np.random.Generator) -> None:
    codes = simulated(rng, "multivariate", (3, 600))
    once, twice = (StudentMixture(3, tolerance=1e-7).fit(c) for c in (codes, np.concatenate([codes, codes])))
    np.testing.assert_allclose(
        twice.means_, once.means_[[np.abs(once.means_ - m).sum(1).argmin() for m in twice.means_]], atol=0.02
    )


def test_few_values_and_a_constant_feature_stay_finite(rng: np.random.Generator) -> None:
    codes = np.zeros((4, 300, 3))
    codes[..., 0] = rng.integers(0, 3, (4, 300))
    codes[..., 1] = rng.normal(size=(4, 300))
    for kind in ("multivariate", "multiple-scale"):
        model = StudentMixture(3, kind=kind, score="density").fit(codes)
        assert np.isfinite(model.score_samples(codes)).all()
        assert np.isfinite(
            np.concatenate([model.scales_.ravel(), model.dof_.ravel(), model.log_likelihoods_])
        ).all()
        moved = codes + np.array([0, 0, 0.5])
        assert model.score_samples(moved).max() < model.score_samples(codes).min()


def test_a_single_location_and_a_sample(rng: np.random.Generator) -> None:
    codes = rng.normal(size=(60, 1, 2))
    assert StudentMixture(1).fit(codes).score_samples(codes).std() > 0
    many = simulated(rng, "multivariate")
    drawn = StudentMixture(3, sample=2000).fit(many)
    assert drawn.bic_["log_likelihood"].iloc[0] == pytest.approx(2000 * drawn.log_likelihoods_[-1], rel=1e-3)
    everywhere = drawn.score_samples(many[:, :7])  # other locations than fitted on
    assert everywhere.shape == (6, 7)


def test_progress_rises_to_the_end(rng: np.random.Generator) -> None:
    told: list[tuple[float, str]] = []
    codes = simulated(rng, "multivariate", (3, 200))
    model = StudentMixture("bic", candidates=(1, 2), max_iterations=4, tolerance=-np.inf)
    model.fit(codes, tick=lambda done, text: told.append((done, text)))
    assert [done for done, _ in told] == pytest.approx(np.arange(1, 9) / 8)
    assert "2 components, iteration 4, log-likelihood -" in told[-1][1]


@pytest.mark.parametrize(
    ("given", "codes", "sentence"),
    [
        ({}, np.ones((5, 50, 2)), "all codes of the controls are alike"),
        ({}, np.full((5, 50, 2), np.nan), "no finite code"),
        ({"components": 30}, np.zeros((2, 5, 2)) + np.arange(5)[:, None], "too few for 30 components"),
        ({"components": 4}, np.tile([[0.0], [1], [1], [0]], (9, 1, 1)), "2 different codes, too few for 4"),
        ({"kind": "gaussian"}, np.ones((5, 50, 2)), "choose multivariate or multiple-scale"),
        ({"score": "distance"}, np.ones((5, 50, 2)), "choose proximity or density"),
        ({"components": 0}, np.ones((5, 50, 2)), "one component or more"),
        ({"contamination": 2.0}, np.arange(400).reshape(5, 40, 2), "share between 0 and 1"),
    ],
)
def test_mistakes_are_one_sentence(given: dict, codes: np.ndarray, sentence: str) -> None:
    with pytest.raises(NigraError, match=sentence):
        StudentMixture().set_params(**given).fit(codes.astype(float))  # past the suite's type checks


def test_a_gpu_that_is_not_there_is_one_sentence(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(NigraError, match="no GPU here"):
        StudentMixture(2, device="cuda").fit(rng.normal(size=(3, 40, 2)))


def test_the_multiple_scale_proximity_forgives_a_shift_along_one_axis(rng: np.random.Generator) -> None:
    """As published: central along one axis is enough. The density does not forgive it."""
    codes = rng.standard_t(6, size=(6, 1000, 3)) * [3, 2, 1]
    shifted = codes + np.array([60.0, 0, 0])
    found = [
        (StudentMixture(1, kind="multiple-scale", score=score).fit(codes).predict(shifted) == -1).mean()
        for score in ("proximity", "density")
    ]
    assert found[0] < 0.2
    assert found[1] > 0.95
    everywhere = StudentMixture(1, kind="multiple-scale").fit(codes).predict(codes + 60)
    assert (everywhere == -1).mean() > 0.95
