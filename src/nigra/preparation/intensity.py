"""Intensity: one number per subject makes T1w scans comparable: the median of its white matter becomes 1.

T1w units are arbitrary; white matter is the largest and most uniform tissue, so its median is the steadiest
number to divide by (compare the white stripe of Shinohara et al., NeuroImage Clin. 6:9, 2014). One divisor can
neither hide nor create a local change. Scaling by quantiles of the *training controls* is a later stage's, as it
has to know the split.
"""

import numpy as np
import SimpleITK as sitk
from scipy.ndimage import binary_erosion

from nigra.errors import NigraError
from nigra.preparation.template import Template
from nigra.shapes import Mask, ScoreMap


def white_matter(template: Template) -> Mask:
    """The white matter of a template, from its own intensities: (x, y, z).

    The brightest of the three classes of Otsu's method (CSF, grey, white) inside the mask, eroded by one voxel
    to stay clear of partial volume; on a grid so coarse that nothing would be left, it is not eroded.
    """
    inside = template.brain[template.mask]
    line = sitk.GetImageFromArray(inside[None, None, :].astype(np.float32))
    classes = sitk.GetArrayFromImage(sitk.OtsuMultipleThresholds(line, numberOfThresholds=2))
    white = np.zeros(template.mask.shape, dtype=bool)
    white[template.mask] = classes.ravel() == 2
    core = binary_erosion(white)
    return core if core.sum() >= 100 else white


def white_matter_median(volume: ScoreMap, covered: Mask, white: Mask) -> float:
    """Median intensity of ``volume`` inside the template's white matter, where the scan covers it (scan units)."""
    values = volume[white & covered]
    median = float(np.median(values)) if values.size else 0.0
    if values.size < 0.5 * white.sum() or not median > 0:
        raise NigraError(
            f"the scan covers the template's white matter, but found {values.size} of {white.sum()} voxels "
            f"with a median of {median:g}; look at the scan's orientation and brain mask."
        )
    return median
