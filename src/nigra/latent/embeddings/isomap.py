"""Isomap: distances along the graph of nearest neighbours, laid flat."""

from typing import ClassVar

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from nigra.latent.embeddings.embedding import Embedding, fixed_signs
from nigra.latent.graph import Neighbours, bridges, symmetric
from nigra.latent.landmarks import choose
from nigra.training import Tick


class Isomap(Embedding):
    """Isomap with landmarks (Tenenbaum et al. 2000, Science 290; de Silva and Tenenbaum 2004).

    Shortest ways along the graph from ``landmarks`` codes to all; classical scaling of the landmarks; every other
    code by its distances to them. With as many landmarks as codes this is plain Isomap. A new code reaches the
    landmarks through its neighbours.

    Fitted: ``ways_`` (n, landmarks) float32, ``mean_square_`` (landmarks,), ``axes_`` (landmarks, dimensions),
    ``codes_`` (n, d). Parts of the graph without an edge between them are joined by their shortest one.
    """

    name: ClassVar[str] = "isomap"
    tensors: ClassVar[tuple[str, ...]] = ("embedding_", "ways_", "mean_square_", "axes_", "codes_")

    def __init__(self, dimensions: int = 2, seed: int = 0, neighbours: int = 15, landmarks: int = 256) -> None:
        super().__init__(dimensions, seed)
        self.neighbours = neighbours
        self.landmarks = landmarks

    @property
    def neighbours_needed(self) -> int:
        """As many as it looks at."""
        return self.neighbours

    def _fit(self, codes: Float[ndarray, "n d"], graph: Neighbours, tick: Tick | None) -> None:
        indices, distances = graph.first(self.neighbours)
        self.codes_, self._graph = codes, graph
        lengths = symmetric(indices, distances)
        ends, gaps = bridges(codes, lengths)
        if len(ends):
            rows, columns = np.concatenate([ends, ends[:, ::-1]]).T
            lengths = lengths + csr_array((np.tile(gaps, 2), (rows, columns)), lengths.shape)
        chosen = choose(len(codes), self.landmarks, self.seed)
        ways = np.empty((len(codes), len(chosen)), np.float32)
        for begin in range(0, len(chosen), 16):
            ways[:, begin : begin + 16] = dijkstra(lengths, indices=chosen[begin : begin + 16]).T
            if tick:
                tick(min(begin + 16, len(chosen)) / len(chosen), "shortest ways")
        self.ways_ = ways
        self._scale(ways[chosen].astype(np.float64) ** 2)
        self.embedding_ = self._place(ways)
        joined = f"the graph fell into parts, joined by {len(ends)} edges" if len(ends) else ""
        some = f"ways from {len(chosen)} landmarks" if len(chosen) < len(codes) else ""
        self.note_ = "; ".join(part for part in (some, joined) if part)

    def _scale(self, squares: Float[ndarray, "landmarks landmarks"]) -> None:
        """Classical scaling (Torgerson 1952) of the landmarks' squared distances."""
        squares = (squares + squares.T) / 2
        self.mean_square_ = squares.mean(axis=0)
        inner = -0.5 * (squares - self.mean_square_ - self.mean_square_[:, None] + squares.mean())
        values, vectors = np.linalg.eigh(inner)
        values, vectors = values[::-1][: self.dimensions], vectors[:, ::-1][:, : self.dimensions]
        self.axes_ = vectors * fixed_signs(vectors) / np.sqrt(np.maximum(values, np.finfo(float).tiny))

    def _place(self, ways: Float[ndarray, "n landmarks"]) -> Float[ndarray, "n dimensions"]:
        """Where squared distances to the landmarks put a code (de Silva and Tenenbaum 2004, equation 3)."""
        return (-0.5 * (ways.astype(np.float64) ** 2 - self.mean_square_) @ self.axes_).astype(np.float32)

    def _transform(self, codes: Float[ndarray, "new d"]) -> Float[ndarray, "new dimensions"]:
        if not hasattr(self, "_graph"):
            self._graph = Neighbours(self.codes_, self.neighbours, self.seed)
        indices, distances = self._graph.query(codes, self.neighbours)
        ways = np.full((len(codes), self.ways_.shape[1]), np.inf, np.float32)
        for at in range(self.neighbours):
            np.minimum(ways, distances[:, at, None] + self.ways_[indices[:, at]], out=ways)
        return self._place(ways)
