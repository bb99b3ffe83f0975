"""The brain mask of a T1w scan that came without one, found inside the whole head.

Only a brain template is packaged, no head. So the brain is looked for below the top of the head; its tissue is the
largest bright piece there, once thin bridges (nerves, vessels, sinuses) are cut, the sulci closed; its outline is
the template's mask, carried onto that tissue by an affine and SyN.
"""

import numpy as np
import SimpleITK as sitk
from scipy.ndimage import binary_fill_holes, distance_transform_edt, gaussian_filter, label

from nigra.preparation import bias
from nigra.preparation.image import Image, from_itk, to_itk
from nigra.preparation.registration import Warp, affine_register, syn_register
from nigra.shapes import Affine, Mask

CENTRE_BELOW_TOP_MM = 68.0
"""From the top of an adult's scalp down to the middle of its brain, about."""
FACE_MM = 8.0
"""From the middle of the upper head back to the middle of the brain, about."""
SCALE = 0.9
"""An adult's brain beside the MNI template's, which is large: about."""
SEARCH_MM = 28.0
"""How far around the guessed brain its tissue is looked for."""
TISSUE = (0.5, 2.0)
"""Least and most intensity of brain tissue in T1w over the median of the brain: CSF is below, fat above."""
BRIDGE_MM = 4.0
"""Half the width of the bridges that are cut between the brain and what is around it."""
SULCUS_MM = 8.0
"""Half the width of the gaps that are closed."""
SURFACE_CSF_MM = 2.0
"""Thickness of the CSF over the brain's tissue, which masks of the field count in."""


def extract_brain(
    head: Image, template: Image, seed: int = 0, syn_iterations: tuple[int, ...] = (20, 15, 8)
) -> Mask:
    """The brain (x, y, z) inside a whole head: cerebrum, cerebellum, brainstem and the CSF between.

    ``head`` is an adult's T1w in RAS order that holds the whole brain, upright to within some 20 degrees, and the
    top of the head; ``template`` the brain of a template, 0 outside it.
    """
    even, tissue = brain_tissue(head, template)
    fixed = even.masked(tissue)
    affine, _ = affine_register(template, fixed, seed)
    fixed = Image(fixed.data / np.float32(np.percentile(fixed.data[tissue], 99)), head.affine)
    warp = syn_register(fixed, template, np.linalg.inv(affine), syn_iterations)
    brain = largest(warp.apply_mask(template.data > 0, template.affine) | tissue)
    return binary_fill_holes(dilated(brain, head, SURFACE_CSF_MM))


def brain_tissue(head: Image, template: Image) -> tuple[Image, Mask]:
    """The head without its bias field, and the brain's tissue in it, sulci closed: good, but rough at the base."""
    guess, seen = guessed_brain(head, template), foreground(head)
    near = dilated(guess, head, SEARCH_MM)
    even = bias.correct(head, near & seen, (30, 30), 4).image
    relative = even.data / np.median(even.data[guess & seen])
    tissue = near & (relative > TISSUE[0]) & (relative < TISSUE[1])
    core = largest(eroded(tissue, head, BRIDGE_MM))
    return even, binary_fill_holes(closed(dilated(core, head, BRIDGE_MM) & tissue, head, SULCUS_MM))


def guessed_brain(head: Image, template: Image) -> Mask:
    """The template's mask, scaled and shifted to where the brain should be below the top of the head."""
    inside = np.argwhere(foreground(head)) @ head.affine[:3, :3].T + head.affine[:3, 3]
    top = np.percentile(inside[:, 2], 99.9)
    upper = inside[inside[:, 2] > top - 2 * CENTRE_BELOW_TOP_MM]
    middle = np.array([upper[:, 0].mean(), upper[:, 1].mean() - FACE_MM, top - CENTRE_BELOW_TOP_MM])
    brain = template.data > 0
    own_middle = template.affine[:3, :3] @ np.argwhere(brain).mean(axis=0) + template.affine[:3, 3]
    to_template: Affine = np.diag([1 / SCALE, 1 / SCALE, 1 / SCALE, 1.0])
    to_template[:3, 3] = own_middle - middle / SCALE
    still = np.zeros((*head.data.shape, 3), dtype=np.float32)
    return Warp(to_template, still, head.affine).apply_mask(brain, template.affine)


def foreground(head: Image) -> Mask:
    """What is not air: above Otsu's threshold, the largest piece."""
    smooth = to_itk(Image(gaussian_filter(head.data, 1), head.affine))
    return largest(from_itk(sitk.OtsuThreshold(smooth, 0, 1)) > 0)


def largest(mask: Mask) -> Mask:
    """The largest connected piece of a mask."""
    pieces, count = label(mask)
    return mask if count < 2 else pieces == 1 + np.bincount(pieces.ravel())[1:].argmax()


def dilated(mask: Mask, image: Image, millimetres: float) -> Mask:
    """``mask`` grown by a ball of radius ``millimetres`` on the voxels of ``image``."""
    return distance_transform_edt(~mask, sampling=image.voxel_size) <= millimetres


def eroded(mask: Mask, image: Image, millimetres: float) -> Mask:
    """``mask`` shrunk by a ball of radius ``millimetres`` on the voxels of ``image``."""
    return distance_transform_edt(mask, sampling=image.voxel_size) > millimetres


def closed(mask: Mask, image: Image, millimetres: float) -> Mask:
    """``mask`` grown and shrunk again, so that narrow gaps are filled, also at the border."""
    pad = [int(np.ceil(millimetres / edge)) + 1 for edge in image.voxel_size]
    wide = dilated(np.pad(mask, [(n, n) for n in pad]), image, millimetres)
    inner = tuple(slice(n, -n) for n in pad)
    return eroded(wide, image, millimetres)[inner]
