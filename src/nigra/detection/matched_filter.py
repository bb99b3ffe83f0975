"""The filter that tells a small change from healthy variation: the inverse of a local covariance, times the change.

At a location v, x is what the controls show at the p points of a window around v, with covariance C. Of all linear
filters, w = C^-1 t separates a change of known shape t best (Reed, Mallett and Brennan 1974, IEEE Trans. Aerosp.
Electron. Syst. 10; the Hotelling observer of Barrett and Myers 2004, Foundations of Image Science). In the same
way it takes off what the surroundings say of v: C^-1 holds the regression of each point on all the others.

Some 60 controls cannot tell a covariance of 81 points, so it is pooled over neighbouring locations too:

    C_ij(v) = sum_u g(u - v) mean_s x_s(u + o_i) x_s(u + o_j) = M_d(v + o_i),   d = o_j - o_i

with g a Gaussian. So a few hundred blurred maps M_d hold the covariances of all locations, each of them positive
semi-definite.
"""

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray

from nigra.detection.neighbourhood import Frame, Offsets

_BLOCK_BYTES = 2**25
"""Covariances solved at a time."""

Filters = Float[ndarray, "p n_locations"]


def filters(
    maps: Float[ndarray, "n_subjects x y z"], frame: Frame, at: Int[ndarray, " n_locations"], window: Offsets,
    change: Filters, pooling_mm: float, ridge: float,
) -> Filters:  # fmt: skip
    """The filter of every location: what to multiply the p points of its window with, and add up.

    Args:
        maps: the controls' maps in the frame, 0 outside of the mask, mean about 0.
        at: the locations, as flat indices of the frame.
        change: the shape t of a change of size 1, at the points of each location's window.
        pooling_mm: standard deviation of g.
        ridge: added to the variances, so that what the controls hardly ever show is not trusted blindly.
    """
    products, which, base = _pooled_products(maps, frame, window, pooling_mm)
    p, n = change.shape
    found = np.empty((p, n), np.float32)
    flat, places = torch.from_numpy(products).view(-1), torch.from_numpy(which * products[0].size + base)
    diagonal = ridge * torch.eye(p)
    size = max(_BLOCK_BYTES // (4 * p * p), 1)
    for begin in range(0, n, size):
        here = slice(begin, min(begin + size, n))
        covariance = torch.take(flat, places + torch.from_numpy(at[here])[:, None, None]) + diagonal
        lower = torch.linalg.cholesky(covariance)
        shapes = torch.from_numpy(np.ascontiguousarray(change[:, here].T))[:, :, None]
        found[:, here] = torch.cholesky_solve(shapes, lower)[:, :, 0].T.numpy()
    return found


def _pooled_products(
    maps: Float[ndarray, "n_subjects x y z"], frame: Frame, window: Offsets, pooling_mm: float
) -> tuple[Float[ndarray, "n_steps x y z"], Int[ndarray, "p p"], Int[ndarray, "p p"]]:
    """M_d for all steps d between points, and where C_ij is: map ``which[i, j]``, ``base[i, j]`` beyond v."""
    flat, points = torch.from_numpy(maps.reshape(len(maps), -1)), frame.flat(window)
    steps = points[None, :] - points[:, None]
    ahead = np.unique(steps[steps >= 0])  # M_-d(u) is M_d(u - d)
    products = np.zeros((len(ahead), *frame.mask.shape), np.float32)
    for map_, step in zip(products, ahead.tolist(), strict=True):
        end = flat.shape[1] - step
        product = torch.einsum("su,su->u", flat[:, :end], flat[:, step:]).numpy() / len(maps)
        map_.ravel()[:end] = product
        map_[:] = frame.blur(map_, pooling_mm)
    which = np.searchsorted(ahead, np.abs(steps))
    return products, which, np.where(steps >= 0, points[:, None], points[None, :])


def apply(
    weights: Filters, map_: Float[ndarray, "x y z"], at: Int[ndarray, " n_locations"],
    steps: Int[ndarray, " p"],
) -> Float[ndarray, " n_locations"]:  # fmt: skip
    """The filters' answers: at each location the weighted sum over its window."""
    flat, answer = map_.ravel(), np.zeros(len(at), np.float32)
    for weight, step in zip(weights, steps, strict=True):
        answer += weight * flat[at + step]
    return answer
