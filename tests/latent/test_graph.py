"""Neighbours against all distances, by hand; parts of a graph joined by their shortest edges."""

import numpy as np
import pytest
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import cdist

from nigra.errors import NigraError
from nigra.latent.graph import Neighbours, bridges, symmetric
from tests.latent.shapes import clusters


def by_hand(codes: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    distances = cdist(codes, codes)
    np.fill_diagonal(distances, np.inf)
    indices = np.argsort(distances, axis=1)[:, :k]
    return indices, np.take_along_axis(distances, indices, axis=1)


def test_exact_neighbours_are_those_of_all_distances(rng) -> None:
    codes = rng.normal(size=(83, 5)).astype(np.float32)
    graph = Neighbours(codes, 7)
    indices, distances = by_hand(codes, 7)
    assert np.array_equal(graph.indices, indices)
    np.testing.assert_allclose(graph.distances, distances, atol=1e-5)
    assert np.array_equal(graph.first(3)[0], indices[:, :3])
    new = rng.normal(size=(9, 5)).astype(np.float32)
    assert np.array_equal(graph.query(new, 4)[0], np.argsort(cdist(new, codes), axis=1)[:, :4])


@pytest.mark.slow  # the descent compiles first
def test_the_descent_finds_nearly_all_repeats_and_never_counts_a_code_itself(rng) -> None:
    codes = rng.normal(size=(2000, 6)).astype(np.float32)
    codes[5] = codes[6]
    graph = Neighbours(codes, 10, exact_up_to=500)
    assert not graph.exact
    exact = by_hand(codes, 10)[0]
    found = (graph.indices[:, :, None] == exact[:, None]).any(axis=2).mean()
    assert found > 0.97
    assert not (graph.indices == np.arange(2000)[:, None]).any()
    assert np.array_equal(Neighbours(codes, 10, exact_up_to=500).indices, graph.indices)
    new = rng.normal(size=(50, 6)).astype(np.float32)
    nearest = cdist(new, codes).argmin(axis=1)
    assert (graph.query(new, 5)[0][:, 0] == nearest).mean() > 0.95


def test_parts_are_joined_by_their_shortest_edges(rng) -> None:
    codes, which = clusters(120, 4, rng)
    graph = Neighbours(codes, 5)
    matrix = symmetric(graph.indices, graph.distances)
    assert connected_components(matrix, directed=False)[0] == 4
    ends, lengths = bridges(codes, matrix)
    assert 3 <= len(ends) <= 6
    distances = cdist(codes, codes)
    for one, other in ends[:2]:  # later ones join what these have made one part
        apart = distances[np.ix_(which == which[one], which != which[one])]
        assert distances[one, other] == pytest.approx(apart.min())
    np.testing.assert_allclose(lengths, distances[tuple(ends.T)], rtol=1e-5)


def test_a_whole_graph_needs_no_bridge(rng) -> None:
    codes = rng.normal(size=(60, 2)).astype(np.float32)
    graph = Neighbours(codes, 20)
    matrix = symmetric(graph.indices, graph.distances)
    assert len(bridges(codes, matrix)[0]) == 0
    assert abs(matrix - matrix.T).max() == 0


def test_too_many_neighbours_are_refused(rng) -> None:
    codes = rng.normal(size=(10, 3)).astype(np.float32)
    with pytest.raises(NigraError, match="10 codes have no 10 neighbours"):
        Neighbours(codes, 10)
    with pytest.raises(NigraError, match="build it with 6"):
        Neighbours(codes, 5).first(6)
