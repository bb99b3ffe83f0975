"""One graph of nearest neighbours for everything that needs one: t-SNE, UMAP, spectral embedding, Isomap.

Exact up to some 20 000 codes, by blocks of all distances (scikit-learn); beyond that by nearest-neighbour descent
(Dong et al. 2011, WWW; pynndescent), which finds nearly all of them in a hundredth of the time.
"""

from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components
from sklearn.neighbors import NearestNeighbors

from nigra.errors import NigraError
from nigra.latent.libraries import library

EXACT_UP_TO = 20_000
"""Codes up to which every distance is looked at."""


class Neighbours:
    """The ``k`` nearest codes of every code, itself not counted; can be asked for those of new codes.

    Args:
        codes: finite values.
        k: neighbours, at most one less than codes.
        seed: of the descent; the exact search draws nothing.
        exact_up_to: codes up to which the search is exact.
        threads: of the descent; with more than one its result may change from run to run.

    ``indices`` (n, k) int32 and ``distances`` (n, k) float32 are sorted, the nearest first.
    """

    def __init__(
        self, codes: Float[ndarray, "n d"], k: int, seed: int = 0, exact_up_to: int = EXACT_UP_TO,
        threads: int = 1,
    ) -> None:  # fmt: skip
        if not 1 <= k < len(codes):
            raise NigraError(f"{len(codes)} codes have no {k} neighbours each; ask for fewer, or give more codes.")
        self.codes = np.ascontiguousarray(codes, np.float32)
        self.k, self.seed, self.exact, self.threads = k, seed, len(codes) <= exact_up_to, threads
        if self.exact:
            distances, indices = self._index.kneighbors(n_neighbors=k)
        else:
            found, lengths = self._index.neighbor_graph
            indices, distances = _without_self(found, lengths, k)
        self.indices = indices.astype(np.int32)
        self.distances = distances.astype(np.float32)

    @cached_property
    def _index(self) -> Any:
        if self.exact:
            return NearestNeighbors(algorithm="brute").fit(self.codes)
        return library("pynndescent").NNDescent(
            self.codes, n_neighbors=self.k + 1, random_state=self.seed, n_jobs=self.threads, compressed=False
        )

    @cached_property
    def _all(self) -> NearestNeighbors:
        """New codes meet every code: the descent would miss all neighbours of some, others in another process."""
        return self._index if self.exact else NearestNeighbors(algorithm="brute").fit(self.codes)

    def first(self, k: int) -> tuple[Int[ndarray, "n k"], Float[ndarray, "n k"]]:
        """Indices and distances of the ``k`` nearest alone."""
        if k > self.k:
            raise NigraError(f"the graph has {self.k} neighbours per code, but {k} are needed; build it with {k}.")
        return self.indices[:, :k], self.distances[:, :k]

    def query(
        self, codes: Float[ndarray, "new d"], k: int
    ) -> tuple[Int[ndarray, "new k"], Float[ndarray, "new k"]]:
        """Indices and distances of the ``k`` codes of the graph nearest to new ones."""
        new = np.ascontiguousarray(codes, np.float32)
        distances, indices = self._all.kneighbors(new, n_neighbors=k)
        return indices.astype(np.int32), distances.astype(np.float32)


def symmetric(indices: Int[ndarray, "n k"], values: Float[ndarray, "n k"]) -> csr_array:
    """The graph as a symmetric sparse matrix: an edge wherever one of the two is a neighbour of the other.

    A value of 0 would be no edge: give it the smallest positive number.
    """
    n, k = indices.shape
    ends = (np.repeat(np.arange(n), k), indices.ravel())
    matrix = csr_array((np.maximum(values.ravel().astype(np.float64), np.finfo(float).tiny), ends), (n, n))
    return matrix.maximum(matrix.T).tocsr()


def bridges(
    codes: Float[ndarray, "n d"], matrix: csr_array
) -> tuple[Int[ndarray, "bridges 2"], Float[ndarray, " bridges"]]:
    """Shortest edges that join the parts a graph falls into: their ends and lengths; none for a whole graph.

    Methods that walk along edges have no word for the distance of two parts without one. Every part but the
    largest is tied to the code outside of it that is nearest, until there is one part.
    """
    ends: list[tuple[int, int]] = []
    lengths: list[float] = []
    while True:
        parts, labels = connected_components(_with(matrix, ends), directed=False)
        if parts == 1:
            return np.array(ends, np.int64).reshape(-1, 2), np.array(lengths, np.float64)
        for part in np.delete(np.arange(parts), np.bincount(labels).argmax()):
            inside, outside = np.flatnonzero(labels == part), np.flatnonzero(labels != part)
            index = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(codes[outside])
            distances, nearest = index.kneighbors(codes[inside])
            at = int(distances.argmin())
            ends.append((int(inside[at]), int(outside[nearest[at, 0]])))
            lengths.append(float(distances[at, 0]))


def _with(matrix: csr_array, ends: list[tuple[int, int]]) -> csr_array:
    """The graph with these edges too, to look for its parts."""
    if not ends:
        return matrix
    rows, columns = np.array(ends).T
    return matrix + csr_array((np.ones(len(rows)), (rows, columns)), matrix.shape)


def _without_self(
    indices: Int[ndarray, "n found"], distances: Float[ndarray, "n found"], k: int
) -> tuple[Int[ndarray, "n k"], Float[ndarray, "n k"]]:
    """The descent counts a code among its own neighbours, not always as the first (equal codes)."""
    itself = indices == np.arange(len(indices))[:, None]
    last = ~itself.any(axis=1)
    itself[last, -1] = True  # a code that is not among its neighbours loses the farthest
    keep = ~itself
    return indices[keep].reshape(-1, indices.shape[1] - 1)[:, :k], distances[keep].reshape(
        -1, indices.shape[1] - 1
    )[:, :k]
