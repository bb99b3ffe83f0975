"""The bias field: the smooth shading a receive coil leaves on a T1w scan, removed by N4.

Source: Tustison et al., N4ITK: improved N3 bias correction, IEEE Trans. Med. Imaging 29(6):1310, 2010.
"""

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from jaxtyping import Float
from numpy import ndarray

from nigra.preparation.image import Image, from_itk, to_itk
from nigra.shapes import Mask


@dataclass(frozen=True)
class Corrected:
    """``image`` = scan / ``field``; ``field`` (x, y, z) is positive and has a geometric mean of 1 in the mask."""

    image: Image
    field: Float[ndarray, "x y z"]


def correct(image: Image, mask: Mask, iterations: tuple[int, ...] = (40, 40, 30), shrink: int = 2) -> Corrected:
    """Estimate the bias field inside ``mask`` and divide the whole image by it.

    ``iterations`` are N4's at each of its levels (the spline mesh doubles from one to the next); the fit sees
    every ``shrink``-th voxel, as the field is smooth. The field is not defined far from the mask: it is only
    as good as the spline's continuation there.
    """
    whole = to_itk(image)
    inside = sitk.Cast(to_itk(Image(mask.astype(np.float32), image.affine)), sitk.sitkUInt8)
    factors = [max(1, min(shrink, n // 8)) for n in image.data.shape]
    n4 = sitk.N4BiasFieldCorrectionImageFilter()
    n4.SetMaximumNumberOfIterations(list(iterations))
    n4.Execute(sitk.Shrink(whole, factors), sitk.Shrink(inside, factors))
    log_field = from_itk(n4.GetLogBiasFieldAsImage(whole)).astype(np.float32)
    field = np.exp(np.clip(log_field - log_field[mask].mean(), -2, 2))
    return Corrected(Image((image.data / field).astype(np.float32), image.affine), field)
