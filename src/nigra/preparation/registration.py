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
from jaxtyping import Bool, Float
from numpy import ndarray
from scipy.ndimage import map_coordinates

from nigra.preparation.image import TO_LPS, Image, to_itk
from nigra.shapes import Affine, Mask

MARGIN = 4
"""Voxels kept around the template's brain while SyN runs: the far background only costs time."""
PAD_MM = 40.0
"""Border of 0 around a scan while the affine runs."""


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

    def apply_mask(self, mask: Bool[ndarray, "i j k"], affine: Affine) -> Mask:
        """A mask of the scan on the template grid: where its linear interpolation is at least one half."""
        return self.apply(Image(mask.astype(np.float32), affine), order=1) >= 0.5


def affine_register(
    template: Image, scan: Image, seed: int,
    levels_mm: tuple[float, ...] = (8.0, 4.0), sampling: float = 0.5,
) -> tuple[Affine, float]:  # fmt: skip
    """The affine (template RAS mm to scan RAS mm) of largest mutual information, and that information.

    A similarity first, then all 12 parameters, on grids of ``levels_mm`` voxel edge; it starts from aligned
    centres of mass and equal volumes of what is not 0 (both images are brain only). ``sampling`` is the share
    of voxels the metric draws, with ``seed``.
    Source: Mattes et al., IEEE Trans. Med. Imaging 22:120, 2003.
    """
    fixed, moving = to_itk(template), _padded(to_itk(scan))
    centred = sitk.CenteredTransformInitializer(
        fixed, moving, sitk.Euler3DTransform(), sitk.CenteredTransformInitializerFilter.MOMENTS
    )
    similar = sitk.Similarity3DTransform()
    similar.SetCenter(sitk.Euler3DTransform(centred).GetCenter())
    similar.SetTranslation(sitk.Euler3DTransform(centred).GetTranslation())
    similar.SetScale(_relative_size(template, scan))
    _optimise(fixed, moving, similar, seed, levels_mm[:1], sampling)
    whole = sitk.AffineTransform(3)
    whole.SetCenter(similar.GetCenter())
    whole.SetMatrix(similar.GetMatrix())
    whole.SetTranslation(similar.GetTranslation())
    information = _optimise(fixed, moving, whole, seed, levels_mm, sampling)
    return _ras_matrix(whole), information


def _padded(scan: sitk.Image) -> sitk.Image:
    """The scan with a wide border of 0: the metric leaves out points beyond the border, which invites shrinking."""
    border = [round(PAD_MM / edge) for edge in scan.GetSpacing()]
    return sitk.ConstantPad(scan, border, border, 0.0)


def _relative_size(template: Image, scan: Image) -> float:
    """Edge length of the scan's brain over that of the template's."""
    own, other = ((image.data != 0).sum() * image.voxel_volume for image in (scan, template))
    return float(np.cbrt(own / other))


def _optimise(
    fixed: sitk.Image, moving: sitk.Image, transform: sitk.Transform,
    seed: int, levels_mm: tuple[float, ...], sampling: float,
) -> float:  # fmt: skip
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(numberOfHistogramBins=32)
    method.SetMetricSamplingStrategy(method.RANDOM)
    method.SetMetricSamplingPercentage(sampling, seed + 1)  # 0 would mean the clock to SimpleITK
    method.SetInterpolator(sitk.sitkLinear)
    # first steps of 1 and more left the brain for a far smaller one in 3 of 6 seeds on a real scan; 0.3 in none
    method.SetOptimizerAsRegularStepGradientDescent(
        learningRate=0.3, minStep=1e-3, numberOfIterations=100, relaxationFactor=0.6
    )
    method.SetOptimizerScalesFromPhysicalShift()
    factors = [max(1, round(edge / min(fixed.GetSpacing()))) for edge in levels_mm]
    method.SetShrinkFactorsPerLevel(factors)
    method.SetSmoothingSigmasPerLevel([factor / 2 for factor in factors])
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOff()
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
