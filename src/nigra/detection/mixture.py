"""Student-t mixtures as numbers: parameters, what EM sums over all codes, and the M-step.

Both kinds have a mean, orthogonal axes D and scales A per component; the scatter matrix is D diag(A) D'.

- *multivariate* (Peel & McLachlan 2000): one latent weight W per code and one ``dof`` per component.
- *multiple-scale* (Forbes & Wraith 2014; isbi2023, miccai2023): one W and one ``dof`` per axis. The density is the
  product of one-dimensional t densities along D's columns.

Given the component, W ~ Gamma(dof/2, dof/2) and the code is normal with scatter D diag(A/W) D'.
"""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.special import digamma, gammaln

from nigra.detection import mixture_axes, mixture_kernels

DOF = (0.1, 1000.0)
"""Degrees of freedom stay in this range; at 1000 a t is normal for every purpose here."""

FLOOR = 1e-6
"""Least scale, in units of the codes' mean variance: keeps duplicates from making a density infinite."""

_SUM_BYTES = 2**27


@dataclass(frozen=True)
class Parameters:
    """A mixture; K components, d features, ``scales`` 1 (multivariate) or d (multiple-scale)."""

    weights: Float[ndarray, " K"]
    means: Float[ndarray, "K d"]
    axes: Float[ndarray, "K d d"]
    """Orthogonal, one axis per column."""
    scales: Float[ndarray, "K d"]
    dof: Float[ndarray, "K scales"]

    def prepared(self) -> tuple[ndarray, ...]:
        """What the passes need, as float32: mean, whitening, constant, (dof + p) / 2, dof."""
        shared = self.means.shape[1] // self.dof.shape[1]  # p, the axes that share a weight
        whiten = np.swapaxes(self.axes, 1, 2) / np.sqrt(self.scales)[:, :, None]
        half = (self.dof + shared) / 2
        constant = (gammaln(half) - gammaln(self.dof / 2) - shared / 2 * np.log(np.pi * self.dof)).sum(axis=1)
        constant += np.log(self.weights) - np.log(self.scales).sum(axis=1) / 2
        return tuple(np.ascontiguousarray(a, np.float32) for a in (self.means, whiten, constant, half, self.dof))

    @property
    def free(self) -> int:
        """Number of free parameters; for multiple-scale K (1 + d (d + 5) / 2) - 1, as in miccai2023."""
        components, d = self.means.shape
        return components * (1 + d + d * (d + 1) // 2 + self.dof.shape[1]) - 1

    def ordered(self) -> "Parameters":
        """Components by falling weight, axes by falling scale: one order for what EM leaves in any."""
        by_weight = np.argsort(-self.weights, kind="stable")
        found = {f.name: getattr(self, f.name)[by_weight] for f in fields(self)}
        by_scale = np.argsort(-found["scales"], axis=1, kind="stable")
        found["axes"] = np.take_along_axis(found["axes"], by_scale[:, None, :], axis=2)
        found["scales"] = np.take_along_axis(found["scales"], by_scale, axis=1)
        if self.dof.shape[1] > 1:
            found["dof"] = np.take_along_axis(found["dof"], by_scale, axis=1)
        return Parameters(**found)


@dataclass(frozen=True)
class Sums:
    """Means over codes of what the M-step needs; t is the posterior of a component, w of a weight W.

    ``s0`` t; ``s1`` t w y; ``s2`` t w y y'; ``s3`` t w; ``s4`` t E[log W]; and the mean log-likelihood.
    Linear, so that sums of several batches can be mixed (Cappé & Moulines 2009).
    """

    s0: Float[ndarray, " K"]
    s1: Float[ndarray, "K scales d"]
    s2: Float[ndarray, "K scales d d"]
    s3: Float[ndarray, "K scales"]
    s4: Float[ndarray, "K scales"]
    log_likelihood: float

    def mixed(self, other: "Sums", share: float) -> "Sums":
        """``share`` of the other, the rest of this."""
        pairs = ((getattr(self, f.name), getattr(other, f.name)) for f in fields(self))
        return Sums(*((1 - share) * mine + share * others for mine, others in pairs))


class Compiled:
    """The passes over all codes on this machine's processors; ``mixture_torch.OnDevice`` does the same on a GPU."""

    def hold(self, codes: Float[ndarray, "n d"]) -> Any:
        """Codes as the passes want them: contiguous float32."""
        return np.ascontiguousarray(codes, np.float32)

    def expectation(self, codes: Any, now: Parameters) -> Sums:
        """E-step over held, finite codes."""
        components, scales = now.dof.shape
        d = codes.shape[1]
        fit = _SUM_BYTES // (8 * components * scales * d * d)
        chunks = int(np.clip(len(codes) // (8 * mixture_kernels.BLOCK), 1, np.clip(fit, 1, 64)))
        k, ks = (chunks, components), (chunks, components, scales)
        local = [np.zeros(shape) for shape in (k, (*ks, d), (*ks, d, d), ks, ks, (chunks,))]
        mixture_kernels.expectation(codes, *now.prepared(), *local)
        return from_local(now, *(a.sum(axis=0) / len(codes) for a in local))

    def score(self, codes: Any, now: Parameters, proximity: bool) -> Float[ndarray, " n"]:
        """max_s sum_k t_k E[W_s | y, k] (or the log density) of held codes; NaN where a code has a NaN."""
        out = np.empty(len(codes), np.float32)
        mixture_kernels.score(codes, *now.prepared(), proximity, out)
        return out


def from_local(
    now: Parameters,
    s0: ndarray,
    s1: ndarray,
    s2: ndarray,
    s3: ndarray,
    logs: ndarray,
    log_likelihood: float | ndarray,
) -> Sums:
    """Sums taken about each component's own mean and axes (where float32 suffices) as sums of the codes' own.

    Args:
        s2: its lower triangle counts.
        logs: sum of t log(1 + distance / dof), which turns into E[log W].
    """
    s2 = np.tril(s2) + np.swapaxes(np.tril(s2, -1), 2, 3)
    back = now.axes * np.sqrt(now.scales)[:, None, :]  # whitened -> code
    mean = now.means[:, None, :]
    shift = np.einsum("kij,ksj->ksi", back, s1)
    cross = shift[..., :, None] * mean[..., None, :]
    spread = np.einsum("kia,ksab,kjb->ksij", back, s2, back, optimize=True)
    square = s3[..., None, None] * mean[..., :, None] * mean[..., None, :]
    shared = now.means.shape[1] // now.dof.shape[1]
    constant = digamma((now.dof + shared) / 2) - np.log(now.dof / 2)
    return Sums(
        s0, shift + s3[..., None] * mean, spread + cross + np.swapaxes(cross, 2, 3) + square, s3,
        s0[:, None] * constant - logs, float(log_likelihood),
    )  # fmt: skip


def maximisation(sums: Sums, now: Parameters) -> Parameters:
    """M-step; never lowers the likelihood. A component without codes keeps its shape.

    ``dof`` solves Peel & McLachlan's equation; scales are a clipped optimum under ``FLOOR``.
    """
    filled = sums.s0 > 1e-12
    s0 = np.where(filled, sums.s0, 1)
    s3 = np.where(filled[:, None], sums.s3, 1)
    scatter = sums.s2 - sums.s1[..., :, None] * sums.s1[..., None, :] / s3[..., None, None]
    scatter = scatter / s0[:, None, None, None]
    if now.dof.shape[1] == 1:
        scales, axes = np.linalg.eigh(scatter[:, 0])
    else:
        axes = rotated(now.axes, scatter)
        scales = np.einsum("kim,kmij,kjm->km", axes, scatter, axes, optimize=True)
    centres = np.broadcast_to(sums.s1 / s3[..., None], axes.shape)  # one per weight, (K, scales, d)
    along = np.einsum("kim,kmi->km", axes, centres)  # along each axis the centre of that axis' weight counts
    found = (
        np.einsum("kim,km->ki", axes, along), axes, np.maximum(scales, FLOOR),
        degrees_of_freedom((sums.s4 - sums.s3) / s0[:, None]),
    )  # fmt: skip
    old = (now.means, now.axes, now.scales, now.dof)
    kept = (
        np.where(filled.reshape(-1, *[1] * (new.ndim - 1)), new, was) for new, was in zip(found, old, strict=True)
    )
    return Parameters(np.maximum(sums.s0, 1e-300) / sums.s0.sum(), *kept)


def degrees_of_freedom(gap: Float[ndarray, "K scales"]) -> Float[ndarray, "K scales"]:
    """Root of log(dof/2) - digamma(dof/2) + 1 + gap, gap the mean of E[log W] - E[W]; kept inside ``DOF``."""
    low, high = np.full(gap.shape, np.log(DOF[0])), np.full(gap.shape, np.log(DOF[1]))
    for _ in range(50):  # the left side falls with dof
        middle = (low + high) / 2
        half = np.exp(middle) / 2
        above = np.log(half) - digamma(half) + 1 + gap > 0
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    return np.exp((low + high) / 2)


def rotated(
    axes: Float[ndarray, "K d d"], scatter: Float[ndarray, "K d d d"], sweeps: int = 5
) -> Float[ndarray, "K d d"]:
    """Axes D with a lower sum_m log(D_m' S_m D_m), each scale kept above ``FLOOR`` (``mixture_axes``)."""
    turned = np.array(axes, np.float64)
    mixture_axes.rotate(turned, np.ascontiguousarray(scatter, np.float64), FLOOR, sweeps)
    return turned
