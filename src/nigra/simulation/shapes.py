"""Shapes of planted anomalies on a grid: spheres, blobs, parts of regions, lesion masks; all as voxel masks.

Places are voxel indices; sizes are millimetres (a diameter) or cubic millimetres (a volume).
"""

from collections.abc import Sequence
from heapq import heappop, heappush
from pathlib import Path
from typing import Literal

import nibabel as nib
import numpy as np
from jaxtyping import Float, Int
from nibabel.filebasedimages import ImageFileError
from numpy import ndarray
from scipy import ndimage

from nigra.errors import NigraError
from nigra.regions import to_grid
from nigra.shapes import Affine, Mask

FACES = np.array([(1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1)])
EVERY_SIDE = np.ones((3, 3, 3), dtype=int)

Place = Int[ndarray, "3"]
"""One voxel's index."""


def voxel_mm(affine: Affine) -> Float[ndarray, "3"]:
    """Length of a voxel's sides in mm."""
    return np.linalg.norm(affine[:3, :3], axis=0)


def voxel_mm3(affine: Affine) -> float:
    """Volume of a voxel in mm³."""
    return float(abs(np.linalg.det(affine[:3, :3])))


def distance_mm(grid: tuple[int, ...], affine: Affine, place: Place) -> Float[ndarray, "x y z"]:
    """Distance of every voxel's centre from the centre of voxel ``place``, in mm."""
    axes = np.ogrid[tuple(slice(-int(p), n - int(p)) for p, n in zip(place, grid, strict=True))]
    return np.sqrt(sum(sum(affine[row, axis] * axes[axis] for axis in range(3)) ** 2 for row in range(3)))


def sphere(grid: tuple[int, ...], affine: Affine, place: Place, diameter_mm: float) -> Mask:
    """Voxels whose centre lies in a sphere around the centre of ``place``; at least that voxel."""
    return distance_mm(grid, affine, place) <= diameter_mm / 2


def grow(cost: Float[ndarray, "x y z"], allowed: Mask, place: Place, count: int) -> Mask:
    """The ``count`` voxels one gets by adding, from ``place`` on, the cheapest neighbour (by a face) each time.

    Connected, inside ``allowed``, and exactly ``count`` voxels, unless the part of ``allowed`` that ``place`` lies
    in is smaller.
    """
    grid, start = np.array(allowed.shape), tuple(int(p) for p in place)
    taken, seen = np.zeros(allowed.shape, dtype=bool), np.zeros(allowed.shape, dtype=bool)
    waiting = [(0.0, start)] if allowed[start] else []
    seen[start] = True
    while waiting and count > 0:
        _, voxel = heappop(waiting)
        taken[voxel] = True
        count -= 1
        for neighbour in np.array(voxel) + FACES:
            at = tuple(neighbour.tolist())
            if (neighbour >= 0).all() and (neighbour < grid).all() and allowed[at] and not seen[at]:
                seen[at] = True
                heappush(waiting, (float(cost[at]), at))
    return taken


def blob(
    allowed: Mask, affine: Affine, place: Place, volume_mm3: float, rng: np.random.Generator, roughness: float = 0.5
) -> Mask:
    """An irregular smooth connected shape around ``place`` of the given volume, within ``allowed``.

    It grows outwards from ``place``, faster where a smooth random field is low. ``roughness`` is the field's
    standard deviation in radii of the sphere of that volume; 0 gives a ball where there is room for one.
    """
    radius = (3 * volume_mm3 / (4 * np.pi)) ** (1 / 3)
    noise = ndimage.gaussian_filter(rng.standard_normal(allowed.shape), 0.6 * radius / voxel_mm(affine))
    cost = distance_mm(allowed.shape, affine, place) / radius + roughness * noise / noise.std()
    return grow(cost, allowed, place, max(1, round(volume_mm3 / voxel_mm3(affine))))


def read_masks(
    paths: Sequence[Path], grid: tuple[int, ...], affine: Affine, parts: Literal["each", "whole"] = "each",
    smallest_mm3: float = 0.0,
) -> dict[str, Mask]:  # fmt: skip
    """Lesion masks on the grid, each voxel by the mask voxel nearest to its centre.

    Args:
        paths: images, above 0 in the lesion; they share a world space with the grid, not its voxels.
        parts: each connected part (by face, edge or corner) is a lesion of its own, or the whole file is one.
        smallest_mm3: smaller ones, measured on the grid, are left out.

    Returns:
        By name: the file's, and the part's number from 1 on.

    Raises:
        NigraError: a file cannot be read or has nothing on the grid, or all that is there is too small.
    """
    found: dict[str, Mask] = {}
    for path, name in zip(paths, _names(paths), strict=True):
        try:
            image = nib.as_closest_canonical(nib.load(path))
            inside = np.asarray(image.dataobj) > 0
        except (ImageFileError, OSError, EOFError, ValueError) as error:
            raise NigraError(f"{path} is not a readable mask ({error}); give a NIfTI image.") from error
        if inside.ndim != 3:
            raise NigraError(f"{path.name}: a mask has three axes, but found {inside.ndim}; export it again.")
        on_grid = to_grid(inside.astype(np.int32), image.affine, grid, affine) > 0
        if not on_grid.any():
            raise NigraError(
                f"{path}: a lesion mask has voxels where the maps lie, but found none; check its affine, or "
                "take it off the list."
            )
        labels, count = ndimage.label(on_grid, EVERY_SIDE) if parts == "each" else (on_grid, int(on_grid.any()))
        sizes = np.bincount(labels.ravel(), minlength=count + 1)[1:] * voxel_mm3(affine)
        for number in np.flatnonzero(sizes >= smallest_mm3) + 1 if count else ():
            found[f"{name}-{number}"] = labels == number
    if not found:
        raise NigraError(
            f"{', '.join(path.name for path in paths)}: a lesion has {smallest_mm3:g} mm3 or more, but found none "
            "so large; lower smallest_mm3."
        )
    return found


def _names(paths: Sequence[Path]) -> list[str]:
    """A name for each file: its own, with its folder's in front where two files share it."""
    own = [path.name.removesuffix(".gz").removesuffix(".nii") for path in paths]
    names = [
        name if own.count(name) == 1 else f"{path.parent.name}-{name}"
        for path, name in zip(paths, own, strict=True)
    ]
    for path, name in zip(paths, names, strict=True):
        if names.count(name) > 1:
            raise NigraError(
                f"{path}: a lesion mask has a name of its own among the files, but found {name} twice; name "
                "each file once, or rename it."
            )
    return names


def moved(mask: Mask, shift: Int[ndarray, "3"]) -> Mask | None:
    """The mask moved by ``shift`` voxels; None where it would leave the grid."""
    where = np.argwhere(mask) + shift
    if (where < 0).any() or (where >= mask.shape).any():
        return None
    out = np.zeros_like(mask)
    out[tuple(where.T)] = True
    return out


def around(mask: Mask, distance_mm: float, affine: Affine) -> Mask:
    """The mask and every voxel nearer than ``distance_mm`` along *all* three axes: a box around each voxel of it.

    So two lesions, one outside of this box of the other, are never seen by one patch of that side length.
    """
    steps = np.maximum(np.ceil(distance_mm / voxel_mm(affine)).astype(int) - 1, 0)
    return ndimage.maximum_filter(mask, size=tuple(2 * steps + 1), mode="constant", cval=0)
