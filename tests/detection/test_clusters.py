from collections import deque
from itertools import product

import numpy as np
import pytest

from nigra.detection.clusters import COLUMNS, find_clusters
from nigra.errors import NigraError

SHAPE = (11, 13, 9)


def flood(abnormal: np.ndarray) -> set[frozenset[tuple[int, ...]]]:
    """Clusters as sets of voxels, by walking from voxel to voxel."""
    left = {tuple(voxel) for voxel in np.argwhere(abnormal).tolist()}
    found = set()
    while left:
        queue, members = deque([left.pop()]), set()
        while queue:
            voxel = queue.popleft()
            members.add(voxel)
            for step in product((-1, 0, 1), repeat=3):
                near = tuple(a + b for a, b in zip(voxel, step, strict=True))
                if near in left:
                    left.remove(near)
                    queue.append(near)
        found.add(frozenset(members))
    return found


def test_clusters_are_those_of_a_flood_fill(rng: np.random.Generator, affine: np.ndarray) -> None:
    scores = rng.normal(size=SHAPE)
    scores[rng.random(SHAPE) < 0.1] = np.nan
    table, labels = find_clusters(scores, 1.7, affine, at_most=1000)
    expected = flood(scores > 1.7)
    assert len(expected) > 10
    ours = {frozenset(map(tuple, np.argwhere(labels == number).tolist())) for number in table["cluster"]}
    assert ours == expected
    assert labels.dtype == np.int32
    assert ((labels > 0) == (scores > 1.7)).all()
    for row in table.itertuples():
        there = scores[labels == row.cluster]
        assert row.voxels == there.size
        assert row.mean_score == pytest.approx(there.mean())
        assert row.max_score == there.max()


def test_a_threshold_per_voxel(rng: np.random.Generator, affine: np.ndarray) -> None:
    scores, threshold = rng.normal(size=SHAPE), rng.normal(1.5, 0.5, size=SHAPE)
    threshold[:2] = np.nan  # outside of the mask
    threshold[2:4] = np.inf  # too few controls
    table, labels = find_clusters(scores, threshold, affine, at_most=1000)
    np.testing.assert_array_equal(labels > 0, scores > threshold)
    assert not (labels[:4] > 0).any()
    assert len(table) > 10
    first = scores[labels == 1]
    assert table["mean_score"][0] == pytest.approx(first.mean())
    number, _ = find_clusters(scores, 1.5, affine, at_most=1000)
    every, _ = find_clusters(scores, np.full(SHAPE, 1.5), affine, at_most=1000)
    assert number.equals(every)


def test_a_corner_is_enough_to_touch(affine: np.ndarray) -> None:
    scores = np.zeros((4, 4, 4))
    scores[0, 0, 0] = scores[1, 1, 1] = scores[3, 3, 3] = 2
    table, labels = find_clusters(scores, 1.0, affine)
    assert table["voxels"].tolist() == [2, 1]
    assert labels[0, 0, 0] == labels[1, 1, 1] == 1
    assert labels[3, 3, 3] == 2


def with_boxes(*boxes: tuple[int, int, float]) -> np.ndarray:
    """Bars along y: (x, length, score), two apart."""
    scores = np.zeros(SHAPE)
    for x, length, score in boxes:
        scores[x, :length, 4] = score
    return scores


def test_size_and_mean_score_rank_with_equal_weight(affine: np.ndarray) -> None:
    # ranks by size 1 2 3 4, by score 3 1 4 2: sums 4, 3, 7, 6
    table, labels = find_clusters(with_boxes((0, 9, 3), (2, 7, 9), (4, 5, 2), (6, 4, 5)), 1.0, affine)
    assert table["voxels"].tolist() == [7, 9, 4, 5]
    assert [labels[x, 0, 4] for x in (0, 2, 4, 6)] == [2, 1, 4, 3]
    # sums 3, 3: the larger first; wholly equal ones: the first in the array
    assert find_clusters(with_boxes((0, 3, 9), (2, 5, 3)), 1.0, affine)[0]["voxels"].tolist() == [5, 3]
    _, labels = find_clusters(with_boxes((0, 3, 9), (2, 3, 9)), 1.0, affine)
    assert (labels[0, 0, 4], labels[2, 0, 4]) == (1, 2)


def test_the_table_speaks_millimetres(affine: np.ndarray) -> None:
    scores = with_boxes((3, 2, 4.0))
    scores[3, 1, 4] = 5.5
    row = find_clusters(scores, 1.0, affine)[0].iloc[0]
    assert row["volume_mm3"] == pytest.approx(2 * 2.0 * 1.5 * 3.0)
    assert (row["mean_score"], row["max_score"]) == (4.75, 5.5)
    assert [row["peak_x"], row["peak_y"], row["peak_z"]] == pytest.approx([-4.5, -7.5, -0.25])


def test_the_ranking_does_not_depend_on_orientation(rng: np.random.Generator, affine: np.ndarray) -> None:
    scores = rng.normal(size=SHAPE).astype(np.float32)
    columns = ["voxels", "mean_score", "max_score"]
    table, labels = find_clusters(scores, 1.6, affine)
    turned, turned_labels = find_clusters(np.rot90(scores, axes=(0, 2)), 1.6, affine)
    assert len(table) == 10
    np.testing.assert_allclose(turned[columns], table[columns])
    assert (np.rot90(labels, axes=(0, 2)) == turned_labels).all()


def test_few_and_large_ones_are_kept(rng: np.random.Generator, affine: np.ndarray) -> None:
    scores = rng.normal(size=SHAPE)
    every = find_clusters(scores, 1.6, affine, at_most=1000)[0]
    few, labels = find_clusters(scores, 1.6, affine, at_most=3)
    assert len(every) > 20
    assert few.equals(every.head(3))
    assert np.unique(labels).tolist() == [0, 1, 2, 3]
    large = find_clusters(scores, 1.6, affine, at_most=1000, smallest=3)[0]
    assert 0 < len(large) < len(every)
    assert large["voxels"].min() == 3


@pytest.mark.parametrize("value", [0.0, np.nan, -np.inf, 1.0])
def test_without_an_abnormal_voxel_the_table_is_empty(value: float, affine: np.ndarray) -> None:
    table, labels = find_clusters(np.full(SHAPE, value), 1.0, affine)
    assert tuple(table.columns) == COLUMNS
    assert len(table) == 0
    assert labels.shape == SHAPE
    assert not labels.any()


def test_not_a_number_is_never_abnormal(affine: np.ndarray) -> None:
    scores = np.full(SHAPE, np.nan)
    scores[5, 6, 3:5] = 2
    table, labels = find_clusters(scores, 1.0, affine)
    assert table["mean_score"].tolist() == [2]
    assert labels.sum() == 2


@pytest.mark.parametrize("wrong", [{"at_most": 0}, {"smallest": 0}])
def test_refusals(wrong: dict[str, int], affine: np.ndarray) -> None:
    with pytest.raises(NigraError, match="give whole numbers of 1 or more"):
        find_clusters(np.zeros(SHAPE), 1.0, affine, **wrong)
