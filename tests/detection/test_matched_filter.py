"""The filter against a plain one: covariances summed up voxel by voxel, then solved by numpy."""

import numpy as np
import pytest

from nigra.detection.matched_filter import Window
from nigra.detection.neighbourhood import Frame, Grid

POOLING, RIDGE, SUBJECTS = 2.0, 0.05, 9


@pytest.fixture
def frame(rng: np.random.Generator) -> Frame:
    mask = rng.random((7, 9, 6)) < 0.8
    return Frame(Grid(mask, (2.0, 2.0, 2.5)), np.array([4, 4, 4]))


@pytest.fixture
def window(frame: Frame) -> np.ndarray:
    return frame.grid.ball(4.0, 2.0)


@pytest.fixture
def maps(frame: Frame, rng: np.random.Generator) -> np.ndarray:
    return np.stack([frame.volume(rng.normal(size=len(frame.index)).astype(np.float32)) for _ in range(SUBJECTS)])


def plain_covariance(maps: np.ndarray, frame: Frame, window: np.ndarray, place: np.ndarray) -> np.ndarray:
    """sum_u g(u - v) sum_s x_s(u + o_i) x_s(u + o_j), all sums written out."""
    covariance = np.zeros((len(window), len(window)))
    around = np.argwhere(np.ones((7, 7, 7))) - 3
    weights = frame.kernel(POOLING, around)
    for step, weight in zip(around, weights, strict=True):
        values = np.zeros((len(maps), len(window)))
        for k, offset in enumerate(window):
            there = place + step + offset
            if ((there >= 0) & (there < frame.mask.shape)).all():
                values[:, k] = maps[(slice(None), *there)]
        covariance += weight * values.T @ values
    return covariance


def test_covariances_are_pooled_over_controls_and_neighbours(
    frame: Frame, maps: np.ndarray, window: np.ndarray
) -> None:
    ours = Window.of(frame, window)
    products = ours.products(maps, POOLING)
    for location in (0, len(frame.index) // 2):
        v = frame.index[location]
        found = products[ours.which, v + ours.base]
        expected = plain_covariance(maps, frame, window, np.array(np.unravel_index(v, frame.mask.shape)))
        np.testing.assert_allclose(found, expected, atol=1e-4)
        assert np.linalg.eigvalsh(found).min() > -1e-4


def test_filters_solve_the_normal_equations(
    frame: Frame, maps: np.ndarray, window: np.ndarray, rng: np.random.Generator
) -> None:
    changes = rng.normal(size=(2, len(window), len(frame.index))).astype(np.float32)
    ours = Window.of(frame, window)
    products = ours.products(maps, POOLING) / np.float32(SUBJECTS)
    found = ours.filters(products, frame.index, changes, RIDGE)
    for shape, location in ((0, 3), (1, 3), (1, len(frame.index) - 1)):
        place = np.array(np.unravel_index(frame.index[location], frame.mask.shape))
        covariance = plain_covariance(maps, frame, window, place) / SUBJECTS + RIDGE * np.eye(len(window))
        change = changes[shape, :, location]
        expected = np.linalg.solve(covariance, change)
        expected /= expected @ change
        np.testing.assert_allclose(found[shape, :, location], expected, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose((found * changes).sum(axis=1), 1, rtol=1e-4)
    some = ours.filters(products, frame.index[5:8], changes[..., 5:8], RIDGE)
    np.testing.assert_allclose(some, found[..., 5:8], rtol=1e-5)


def test_where_nothing_can_change_the_filter_is_silent(frame: Frame, maps: np.ndarray, window: np.ndarray) -> None:
    ours, at = Window.of(frame, window), frame.index[:2]
    change = np.zeros((1, len(window), 2), np.float32)
    change[0, 3, 1] = 1
    found = ours.filters(ours.products(maps, POOLING), at, change, RIDGE)[0]
    assert (found[:, 0] == 0).all()
    assert (found[:, 1] != 0).any()


def test_no_other_filter_separates_better(rng: np.random.Generator) -> None:
    """Signal to noise on new noise of the same kind: better than no filter, and than filters a little off."""
    frame = Frame(Grid(np.ones((13, 13, 13), bool), (2.0, 2.0, 2.0)), np.array([2, 2, 2]))
    window, at = frame.grid.ball(4.0, 2.0), frame.index[len(frame.index) // 2 :][:1]

    def noise(subjects: int) -> np.ndarray:
        """A common level in each subject, and a little noise: what surrounds a place says much of it."""
        level, own = rng.normal(size=(subjects, 1)), 0.3 * rng.normal(size=(subjects, len(frame.index)))
        return np.stack([frame.volume(each.astype(np.float32)) for each in level + own])

    middle = (window == 0).all(axis=1).astype(np.float32)[:, None]
    ours = Window.of(frame, window)
    weights = ours.filters(ours.products(noise(200), POOLING) / np.float32(200), at, middle[None], 0.001)[0]
    new = noise(400)

    def quality(some: np.ndarray) -> float:
        return float((some * middle).sum() / np.std([ours.apply(some, each, at) for each in new]))

    best = quality(weights)
    assert best > 2.5 * quality(middle), "the level is taken off"
    for _ in range(20):
        away = 0.5 * np.abs(weights).mean() * rng.normal(size=weights.shape).astype(np.float32)
        assert best > quality(weights + away)
