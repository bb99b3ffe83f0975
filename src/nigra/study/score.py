"""Stage score: score maps of every subject a draw needs.

A method's ``scores.npy`` has one row per subject: first the draw's training controls, whose scores set the
threshold (cross-fitted, or by what they themselves trained), then its test subjects. All methods of a model share
one pass over each subject.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool
from numpy import ndarray

from nigra.cohort.splits import Draw
from nigra.detection.calibration import CalibrationSettings, Threshold, fit_threshold, leave_fold_out_abnormal
from nigra.detection.conformal import Conformal, fit_conformal, leave_one_out_abnormal
from nigra.detection.detector import Detector, score_map_values, training_map_values
from nigra.detection.settings import ERROR, PER_LOCATION
from nigra.errors import NigraError
from nigra.files import key_in, read_json
from nigra.provenance import refuse_fitted
from nigra.shapes import Scores
from nigra.study.features import Features, Reader, controls, fit_detectors
from nigra.study.progress import Steps, between
from nigra.study.rows import Rows, is_array, score_key
from nigra.study.run import Run
from nigra.study.settings import Method, ModelSettings
from nigra.training import Tick


@dataclass(frozen=True)
class Scored:
    """A draw's scores with what is known of them; ``folds`` are those of the cross-fitting, or none.

    ``settings`` say what becomes of them: another calibration of the same scores scores nobody anew.
    """

    scores: Scores
    calibration_ids: list[str]
    test_ids: list[str]
    folds: list[list[str]]
    settings: CalibrationSettings

    @property
    def calibration(self) -> Scores:
        """Scores of the controls that set the threshold."""
        return self.scores[: len(self.calibration_ids)]

    @property
    def test(self) -> Scores:
        """Scores of the test subjects."""
        return self.scores[len(self.calibration_ids) :]

    @cached_property
    def threshold(self) -> Threshold | Conformal:
        """What the calibration asks for: one threshold, or one per voxel."""
        scores, ids, settings = self.calibration, self.calibration_ids, self.settings
        if settings.rule == "conformal":
            return fit_conformal(scores, ids, settings.alpha)
        return fit_threshold(scores, ids, settings.quantile, settings.controls)

    @cached_property
    def abnormal(self) -> Bool[ndarray, "n_subjects n_voxels"]:
        """Abnormal voxels of all rows; a control scored out of sample meets a threshold it took no part in."""
        refuse_fitted("threshold", self.threshold.fitted_on, self.test_ids)
        return np.concatenate([self._abnormal_controls(), self.threshold.abnormal(self.test)])

    def _abnormal_controls(self) -> Bool[ndarray, "n_controls n_voxels"]:
        scores, ids, settings = self.calibration, self.calibration_ids, self.settings
        if settings.rule == "conformal":
            return leave_one_out_abnormal(scores, settings.alpha)
        if self.folds:
            return leave_fold_out_abnormal(scores, ids, self.folds, settings.quantile)
        return self.threshold.abnormal(scores)


def models_of(run: Run) -> list[ModelSettings | None]:
    """The models whose scores the run wants, and None where detectors read the maps themselves."""
    return list(dict.fromkeys(method.model for method in run.settings.methods))


def methods_of(run: Run, model: ModelSettings | None) -> list[Method]:
    """The methods of a model."""
    return [method for method in run.settings.methods if method.model == model]


def score_all(run: Run, steps: Steps) -> None:
    """Score every method and draw that is not yet scored."""
    for sentence in [*run.settings.left_out, *few_controls(run)]:
        steps.say(sentence)
    for model in models_of(run):
        for draw in run.draws:
            score_one(run, model, draw, steps)


def score_one(run: Run, model: ModelSettings | None, draw: Draw, steps: Steps) -> None:
    """Score those methods of a model that are not yet scored on a draw, all in one pass over its subjects."""
    methods = methods_of(run, model)
    todo = [m for m in methods if run.execution.overwrite or not is_scored(run, m, draw)]
    labels = ", ".join(method.detector.label for method in methods)
    text = f"score {methods[0].model_label} ({labels}), draw-{draw.draw:02d}"
    if not todo:
        steps.skip(text)
    else:
        with steps.step(text) as tick:
            _score_draw(run, model, draw, todo, steps, tick)


def few_controls(run: Run, enough: int = 10) -> list[str]:
    """A caution where detectors per location have so few controls that thresholds cannot be trusted."""
    fewest = min(len(part.train) for draw in run.draws for part in run.parts(draw))
    kinds = {method.detector.label for method in run.settings.methods if method.detector.kind in PER_LOCATION}
    if fewest >= enough or not kinds:
        return []
    return [
        f"Caution: {', '.join(sorted(kinds))} see as few as {fewest} controls; below {enough}, more or fewer "
        "voxels than promised may be called abnormal. Take more controls, or more folds."
    ]


def is_scored(run: Run, method: Method, draw: Draw) -> bool:
    """Whether a draw is scored with these settings and these models."""
    folder = run.method_place(method, draw.draw)
    if key_in(folder / "scores.json") != score_key(run, method, draw):
        return False
    content = read_json(folder / "scores.json")
    if [content.get(name) for name in ("calibration", "test", "folds")] != [draw.train, draw.test, run.folds(draw)]:
        return False
    shape = (len(draw.train + draw.test), int(run.cohort.mask.sum()))
    return is_array(folder / "scores.npy", shape)


def read_scores(run: Run, method: Method, draw: Draw) -> Scored:
    """A draw's scores, memory-mapped; scores of other settings or other models are refused."""
    folder = run.method_place(method, draw.draw)
    if not is_scored(run, method, draw):
        raise NigraError(f"{folder} is not scored with these settings; run `nigra score` with them first.")
    content = read_json(folder / "scores.json")
    scores = np.load(folder / "scores.npy", mmap_mode="r", allow_pickle=False)
    settings = run.settings.calibration
    return Scored(scores, content["calibration"], content["test"], content["folds"], settings)


