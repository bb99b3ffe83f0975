"""Effects of planted anomalies: what a change does to one channel inside a lesion, each in one small function.

Every effect takes the values of a channel, the ``weight`` of the change at each voxel (1 inside the lesion, less
towards a soft edge, 0 outside), the ``amount`` (strength times the channel's share) and what is known of the
place, and gives new values. ``apply`` keeps only what lies inside the lesion.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy import ndimage

from nigra.errors import NigraError
from nigra.shapes import Affine, Mask, Volume
from nigra.simulation.shapes import voxel_mm

Values = Float[ndarray, "x y z"]

CONTRACTION_LIMIT = 0.6
"""Beyond it the deformation of ``shrink`` would fold (its steepest slope is 1.5 per radius)."""


@dataclass(frozen=True)
class Site:
    """What an effect may know of its place: the lesion, the brain around it, and the voxels' sides in mm."""

    lesion: Mask
    brain: Mask
    voxel: Float[ndarray, "3"]
    scale_mm: float = 4.0


def multiply(values: Values, weight: Values, amount: float, site: Site) -> Values:
    """``value (1 + amount)``: amount -0.1 is 10 % darker."""
    return values * (1 + amount * weight)


def add(values: Values, weight: Values, amount: float, site: Site) -> Values:
    """``value + amount``, in the units of the channel."""
    return values + amount * weight


def blur(values: Values, weight: Values, amount: float, site: Site) -> Values:
    """Smoothed by a Gaussian of standard deviation ``amount`` mm, of brain voxels alone."""
    return values + weight * (smoothed(values, abs(amount), site) - values)


def texture(values: Values, weight: Values, amount: float, site: Site) -> Values:
    """Detail finer than ``site.scale_mm`` damped by the share ``amount``: 1 leaves none of it."""
    return values - amount * weight * (values - smoothed(values, site.scale_mm, site))


def shrink(values: Values, weight: Values, amount: float, site: Site) -> Values:
    """Tissue contracted towards the lesion's middle, by the share ``amount`` there and less towards its edge.

    What is seen at x comes from x + amount s (x - middle); s rises smoothly from 0 at the edge to 1 at the voxel
    farthest from it, so that the deformation is smooth, does not fold and ends at the edge. Cubic interpolation.
    """
    inside = np.argwhere(site.lesion)
    # one voxel outside of the lesion on all sides, so that a lesion at the border of the volume has an edge there
    deep = ndimage.distance_transform_edt(np.pad(site.lesion, 1), sampling=site.voxel)[1:-1, 1:-1, 1:-1]
    part = deep[tuple(inside.T)] / deep.max()
    share = amount * part**2 * (3 - 2 * part) * weight[tuple(inside.T)]
    source = inside + share[:, None] * (inside - inside.mean(axis=0))
    out = values.copy()
    out[tuple(inside.T)] = ndimage.map_coordinates(values, source.T, order=3, mode="nearest")
    return out


EFFECTS: dict[str, Callable[[Values, Values, float, Site], Values]] = {
    "multiply": multiply, "add": add, "blur": blur, "texture": texture, "shrink": shrink,
}  # fmt: skip
"""The effects by name."""


def smoothed(values: Values, sigma_mm: float, site: Site) -> Values:
    """Gaussian mean over brain voxels; outside of the brain there is nothing to mix in."""
    sigma = sigma_mm / site.voxel
    brain = site.brain.astype(np.float64)
    total = ndimage.gaussian_filter(np.where(site.brain, values, 0.0), sigma)
    return total / np.maximum(ndimage.gaussian_filter(brain, sigma), 1e-12)


def weights(lesion: Mask, affine: Affine, edge_mm: float = 0.0) -> Values:
    """1 inside the lesion, 0 outside; within ``edge_mm`` of the edge a ramp, all of it inside the lesion."""
    if edge_mm <= 0:
        return lesion.astype(np.float64)
    depth = ndimage.distance_transform_edt(np.pad(lesion, 1), sampling=voxel_mm(affine))[1:-1, 1:-1, 1:-1]
    return np.minimum(depth / (edge_mm + voxel_mm(affine).min()), 1.0)


def apply(
    kind: str, volume: Volume, lesion: Mask, strength: float, channels: Mapping[int, float], brain: Mask,
    affine: Affine, edge_mm: float = 0.0, scale_mm: float = 4.0,
) -> Volume:  # fmt: skip
    """A copy of the volume with one effect in one lesion; every other voxel and channel keeps its bits.

    Args:
        kind: a name in ``EFFECTS``.
        strength: 0 leaves everything as it is.
        channels: channel index -> change per unit of strength (-1: down, 1: up).
        brain: voxels that hold tissue; blur and texture mix no others in, and no other is changed.
        edge_mm: width of a soft edge, inside the lesion.
        scale_mm: for texture, the scale of what counts as detail.

    Raises:
        NigraError: a contraction so strong that it would fold.
    """
    out, lesion = np.array(volume), lesion & brain
    if strength == 0 or not lesion.any():
        return out
    # all that an effect looks at lies in this box; a Gaussian ends at four standard deviations
    largest = strength * max(map(abs, channels.values()))
    reach = {"blur": 4 * largest, "texture": 4 * scale_mm, "shrink": largest * _extent_mm(lesion, affine)}
    box = _box(lesion, np.ceil(reach.get(kind, 0.0) / voxel_mm(affine)).astype(int) + 2)
    site = Site(lesion[box], brain[box], voxel_mm(affine), scale_mm)
    weight = weights(lesion[box], affine, edge_mm)
    for channel, share in channels.items():
        amount = strength * share
        if kind == "shrink" and abs(amount) > CONTRACTION_LIMIT:
            raise NigraError(f"shrink by {amount:g}: at most {CONTRACTION_LIMIT:g}, or the deformation would fold.")
        values = EFFECTS[kind](volume[channel][box].astype(np.float64), weight, amount, site)
        out[channel][box][site.lesion] = values[site.lesion]
    return out


def _extent_mm(mask: Mask, affine: Affine) -> float:
    """The diagonal of the smallest box that holds a mask."""
    return float(np.linalg.norm((np.ptp(np.argwhere(mask), axis=0) + 1) * voxel_mm(affine)))


def _box(mask: Mask, margin: ndarray) -> tuple[slice, ...]:
    """The slices of a box around a mask."""
    where = np.argwhere(mask)
    low, high = np.maximum(where.min(axis=0) - margin, 0), where.max(axis=0) + margin + 1
    return tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
