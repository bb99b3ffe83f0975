"""Axial slices for display: which level, which side is left, and how labels look when enlarged."""

import re
from collections.abc import Collection

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from scipy.ndimage import zoom

from nigra.errors import NigraError
from nigra.figures.style import Number
from nigra.shapes import Affine, Labels

NUCLEI = re.compile(
    r"(\b(SN[cr]?|RN|STN|GP[ie]?|GPe|GPi|Put|Cau|Tha|NAc)\b)"
    r"|nigra|red nucleus|subthalamic|pallid|putamen|caudate|thalamus|accumbens|(GP|PUT|CAU|THA|NAc)-",
    re.IGNORECASE,
)
"""Names by which common atlases (Neuromorphometrics, PD25, Tian, the phantom) call the deep grey nuclei."""


def is_nucleus(name: str) -> bool:
    """Whether a region's name is that of a deep grey nucleus.

    >>> [is_nucleus(n) for n in ("SN left", "Right_Thalamus_Proper", "aPUT-rh", "frontal lobe left", "Snout")]
    [True, True, True, False, False]
    """
    return NUCLEI.search(name.replace("_", " ")) is not None


def level_of(k: int, affine: Affine) -> float:
    """Height of axial slice ``k`` in mm."""
    return float(affine[2, 2] * k + affine[2, 3])


def slice_at(level_mm: Number, affine: Affine, depth: int) -> int:
    """Index of the axial slice nearest to ``level_mm``; a level outside the volume is an error."""
    k = round((level_mm - affine[2, 3]) / affine[2, 2])
    if not 0 <= k < depth:
        ends = sorted((level_of(0, affine), level_of(depth - 1, affine)))
        raise NigraError(
            f"the axial level is {level_mm:g} mm, but the maps reach from {ends[0]:g} to {ends[1]:g} mm; "
            "choose a level in between."
        )
    return k


def slice_of_nuclei(labels: Labels, names: dict[int, str], wanted: Collection[str] | None = None) -> int:
    """The axial slice that shows the most deep nuclei; where equal, the one with most of their voxels.

    ``wanted`` states the region names to look for, instead of those that sound like nuclei. Without any such
    region, all regions count.
    """
    chosen = [i for i, name in names.items() if (name in wanted if wanted is not None else is_nucleus(name))]
    present = np.intersect1d(chosen or list(names), labels[labels != 0])
    if present.size == 0:
        return labels.shape[2] // 2
    voxels = np.stack([(labels == i).sum(axis=(0, 1)) for i in present])
    return int(np.lexsort((voxels.sum(axis=0), (voxels > 0).sum(axis=0)))[-1])


def upright(picture: ndarray) -> ndarray:
    """An axial slice ``(x, y, ...)`` as image rows and columns: front up, left of the image = first x."""
    return np.flip(np.swapaxes(picture, 0, 1), axis=0)


def sides(affine: Affine) -> tuple[str, str]:
    """The letters for the left and right edge of an ``upright`` slice."""
    return ("L", "R") if affine[0, 0] > 0 else ("R", "L")


def bounding_box(inside: Bool[ndarray, "x y"], margin: int = 1) -> tuple[slice, slice]:
    """The smallest window around ``inside`` and a margin; the whole slice when it is empty."""
    if not inside.any():
        return slice(None), slice(None)
    edges = []
    for axis in (1, 0):
        hit = np.flatnonzero(inside.any(axis=axis))
        edges.append(slice(max(int(hit[0]) - margin, 0), int(hit[-1]) + 1 + margin))
    return edges[0], edges[1]


def enlarge(values: Float[ndarray, "x y"], factor: int) -> Float[ndarray, "u v"]:
    """Linear enlargement for display; each voxel keeps its place."""
    return zoom(values, factor, order=1, grid_mode=True, mode="nearest")


def enlarge_labels(labels: Int[ndarray, "x y"], factor: int) -> Int[ndarray, "u v"]:
    """Enlarge a label slice with smooth borders: each point takes the label with the largest linear weight."""
    values = np.unique(labels)
    weights = np.stack([enlarge((labels == value).astype(np.float32), factor) for value in values])
    return values[weights.argmax(axis=0)]


def borders(labels: Int[ndarray, "u v"]) -> Bool[ndarray, "u v"]:
    """True where a label meets another one."""
    edge = np.zeros(labels.shape, dtype=bool)
    edge[1:] |= labels[1:] != labels[:-1]
    edge[:, 1:] |= labels[:, 1:] != labels[:, :-1]
    return edge