def _score_draw(
    run: Run, model: ModelSettings | None, draw: Draw, methods: list[Method], steps: Steps, tick: Tick
) -> None:
    """Fill every method's rows: part by part, fit the detectors on its controls and score its subjects."""
    made = {method: Rows(run, method, draw) for method in methods}
    parts, say = run.parts(draw), steps.say
    for number, part in enumerate(parts):
        own = part.train if run.settings.calibration.controls == "training" else ()
        left = {method: [n for n in (*own, *part.scored) if rows.lacks(n)] for method, rows in made.items()}
        left = {method: names for method, names in left.items() if names}
        if left:
            reader = Reader(run, model, draw.draw, part, [method.detector for method in left])
            if reader.scorer:
                say(f"  {methods[0].model_label}: {reader.scorer.way}")
            _score_part(reader, made, left, own, say, between(tick, number / len(parts), (number + 1) / len(parts)))
            say = _quietly  # the other parts are like the first
    for rows in made.values():
        rows.finish()


def _quietly(text: str) -> None:
    """Say nothing."""


def _score_part(
    reader: Reader, made: dict[Method, Rows], left: dict[Method, list[str]], own: tuple[str, ...],
    say: Callable[[str], None], tick: Tick,
) -> None:  # fmt: skip
    """Fit a part's detectors and write the rows that are ``left``; ``own`` are controls scored by their own fit."""
    with controls(reader, say, between(tick, 0.0, 0.4)) as features:
        fitted = fit_detectors(reader, list(left), features, between(tick, 0.4, 0.6))
        for method, detector in fitted.items() if own else ():
            values = training_map_values(detector, features[method.detector.feature])
            for name, scores in zip(reader.part.train, values, strict=True):
                made[method].write(name, scores)
        wanted = {name for method, those in left.items() for name in those if made[method].lacks(name)}
        names = [name for name in (*own, *reader.part.scored) if name in wanted]
        for count, name in enumerate(names):
            if name in reader.part.scored:
                refuse_fitted("model", reader.trained_on, [name])
            found = reader.read(name)
            for method in left:
                if made[method].lacks(name):
                    made[method].write(name, scores_of(fitted.get(method), found, method, name))
            tick(0.6 + 0.4 * (count + 1) / len(names), f"{count + 1}/{len(names)} subjects")


def scores_of(detector: Detector | None, found: Features, method: Method, name: str) -> np.ndarray:
    """A subject's score map values, higher = more abnormal."""
    if detector is None:
        return found["error"][:, 0]
    return score_map_values(detector, found[method.detector.feature][None], [name])[0]


def in_volume(run: Run, scores: np.ndarray) -> np.ndarray:
    """A subject's scores as a volume, NaN outside the mask."""
    volume = np.full(run.cohort.mask.shape, np.nan, np.float32)
    volume[run.cohort.mask] = scores
    return volume


def units_of(method: Method) -> str:
    """What the numbers of a score map are."""
    if method.detector.kind == ERROR:
        return "joint reconstruction error, intensities scaled 0-1 by training controls"
    return f"negative decision function of {method.detector.kind} on {method.detector.feature}"
