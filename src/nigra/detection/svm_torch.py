"""The per-voxel one-class SVM on a GPU: the same problems as ``svm_kernels``, many thousands in lock step.

Every pass over the data takes one SMO step in each problem that is not yet solved; solved ones are dropped from
time to time. Same tolerance, same stopping rule and same rho as on the CPU.
"""

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from torch import Tensor

from nigra.detection.kernel_matrix import GIVEN, NOTHING, SCALE
from nigra.detection.svm_solver import CURVATURE, ROUNDING
from nigra.shapes import Codes

_KERNEL_BYTES = 2**29
"""Kernel matrices held at a time."""

_ROUND = 25
"""Steps between two looks at who is done; each look rebuilds the gradients, so that rounding cannot add up."""

Number = float | np.float32
Kernels = Float[Tensor, "locations n n"]
Weights = Float[Tensor, "problems n"]


class OnDevice:
    """``fit``, ``score`` and ``leave_one_out`` of ``svm_kernels``, with the same arguments, on a torch device."""

    def __init__(self, device: str) -> None:
        self.device = torch.device(device)

    def fit(
        self, codes: Codes, largest: Number, nu: Number, mode: int, gamma: Number,
        tolerance: Number, limit: int, weights: Float[ndarray, "locations n"], rho: Float[ndarray, " locations"],
        gammas: Float[ndarray, " locations"], free: Bool[ndarray, " locations"], steps: Int[ndarray, " locations"],
    ) -> None:  # fmt: skip
        """See ``svm_kernels.fit``."""
        n, usable = len(codes), (np.abs(codes) < largest).all(axis=(0, 2))
        for at in self._parts(np.flatnonzero(usable), n**2):
            x = self._centred(codes[:, at])
            distances = squared_distances(x, x)
            g = self._gamma(codes[:, at], distances, mode, float(gamma))
            K = torch.exp(-g[:, None, None] * distances)
            a, G, taken = solve(K, torch.full((len(at), n), float(nu), device=self.device), None, tolerance, limit)
            top = torch.ones_like(a)
            r, unique = boundary(a, G, top)
            for target, value in ((weights, a), (rho, r), (gammas, g), (free, unique), (steps, taken)):
                target[at] = value.cpu().numpy()

    def score(
        self, controls: Codes, weights: Float[ndarray, "locations n"], gammas: Float[ndarray, " locations"],
        codes: Float[ndarray, "m locations d"], out: Float[ndarray, "m locations"],
    ) -> None:  # fmt: skip
        """See ``svm_kernels.score``."""
        out[:] = np.nan
        for at in self._parts(np.flatnonzero(gammas > 0), len(controls) * len(codes)):
            mean = mean_code(controls[:, at])
            distances = squared_distances(self._centred(codes[:, at], mean), self._centred(controls[:, at], mean))
            K = torch.exp(-self._tensor(gammas[at])[:, None, None] * distances)
            out[:, at] = torch.einsum("lmn,ln->ml", K, self._tensor(weights[at])).cpu().numpy()
        out[~np.isfinite(codes).all(axis=2)] = np.nan

    def leave_one_out(
        self, codes: Codes, weights: Float[ndarray, "locations n"], gammas: Float[ndarray, " locations"],
        nu: Number, tolerance: Number, limit: int, scores: Float[ndarray, "n locations"],
        rhos: Float[ndarray, "n locations"],
    ) -> None:  # fmt: skip
        """See ``svm_kernels.leave_one_out``."""
        n = len(codes)
        scores[:] = rhos[:] = np.nan
        for at in self._parts(np.flatnonzero(gammas > 0), n**3):  # a matrix for each control left out
            x = self._centred(codes[:, at])
            K = torch.exp(-self._tensor(gammas[at])[:, None, None] * squared_distances(x, x))
            out = torch.arange(n, device=self.device).repeat(len(at))  # who is left out of which problem
            which = torch.arange(len(at), device=self.device).repeat_interleave(n)
            top = torch.ones(len(out), n, device=self.device)
            top[torch.arange(len(out)), out] = 0
            start = top * float(nu)
            a, G, _ = solve(K, start, top, tolerance, limit, which)
            r, _ = boundary(a, G, top)
            scores[:, at] = G.gather(1, out[:, None]).view(len(at), n).T.cpu().numpy()
            rhos[:, at] = r.view(len(at), n).T.cpu().numpy()

    def _parts(self, locations: Int[ndarray, " k"], values: int) -> list[Int[ndarray, " part"]]:
        """Locations in parts whose kernel matrices, so many values each, fit."""
        size = max(_KERNEL_BYTES // (4 * values), 1)
        return [locations[begin : begin + size] for begin in range(0, len(locations), size)]

    def _tensor(self, values: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values, np.float32)).to(self.device)

    def _centred(self, codes: Codes, mean: np.ndarray | None = None) -> Float[Tensor, "locations n d"]:
        mean = mean_code(codes) if mean is None else mean
        return self._tensor((codes - mean).transpose(1, 0, 2))

    def _gamma(self, codes: Codes, distances: Kernels, mode: int, gamma: float) -> Float[Tensor, " locations"]:
        if mode == GIVEN:
            return torch.full((len(distances),), gamma, device=self.device)
        if mode == SCALE:
            width = self._tensor(codes.shape[2] * codes.astype(np.float64).var(axis=(0, 2)))
        else:
            below = torch.tril_indices(distances.shape[1], distances.shape[1], -1, device=self.device)
            ordered = distances[:, below[0], below[1]].sort(dim=1).values
            count = ordered.shape[1]  # torch.median takes the lower of two middles
            width = (ordered[:, (count - 1) // 2] + ordered[:, count // 2]) / 2
        return torch.where(width > float(NOTHING), 1 / width, 1.0)


def mean_code(codes: Codes) -> Float[ndarray, "n_locations d"]:
    """Mean code per location, exact where all controls' codes are the same."""
    return codes[0] + (codes - codes[0]).mean(axis=0)


def squared_distances(
    rows: Float[Tensor, "locations m d"], columns: Float[Tensor, "locations n d"]
) -> Float[Tensor, "locations m n"]:
    """Squared distances between centred codes, never below 0."""
    lengths = (rows**2).sum(2)[:, :, None] + (columns**2).sum(2)[:, None, :]
    return torch.baddbmm(lengths, rows, columns.transpose(1, 2), alpha=-2).clamp_(min=0)


def solve(
    K: Kernels, a: Weights, top: Weights | None, tolerance: Number, limit: int,
    which: Int[Tensor, " problems"] | None = None,
) -> tuple[Weights, Weights, Int[Tensor, " problems"]]:  # fmt: skip
    """SMO from feasible weights ``a``; problem p has the kernel matrix ``K[which[p]]``.

    Returns weights, gradients ``K a`` and the number of steps of each problem.
    """
    top = torch.ones_like(a) if top is None else top
    which = torch.arange(len(a), device=a.device) if which is None else which
    steps = torch.zeros(len(a), dtype=torch.int64, device=a.device)
    left, gradients = torch.arange(len(a), device=a.device), torch.empty_like(a)
    while len(left):
        part, at, bound = a[left], which[left], top[left]
        G = torch.bmm(K[at], part[:, :, None])[:, :, 0]
        gradients[left] = G
        done = (steps[left] >= limit) | ~_violated(G, part, bound, tolerance)
        for _ in range(_ROUND):
            _step(K, G, part, bound, at, tolerance)
        moving = ~done
        a[left[moving]] = part[moving]
        steps[left[moving]] += _ROUND
        left = left[moving]
    return a, gradients, steps


def _extremes(G: Weights, a: Weights, top: Weights) -> tuple[Tensor, Tensor, Weights]:
    """Smallest gradient among weights that can grow, its place, and gradients of those that can shrink."""
    smallest, i = torch.where(a < top, G, torch.inf).min(dim=1)
    return smallest, i, torch.where(a > 0, G, -torch.inf)


def _violated(G: Weights, a: Weights, top: Weights, tolerance: Number) -> Bool[Tensor, " problems"]:
    smallest, _, shrinkable = _extremes(G, a, top)
    largest = shrinkable.max(dim=1).values
    return largest - smallest >= torch.clamp(float(ROUNDING) * largest, min=float(tolerance))


def _step(
    K: Kernels, G: Weights, a: Weights, top: Weights, at: Int[Tensor, " problems"], tolerance: Number
) -> None:
    """One pair per problem, chosen to second order, moved as far as it gains; solved problems move nothing."""
    smallest, i, shrinkable = _extremes(G, a, top)
    Ki = K[at, i]
    excess = (shrinkable - smallest[:, None]).clamp(min=0)
    curvature = (2 - 2 * Ki).clamp(min=float(CURVATURE))
    s = (excess**2 / curvature).argmax(dim=1)
    p = torch.arange(len(a), device=a.device)
    limit = torch.minimum(top[p, i] - a[p, i], a[p, s])
    t = torch.minimum(excess[p, s] / curvature[p, s], limit)
    violated = shrinkable.max(dim=1).values - smallest >= float(tolerance)
    t = torch.where(violated & torch.isfinite(t), t, 0.0)
    full, empty = (t > 0) & (t >= top[p, i] - a[p, i]), (t > 0) & (t >= a[p, s])
    a[p, i], a[p, s] = torch.where(full, top[p, i], a[p, i] + t), torch.where(empty, 0.0, a[p, s] - t)
    G += t[:, None] * (Ki - K[at, s])


def boundary(a: Weights, G: Weights, top: Weights) -> tuple[Float[Tensor, " problems"], Bool[Tensor, " problems"]]:
    """See ``svm_solver.boundary``."""
    slack = 1e-6 * a.sum(1, keepdim=True)
    there, full, empty = top > 0, a >= top - slack, a <= slack
    free = there & ~full & ~empty
    count = free.sum(1)
    mean = torch.where(free, G, 0).sum(1) / count.clamp(min=1)
    above = torch.where(there & empty & ~full, G, torch.inf).min(1).values
    below = torch.where(there & full, G, -torch.inf).max(1).values
    middle = torch.where(above.isinf(), below, torch.where(below.isinf(), above, (above + below) / 2))
    return torch.where(count > 0, mean, middle), count > 0
