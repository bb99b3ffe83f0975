"""What the phantom brain is made of: tissue fractions of the template and the FA and MD of each tissue.

Values are typical of adult diffusion imaging at 3 T (b = 1000 s/mm²): cerebrospinal fluid isotropic at 3e-3 mm²/s,
white matter near 0.72e-3 mm²/s with FA from 0.3 below the cortex to 0.75 in the corpus callosum.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.ndimage import binary_fill_holes, binary_opening, gaussian_filter

from nigra.phantom.parcellation import DEEP, SIDES, Ellipsoid, brainstem, index_of, nuclei, parcellate, radius
from nigra.preparation.template import FIRST_MM, LAST_MM, grid, load, on_grid
from nigra.shapes import Affine, Labels, Mask

SPACE = "MNI152NLin2009aSym"
GREY, CSF = (0.15, 0.84e-3), (0.05, 3.0e-3)
"""FA and MD (mm²/s) of cortex and of cerebrospinal fluid."""
WHITE_MD = 0.72e-3
_PATTERN_SEED = 152  # the tract pattern is part of the anatomy, one for all people and all seeds


@dataclass(frozen=True)
class Anatomy:
    """The common brain on one grid. Fractions ``grey + white + csf + sum(nuclei)`` are 1 in every voxel."""

    resolution: float
    affine: Affine
    mask: Mask
    grey: Float[ndarray, "x y z"]
    white: Float[ndarray, "x y z"]
    csf: Float[ndarray, "x y z"]
    white_fa: Float[ndarray, "x y z"]
    nuclei_names: tuple[str, ...]
    nuclei_values: Float[ndarray, "n_nuclei 2"]
    nuclei_voxels: Int[ndarray, " n_deep"]
    """Flat indices of the voxels that any nucleus touches."""
    nuclei_shares: Float[ndarray, "n_nuclei n_deep"]
    widening: Float[ndarray, "3 x y z"]
    """Unit displacement that widens the ventricles, longest vector 1."""
    labels: Labels


def axes_mm(resolution: float) -> list[ndarray]:
    """Coordinates in mm along each axis of the grid."""
    shape, affine = grid(resolution)
    return [affine[a, 3] + resolution * np.arange(n) for a, n in enumerate(shape)]


def smooth_field(rng: np.random.Generator, axes: list[ndarray], width: float) -> Float[ndarray, "x y z"]:
    """A smooth Gaussian random field of mean 0 and variance 1 in every voxel.

    White noise on a lattice of ``width`` mm is spread by Gaussians of that standard deviation: the lattice lies in
    millimetres, so the same generator gives the same field on every resolution. Two points ``d`` mm apart
    correlate by exp(-d² / 4 width²).
    """
    bases = []
    for axis, first, last in zip(axes, FIRST_MM, LAST_MM, strict=True):
        nodes = np.arange(first - 2 * width, last + 2 * width + 1e-6, width)
        weights = np.exp(-0.5 * ((axis[:, None] - nodes) / width) ** 2)
        bases.append((weights / np.linalg.norm(weights, axis=1, keepdims=True)).astype(np.float32))
    noise = rng.standard_normal([basis.shape[1] for basis in bases], dtype=np.float32)
    for basis in bases:  # each pass contracts the first axis and appends the spread one
        noise = np.tensordot(noise, basis, axes=(0, 1))
    return noise


def build_anatomy(resolution: float = 2.0) -> Anatomy:
    """Put nilearn's packaged tissue maps and the synthetic nuclei on the template grid at ``resolution`` mm."""
    from nilearn.datasets import load_mni152_gm_template, load_mni152_wm_template

    axes = axes_mm(resolution)
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    grey, white = (on_grid(f(resolution=1), resolution) for f in (load_mni152_gm_template, load_mni152_wm_template))
    total = np.clip(grey + white, 1, None)  # interpolation may overshoot 1
    grey, white = np.clip(grey, 0, None) / total, np.clip(white, 0, None) / total
    # T1w tissue maps call half of the brainstem grey; its diffusion is that of tracts.
    moved = 0.7 * gaussian_filter(brainstem(points).astype(np.float32), 2 / resolution) * grey
    grey, white = grey - moved, white + moved
    csf = 1 - grey - white
    template = load(SPACE, resolution)
    # As in clinical diffusion processing the mask ends at the tissue: rim voxels of fluid would drown all else.
    tissue = gaussian_filter(1 - csf, 2 / resolution) > 0.6
    mask = binary_fill_holes(binary_opening(tissue | _inner(points))) & template.mask
    labels = parcellate(points, grey, white, csf, mask, resolution)
    names, values, shares = _share_out(points, resolution)
    deep = np.flatnonzero(shares.any(axis=0))
    rest = 1 - shares.sum(axis=0).reshape(grey.shape)
    return Anatomy(
        resolution=resolution,
        affine=template.affine,
        mask=mask,
        grey=(grey * rest).astype(np.float32),
        white=(white * rest).astype(np.float32),
        csf=csf.astype(np.float32),
        white_fa=_white_fa(points, white, axes, resolution),
        nuclei_names=names,
        nuclei_values=values,
        nuclei_voxels=deep,
        nuclei_shares=(shares[:, deep] * (1 - csf.flat[deep])).astype(np.float32),
        widening=_widening(labels, resolution),
        labels=labels,
    )


