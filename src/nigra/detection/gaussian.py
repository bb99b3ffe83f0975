"""Distances from the mean of the controls at the same location: feature by feature, or with their covariance.

The plain baselines beside the networks: ``VoxelwiseZ`` on intensities is the classical voxel-wise z-score, on
residuals it standardises a reconstruction error by its healthy variability (SCIENCE §6).
"""

from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from nigra.detection.detector import check_device
from nigra.detection.leave_one_out import LeaveOneOutDetector
from nigra.errors import NigraError
from nigra.shapes import Codes, CodeScores

_ROUNDING = 1e-12
"""Below this share of the controls' variance, what is left when one of them is taken out is rounding."""

_SMALLEST_EIGENVALUE = 1e-8
"""Of a shrunk covariance, relative to its mean eigenvalue: a few equal controls may leave no shrinkage."""


class VoxelwiseZ(LeaveOneOutDetector):
    """Minus the root mean square, over the features, of the z-score by the controls at the same location.

    z = (code - mean) / sd, with the sample standard deviation (n - 1). Its mean square stays near 1 for controls
    whatever d is. Left-out scores are exact: mean and sd without a control follow from those with it.

    Args:
        contamination: share of left-out controls' scores below ``offset_``.
        floor: smallest sd, in units of the codes (1e-3 of 0-1 intensities), so that a feature in which all
            controls agree counts much when a subject differs, but not infinitely. Where all controls agree in all
            features nothing can be standardised: the score is NaN.

    Fitted: ``mean_`` and ``sd_`` (locations, d) float32.
    """

    def __init__(self, contamination: float = 0.02, floor: float = 1e-3) -> None:
        self.contamination = contamination
        self.floor = floor

    def _begin(self, codes: Codes) -> None:
        if not self.floor > 0:
            raise NigraError(f"floor is {self.floor:g}; give a smallest standard deviation above 0.")
        self.mean_ = np.empty(codes.shape[1:], np.float32)
        self.sd_ = np.empty(codes.shape[1:], np.float32)

    def _fit_part(self, codes: Codes, at: slice) -> CodeScores:
        n = len(codes)
        mean = codes.mean(axis=0, dtype=np.float64)  # exact where all controls agree
        away = codes - mean
        squares = (away**2).sum(axis=0)
        self.mean_[at], self.sd_[at] = mean, self._spread(squares / (n - 1))
        left = squares - away**2 * (n / (n - 1))
        left[left < _ROUNDING * squares] = 0
        return _minus_rms(away * (n / (n - 1)) / self._spread(left / (n - 2)))

    def _spread(self, variance: Float[ndarray, "*any d"]) -> Float[ndarray, "*any d"]:
        """Standard deviations, floored; NaN where no feature varies (or one is NaN)."""
        varies = (variance > 0).any(axis=-1, keepdims=True)
        return np.where(varies, np.maximum(np.sqrt(variance), self.floor), np.nan)

    def _score(self, codes: Codes, at: slice | ndarray) -> CodeScores:
        return _minus_rms((codes - self.mean_[at]) / self.sd_[at])


def _minus_rms(z: Codes) -> CodeScores:
    return -np.sqrt((z**2).mean(axis=-1)).astype(np.float32)


