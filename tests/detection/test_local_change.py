"""LocalChange: what it finds that a z-score cannot, what it promises of controls, and its parts by an oracle."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.stats import t as student
from sklearn.base import clone
from sklearn.metrics import roc_auc_score

from nigra.detection import local_change
from nigra.detection.detector import score_map_values, training_map_values
from nigra.detection.gaussian import VoxelwiseZ
from nigra.detection.local_change import LocalChange, log_bayes_factor
from nigra.detection.neighbourhood import Grid
from nigra.errors import NigraError

SHAPE = (15, 13, 12)


@pytest.fixture(scope="module")
def grid() -> Grid:
    mask = np.zeros(SHAPE, bool)
    mask[1:-1, 2:-1, 1:-2] = True
    mask[1:4, 2:5] = False
    return Grid(mask, (2.0, 2.0, 2.0))


def draw(grid: Grid, seed: int, subjects: int, d: int = 1) -> np.ndarray:
    """Codes of the healthy: broad variation of sd 0.1, and noise a quarter as large."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(subjects, d, *grid.mask.shape))
    broad = gaussian_filter(noise, (0, 0, 3, 3, 3))
    broad *= 0.1 / broad.std()
    codes = 0.5 + broad + 0.025 * rng.normal(size=noise.shape)
    return np.moveaxis(codes[:, :, grid.mask], 1, 2).astype(np.float32)


