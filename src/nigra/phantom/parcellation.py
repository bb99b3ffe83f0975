"""A synthetic parcellation of the packaged MNI152 brain: nuclei as ellipsoids, lobes cut by planes.

Centres and sizes follow published atlases to a few millimetres; the borders are geometry, not histology. It is
there to make the phantom usable offline and is named synthetic wherever it is written.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from numpy import ndarray

from nigra.errors import NigraError
from nigra.shapes import Labels, Mask

SIDES = ("left", "right")


class Ellipsoid(NamedTuple):
    """An ellipsoid of the right side in mm (MNI, RAS), turned counter-clockwise by yaw about z, pitch about x."""

    centre: tuple[float | int, ...]
    semi_axes: tuple[float | int, ...]
    yaw: float | int = 0
    pitch: float | int = 0


class Nucleus(NamedTuple):
    """A deep grey nucleus: its place and its healthy FA and MD (mm²/s)."""

    name: str
    fa: float
    md: float
    ellipsoids: tuple[Ellipsoid, ...]


# From large to small: where two overlap, the later wins, so that no small nucleus is swallowed.
NUCLEI = (
    Nucleus("thalamus", 0.30, 0.76e-3, (Ellipsoid((10.5, -18, 7.5), (8, 13.5, 9), 25),)),
    Nucleus("putamen", 0.20, 0.72e-3, (Ellipsoid((26, 1, 0), (5.5, 15, 9.5), 15, -15),)),
    Nucleus("caudate", 0.19, 0.74e-3, (
        Ellipsoid((13, 13.5, 5), (5, 8, 8.5), 15), Ellipsoid((14.5, 0, 17.5), (3.5, 13, 4), 8, -15),
    )),
    Nucleus("GPe", 0.27, 0.74e-3, (Ellipsoid((21, -3.5, -1), (3.2, 8.5, 6), 20),)),
    Nucleus("GPi", 0.32, 0.73e-3, (Ellipsoid((16.5, -5.5, -2.5), (3.2, 6.5, 4.5), 25),)),
    Nucleus("SN", 0.36, 0.72e-3, (Ellipsoid((10.5, -18, -12.5), (7, 3, 4), -35),)),
    Nucleus("STN", 0.40, 0.74e-3, (Ellipsoid((11, -13.5, -7), (5, 2.6, 2.8), -35),)),
    Nucleus("RN", 0.38, 0.72e-3, (Ellipsoid((5, -20.5, -8), (3.4, 3.6, 4.2)),)),
)  # fmt: skip
LOBES = ("frontal", "parietal", "temporal", "occipital", "cerebellum")
CORONA = (Ellipsoid((25, -8, 27), (9, 26, 9)),)
DEEP = Ellipsoid((0, -12, 12), (30, 46, 22))
"""Around the ventricles: fluid outside it lies in sulci."""


def region_table() -> pd.DataFrame:
    """The regions: index (unique, up to 172), name, hemisphere (left, right, n/a), group.

    >>> region_table().query("name == 'SN right'")["index"].item()
    62
    """
    groups = {n.name: "nuclei" for n in NUCLEI} | {f"{lobe} grey matter": "cortex" for lobe in LOBES}
    groups |= {"white matter": "white matter", "corona radiata": "white matter", "ventricles": "ventricles"}
    rows = [
        {"index": 10 * k + 1 + s, "name": f"{name} {side}", "hemisphere": side, "group": group}
        for k, (name, group) in enumerate(groups.items(), start=1)
        for s, side in enumerate(SIDES)
    ]
    last = {"index": 10 * len(groups) + 11, "name": "brainstem", "hemisphere": "n/a", "group": "white matter"}
    return pd.DataFrame([*rows, last])


def index_of(name: str) -> int:
    """Label of a region by name."""
    table = region_table()
    found = table.loc[table["name"] == name, "index"]
    if found.empty:
        raise NigraError(f"the synthetic atlas has no region {name!r}; choose one of {', '.join(table['name'])}.")
    return int(found.iloc[0])


def radius(points: Float[ndarray, "*grid 3"], ellipsoid: Ellipsoid) -> Float[ndarray, "*grid"]:
    """Normalised radius of an ellipsoid: 1 on its surface, 0 at its centre."""
    a, b = np.deg2rad([ellipsoid.yaw, ellipsoid.pitch])
    about_z = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    about_x = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    local = (points - np.array(ellipsoid.centre)) @ (about_z @ about_x)
    return np.linalg.norm(local / np.array(ellipsoid.semi_axes), axis=-1)


def membership(
    points: Float[ndarray, "*grid 3"], ellipsoids: tuple[Ellipsoid, ...], side: str, voxel: float
) -> Float[ndarray, "*grid"]:
    """Share of each voxel (edge ``voxel`` mm) inside the union of ellipsoids, mirrored for the left side."""
    facing = points * np.array([1.0 if side == "right" else -1.0, 1.0, 1.0])
    shares = []
    for ellipsoid in ellipsoids:
        distance = (radius(facing, ellipsoid) - 1) * min(ellipsoid.semi_axes)
        shares.append(np.clip(0.5 - distance / voxel, 0, 1))
    return np.maximum.reduce(shares)


def nuclei(
    points: Float[ndarray, "*grid 3"], voxel: float
) -> Iterator[tuple[str, Nucleus, Float[ndarray, "*grid"]]]:
    """Region name, nucleus and membership of all nuclei, large ones first."""
    for nucleus in NUCLEI:
        for side in SIDES:
            yield f"{nucleus.name} {side}", nucleus, membership(points, nucleus.ellipsoids, side, voxel)


def lobe(points: Float[ndarray, "*grid 3"]) -> Float[ndarray, "*grid"]:
    """Position in ``LOBES`` of every point, by planes through the main sulci and the tentorium."""
    x, y, z = np.abs(points[..., 0]), points[..., 1], points[..., 2]
    tentorium = 2 - 0.55 * x - 0.45 * np.clip(-66 - y, 0, None)
    return np.select(
        [
            (y < -30) & (z < tentorium),
            y < -66 - 0.2 * z,
            (x > 16) & (z < -5 - 0.36 * y) & (y < 22),
            y > -8 - 0.4 * (z - 20),
        ],
        [4.0, 3.0, 2.0, 0.0],
        default=1.0,
    )


def brainstem(points: Float[ndarray, "*grid 3"]) -> Bool[ndarray, "*grid"]:
    """A leaning cylinder from the midbrain to the medulla."""
    x, y, z = points[..., 0], points[..., 1], points[..., 2]
    return ((x / 17) ** 2 + ((y + 25 - 0.4 * (z + 15)) / 15) ** 2 < 1) & (z < -4)


def parcellate(
    points: Float[ndarray, "x y z 3"],
    grey: Float[ndarray, "x y z"],
    white: Float[ndarray, "x y z"],
    csf: Float[ndarray, "x y z"],
    mask: Mask,
    voxel: float,
) -> Labels:
    """Label every voxel by its tissue and place; CSF outside the ventricles stays 0.

    A nucleus too small for the grid keeps the voxel nearest to its centre.
    """
    right = points[..., 0] >= 0
    which = lobe(points)
    labels = np.zeros(mask.shape, dtype=np.int32)
    is_grey, is_white = (grey >= white) & (grey >= csf), (white > grey) & (white >= csf)
    for k, name in enumerate(LOBES):
        _sides(labels, is_grey & (which == k), right, f"{name} grey matter")
    _sides(labels, is_white, right, "white matter")
    labels[brainstem(points) & (is_white | is_grey)] = index_of("brainstem")
    deep = radius(points, DEEP) < 1
    _sides(labels, deep & (csf > 0.5), right, "ventricles")
    for side in SIDES:
        labels[is_white & (membership(points, CORONA, side, voxel) > 0.5)] = index_of(f"corona radiata {side}")
    labels[~mask] = 0
    for name, _, share in nuclei(points, voxel):
        inside = (share > 0.5) & (csf < 0.5) & mask
        if not inside.any():
            inside.flat[np.argmax(np.where(mask, share, -1))] = True
        labels[inside] = index_of(name)
    return labels


def _sides(labels: Labels, where: Bool[ndarray, "x y z"], right: Bool[ndarray, "x y z"], name: str) -> None:
    labels[where & ~right], labels[where & right] = index_of(f"{name} left"), index_of(f"{name} right")