class VoxelwiseMahalanobis(LeaveOneOutDetector):
    """Minus the Mahalanobis distance from the controls at the same location, with a shrunk covariance.

    The covariance is (1 - s) S + s tr(S)/d I; s by Ledoit and Wolf (2004, J. Multivariate Analysis 88) at each
    location, as ``sklearn.covariance.LedoitWolf``, or one number. It needs no more controls than 4, whatever d is.

    Left-out scores are those of refits, s estimated anew: leaving a control out takes a rank-one part off S, whose
    eigenvectors are at hand, so each costs O(d) (Sherman-Morrison) in place of O(d^3).

    Args:
        shrinkage: "ledoit-wolf", or s with 0 < s <= 1.
        contamination: share of left-out controls' scores below ``offset_``.
        device: where torch computes; a GPU's scores agree with the CPU's to 1e-4 of the score.

    Fitted: ``mean_`` (locations, d), ``shrinkage_`` (locations,), ``whitening_`` (locations, d, d), float32: the
    last takes 4 d^2 bytes a location. A location where all controls agree has no score.
    """

    def __init__(
        self, shrinkage: Literal["ledoit-wolf"] | float = "ledoit-wolf", contamination: float = 0.02,
        device: str = "cpu",
    ) -> None:  # fmt: skip
        self.shrinkage = shrinkage
        self.contamination = contamination
        self.device = device

    @property
    def fewest_subjects(self) -> int:
        """Of three controls, the two left when one goes span a line: no shrinkage can be estimated."""
        return 4

    def _begin(self, codes: Codes) -> None:
        number = not isinstance(self.shrinkage, str)
        if not (0 < self.shrinkage <= 1 if number else self.shrinkage == "ledoit-wolf"):  # type: ignore[operator]
            raise NigraError(f"shrinkage is {self.shrinkage!r}; give 'ledoit-wolf' or a number above 0, up to 1.")
        check_device(self.device)
        _, locations, d = codes.shape
        self.mean_ = np.empty((locations, d), np.float32)
        self.shrinkage_ = np.empty(locations, np.float32)
        self.whitening_ = np.empty((locations, d, d), np.float32)

    def _fit_part(self, codes: Codes, at: slice) -> CodeScores:
        x = torch.from_numpy(codes.astype(np.float64)).to(self.device).transpose(0, 1)  # (L, n, d)
        mean = x.mean(dim=1)
        known = x.isfinite().all(dim=2).all(dim=1)
        away = torch.where(known[:, None, None], x - mean[:, None], 0.0)
        values, vectors = torch.linalg.eigh(away.mT @ away / len(codes))  # (L, d), (L, d, d)
        values, turned = values.clamp_min(0), away @ vectors
        moments = _moments(values, turned)
        s, spread = self._shrink(values, *moments, len(codes))
        whitening = torch.where((moments[0] > 0)[:, None, None], vectors * spread.rsqrt()[:, None], torch.nan)
        self.mean_[at] = torch.where(known[:, None], mean, torch.nan).cpu()
        self.shrinkage_[at] = s.cpu()
        self.whitening_[at] = whitening.cpu()
        left_out = self._left_out(values, turned, *moments)
        return torch.where(known[:, None], -left_out, torch.nan).T.float().cpu().numpy()

    def _shrink(self, values: Tensor, trace: Tensor, norm: Tensor, fourth: Tensor, n: int) -> tuple[Tensor, Tensor]:
        """Shrinkage s (...) and the eigenvalues (..., d) of the shrunk covariance of n controls.

        Args:
            values: eigenvalues of S; ``trace`` and ``norm`` are tr(S) and tr(S S), ``fourth`` the mean fourth power
                of the controls' distances from their mean.
        """
        d = values.shape[-1]
        if self.shrinkage == "ledoit-wolf":
            beta = (fourth - norm) / (n * d)
            delta = (norm - trace**2 / d) / d
            s = torch.where((beta > 0) & (delta > 0), beta.minimum(delta) / delta, 0.0)
        else:
            s = torch.full_like(trace, float(self.shrinkage))
        mu = trace[..., None] / d
        spread = (1 - s[..., None]) * values + s[..., None] * mu
        return s, spread.maximum(_SMALLEST_EIGENVALUE * mu)

    def _left_out(self, values: Tensor, turned: Tensor, trace: Tensor, norm: Tensor, fourth: Tensor) -> Tensor:
        """Distances (L, n) of each control from the fit of the others.

        ``turned`` (L, n, d) are the deviations from the mean of all in the eigenvectors of S. Without control i,
        with deviation v of squared length r, the mean moves by -v / (n - 1) and n / (n - 1) (S - v v' / (n - 1))
        is the covariance, from which the moments that Ledoit and Wolf need follow.
        """
        n = turned.shape[1]
        t, grow = 1 / (n - 1), n / (n - 1)
        trace, norm, fourth = trace[:, None], norm[:, None], fourth[:, None]
        r = (turned**2).sum(dim=2)
        along = (turned**2 * values[:, None]).sum(dim=2)  # v' S v
        skew = (turned * (r[..., None] * turned).sum(dim=1, keepdim=True)).sum(dim=2)
        others = fourth + t * (4 * skew / n + t * (4 * along + 2 * r * trace + (t * r) ** 2))
        left_trace = grow * (trace - t * r)
        left_norm = grow**2 * (norm - 2 * t * along + (t * r) ** 2)
        left_fourth = grow * others - t * r**2 * grow**4
        s, spread = self._shrink(grow * values[:, None], left_trace, left_norm, left_fourth, n - 1)
        q = (turned**2 / spread).sum(dim=2)
        distance = grow * (q / (1 - (1 - s) * grow * t * q).clamp_min(_ROUNDING)).sqrt()
        return torch.where(left_trace > _ROUNDING * trace, distance, torch.nan)

    def _score(self, codes: Codes, at: slice | ndarray) -> CodeScores:
        away = torch.from_numpy(codes - self.mean_[at]).to(self.device).transpose(0, 1)
        whitening = torch.from_numpy(self.whitening_[at]).to(self.device)
        return -(away @ whitening).norm(dim=2).T.cpu().numpy()


def _moments(values: Tensor, turned: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """tr(S), tr(S S) and the mean fourth power of the deviations' lengths, each (L,)."""
    r = (turned**2).sum(dim=2)
    return r.mean(dim=1), (values**2).sum(dim=1), (r**2).mean(dim=1)
