"""Stages score and calibrate: score maps of every subject a draw needs, then the threshold from controls alone.

``scores.npy`` has one row per subject: first the draw's training controls, whose scores set the threshold
(cross-fitted, or by the model they trained), then its test subjects.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nigra.cohort.splits import Draw
from nigra.detection.calibration import Threshold, fit_threshold, leave_fold_out_abnormal
from nigra.errors import NigraError
from nigra.files import create_array, key_in, read_json, write_image, write_json
from nigra.models.saved import Trained
from nigra.provenance import hash_settings, record, refuse_fitted
from nigra.scoring.scorer import Scorer
from nigra.shapes import Scores
from nigra.study.progress import Steps
from nigra.study.run import Run
from nigra.study.settings import ModelSettings
from nigra.study.train import trained
from nigra.units import Source


@dataclass(frozen=True)
class Scored:
    """A draw's scores with what is known of them; ``folds`` are those of the cross-fitting, or none."""

    scores: Scores
    calibration_ids: list[str]
    test_ids: list[str]
    folds: list[list[str]]

    @property
    def calibration(self) -> Scores:
        """Scores of the controls that set the threshold."""
        return self.scores[: len(self.calibration_ids)]

    @property
    def test(self) -> Scores:
        """Scores of the test subjects."""
        return self.scores[len(self.calibration_ids) :]

    def threshold(self, run: Run) -> Threshold:
        """The threshold the run's calibration asks for."""
        settings = run.settings.calibration
        return fit_threshold(self.calibration, self.calibration_ids, settings.quantile, settings.controls)

    def abnormal(self, run: Run) -> np.ndarray:
        """Abnormal voxels of all rows; a cross-fitted control meets a threshold its fold took no part in."""
        threshold, settings = self.threshold(run), run.settings.calibration
        own = (
            leave_fold_out_abnormal(self.calibration, self.calibration_ids, self.folds, settings.quantile)
            if self.folds
            else threshold.abnormal(self.calibration)
        )
        refuse_fitted("threshold", threshold.fitted_on, self.test_ids)
        return np.concatenate([own, threshold.abnormal(self.test)])


def score_all(run: Run, steps: Steps) -> None:
    """Score every model and draw that is not yet scored, and write its threshold and maps."""
    for model in run.settings.models:
        for draw in run.draws:
            text = f"score {model.label}, draw-{draw.draw:02d}"
            if is_scored(run, model, draw) and not run.execution.overwrite:
                steps.skip(text)
            else:
                with steps.step(text) as tick:
                    _score_draw(run, model, draw, tick)
            calibrate(run, model, draw)


def is_scored(run: Run, model: ModelSettings, draw: Draw) -> bool:
    """Whether a draw is scored with these settings and these models."""
    folder = run.place(model, draw.draw)
    if key_in(folder / "scores.json") != _score_key(run, model, draw):
        return False
    shape = (len(draw.train + draw.test), int(run.cohort.mask.sum()))
    return _is_array(folder / "scores.npy", shape)


def read_scores(run: Run, model: ModelSettings, draw: Draw) -> Scored:
    """A draw's scores, memory-mapped; scores of other settings or other models are refused."""
    folder = run.place(model, draw.draw)
    if not is_scored(run, model, draw):
        raise NigraError(f"{folder} is not scored with these settings; run `nigra score` with them first.")
    content = read_json(folder / "scores.json")
    scores = np.load(folder / "scores.npy", mmap_mode="r", allow_pickle=False)
    return Scored(scores, content["calibration"], content["test"], content["folds"])


def _is_array(path: Path, shape: tuple[int, int]) -> bool:
    """Whether a ``.npy`` is there, whole and of this shape."""
    try:
        return bool(np.load(path, mmap_mode="r", allow_pickle=False).shape == shape)
    except (FileNotFoundError, EOFError, ValueError):
        return False


def _score_key(run: Run, model: ModelSettings, draw: Draw) -> str:
    keys = [run.fit_key(fit) for fit in run.fits(model, draw)]
    return hash_settings([keys, model.scores.model_dump(), draw.train, draw.test])


