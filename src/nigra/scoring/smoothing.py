"""Gaussian smoothing inside a mask: a normalised convolution, so that what lies outside never leaks in.

Subtle changes are larger than a voxel, so the scale at which a map is looked at decides what a voxelwise z-score
sees; the best scale is the baseline to beat.
"""

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.ndimage import find_objects, gaussian_filter

from nigra.shapes import Affine, Mask

FWHM_PER_SD = float(np.sqrt(8 * np.log(2)))
"""Full width at half maximum of a Gaussian of standard deviation 1."""


def smooth(
    values: Float[ndarray, "n_locations d"], mask: Mask, affine: Affine, fwhm_mm: float
) -> Float[ndarray, "n_locations d"]:
    """Values of the mask's voxels, each replaced by the Gaussian mean of the known values around it, float32.

    With weights g and known places w (inside the mask and finite) it is sum(g w x) / sum(g w) (Knutsson and
    Westin 1993): a constant stays constant up to the border. A voxel without a value (NaN) stays without one.

    Args:
        values: one row per voxel of ``mask``, in the order of ``numpy.nonzero(mask)``.
        affine: of the mask, whose voxels need not be cubes.
        fwhm_mm: full width at half maximum in mm; the Gaussian is cut at four standard deviations.
    """
    sd = fwhm_mm / FWHM_PER_SD / np.linalg.norm(affine[:3, :3], axis=0)
    box = find_objects(mask.astype(np.uint8))[0]  # the empty rest of the volume would take half the time
    inside = mask[box]
    smoothed = np.empty(values.shape, np.float32)
    for feature in range(values.shape[1]):
        known = np.isfinite(values[:, feature])
        x, weight = np.zeros(inside.shape, np.float32), np.zeros(inside.shape, np.float32)
        x[inside], weight[inside] = np.where(known, values[:, feature], 0), known
        around, total = (gaussian_filter(each, sd, mode="constant")[inside] for each in (x, weight))
        smoothed[:, feature] = np.divide(around, total, out=np.full(len(values), np.nan, np.float32), where=known)
    return smoothed