def planted(grid: Grid, codes: np.ndarray, amount: float, channel: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A ball of 6 mm in every subject, at one of three places; and where it is."""
    ball, truth = grid.ball(3.0), np.zeros((len(codes), *grid.mask.shape), bool)
    for subject in range(len(codes)):
        middle = np.array([(7, 7, 5), (9, 6, 6), (6, 8, 4)][subject % 3])
        truth[subject][tuple((middle + ball).T)] = True
    inside = truth[:, grid.mask]
    changed = codes.copy()
    changed[..., channel] += np.float32(amount) * inside
    return changed, inside


@pytest.fixture(scope="module")
def fitted(grid: Grid) -> LocalChange:
    return LocalChange(grid).fit(draw(grid, 1, 30))


@pytest.mark.parametrize("amount", [-0.1, 0.1])
def test_finds_a_change_that_hides_in_broad_variation(grid: Grid, fitted: LocalChange, amount: float) -> None:
    codes, inside = planted(grid, draw(grid, 2, 12), amount)
    ours = roc_auc_score(inside.ravel(), score_map_values(fitted, codes).ravel())
    z = VoxelwiseZ().fit(draw(grid, 1, 30))
    plain = roc_auc_score(inside.ravel(), score_map_values(z, codes).ravel())
    assert ours > 0.97
    assert plain < 0.87


def test_balls_of_several_sizes_find_a_change_that_one_size_misses(grid: Grid) -> None:
    """A single voxel says little of a ball of 6 mm."""
    controls, new = draw(grid, 1, 30), draw(grid, 2, 12)
    at = np.zeros(SHAPE, bool)
    at[7, 7, 5] = True
    inside = at[grid.mask]
    new[:, inside] -= 0.12

    def rank(detector: LocalChange) -> float:
        scores = score_map_values(detector.fit(controls), new)
        return float((scores[:, ~inside] < scores[:, inside]).mean())

    assert rank(LocalChange(grid)) > 0.99
    assert rank(LocalChange(grid, diameters_mm=(6.0,))) < 0.75


def test_finds_nothing_where_nothing_is(grid: Grid, fitted: LocalChange) -> None:
    """The same places in other people: between places the evidence for health differs, and is meant to."""
    _, inside = planted(grid, draw(grid, 2, 12), 0.0)
    some, others = (score_map_values(fitted, draw(grid, seed, 12))[inside] for seed in (2, 5))
    area = roc_auc_score(np.repeat([0, 1], inside.sum()), np.concatenate([others, some]))
    assert 0.35 < area < 0.65


def test_broad_variation_alone_is_normal(grid: Grid, fitted: LocalChange) -> None:
    """A level that a whole subject shifts by, far beyond the controls' own, is not a local change."""
    codes = draw(grid, 3, 6)
    before, after = score_map_values(fitted, codes), score_map_values(fitted, codes + np.float32(0.1))
    middle = np.zeros(SHAPE, bool)
    middle[5:-5, 6:-5, 5:-5] = True  # at the border there is less to be compared with
    at = middle[grid.mask]
    changed, inside = planted(grid, codes, 0.1)
    rise = (score_map_values(fitted, changed) - before)[inside].mean()
    assert abs((after - before)[:, at].mean()) < 0.2 * rise


def test_a_change_in_one_feature_is_found_among_others(grid: Grid) -> None:
    detector = LocalChange(grid).fit(draw(grid, 1, 30, d=2))
    codes, inside = planted(grid, draw(grid, 2, 9, d=2), 0.1, channel=1)
    assert roc_auc_score(inside.ravel(), score_map_values(detector, codes).ravel()) > 0.93


def test_thresholds_from_the_controls_of_the_fit_keep_their_promise_nearly(grid: Grid, fitted: LocalChange) -> None:
    threshold = np.quantile(training_map_values(fitted, draw(grid, 1, 30)), 0.98)
    observed = (score_map_values(fitted, draw(grid, 4, 40)) > threshold).mean()
    assert 0.005 < observed < 0.03


def test_a_few_controls_do_not_promise_too_much(grid: Grid) -> None:
    """Each is held against the spread of the others: with its own in it, 12 controls let 4 % pass for 2 %."""
    passed = [
        (LocalChange(grid).fit(draw(grid, 10 + k, 12)).predict(draw(grid, 50 + k, 40)) == -1) for k in range(3)
    ]
    assert 0.004 < np.mean(passed) < 0.03


def test_controls_left_out_look_like_new_people(grid: Grid, fitted: LocalChange) -> None:
    """Negative control: scored as if they were new, they look too normal."""
    codes = draw(grid, 1, 30)
    own, plain = -training_map_values(fitted, codes), -score_map_values(fitted, codes)
    new = -score_map_values(fitted, draw(grid, 4, 40))
    assert plain.mean() > own.mean() > new.mean() - 0.3
    assert abs(own.mean() - new.mean()) < abs(plain.mean() - new.mean())


def test_slabs_do_not_change_a_score(grid: Grid, fitted: LocalChange, monkeypatch: pytest.MonkeyPatch) -> None:
    codes = draw(grid, 1, 30)
    found = len(list(fitted._slabs()))
    monkeypatch.setattr(local_change, "_SLAB_BYTES", 1)
    whole = Grid.slabs
    monkeypatch.setattr(Grid, "slabs", lambda grid, halo, planes: whole(grid, halo, 3))
    in_slabs = clone(fitted).fit(codes)
    assert len(list(in_slabs._slabs())) > found == 1
    new = draw(grid, 2, 3)
    np.testing.assert_allclose(in_slabs.score_samples(new), fitted.score_samples(new), rtol=1e-4, atol=1e-4)


def test_a_halo_too_thin_would_show(grid: Grid, fitted: LocalChange, monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control of the one above."""
    whole = Grid.slabs
    monkeypatch.setattr(Grid, "slabs", lambda grid, halo, planes: whole(grid, 2, 3))
    new = draw(grid, 2, 3)
    apart = clone(fitted).fit(draw(grid, 1, 30)).score_samples(new) - fitted.score_samples(new)
    assert np.abs(apart).max() > 0.01


def test_the_bayes_factor_is_a_ratio_of_densities() -> None:
    t, expected = np.array([-4.0, 0.0, 1.5, 30.0]), np.array([0.5, 2.0, 0.0, 9.0])
    ratio = student.logpdf(t, 5, scale=np.sqrt(1 + expected**2)) - student.logpdf(t, 5)
    np.testing.assert_allclose(log_bayes_factor(t, expected, 5.0), ratio, atol=1e-12)


def test_without_a_grid_each_location_is_by_itself(grid: Grid) -> None:
    codes, new = draw(grid, 1, 20)[:, :50], draw(grid, 2, 5)[:, :50]
    alone = LocalChange().fit(codes)
    assert alone.weights_.shape == (1, 3, 1, 50)
    some = LocalChange().fit(codes[:, 7:9]).score_samples(new[:, 7:9])
    np.testing.assert_allclose(some, alone.score_samples(new)[:, 7:9], rtol=1e-5)
    away = np.abs(new - codes.mean(axis=0))[..., 0]
    for location in range(5):  # the farther from the mean, the more abnormal
        np.testing.assert_array_equal(
            np.argsort(away[:, location]), np.argsort(-alone.score_samples(new)[:, location])
        )


def test_mistakes_are_sentences(grid: Grid) -> None:
    with pytest.raises(NigraError, match="codes have 20 locations, but the grid has"):
        LocalChange(grid).fit(draw(grid, 1, 5)[:, :20])
    with pytest.raises(NigraError, match="needs 3 controls or more, but got 2"):
        LocalChange(grid).fit(draw(grid, 1, 2))
    with pytest.raises(NigraError, match="ridge is 0; give a number above 0"):
        LocalChange(grid, ridge=0.0).fit(draw(grid, 1, 5))
    for diameters in ((), (0.0, 4.0)):
        with pytest.raises(NigraError, match=r"diameters_mm is \[.*\]; give one or more numbers above 0"):
            LocalChange(grid, diameters_mm=diameters).fit(draw(grid, 1, 5))


def test_a_clone_has_the_same_grid(grid: Grid) -> None:
    assert clone(LocalChange(grid)).get_params() == LocalChange(grid).get_params()