def _share_out(points: ndarray, resolution: float) -> tuple[tuple[str, ...], ndarray, ndarray]:
    """Memberships of the nuclei as fractions of a voxel, at most 1 together; the small ones are served first."""
    found = list(nuclei(points, resolution))
    free = np.ones(points[..., 0].size)
    shares = []
    for _, _, share in reversed(found):
        shares.append(np.minimum(share.ravel(), free))
        free = free - shares[-1]
    values = np.array([(nucleus.fa, nucleus.md) for _, nucleus, _ in found])
    return tuple(name for name, _, _ in found), values, np.stack(shares[::-1])


def _inner(points: ndarray) -> ndarray:
    """The surroundings of the ventricles, fluid or not."""
    return radius(points, DEEP) < 1


def _white_fa(points: ndarray, white: ndarray, axes: list[ndarray], resolution: float) -> Float[ndarray, "x y z"]:
    """FA of pure white matter: rises with depth, highest in callosum, internal capsule, peduncles."""
    x, right = points[..., 0], np.abs(points) * np.array([1, 0, 0]) + points * np.array([0, 1, 1])
    depth = np.clip(gaussian_filter(white, 5 / resolution) / 0.85, 0, 1)
    callosum = (
        np.exp(-((x / 12) ** 2)) * (radius(points, Ellipsoid((0, -5, 14), (40, 48, 22))) < 1) * (points[..., 2] > 0)
    )
    capsule = np.clip(1.4 - radius(right, Ellipsoid((20, -8, 8), (8, 22, 16), 20)), 0, 1)
    peduncle = np.clip(1.4 - radius(right, Ellipsoid((14, -15, -16), (5, 7, 12), -20)), 0, 1)
    pattern = smooth_field(np.random.default_rng(_PATTERN_SEED), [np.abs(axes[0]), *axes[1:]], 6.0)
    fa = (
        0.28
        + 0.22 * depth
        + 0.28 * gaussian_filter(callosum, 2 / resolution)
        + 0.12 * capsule
        + 0.15 * peduncle
        + 0.035 * pattern
    )
    return np.clip(fa, 0.2, 0.85).astype(np.float32)


def _widening(labels: Labels, resolution: float) -> Float[ndarray, "3 x y z"]:
    """Gradient of the smoothed ventricles: sampling along it draws fluid outwards."""
    ventricles = np.isin(labels, [index_of(f"ventricles {side}") for side in SIDES])
    gradient = np.stack(np.gradient(gaussian_filter(ventricles.astype(np.float32), 5 / resolution)))
    return (gradient / np.linalg.norm(gradient, axis=0).max()).astype(np.float32)
