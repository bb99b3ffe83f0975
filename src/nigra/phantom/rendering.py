"""From a person to FA and MD maps: tissue, then place, then disease, then the scanner."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.ndimage import map_coordinates

from nigra.phantom.anatomy import CSF, GREY, WHITE_MD, Anatomy, axes_mm, smooth_field
from nigra.phantom.disease import plan, plant, truth
from nigra.phantom.person import Person
from nigra.shapes import Labels, Mask

DISPLACEMENT = ((16.0, 0.5), (6.0, 0.2))
"""Width in mm and standard deviation in mm per axis of the displacement left after registration."""
SITE_GAIN = {"siteA": (1.0, 1.0), "siteB": (0.99, 1.01)}
"""Gain on FA and MD of each scanner."""


@dataclass(frozen=True)
class Maps:
    """A rendered subject: FA, MD (mm²/s), 0 outside ``mask``; ``truth`` labels the changed voxels."""

    fa: Float[ndarray, "x y z"]
    md: Float[ndarray, "x y z"]
    mask: Mask
    truth: Labels


def render(person: Person, anatomy: Anatomy, disease: bool = True) -> Maps:
    """Render a person; with ``disease=False`` the same person, same noise, before falling ill."""
    rng = person.stream(person.fields_key)
    fa, md = tissue(person, anatomy, rng)
    source = sources(person, anatomy, rng)
    fa, md = _warp(fa, source), _warp(md, source)
    mask = _warp(anatomy.mask.astype(np.float32), source) >= 0.5
    changes = plan(person) if disease else []
    where = np.zeros(mask.shape, dtype=np.int32)
    if changes:
        where = np.where(mask, truth(_warp(anatomy.labels, source, order=0), changes), 0).astype(np.int32)
        affected = np.isin(anatomy.labels, [change.label for change in changes])
        fa, md = plant(fa, md, _warp(affected.astype(np.float32), source), where, changes)
    fa, md = acquire(fa, md, person, anatomy.resolution, rng)
    return Maps(np.where(mask, fa, 0), np.where(mask, md, 0), mask, where)


def tissue(
    person: Person, anatomy: Anatomy, rng: np.random.Generator
) -> tuple[Float[ndarray, "x y z"], Float[ndarray, "x y z"]]:
    """FA and MD in the template's anatomy, mixed linearly by tissue fraction (partial volume).

    On top of the person's factors, each map varies smoothly over centimetres by 3 %.
    """
    axes = axes_mm(anatomy.resolution)
    maps = []
    for channel, factor, white in ((0, person.fa, anatomy.white_fa), (1, person.md, WHITE_MD)):
        local = 1 + 0.03 * smooth_field(rng, axes, 15.0)
        solid = anatomy.white * (white * factor["white"]) + anatomy.grey * (GREY[channel] * factor["grey"])
        values = anatomy.nuclei_values[:, channel] * [factor[name] for name in anatomy.nuclei_names]
        solid.flat[anatomy.nuclei_voxels] += (values @ anatomy.nuclei_shares).astype(np.float32)
        maps.append((solid * local + anatomy.csf * (CSF[channel] * factor["csf"])).astype(np.float32))
    return maps[0], maps[1]


def sources(person: Person, anatomy: Anatomy, rng: np.random.Generator) -> Float[ndarray, "3 x y z"]:
    """Where in the template (voxel coordinates) each voxel of the person comes from.

    Residual size about the origin, smooth random displacement, and ventricle walls moved by ``widening_mm``.
    """
    axes = axes_mm(anatomy.resolution)
    coordinates = np.empty((3, *anatomy.mask.shape), dtype=np.float32)
    for axis, mm in enumerate(axes):
        place = np.expand_dims(mm / person.scale[axis], [other for other in range(3) if other != axis])
        moved = sum(sd * smooth_field(rng, axes, width) for width, sd in DISPLACEMENT)
        moved = place + moved + person.widening_mm * anatomy.widening[axis]
        coordinates[axis] = (moved - mm[0]) / anatomy.resolution
    return coordinates


def acquire(
    fa: Float[ndarray, "x y z"],
    md: Float[ndarray, "x y z"],
    person: Person,
    resolution: float,
    rng: np.random.Generator,
) -> tuple[Float[ndarray, "x y z"], Float[ndarray, "x y z"]]:
    """The scanner: a smooth bias of 1 %, the site's gain and noise that falls with voxel volume.

    FA gets the positive noise bias of a magnitude (a tensor fitted to noise is never isotropic; Pierpaoli and
    Basser, MRM 1996): FA' = hypot(FA + e1, e2), sd 0.025 at 2 mm. MD noise is proportional, sd 2.5 % at 2 mm.
    """
    axes = axes_mm(resolution)
    gain_fa, gain_md = (g * (1 + 0.01 * smooth_field(rng, axes, 40.0)) for g in SITE_GAIN[person.site])
    noise = person.stream(person.noise_key)
    sd = np.float32(0.025 * (2 / resolution) ** 1.5)
    e1, e2, e3 = (sd * noise.standard_normal(fa.shape, dtype=np.float32) for _ in range(3))
    noisy_fa = np.hypot(fa * gain_fa + e1, e2)
    noisy_md = md * gain_md * (1 + e3)
    return np.clip(noisy_fa, 0, 1).astype(np.float32), np.clip(noisy_md, 1e-5, None).astype(np.float32)


def _warp(image: ndarray, source: ndarray, order: int = 1) -> ndarray:
    return map_coordinates(image, source, order=order, mode="nearest", output=image.dtype)
