"""Principal components of whole volumes: what the controls' main modes of variation cannot rebuild.

The linear counterpart of an auto-encoder, fitted in closed form on few subjects and many voxels. Everything that
needs an eigendecomposition is done on the (subjects x subjects) matrix of inner products (the dual problem), so
the volumes are only ever read in blocks of locations, in float64.
"""

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from nigra.detection.detector import Detector, as_float32, blocks, contamination_offset
from nigra.errors import NigraError
from nigra.shapes import Codes, CodeScores
from nigra.training import Tick

Products = Float[ndarray, "n_subjects n_subjects"]

_ROUNDING = 1e-9
"""Components below this share of the largest eigenvalue are rounding."""

_BLOCK_BYTES = 2**25
"""Codes read at a time, as float32; the work in float64 takes some four times as much."""


class PrincipalComponents(Detector):
    """Minus the joint residual of a reconstruction by the controls' principal components.

    A subject's codes at all locations are one long vector. With mean m and components W of the controls, the
    residual of x is r = (x - m) - W W'(x - m); the score at a location is -sqrt(sum over the d features of r^2),
    as the joint reconstruction error of the networks.

    ``training_decisions`` are exact leave-one-out: without control i, mean, components and residual are linear
    combinations of the others' volumes, whose weights follow from inner products alone. That takes one small
    eigenproblem per control and one more pass over the volumes, no refit.

    The left-out error cannot choose the number of components: what a held-out subject shows of itself is used to
    rebuild it, so its error falls with every component (Bro et al. 2008, Anal. Bioanal. Chem. 390).

    Args:
        components: their number, or the share of the controls' variance they hold together.
        contamination: share of left-out controls' scores below ``offset_``.

    Fitted: ``mean_`` (locations, d), ``components_`` (k, locations, d) float32, ``explained_variance_`` (k,). A
    location where a control has a NaN takes no part and has no score; where a subject to be scored has one, its
    projection takes the mean. A subject is projected as a whole: scores of its locations hang together.
    """

    def __init__(self, components: int | float = 0.5, contamination: float = 0.02) -> None:
        self.components = components
        self.contamination = contamination

    @property
    def fewest_subjects(self) -> int:
        """Three: the two left when one goes still have a component."""
        return 3

    def training_decisions(self, codes: Codes) -> CodeScores:
        """See ``Detector.training_decisions``: each control left out."""
        return self.leave_one_out_ - self.offset_

    def _fit(self, codes: Codes, tick: Tick | None) -> None:
        self._check(len(codes))
        n, locations, d = codes.shape
        self.mean_ = np.empty((locations, d), np.float32)
        products = np.zeros((n, n))
        for at in blocks(codes, _BLOCK_BYTES):
            away = self._away_from_mean(codes, at)
            products += away @ away.T
        if not np.trace(products) > 0:
            raise NigraError("all controls' codes are equal, so there are no components; check the codes.")
        values, vectors = decompose(products, self.components)
        self.explained_variance_ = values / (n - 1)
        self.components_ = np.empty((len(values), locations, d), np.float32)
        self.leave_one_out_ = np.empty((n, locations), np.float32)
        weights = left_out_weights(products, self.components)
        for at in blocks(codes, _BLOCK_BYTES):
            away = self._away_from_mean(codes, at)
            shape = (-1, at.stop - at.start, d)
            self.components_[:, at] = ((vectors / np.sqrt(values)).T @ away).reshape(shape)
            self.leave_one_out_[:, at] = _minus_length((weights @ away).reshape(shape))
            self.leave_one_out_[:, at][:, np.isnan(self.mean_[at]).any(axis=1)] = np.nan
            if tick:
                tick(at.stop / locations, f"{at.stop}/{locations} locations")
        self.offset_ = contamination_offset(self.leave_one_out_, self.contamination)

    def _check(self, n: int) -> None:
        """Refuse parameters that no fit on n controls can have."""
        if n < self.fewest_subjects:
            raise NigraError(f"PrincipalComponents needs 3 controls or more, but got {n}; add controls.")
        whole = isinstance(self.components, int)
        if not (self.components >= 1 if whole else 0 < self.components < 1):
            raise NigraError(
                f"components is {self.components}; give a number of components, or a share of variance below 1."
            )
        if self.components > n - 2:
            raise NigraError(
                f"components is {self.components}, but {n} controls have {n - 2} when one is left out; give fewer."
            )

    def _away_from_mean(self, codes: Codes, at: slice) -> Float[ndarray, "n_subjects values"]:
        """Deviations from the controls' mean in float64, 0 where the location takes no part; sets ``mean_``."""
        block = as_float32(codes[:, at])
        mean = block.mean(axis=0, dtype=np.float64)
        known = np.isfinite(mean).all(axis=1)
        self.mean_[at] = np.where(known[:, None], mean, np.nan)
        return np.where(known[:, None], block - mean, 0.0).reshape(len(block), -1)

    def _score_all(self, codes: Codes, tick: Tick | None) -> CodeScores:
        scores = np.empty(codes.shape[:2], np.float32)
        along = np.zeros((len(codes), len(self.components_)))
        for at in blocks(codes, _BLOCK_BYTES):
            away, _ = self._deviation(codes, at)
            along += np.einsum("nld,kld->nk", away, self.components_[:, at], dtype=np.float64, optimize=True)
        for at in blocks(codes, _BLOCK_BYTES):
            away, known = self._deviation(codes, at)
            flat = self.components_[:, at].reshape(len(self.components_), -1)
            scores[:, at] = _minus_length(away - (along.astype(np.float32) @ flat).reshape(away.shape))
            scores[:, at][~known] = np.nan
            if tick:
                tick(at.stop / codes.shape[1], f"{at.stop}/{codes.shape[1]} locations")
        return scores

    def _deviation(
        self, codes: Codes, at: slice
    ) -> tuple[Float[ndarray, "n_subjects block d"], Bool[ndarray, "n_subjects block"]]:
        """Deviations from the mean, 0 where a code or the mean is not known; and where they are."""
        away = as_float32(codes[:, at]) - self.mean_[at]
        known = np.asarray(np.isfinite(away).all(axis=2))
        away[~known] = 0
        return away, known

    def _score(self, codes: Codes, at: slice | ndarray) -> CodeScores:
        raise NotImplementedError("a projection needs all locations; see _score_all")

    def _training_scores(self, codes: Codes) -> CodeScores:
        return self.leave_one_out_


