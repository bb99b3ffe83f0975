"""Spectral embedding and diffusion map: slow modes of a random walk on the graph of nearest neighbours."""

from typing import ClassVar

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.sparse import csr_array, diags_array
from scipy.sparse.linalg import eigsh

from nigra.latent.embeddings.embedding import Embedding, fixed_signs
from nigra.latent.graph import Neighbours, bridges, symmetric
from nigra.training import Tick

_DENSE = 1_000
"""Codes up to which all eigenvectors are computed at once; that is exact and as quick."""

_LONELY = 0.5
"""Share of a mode's variance in 1 % of the codes above which the note says so; it is 8 % of a normal one."""

_SPARE = 12
"""Modes found beyond those drawn, to stand in for such."""

_SCALE_AT = 7
"""The neighbour whose distance is a code's own scale (Zelnik-Manor and Perona 2004, NIPS 17)."""


class SpectralEmbedding(Embedding):
    """Laplacian eigenmaps (Belkin and Niyogi 2003, Neural Computation 15) with Nystroem's extension.

    Codes are tied to their neighbours by w = exp(-d² / s_i s_j), each with a scale s of its own, and to themselves
    by 1. Axes are the right eigenvectors of the walk P = W / degree with the largest eigenvalues below 1, at unit
    variance. A new code lies at the mean of its neighbours, weighted as the walk would go, divided by the
    eigenvalue (Bengio et al. 2004, NIPS 16).

    Fitted: ``eigenvalues_`` (dimensions,), ``degrees_`` and ``scales_`` (n,), ``codes_`` (n, d). Parts of the graph
    without an edge between them are joined by their shortest one, and ``note_`` says how many.
    """

    name: ClassVar[str] = "spectral"
    tensors: ClassVar[tuple[str, ...]] = (
        "embedding_", "modes_", "bandwidth_", "eigenvalues_", "density_", "degrees_", "scales_", "codes_",
    )  # fmt: skip

    alpha: ClassVar[float] = 0.0
    """How much of the codes' density is taken out before the walk; 1: all of it."""

    def __init__(self, dimensions: int = 2, seed: int = 0, neighbours: int = 15) -> None:
        super().__init__(dimensions, seed)
        self.neighbours = neighbours

    @property
    def neighbours_needed(self) -> int:
        """As many as it looks at."""
        return self.neighbours

    def _fit(self, codes: Float[ndarray, "n d"], graph: Neighbours, tick: Tick | None) -> None:
        indices, distances = graph.first(self.neighbours)
        self.codes_, self._graph = codes, graph
        self.bandwidth_ = self._bandwidth(distances)
        self.scales_ = self._own_scales(distances)
        weights = symmetric(indices, self._weights(distances, self.scales_, indices))
        ends, _ = bridges(codes, weights)
        if len(ends):
            weakest = np.full(len(ends), np.median(weights.data))
            weights = weights + _edges(ends, weakest, weights.shape)
        weights = weights + diags_array(np.ones(len(codes)))  # every code is its own nearest
        self.density_ = np.asarray(weights.sum(axis=1)).ravel() ** self.alpha
        weights = diags_array(1 / self.density_) @ weights @ diags_array(1 / self.density_)
        self.degrees_ = np.asarray(weights.sum(axis=1)).ravel()
        skipped = self._set_modes(weights.tocsr())
        joined = [f"the graph fell into parts, joined by {len(ends)} edges"] if len(ends) else []
        left = [f"{skipped} slower axes left out, each of which singles out few codes"] if skipped else []
        self.note_ = "; ".join([*joined, *left, *_lonely(self.modes_)])
        self.embedding_ = (self.modes_ * self._stretch()).astype(np.float32)

    def _set_modes(self, weights: csr_array) -> int:
        """Eigenvectors of the walk, through those of its symmetric twin, which are orthogonal.

        The slowest say where the graph hangs together by least, be it a handful of codes far from all others. Such
        modes are left out as far as ``_SPARE`` more go; returns how many.
        """
        root = np.sqrt(self.degrees_)
        twin = diags_array(1 / root) @ weights @ diags_array(1 / root)
        count = min(self.dimensions + 1 + _SPARE, len(root) - 1)
        values, vectors = _largest(twin.tocsr(), count, self.seed)
        modes = vectors[:, 1:] / root[:, None]  # the first is constant: the walk's resting state
        modes /= np.sqrt((modes**2).mean(axis=0))
        common = np.flatnonzero(_lonely_shares(modes) <= _LONELY)
        kept = common[: self.dimensions] if len(common) >= self.dimensions else np.arange(self.dimensions)
        self.modes_, self.eigenvalues_ = modes[:, kept] * fixed_signs(modes[:, kept]), values[1:][kept]
        return int(kept[-1] + 1 - self.dimensions)

    def _transform(self, codes: Float[ndarray, "new d"]) -> Float[ndarray, "new dimensions"]:
        if not hasattr(self, "_graph"):
            self._graph = Neighbours(self.codes_, self.neighbours, self.seed)
        indices, distances = self._graph.query(codes, self.neighbours)
        weights = self._weights(distances, self._own_scales(distances), indices).astype(np.float64)
        weights /= self.density_[indices]
        weights /= weights.sum(axis=1, keepdims=True)
        modes = np.einsum("nk,nkm->nm", weights, self.modes_[indices]) / self.eigenvalues_
        return (modes * self._stretch()).astype(np.float32)

    def _weights(
        self, distances: Float[ndarray, "n k"], own: Float[ndarray, " n"], indices: Int[ndarray, "n k"]
    ) -> Float[ndarray, "n k"]:
        """The kernel between codes and their neighbours; never quite 0."""
        exponent = (distances / own[:, None]) * (distances / self.scales_[indices])
        return np.exp(-np.minimum(exponent, 50.0))

    def _bandwidth(self, distances: Float[ndarray, "n k"]) -> Float[ndarray, " 1"]:
        """The least scale of a code; here each has its own alone."""
        return np.zeros(1)

    def _own_scales(self, distances: Float[ndarray, "n k"]) -> Float[ndarray, " n"]:
        """How far a code's kernel reaches."""
        return np.maximum(distances[:, min(_SCALE_AT, self.neighbours) - 1], np.finfo(np.float32).tiny)

    def _stretch(self) -> Float[ndarray, " dimensions"]:
        """What each mode is multiplied by in the picture."""
        return np.ones(self.dimensions)


