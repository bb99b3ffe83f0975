"""PaCMAP and LocalMAP: pictures that keep the layout of the whole better than t-SNE and UMAP do."""

from typing import Any, ClassVar, no_type_check

import numba
import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from nigra.latent.embeddings.embedding import Embedding
from nigra.latent.embeddings.placing import at_rest
from nigra.latent.graph import Neighbours
from nigra.latent.libraries import library, one_thread, quiet
from nigra.training import Tick

_EXTRA = 50
"""Neighbours beyond those kept, to choose from by scaled distance."""


class PaCMAP(Embedding):
    """Pairwise controlled manifold approximation (Wang et al. 2021, JMLR 22), by its authors' package.

    Started from principal components; neighbours come from the shared graph, chosen among ``neighbours`` + 50 by
    distances scaled to each code's neighbourhood, as in the paper. A new code goes where the paper's attraction to
    its neighbours, sum of d / (10 + d) with d = 1 + squared distance, is at rest while the picture is held still.

    Fitted: ``codes_`` (n, d). With ``parallel`` it is faster and may differ from run to run.
    """

    name: ClassVar[str] = "pacmap"
    drawn: ClassVar[bool] = True
    tensors: ClassVar[tuple[str, ...]] = ("embedding_", "codes_")

    def __init__(self, dimensions: int = 2, seed: int = 0, neighbours: int = 15, parallel: bool = False) -> None:
        super().__init__(dimensions, seed)
        self.neighbours = neighbours
        self.parallel = parallel

    @property
    def neighbours_needed(self) -> int:
        """More than it keeps, to choose from."""
        return self.neighbours + _EXTRA

    @property
    def fewest_codes(self) -> int:
        """Every code has neighbours, half as many near and twice as many far partners."""
        return int(3.5 * self.neighbours) + _EXTRA

    def _fit(self, codes: Float[ndarray, "n d"], graph: Neighbours, tick: Tick | None) -> None:
        self.codes_, self._graph = codes, graph
        with quiet("pacmap.pacmap"), one_thread(not self.parallel):
            _seed(self.seed)
            method = self._method()(
                n_components=self.dimensions, n_neighbors=self.neighbours, random_state=self.seed,
                pair_neighbors=_pairs(*graph.first(self.neighbours_needed), self.neighbours),
            )  # fmt: skip
            self.embedding_ = method.fit_transform(codes, init="pca")

    def _method(self) -> Any:
        return library("pacmap").PaCMAP

    def _transform(self, codes: Float[ndarray, "new d"]) -> Float[ndarray, "new dimensions"]:
        if not hasattr(self, "_graph"):
            self._graph = Neighbours(self.codes_, self.neighbours_needed, self.seed)
        indices, _ = self._graph.query(codes, self.neighbours)
        return at_rest(self.embedding_, indices, np.ones(indices.shape), lambda squared: 1 / (11 + squared) ** 2)


class LocalMAP(PaCMAP):
    """LocalMAP (Wang et al. 2025, AAAI 39): PaCMAP whose last phase pushes near strangers apart.

    By the authors' package; everything else as in ``PaCMAP``.
    """

    name: ClassVar[str] = "localmap"

    def _method(self) -> Any:
        return library("pacmap").LocalMAP


def _pairs(
    indices: Int[ndarray, "n found"], distances: Float[ndarray, "n found"], keep: int
) -> Int[ndarray, "pairs 2"]:
    """Pairs of a code and its ``keep`` nearest by scaled distance d² / s_i s_j (Wang et al. 2021, section 5.2)."""
    scale = np.maximum(distances[:, 3:6].mean(axis=1), 1e-10)
    scaled = distances**2 / scale[:, None] / scale[indices]
    kept = np.take_along_axis(indices, np.argsort(scaled, axis=1, kind="stable")[:, :keep], axis=1)
    rows = np.repeat(np.arange(len(indices), dtype=np.int32), keep)
    return np.stack([rows, kept.ravel().astype(np.int32)], axis=1)


@numba.njit(cache=True)
@no_type_check  # the suite's argument checks cannot go into compiled code
def _seed(seed):
    """The package draws from numba's own generator, which numpy's seed does not reach."""
    np.random.seed(seed)  # noqa: NPY002 - compiled code knows no Generator of its own
