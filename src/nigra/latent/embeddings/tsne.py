"""t-SNE: keeps who is next to whom; sizes of clusters and distances between them mean nothing."""

from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from nigra.latent.embeddings.embedding import Embedding
from nigra.latent.graph import Neighbours
from nigra.latent.libraries import library
from nigra.training import Tick

_EARLY, _LATE = 250, 500
"""Iterations with and without exaggeration, openTSNE's defaults."""


class TSNE(Embedding):
    """t-distributed stochastic neighbour embedding (van der Maaten and Hinton 2008, JMLR 9), by openTSNE.

    On the shared graph, started from principal components (Kobak and Berens 2019), with the FFT-accelerated
    gradient above 10 000 codes. New codes are placed one by one with the picture held still (Policar et al. 2023).

    Args:
        dimensions: axes; 3 are slow, as the FFT is for 2.
        seed: of the rounding-sized noise at the start.
        perplexity: effective number of neighbours; three times as many are looked at.
        parallel: several threads, faster; sums are then taken in another order, so the picture differs in detail.

    Fitted: ``codes_`` (n, d).
    """

    name: ClassVar[str] = "tsne"
    drawn: ClassVar[bool] = True
    tensors: ClassVar[tuple[str, ...]] = ("embedding_", "codes_")

    def __init__(
        self, dimensions: int = 2, seed: int = 0, perplexity: float = 30.0, parallel: bool = False
    ) -> None:
        super().__init__(dimensions, seed)
        self.perplexity = perplexity
        self.parallel = parallel

    @property
    def neighbours_needed(self) -> int:
        """Three times the perplexity, beyond which ties are next to nothing."""
        return int(3 * self.perplexity)

    def _fit(self, codes: Float[ndarray, "n d"], graph: Neighbours, tick: Tick | None) -> None:
        self.codes_, self._graph = codes, graph
        start = library("openTSNE.initialization").pca(codes, n_components=self.dimensions, random_state=self.seed)
        picture = self._picture(start)
        done = 0
        for iterations, settings in (
            (_EARLY, {"exaggeration": 12, "momentum": 0.5}),
            (_LATE, {"momentum": 0.8}),
        ):
            picture = picture.optimize(
                iterations, callbacks=[_Report(tick, done)], callbacks_every_iters=10, **settings
            )
            done += iterations
        self.embedding_ = np.asarray(picture)

    def _picture(self, points: Float[ndarray, "n dimensions"]) -> Any:
        """openTSNE's picture with these places, ready to be improved or added to."""
        jobs = -1 if self.parallel else 1
        ties = library("openTSNE.affinity").PerplexityBasedNN(
            knn_index=_Shared(self._graph, self.neighbours_needed), perplexity=self.perplexity, n_jobs=jobs
        )
        return library("openTSNE").TSNEEmbedding(
            points.astype(np.float64), ties, n_jobs=jobs, random_state=self.seed
        )

    def _transform(self, codes: Float[ndarray, "new d"]) -> Float[ndarray, "new dimensions"]:
        if not hasattr(self, "_graph"):
            self._graph = Neighbours(self.codes_, self.neighbours_needed, self.seed)
        if not hasattr(self, "_held"):
            self._held = self._picture(self.embedding_)
        return np.asarray(self._held.transform(codes), np.float32)


class _Shared:
    """The shared graph in the words of openTSNE's neighbour indices."""

    def __init__(self, graph: Neighbours, k: int) -> None:
        self.graph, self.k, self.n_samples = graph, k, len(graph.codes)

    def build(self) -> tuple[ndarray, ndarray]:
        """Indices and distances of the fitted codes' neighbours."""
        indices, distances = self.graph.first(self.k)
        return np.ascontiguousarray(indices), np.ascontiguousarray(distances, np.float64)

    def query(self, codes: Float[ndarray, "new d"], k: int) -> tuple[ndarray, ndarray]:
        """Those of new codes."""
        indices, distances = self.graph.query(codes, k)
        return indices, distances.astype(np.float64)


class _Report:
    """openTSNE's callback: passes the iteration on, and never stops the run."""

    def __init__(self, tick: Tick | None, before: int) -> None:
        self.tick, self.before = tick, before

    def __call__(self, iteration: int, error: float, picture: Any) -> bool:
        done = self.before + iteration
        if self.tick:
            self.tick(done / (_EARLY + _LATE), f"iteration {done}/{_EARLY + _LATE}")
        return False
