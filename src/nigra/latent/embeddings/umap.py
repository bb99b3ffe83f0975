"""UMAP: neighbours as ties of different strength, drawn together by them and pushed apart by strangers."""

from typing import ClassVar

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from nigra.latent.embeddings.embedding import Embedding
from nigra.latent.embeddings.placing import at_rest
from nigra.latent.graph import Neighbours
from nigra.latent.libraries import library, one_thread, quiet
from nigra.training import Tick


class UMAP(Embedding):
    """Uniform manifold approximation and projection (McInnes et al. 2018, arXiv:1802.03426), by their package.

    On the shared graph, started from principal components. A new code goes where its attraction to its neighbours
    is at rest while the picture is held still; the package's own projection draws strangers at random as well,
    which moves a code a little and differently each time.

    Args:
        dimensions: axes.
        seed: of everything drawn.
        neighbours: nearest codes, the code itself among them.
        min_dist: how close codes may come in the picture; smaller is clumpier.
        parallel: several threads, faster; the picture then differs from run to run.

    Fitted: ``codes_`` (n, d), ``curve_`` a and b of 1 / (1 + a d^2b), the strength a distance stands for.
    """

    name: ClassVar[str] = "umap"
    drawn: ClassVar[bool] = True
    tensors: ClassVar[tuple[str, ...]] = ("embedding_", "codes_", "curve_")

    def __init__(
        self, dimensions: int = 2, seed: int = 0, neighbours: int = 15, min_dist: float = 0.1,
        parallel: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(dimensions, seed)
        self.neighbours = neighbours
        self.min_dist = min_dist
        self.parallel = parallel

    @property
    def neighbours_needed(self) -> int:
        """As many as it looks at."""
        return self.neighbours

    def _fit(self, codes: Float[ndarray, "n d"], graph: Neighbours, tick: Tick | None) -> None:
        self.codes_, self._graph = codes, graph
        indices, distances = graph.first(self.neighbours - 1)
        own = np.arange(len(codes), dtype=np.int32)[:, None]
        known = np.hstack([own, indices]), np.hstack([np.zeros((len(codes), 1), np.float32), distances])
        with quiet("umap"), one_thread(not self.parallel):
            method = library("umap").UMAP(
                n_components=self.dimensions, n_neighbors=self.neighbours, min_dist=self.min_dist, init="pca",
                random_state=None if self.parallel else self.seed, precomputed_knn=known,
            )  # fmt: skip
            self.embedding_ = method.fit_transform(codes)
        self.curve_ = np.array(library("umap.umap_").find_ab_params(1.0, self.min_dist))

    def _transform(self, codes: Float[ndarray, "new d"]) -> Float[ndarray, "new dimensions"]:
        if not hasattr(self, "_graph"):
            self._graph = Neighbours(self.codes_, self.neighbours_needed, self.seed)
        indices, distances = self._graph.query(codes, self.neighbours)
        scales, nearest = library("umap.umap_").smooth_knn_dist(
            distances, float(self.neighbours), local_connectivity=0.0
        )
        weights = np.exp(-np.maximum(distances - nearest[:, None], 0) / scales[:, None]).astype(np.float64)
        a, b = self.curve_

        def pull(squared: Float[ndarray, "new k"]) -> Float[ndarray, "new k"]:
            """Derivative of log(1 + a s^b) by s; finite where a code lies on its neighbour."""
            grounded = np.maximum(squared, 1e-6)
            return a * b * grounded ** (b - 1) / (1 + a * grounded**b)

        return at_rest(self.embedding_, indices, np.maximum(weights, 1e-12), pull)
