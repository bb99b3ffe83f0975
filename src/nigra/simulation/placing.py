"""Where lesions lie: drawn first and recorded, each from a seed of its own; what is done there comes after."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
from jaxtyping import Int
from numpy import ndarray
from scipy import ndimage

from nigra.shapes import Affine, Mask
from nigra.simulation.settings import ShapeSettings
from nigra.simulation.shapes import around, blob, grow, moved, sphere, voxel_mm, voxel_mm3

TRIES = 200


@dataclass(frozen=True)
class Lesion:
    """One place of a planting. ``source`` is the region or mask it comes from, ``shift`` how far that was moved."""

    number: int
    mask: Mask
    place: tuple[int, int, int]
    seed: int
    source: str = ""
    shift: tuple[int, int, int] = (0, 0, 0)


def seed_of(*parts: object) -> int:
    """A seed from a name, the same on every machine, so that one planting does not depend on the others.

    >>> seed_of(0, "sub-01") == seed_of(0, "sub-01"), seed_of(0, "sub-01") == seed_of(0, "sub-02")
    (True, False)
    """
    return int.from_bytes(sha256("|".join(map(str, parts)).encode()).digest()[:6], "little")


def draw_lesions(
    shape: ShapeSettings, size: float | None, allowed: Mask, affine: Affine, seed: int, count: int = 1,
    distance_mm: float = 0.0, regions: Mapping[str, Mask] | None = None, masks: Mapping[str, Mask] | None = None,
) -> list[Lesion]:  # fmt: skip
    """Up to ``count`` lesions inside ``allowed``, each ``distance_mm`` from the others along some axis.

    Lesion n is drawn from the seed ``seed_of(seed, n)``: the same arguments give the same lesions, and more of them
    leave the first ones as they are.

    Args:
        size: of the shape, mm or mm³; None for whole regions and masks.
        regions: for shapes of kind region, the voxels of each by name.
        masks: for shapes of kind mask, as ``shapes.read_masks`` gives them.

    Returns:
        Fewer than ``count``, or none, where no room is left.
    """
    free, lesions = allowed.copy(), list[Lesion]()
    for number in range(1, count + 1):
        own = seed_of(seed, number)
        rng = np.random.default_rng(own)
        if shape.kind in ("sphere", "blob"):
            found = _anywhere(shape, size or 0.0, free, affine, rng)
        elif shape.kind == "region":
            found = _in_region(size, free, affine, rng, regions or {})
        else:
            found = _from_mask(shape.moved, allowed, free, rng, masks or {}, [each.source for each in lesions])
        if found is None:
            break
        mask, source, shift = found
        lesions.append(Lesion(number, mask, middle(mask), own, source, shift))
        free &= ~around(mask, max(distance_mm, 1.01 * float(voxel_mm(affine).max())), affine)
    return lesions


def middle(mask: Mask) -> tuple[int, int, int]:
    """The voxel of the mask nearest to its centre of mass, by index."""
    where = np.argwhere(mask)
    x, y, z = where[np.argmin(((where - where.mean(axis=0)) ** 2).sum(axis=1))].tolist()
    return x, y, z


Found = tuple[Mask, str, tuple[int, int, int]] | None
NO_SHIFT = (0, 0, 0)


def _anywhere(shape: ShapeSettings, size: float, free: Mask, affine: Affine, rng: np.random.Generator) -> Found:
    """A sphere or blob around a voxel that leaves it room on all sides."""
    radius = size / 2 if shape.kind == "sphere" else (3 * size / (4 * np.pi)) ** (1 / 3)
    room = ndimage.distance_transform_edt(np.pad(free, 1), sampling=voxel_mm(affine))[1:-1, 1:-1, 1:-1]
    place = _one_of(room > radius, rng)
    if place is None:
        return None
    if shape.kind == "sphere":
        return sphere(free.shape, affine, place, size), "", NO_SHIFT
    mask = blob(free, affine, place, size, rng)
    return mask, "", NO_SHIFT


def _in_region(
    size: float | None, free: Mask, affine: Affine, rng: np.random.Generator, regions: Mapping[str, Mask]
) -> Found:
    """A whole region that is free, or a connected part of one."""
    for name in rng.permutation(sorted(regions)).tolist():
        region = regions[name] & free
        if size is None:
            if region.any() and region.sum() >= 0.9 * regions[name].sum():
                return region, name, NO_SHIFT
            continue
        wanted = max(1, round(size / voxel_mm3(affine)))
        labels, _ = ndimage.label(region)
        large = np.flatnonzero(np.bincount(labels.ravel())[1:] >= wanted) + 1
        place = _one_of(np.isin(labels, large), rng)
        if place is not None:
            noise = ndimage.gaussian_filter(rng.standard_normal(free.shape), 1.0)
            away = np.linalg.norm((np.indices(free.shape).T - place) * voxel_mm(affine), axis=-1).T
            cost = away / size ** (1 / 3) + 0.5 * noise / noise.std()
            return grow(cost, region, place, wanted), name, NO_SHIFT
    return None


def _from_mask(
    move: bool, allowed: Mask, free: Mask, rng: np.random.Generator, masks: Mapping[str, Mask], used: list[str]
) -> Found:
    """A mask that was not yet used: where it is if most of it lies in the brain, or moved to where all of it is."""
    for name in rng.permutation(sorted(set(masks) - set(used))).tolist():
        mask = masks[name]
        if not move:
            kept = mask & allowed
            if 2 * kept.sum() >= mask.sum() > 0 and not (kept & ~free).any():
                return kept, name, NO_SHIFT
            continue
        for _ in range(TRIES if mask.sum() <= free.sum() else 0):
            target = _one_of(free, rng)
            if target is None:
                return None
            shift = target - np.array(middle(mask))
            there = moved(mask, shift)
            if there is not None and not (there & ~free).any():
                x, y, z = shift.tolist()
                return there, name, (x, y, z)
    return None


def _one_of(mask: Mask, rng: np.random.Generator) -> Int[ndarray, "3"] | None:
    """A voxel of the mask, drawn at random."""
    where = np.flatnonzero(mask)
    if not len(where):
        return None
    return np.array(np.unravel_index(int(rng.choice(where)), mask.shape))