class DiffusionMap(SpectralEmbedding):
    """Diffusion map (Coifman and Lafon 2006, Appl. Comput. Harmon. Anal. 21).

    As the spectral embedding, but with one scale for all codes and their density taken out (alpha = 1), so that a
    region sampled more often bends the picture less; and each axis is shrunk by eigenvalue ** ``time``: distances
    in the picture are those of random walks of that many steps. Lonely codes keep a wider scale of their own: with
    the common one they would be islands, and fill the axes.
    """

    name: ClassVar[str] = "diffusion"
    alpha: ClassVar[float] = 1.0

    def __init__(self, dimensions: int = 2, seed: int = 0, neighbours: int = 15, time: float = 1.0) -> None:
        super().__init__(dimensions, seed, neighbours)
        self.time = time

    def _bandwidth(self, distances: Float[ndarray, "n k"]) -> Float[ndarray, " 1"]:
        return np.array([np.quantile(distances[:, -1], 0.25) / 2])

    def _own_scales(self, distances: Float[ndarray, "n k"]) -> Float[ndarray, " n"]:
        return np.maximum(super()._own_scales(distances) / 2, self.bandwidth_[0])

    def _stretch(self) -> Float[ndarray, " dimensions"]:
        return self.eigenvalues_**self.time


def _lonely_shares(modes: Float[ndarray, "n dimensions"]) -> Float[ndarray, " dimensions"]:
    """How much of what varies along an axis 1 % of the codes hold."""
    few, squares = max(len(modes) // 100, 1), (modes - modes.mean(axis=0)) ** 2
    return np.sort(squares, axis=0)[-few:].sum(axis=0) / np.maximum(squares.sum(axis=0), np.finfo(float).tiny)


def _lonely(modes: Float[ndarray, "n dimensions"]) -> list[str]:
    """A sentence for each axis that says little of most codes."""
    return [
        f"axis {at} singles out few codes: 1 % of them hold {100 * share:.0f} % of its variance"
        for at, share in enumerate(_lonely_shares(modes), 1)
        if share > _LONELY
    ]


def _largest(
    matrix: csr_array, count: int, seed: int
) -> tuple[Float[ndarray, " count"], Float[ndarray, "n count"]]:
    """The largest eigenvalues, falling, and their vectors; the iteration starts from the seed and so repeats."""
    if matrix.shape[0] <= _DENSE:
        values, vectors = np.linalg.eigh(matrix.toarray())
    else:
        start = np.random.default_rng(seed).normal(size=matrix.shape[0])
        values, vectors = eigsh(matrix, count, which="LA", v0=start, ncv=max(40, 4 * count), tol=1e-6)
    order = np.argsort(values)[::-1][:count]
    return values[order], vectors[:, order]


def _edges(ends: Int[ndarray, "edges 2"], values: Float[ndarray, " edges"], shape: tuple[int, int]) -> csr_array:
    """Edges in both directions."""
    rows, columns = np.concatenate([ends, ends[:, ::-1]]).T
    return csr_array((np.tile(values, 2), (rows, columns)), shape)
