"""One subject: from its scan on disk to maps on the study's grid, or a sentence why not."""

import errno
import logging
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import numpy as np

from nigra.cohort.scan import Scan
from nigra.errors import Fault, FaultError, NigraError
from nigra.files import write_array, write_image
from nigra.preparation import bias, derivative, intensity, mosaic, quality, template
from nigra.preparation.derivative import Derivative
from nigra.preparation.image import Image, read
from nigra.preparation.mask import extract_brain
from nigra.preparation.quality import Quality
from nigra.preparation.registration import Warp, affine_register, syn_register
from nigra.preparation.settings import Execution, PrepareSettings
from nigra.shapes import Affine, Mask, ScoreMap

LOG = logging.getLogger(__name__)
load_template = cache(template.load)
DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
"""What ends the whole preparation: nothing can be written any more."""
TEMPLATE_RULE = "a registered brain fills the template's"


@dataclass(frozen=True)
class Prepared:
    """A subject's maps by channel on the study's grid, and its brain there; 0 outside the brain."""

    maps: Mapping[str, ScoreMap]
    mask: Mask
    affine: Affine
    quality: Quality
    extra: Mapping[str, object]


def prepare_subject(scan: Scan, study: Path, settings: PrepareSettings, execution: Execution) -> dict:
    """Prepare one subject and write its maps, sidecars and mosaic; gives its row of ``quality.tsv``.

    Whatever goes wrong with this subject ends as a row with status ``failed`` and the reason. A subject whose
    inputs and settings have not changed is ``reused``. A disk that takes no more raises OSError.
    """
    try:
        return _prepare(scan, study, settings, execution)
    except NigraError as error:
        reason = str(error)
    except Exception as error:
        if isinstance(error, OSError) and error.errno in DISK:  # no fault of this subject, nor better with the next
            raise
        # the others go on: what a library says of one scan is that subject's reason
        LOG.exception("%s", scan.participant_id)
        fault = Fault(
            scan.participant_id, "", "a scan can be prepared", " ".join(f"{type(error).__name__}: {error}".split()),
            "look at the scan; if it looks sound, report this",
        )  # fmt: skip
        reason = str(fault)
    return quality.as_row(scan.participant_id, None, "failed", reason)


def output(scan: Scan, study: Path, settings: PrepareSettings) -> Derivative:
    """Where the maps of ``scan`` go."""
    space = settings.space if settings.registration else scan.space
    return Derivative(study, scan.participant_id, scan.session_id, space, tuple(scan.channels))


def result_settings(settings: PrepareSettings) -> dict:
    """The settings one subject's maps depend on: those of the whole cohort's mask are left out."""
    return settings.model_dump(mode="json", exclude={"coverage", "channels", "minimum_dice"})


def _prepare(scan: Scan, study: Path, settings: PrepareSettings, execution: Execution) -> dict:
    target, hashes = output(scan, study, settings), derivative.inputs(scan)
    known = None if execution.overwrite else derivative.current(target, hashes, result_settings(settings))
    if known is not None:
        measured = Quality(**known)
        _refuse_misfit(scan, measured, settings)
        return quality.as_row(scan.participant_id, measured, "reused")
    start = time.perf_counter()
    done = register_t1w(scan, settings, execution.work) if settings.registration else read_ready(scan)
    measured = Quality(**(asdict(done.quality) | {"seconds": round(time.perf_counter() - start, 1)}))
    extra = {**done.extra, "quality": asdict(measured), "threads": execution.threads}
    _draw(done, target, settings, measured)
    derivative.write(target, done.maps, done.mask, done.affine, scan, hashes, result_settings(settings), extra)
    _refuse_misfit(scan, measured, settings)
    return quality.as_row(scan.participant_id, measured, "prepared")


