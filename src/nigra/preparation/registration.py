"""Registration: where each voxel of the template lies in the subject's scan; one transform, applied once.

An affine by SimpleITK (mutual information, coarse to fine), then a symmetric diffeomorphic one by dipy (SyN,
local cross-correlation; Avants et al., Med. Image Anal. 12:26, 2008). Both are kept as one `Warp`, so that a
scan is interpolated a single time, from its own voxels to the template grid.
"""

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from dipy.align.imwarp import SymmetricDiffeomorphicRegistration
from dipy.align.metrics import CCMetric
from jaxtyping import Float
from numpy import ndarray
from scipy.ndimage import map_coordinates

from nigra.preparation.image import TO_LPS, Image, to_itk
from nigra.shapes import Affine, Mask

MARGIN = 4
"""Voxels kept around the template's brain while SyN runs: the far background only costs time."""


@dataclass(frozen=True)
class Warp:
    """Template to scan: a point x (RAS mm in the template) lies at ``affine @ (x + displacement(x))`` in the scan.

    ``displacement`` (x, y, z, 3) in mm lives on the template grid, whose voxels ``grid_affine`` places.
    """

    affine: Affine
    displacement: Float[ndarray, "x y z 3"]
    grid_affine: Affine

    def points(self) -> Float[ndarray, "x y z 3"]:
        """RAS millimetres in the scan of every template voxel."""
        indices = np.moveaxis(np.indices(self.displacement.shape[:3]), 0, -1)
        template_mm = indices @ self.grid_affine[:3, :3].T + self.grid_affine[:3, 3]
        return (template_mm + self.displacement) @ self.affine[:3, :3].T + self.affine[:3, 3]

    def apply(self, image: Image, order: int = 3) -> Float[ndarray, "x y z"]:
        """The image on the template grid by one interpolation of ``order`` (3 cubic, 1 linear); 0 outside it.

        Cubic values are clipped to the image's own range, as splines overshoot beside sharp edges.
        """
        to_voxel = np.linalg.inv(image.affine)
        voxels = self.points() @ to_voxel[:3, :3].T + to_voxel[:3, 3]
        moved = map_coordinates(image.data, np.moveaxis(voxels, -1, 0), order=order, mode="constant", cval=0.0)
        return np.clip(moved, image.data.min(), image.data.max())

    def apply_mask(self, mask: Mask, affine: Affine) -> Mask:
        """A mask of the scan on the template grid: where its linear interpolation is at least one half."""
        return self.apply(Image(mask.astype(np.float32), affine), order=1) >= 0.5


def affine_register(
    template: Image, scan: Image, seed: int, weight: Mask | None = None, start: Affine | None = None,
    shrink: tuple[int, ...] = (4, 2), sampling: float = 0.5,
) -> tuple[Affine, float]:  # fmt: skip
    """The affine (template RAS mm to scan RAS mm) of largest mutual information, and that information.

    Rigid first, then all 12 parameters, at each ``shrink`` level; from ``start``, or from aligned centres of
    mass. ``sampling`` is the share of voxels the metric draws, with ``seed``; ``weight`` limits them to a mask
    of the template. Mattes et al., IEEE Trans. Med. Imaging 22:120, 2003.
    """
    fixed, moving = to_itk(template), to_itk(scan)
    rigid = sitk.Euler3DTransform(
        sitk.CenteredTransformInitializer(
            fixed, moving, sitk.Euler3DTransform(), sitk.CenteredTransformInitializerFilter.MOMENTS
        )
    )
    if start is not None:
        lps = TO_LPS @ start @ TO_LPS
        centre = np.array(rigid.GetCenter())
        rigid.SetTranslation((lps[:3, :3] @ centre + lps[:3, 3] - centre).tolist())
    inside = None
    if weight is not None:
        inside = sitk.Cast(to_itk(Image(weight.astype(np.float32), template.affine)), sitk.sitkUInt8)
    _optimise(fixed, moving, rigid, inside, seed, shrink[:1], sampling)
    whole = sitk.AffineTransform(3)
    whole.SetCenter(rigid.GetCenter())
    whole.SetMatrix(rigid.GetMatrix())
    whole.SetTranslation(rigid.GetTranslation())
    information = _optimise(fixed, moving, whole, inside, seed, shrink, sampling)
    return _ras_matrix(whole), information


def _optimise(
    fixed: sitk.Image, moving: sitk.Image, transform: sitk.Transform, inside: sitk.Image | None,
    seed: int, shrink: tuple[int, ...], sampling: float,
) -> float:  # fmt: skip
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(numberOfHistogramBins=32)
    method.SetMetricSamplingStrategy(method.RANDOM)
    method.SetMetricSamplingPercentage(sampling, seed + 1)  # 0 would mean the clock to SimpleITK
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(
        learningRate=1.0, minStep=1e-3, numberOfIterations=100, relaxationFactor=0.6
    )
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel(list(shrink))
    method.SetSmoothingSigmasPerLevel([factor / 2 for factor in shrink])
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOff()
    if inside is not None:
        method.SetMetricFixedMask(inside)
    method.SetInitialTransform(transform, inPlace=True)
    method.Execute(fixed, moving)
    return -float(method.GetMetricValue())


def _ras_matrix(transform: sitk.AffineTransform) -> Affine:
    matrix, centre = np.array(transform.GetMatrix()).reshape(3, 3), np.array(transform.GetCenter())
    lps = np.eye(4)
    lps[:3, :3] = matrix
    lps[:3, 3] = np.array(transform.GetTranslation()) + centre - matrix @ centre
    return TO_LPS @ lps @ TO_LPS


def syn_register(template: Image, scan: Image, affine: Affine, iterations: tuple[int, ...] = (20, 15, 8)) -> Warp:
    """Refine ``affine`` by SyN; ``iterations`` per level from coarse to fine, each level halving the voxel.

    Both images are brain only, 0 outside. It draws nothing at random. Without iterations the warp is affine.
    """
    displacement = np.zeros((*template.data.shape, 3), dtype=np.float32)
    if iterations:
        box = _bounding_box(template.data)
        box_affine = template.affine.copy()
        box_affine[:3, 3] += template.affine[:3, :3] @ [axis.start for axis in box]
        method = SymmetricDiffeomorphicRegistration(
            CCMetric(3, sigma_diff=2.0, radius=3), level_iters=list(iterations)
        )
        method.verbosity = 0
        mapping = method.optimize(
            np.ascontiguousarray(template.data[box]), scan.data, static_grid2world=box_affine,
            moving_grid2world=scan.affine, prealign=affine,
        )  # fmt: skip
        displacement[box] = mapping.get_forward_field()
    return Warp(affine, displacement, template.affine)


def _bounding_box(data: ndarray) -> tuple[slice, slice, slice]:
    ends = [
        (max(0, int(where.min()) - MARGIN), min(n, int(where.max()) + MARGIN + 1))
        for where, n in zip(np.nonzero(data), data.shape, strict=True)
    ]
    x, y, z = (slice(first, last) for first, last in ends)
    return x, y, z
