"""Volumes the page shows, as NIfTI: read from the store and the scores, or computed by one pass of the model."""

import threading
from collections import OrderedDict

import nibabel as nib
import numpy as np
from jaxtyping import Float
from numpy import ndarray

from nigra.cohort.store import CONTROL
from nigra.errors import NigraError
from nigra.explorer.opened import OpenRun
from nigra.files import key_in
from nigra.scoring.scorer import Pass
from nigra.study.features import Reader
from nigra.study.score import in_volume
from nigra.units.planes import FIXED_AXIS

KINDS = ("mean", "image", "reconstruction", "error", "score", "abnormal", "regions")

_computing = threading.Lock()
"""One model pass at a time: two would only share the same cores."""

_passes: OrderedDict[tuple[str, str, str, int, str], tuple[Pass, ndarray]] = OrderedDict()
KEPT = 4
"""Passes kept; each holds a few volumes."""


def volume(
    run: OpenRun, kind: str, subject: str, model: str, draw: int, detector: str, channel: int
) -> Float[ndarray, "x y z"]:
    """A volume (x, y, z) float32 on the cohort's grid; NaN where there is nothing to say.

    Args:
        run: the run.
        kind: ``mean`` of all controls of the run; the subject's ``image``; its ``reconstruction`` and joint
            ``error`` by the model that did not see it, on the 0-1 scale; the detector's ``score``; ``abnormal``
            0 or 1; ``regions``, labels of the atlas.
        subject: whom to show.
        model: label of the model.
        draw: number of the draw.
        detector: label of the detector.
        channel: which channel of the maps.

    Raises:
        NigraError: what is asked for does not exist.
    """
    cohort = run.run.cohort
    if kind not in KINDS:
        raise NigraError(f"there is no volume {kind!r}; known: {', '.join(KINDS)}.")
    if not 0 <= channel < len(cohort.channels):
        raise NigraError(f"the maps have {len(cohort.channels)} channels, and none with number {channel}.")
    if kind == "mean":
        rows = cohort.rows(cohort.group(CONTROL))
        return np.asarray(np.mean(cohort.volumes[np.sort(rows), channel], axis=0, dtype=np.float32))
    if kind == "image":
        return np.array(cohort.volumes[run.row(subject), channel], np.float32)
    if kind == "regions":
        return run.atlas.labels.astype(np.float32)
    if kind in ("reconstruction", "error"):
        found, image = one_pass(run, model, draw, subject)
        return found.error if kind == "error" else image[channel] - found.residual[channel]
    scored = run.scored(model, detector, draw)
    names = scored.calibration_ids + scored.test_ids
    if subject not in names:
        raise NigraError(f"{subject} is not scored by draw {draw}; choose another subject or draw.")
    values = scored.scores if kind == "score" else scored.abnormal
    return in_volume(run.run, np.asarray(values[names.index(subject)], np.float32))


def one_pass(run: OpenRun, model: str, draw: int, subject: str) -> tuple[Pass, Float[ndarray, "channels x y z"]]:
    """A subject through the model that held it out, and the scaled image that went in; the last few are kept."""
    trained = key_in(run.run.folder / model / f"draw-{draw:02d}" / "model.json") or ""  # another when trained again
    key = (str(run.run.folder), model, trained, draw, subject)
    with _computing:
        if key not in _passes:
            settings = run.model(model)
            if settings is None:
                raise NigraError("the maps themselves have no reconstruction; choose a model.")
            reader = Reader(run.run, settings, draw, run.part_of(draw, subject), [])
            assert reader.scorer is not None  # there is a model
            found = reader.scorer.score(reader.source, run.row(subject))
            _passes[key] = (found, reader.source.volume(run.row(subject)))
            while len(_passes) > KEPT:
                _passes.popitem(last=False)
        _passes.move_to_end(key)
        return _passes[key]


def nifti(values: Float[ndarray, "x y z"], affine: Float[ndarray, "4 4"]) -> bytes:
    """A float32 NIfTI with sform and qform, uncompressed: it only crosses this machine."""
    image = nib.Nifti1Image(values.astype(np.float32, copy=False), affine)
    image.header.set_xyzt_units("mm")
    image.set_sform(affine, code=4)
    image.set_qform(affine, code=4)
    return bytes(image.to_bytes())


def patches(
    run: OpenRun, model: str, subjects: list[str], voxels: list[tuple[int, int, int]], channel: int
) -> Float[ndarray, "n size size"]:
    """Patches of the maps around voxels, in the plane and size the model sees (else 15 voxels, axial).

    Rows run from the top of the picture down, columns from left to right of RAS; 0 beyond the volume.
    """
    unit = run.unit(model)
    size, plane = int(getattr(unit, "size", 15)), getattr(unit, "plane", "axial")
    axis, half, cohort = FIXED_AXIS[plane], size // 2, run.run.cohort
    if not 0 <= channel < len(cohort.channels):
        raise NigraError(f"the maps have {len(cohort.channels)} channels, and none with number {channel}.")
    out = np.zeros((len(subjects), size, size), np.float32)
    for number, (subject, voxel) in enumerate(zip(subjects, voxels, strict=True)):
        picture = np.take(cohort.volumes[run.row(subject), channel], voxel[axis], axis=axis)
        centre = [place for each, place in enumerate(voxel) if each != axis]
        padded = np.pad(picture, half)
        out[number] = padded[centre[0] : centre[0] + size, centre[1] : centre[1] + size].T[::-1]
    return out