def decompose(
    products: Products, components: int | float
) -> tuple[Float[ndarray, " k"], Float[ndarray, "n_subjects k"]]:
    """Largest eigenvalues and their vectors: so many, or as few as hold that share of the trace.

    >>> decompose(np.diag([1.0, 5.0, 2.0]), 0.7)[0]
    array([5., 2.])
    """
    values, vectors = np.linalg.eigh(products)
    values, vectors = values[::-1], vectors[:, ::-1]
    count = components
    if not isinstance(components, int):
        held = np.cumsum(values.clip(min=0)) / max(np.trace(products), np.finfo(float).tiny)
        count = int(np.searchsorted(held, components - _ROUNDING)) + 1
    count = min(int(count), int((values > _ROUNDING * values[0]).sum()))
    return values[:count], vectors[:, :count]


def left_out_weights(products: Products, components: int | float) -> Products:
    """Row i: weights of all volumes in the residual of control i, rebuilt by the components of the others.

    ``products`` are inner products of deviations from a common point. With C the matrix that takes the mean of the
    others off, the others' deviations are C X; U and L its left vectors and eigenvalues. Then the deviation of i
    is v = e_i - mean of the others, and its residual v - v X (C X)' U L^-1 U' (C X).
    """
    n = len(products)
    weights = np.empty((n, n))
    for i in range(n):
        others = np.delete(np.eye(n), i, axis=0)
        mean = others.mean(axis=0)
        centred, deviation = others - mean, np.eye(n)[i] - mean
        values, vectors = decompose(centred @ products @ centred.T, components)
        modes = vectors.T @ centred  # (k, n): sqrt(value) times a component, as weights of volumes
        along = modes @ products @ deviation / values if len(values) and values[0] > 0 else np.zeros(len(values))
        weights[i] = deviation - along @ modes
    return weights


def _minus_length(residual: Codes) -> CodeScores:
    return -np.sqrt((residual**2).sum(axis=-1)).astype(np.float32)