def _score_draw(run: Run, model: ModelSettings, draw: Draw, tick) -> None:  # type: ignore[no-untyped-def]
    """Fill ``scores.npy`` row by row; rows done before a kill are kept."""
    folder, cohort = run.place(model, draw.draw), run.cohort
    names, folds, key = draw.train + draw.test, run.folds(draw), _score_key(run, model, draw)
    whole, *partial = (trained(run, fit) for fit in run.fits(model, draw))
    without = {name: partial[number] for number, fold in enumerate(folds) for name in fold}
    rows, done = _rows_so_far(folder, key, (len(names), int(cohort.mask.sum())))
    for number, name in enumerate(names):
        if number in done:
            continue
        used = without.get(name, whole)
        if name in without or name in draw.test:
            refuse_fitted("model", used.trained_on, [name])
        rows[number] = _score_subject(run, model, used, name)
        rows.flush()
        done.add(number)
        write_json(folder / "scores-so-far.json", {"key": key, "rows": sorted(done)})
        tick(len(done) / len(names), f"{len(done)}/{len(names)} subjects")
    del rows
    (folder / "scores-so-far.npy").replace(folder / "scores.npy")
    description = {
        "key": key, "calibration": draw.train, "test": draw.test, "folds": folds,
        "rows": "calibration, then test; columns are the voxels of cohort/mask.nii.gz in numpy.nonzero order",
        "provenance": record("score", model.scores.model_dump(), {"cohort/volumes.npy": cohort.digest}),
    }  # fmt: skip
    write_json(folder / "scores.json", description)
    (folder / "scores-so-far.json").unlink()


def _rows_so_far(folder: Path, key: str, shape: tuple[int, int]) -> tuple[np.memmap, set[int]]:
    """The array to fill and the rows that are already whole."""
    array, note = folder / "scores-so-far.npy", folder / "scores-so-far.json"
    (folder / "scores.json").unlink(missing_ok=True)
    if key_in(note) == key and _is_array(array, shape):
        return np.lib.format.open_memmap(array, mode="r+"), set(read_json(note)["rows"])
    note.unlink(missing_ok=True)
    return create_array(array, shape), set()


def _score_subject(run: Run, model: ModelSettings, used: Trained, name: str) -> np.ndarray:
    source = Source.scaled(run.cohort, used.scaling)
    row = int(run.cohort.rows([name])[0])
    scorer = Scorer(used.model, model.unit, model.scores, run.device)
    return scorer.score(source, row).error[run.cohort.mask]


def calibrate(run: Run, model: ModelSettings, draw: Draw) -> None:
    """Write ``thresholds.json`` and, where the run wants them, the test subjects' score maps."""
    folder, scored = run.place(model, draw.draw), read_scores(run, model, draw)
    threshold = scored.threshold(run)
    write_json(folder / "thresholds.json", threshold.to_json())
    if run.execution.maps == "all" or (run.execution.maps == "first-draw" and draw.draw == 0):
        for name, scores in zip(scored.test_ids, scored.test, strict=True):
            _write_map(run, model, folder, name, scores, threshold)


def _write_map(
    run: Run, model: ModelSettings, folder: Path, name: str, scores: np.ndarray, threshold: Threshold
) -> None:
    path = folder / "maps" / f"{name}_space-{run.cohort.space}_desc-score_map.nii.gz"
    key = _map_key(run, model, folder)
    sidecar = path.with_name(path.name.replace(".nii.gz", ".json"))
    if path.exists() and key_in(sidecar, "Key") == key:
        return
    volume = np.full(run.cohort.mask.shape, np.nan, np.float32)
    volume[run.cohort.mask] = scores
    write_image(path, volume, run.cohort.affine)
    content: dict[str, Any] = {
        "Description": "score map: higher = more abnormal, NaN where there is no score",
        "Units": "joint reconstruction error, intensities scaled 0-1 by training controls",
        "Model": model.label,
        "AbnormalAbove": threshold.value,
        "Key": key,
    }
    write_json(sidecar, content)


def _map_key(run: Run, model: ModelSettings, folder: Path) -> str:
    return hash_settings([read_json(folder / "scores.json")["key"], run.settings.calibration.model_dump()])
