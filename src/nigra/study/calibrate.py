"""Stage calibrate: thresholds from controls alone, and the images of the test subjects.

Beside a method's ``scores.npy`` lies ``thresholds.json``: who set the threshold, by which rule, and its value. With
the rule conformal there is one value per voxel, in ``thresholds.npy``, and each score map has a map of p-values
beside it. Scores are only read: another rule or quantile takes seconds.
"""

from pathlib import Path
from typing import Any

import numpy as np

from nigra.cohort.splits import Draw
from nigra.detection.conformal import Conformal, conformal_p, controls_needed, highest_quantile
from nigra.errors import NigraError
from nigra.files import key_in, read_json, write_array, write_image, write_json
from nigra.provenance import hash_settings
from nigra.shapes import ScoreMap
from nigra.study.progress import Steps
from nigra.study.run import Run
from nigra.study.score import Scored, in_volume, read_scores, units_of
from nigra.study.settings import Method


def calibrate_all(run: Run, steps: Steps) -> None:
    """Calibrate every method and draw of a scored run."""
    pairs = [(method, draw) for method in run.settings.methods for draw in run.draws]
    with steps.step("calibrate") as tick:
        for number, (method, draw) in enumerate(pairs):
            calibrate(run, method, draw)
            tick((number + 1) / len(pairs), f"{method.label}, draw-{draw.draw:02d}")


def calibrate(run: Run, method: Method, draw: Draw) -> Scored:
    """Write the threshold of a method's draw and, where the run wants them, images; returns what they are of.

    What another rule left is deleted, and an image that stands for these scores and this threshold is kept.
    """
    folder, scored = run.method_place(method, draw.draw), read_scores(run, method, draw)
    threshold, key = scored.threshold, map_key(run, folder)
    (folder / "thresholds.json").unlink(missing_ok=True)  # or it would be read with values of another rule
    if isinstance(threshold, Conformal):
        write_array(folder / "thresholds.npy", threshold.value.astype(np.float32, copy=False))
    else:
        for path in (folder / "thresholds.npy", *(folder / "maps").glob("*_desc-p_map.*")):
            path.unlink(missing_ok=True)
    content = threshold.to_json() | {"controls": scored.settings.controls, "key": key}
    write_json(folder / "thresholds.json", content)
    if wants_maps(run, draw):
        for name, scores in zip(scored.test_ids, scored.test, strict=True):
            _write_maps(run, method, folder, name, scores, scored)
    return scored


def threshold_volume(run: Run, scored: Scored) -> float | ScoreMap:
    """The threshold where the maps are: one number, or one per voxel and NaN outside the mask."""
    value = scored.threshold.value
    return value if isinstance(value, float) else in_volume(run, value)


def abnormal_above(scored: Scored) -> float | str:
    """What the sidecars of images say of the threshold."""
    value = scored.threshold.value
    return value if isinstance(value, float) else "the voxel's value in thresholds.npy"


def refuse_conformal(run: Run) -> None:
    """Refuse the rule conformal where it cannot keep its promise; tells before the training, not after it.

    Raises NigraError: too few controls, or scores of controls by what was fitted on them.
    """
    settings = run.settings.calibration
    if settings.rule != "conformal":
        return
    fewest = min(run.draws, key=lambda draw: len(draw.train))
    n, needed = len(fewest.train), controls_needed(settings.alpha)
    if n < needed:
        raise NigraError(
            f"calibration rule conformal with quantile {settings.quantile:g} needs {needed} held-out controls, but "
            f"draw {fewest.draw} has {n}; add controls, test fewer, take a quantile of {highest_quantile(n):g} or "
            "less, or the rule quantile."
        )
    for method in run.settings.methods if settings.controls == "training" else ():
        if method.model or not method.detector.leaves_out:
            raise NigraError(
                "calibration rule conformal compares with controls held out, but with controls: training "
                f"{method.label} scores them by what was fitted on them; set controls to held-out, or leave it out "
                "of models, detectors and baselines."
            )


def wants_maps(run: Run, draw: Draw) -> bool:
    """Whether the test subjects of a draw get images."""
    return run.execution.maps == "all" or (run.execution.maps == "first-draw" and draw.draw == 0)


def map_key(run: Run, folder: Path) -> str:
    """Stands for a map's scores and the threshold drawn on it."""
    return hash_settings([read_json(folder / "scores.json")["key"], run.settings.calibration.to_key()])


def _write_maps(run: Run, method: Method, folder: Path, name: str, scores: np.ndarray, scored: Scored) -> None:
    """A subject's score map, and its p-values with the rule conformal, each with its sidecar."""
    threshold, stem = scored.threshold, f"{name}_space-{run.cohort.space}"
    by, key = {"Model": method.model_label, "Detector": method.detector.label}, map_key(run, folder)
    about: dict[str, Any] = {
        "Description": "score map: higher = more abnormal, NaN where there is no score",
        "Units": units_of(method), **by,
        "AbnormalAbove": abnormal_above(scored),
    }  # fmt: skip
    path = folder / "maps" / f"{stem}_desc-score_map.nii.gz"
    if _lacks(path, key):
        _write_map(run, path, scores, about | {"Key": key})
    path = folder / "maps" / f"{stem}_desc-p_map.nii.gz"
    if isinstance(threshold, Conformal) and _lacks(path, key):
        n = len(threshold.fitted_on)
        about = {
            "Description": f"conformal p-values, voxel by voxel: (1 + controls at or above the score) / (1 + {n}), "
            "not corrected for the number of voxels; NaN where there is no score",
            "Units": "probability", **by,
            # as the voxels of the image, in float32: 1/20 there is a little more than 0.05
            "AbnormalUpTo": float(np.float32(threshold.alpha)), "SmallestP": threshold.smallest_p, "Controls": n,
        }  # fmt: skip
        _write_map(run, path, conformal_p(scored.calibration, scores[None])[0], about | {"Key": key})


def _sidecar(path: Path) -> Path:
    return path.with_name(path.name.replace(".nii.gz", ".json"))


def _lacks(path: Path, key: str) -> bool:
    return not path.exists() or key_in(_sidecar(path), "Key") != key


def _write_map(run: Run, path: Path, values: np.ndarray, about: dict[str, Any]) -> None:
    write_image(path, in_volume(run, values), run.cohort.affine)
    write_json(_sidecar(path), about)