def register_t1w(scan: Scan, settings: PrepareSettings, work: Path | None = None) -> Prepared:
    """T1w: brain mask, bias field, affine, SyN, one interpolation to the template grid, white matter = 1."""
    reference = load_template(settings.space, settings.resolution)
    fixed = Image(reference.brain, reference.affine)
    raw = read(scan.channels["T1w"])
    brain = read(scan.mask).data > 0.5 if scan.mask else extract_brain(raw, fixed, settings.seed)
    corrected, field = raw, None
    if settings.n4_iterations:
        found = bias.correct(raw, brain, settings.n4_iterations, settings.n4_shrink)
        corrected, field = found.image, found.field
    moving = Image((corrected.data / np.percentile(corrected.data[brain], 99)).astype(np.float32), raw.affine)
    moving = moving.masked(brain)
    affine, _ = affine_register(
        fixed, moving, settings.seed, levels_mm=settings.affine_levels_mm, sampling=settings.affine_sampling
    )
    warp = syn_register(fixed, moving, affine, settings.syn_iterations)
    covered = warp.apply_mask(brain, raw.affine)
    volume = np.where(covered, warp.apply(corrected, settings.interpolation), 0)
    white = intensity.white_matter(reference)
    try:
        median = intensity.white_matter_median(volume, covered, white)
    except NigraError as error:
        raise NigraError(f"{scan.participant_id}, {scan.channels['T1w'].name}: {error}") from error
    volume = (np.maximum(volume, 0) / median).astype(np.float32)
    measured = Quality(
        dice=quality.dice(covered, reference.mask),
        correlation=quality.correlation(volume, reference.brain, covered & reference.mask),
        volume_ml=round(float(brain.sum()) * raw.voxel_volume / 1000, 1),
        voxel_size_mm=quality.size_words(raw.voxel_size),
        white_matter_median=median, seconds=0.0,
    )  # fmt: skip
    if work is not None:
        _keep(work / scan.participant_id, brain, corrected, field, warp)
    extra = {
        "white_matter_median": median,
        "mask_source": scan.mask.name if scan.mask else "computed",
        "affine_template_to_scan_mm": affine.tolist(),
    }
    return Prepared({"T1w": volume}, covered, reference.affine, measured, extra)


def read_ready(scan: Scan) -> Prepared:
    """Maps already in a common space: on their own grid, values untouched, 0 outside the subject's mask.

    The mask is the given one; without it, where every channel is finite and not 0.
    """
    images = {channel: read(path) for channel, path in scan.channels.items()}
    first = next(iter(images.values()))
    for channel, image in images.items():
        if image.data.shape != first.data.shape or not np.allclose(image.affine, first.affine, atol=1e-3):
            raise FaultError(
                Fault(
                    scan.participant_id, scan.channels[channel].name, "channels in a common space share one grid",
                    f"{image.data.shape} beside {first.data.shape}", "resample them to one grid",
                )
            )  # fmt: skip
    if scan.mask:
        brain = read(scan.mask).data > 0.5
    else:
        brain = np.all([np.isfinite(image.data) & (image.data != 0) for image in images.values()], axis=0)
    measured = Quality(
        dice=None, correlation=None, volume_ml=round(float(brain.sum()) * first.voxel_volume / 1000, 1),
        voxel_size_mm=quality.size_words(first.voxel_size), white_matter_median=None, seconds=0.0,
    )  # fmt: skip
    maps = {channel: np.where(brain, image.data, np.float32(0)) for channel, image in images.items()}
    return Prepared(
        maps, brain, first.affine, measured, {"mask_source": scan.mask.name if scan.mask else "computed"}
    )


def _refuse_misfit(scan: Scan, measured: Quality, settings: PrepareSettings) -> None:
    if measured.dice is not None and measured.dice < settings.minimum_dice:
        raise FaultError(
            Fault(
                scan.participant_id, next(iter(scan.channels.values())).name, TEMPLATE_RULE,
                f"an overlap (Dice) of {measured.dice:.3f} where {settings.minimum_dice:g} is the least",
                "look at its mosaic, then at the scan's orientation and brain mask",
            )
        )  # fmt: skip


def _draw(done: Prepared, target: Derivative, settings: PrepareSettings, measured: Quality) -> None:
    channel, volume = next(iter(done.maps.items()))
    outline, tissue, words = done.mask, None, [target.name, f"{channel} in {target.space}"]
    legend = ["left is the subject's left", "slice positions in mm", "orange: the subject's mask"]
    if settings.registration:
        reference = load_template(settings.space, settings.resolution)
        outline, tissue = reference.mask, intensity.white_matter(reference)
        legend[2:] = ["orange: the template's outline", "blue: its white matter"]
        words += [f"Dice {measured.dice:.3f}", f"correlation {measured.correlation or 0:.3f}"]
    mosaic.draw(target.mosaic(channel), volume, outline, tissue, done.affine, "   ".join(words), "   ".join(legend))


def _keep(folder: Path, brain: Mask, corrected: Image, field: np.ndarray | None, warp: Warp) -> None:
    """The intermediate images of one subject, in its own space; the warp is in mm on the template grid."""
    write_image(folder / "brain_mask.nii.gz", brain, corrected.affine)
    write_image(folder / "corrected_T1w.nii.gz", corrected.data, corrected.affine)
    if field is not None:
        write_image(folder / "bias_field.nii.gz", field, corrected.affine)
    write_array(folder / "displacement_mm.npy", warp.displacement)
