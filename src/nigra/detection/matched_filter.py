"""The filter that tells a small change from healthy variation: the inverse of a local covariance, times the change.

At a location v, x is what the controls show at the p points of a window around v, with covariance C. Of all linear
filters, w = C^-1 t separates a change of known shape t best (Reed, Mallett and Brennan 1974, IEEE Trans. Aerosp.
Electron. Syst. 10; the Hotelling observer of Barrett and Myers 2004, Foundations of Image Science). In the same
way it takes off what the surroundings say of v: C^-1 holds the regression of each point on all the others.

Controls are too few to tell the covariance of so many points, so it is pooled over neighbouring locations too:

    C_ij(v) = sum_u g(u - v) sum_s x_s(u + o_i) x_s(u + o_j) = M_d(v + o_i),   d = o_j - o_i

with g a Gaussian. So a few hundred blurred maps M_d hold the covariances of all locations, each of them positive
semi-definite; and those of some controls are what is left of all when the others' are taken off.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray

from nigra.detection.neighbourhood import Frame, Offsets

_BLOCK_BYTES = 2**25
"""Covariances solved at a time."""

Filters = Float[ndarray, "p n_locations"]
Shapes = Float[ndarray, "n_shapes p n_locations"]
Products = Float[ndarray, "n_steps n_flat"]


@dataclass(frozen=True)
class Window:
    """The p points around each location that are looked at, in the flat memory of a frame.

    ``points`` are steps from the location to them, ``ahead`` the steps d >= 0 between any two of them. The product
    of points i and j of location v is ``products[which[i, j], v + base[i, j]]``, as M_-d(u) is M_d(u - d).
    """

    frame: Frame
    points: Int[ndarray, " p"]
    ahead: Int[ndarray, " n_steps"]
    which: Int[ndarray, "p p"]
    base: Int[ndarray, "p p"]

    @classmethod
    def of(cls, frame: Frame, offsets: Offsets) -> "Window":
        """A window of these offsets, all of them within the frame's border."""
        points = frame.flat(offsets)
        steps = points[None, :] - points[:, None]
        ahead = np.unique(steps[steps >= 0])
        which = np.searchsorted(ahead, np.abs(steps))
        return cls(frame, points, ahead, which, np.where(steps >= 0, points[:, None], points[None, :]))

    def products(self, maps: Float[ndarray, "n_subjects x y z"], pooling_mm: float) -> Products:
        """M_d for all steps d between points, summed over subjects; ``pooling_mm`` is the sd of g."""
        flat, shape = torch.from_numpy(maps.reshape(len(maps), -1)), self.frame.mask.shape
        found = np.zeros((len(self.ahead), flat.shape[1]), np.float32)
        for row, step in zip(found, self.ahead.tolist(), strict=True):
            end = len(row) - step
            row[:end] = torch.einsum("su,su->u", flat[:, :end], flat[:, step:]).numpy()
            row[:] = self.frame.blur(row.reshape(shape), pooling_mm).ravel()
        return found

    def filters(
        self, products: Products, at: Int[ndarray, " n_locations"], changes: Shapes, ridge: float
    ) -> Shapes:
        """The filters of every location: its p points times one of them, added up, are the size of that change.

        Args:
            products: of the controls that count, divided by their number.
            at: the locations, as flat indices of the frame.
            changes: what a change of size 1 is at the points of each location, for every shape; filters answer 1.
            ridge: added to the variances, so that what the controls hardly ever show is not trusted blindly.
        """
        _, p, n = changes.shape
        found = np.empty(changes.shape, np.float32)
        flat, places = (
            torch.from_numpy(products).view(-1),
            torch.from_numpy(self.which * products.shape[1] + self.base),
        )
        diagonal, size = ridge * torch.eye(p), max(_BLOCK_BYTES // (4 * p * p), 1)
        for begin in range(0, n, size):
            here = slice(begin, min(begin + size, n))
            covariance = torch.take(flat, places + torch.from_numpy(at[here])[:, None, None]) + diagonal
            shapes = torch.from_numpy(np.ascontiguousarray(changes[..., here].T))  # locations, p, shapes
            found[..., here] = torch.cholesky_solve(shapes, torch.linalg.cholesky(covariance)).numpy().T
        gain = (found * changes).sum(axis=1, keepdims=True)
        return np.divide(found, gain, out=np.zeros_like(found), where=gain > 0)

    def apply(
        self, weights: Filters, map_: Float[ndarray, "x y z"], at: Int[ndarray, " n_locations"]
    ) -> Float[ndarray, " n_locations"]:
        """The filters' answers: at each location the weighted sum over its points."""
        flat, answer = map_.ravel(), np.zeros(len(at), np.float32)
        for weight, step in zip(weights, self.points, strict=True):
            answer += weight * flat[at + step]
        return answer
