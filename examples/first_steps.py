"""First steps in Python: a tiny synthetic cohort, a quick siamese auto-encoder, its errors, an SVM on its codes.

Run it with ``python examples/first_steps.py``; it takes less than a minute, the first time one more to compile.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from nigra.cohort.splits import SplitSettings, split
from nigra.cohort.store import CONTROL, PATIENT, open_cohort
from nigra.detection.calibration import Threshold, fit_threshold
from nigra.detection.detector import score_map_values, training_map_values
from nigra.detection.one_class_svm import VoxelwiseOneClassSVM
from nigra.models.published import build, parameter_count
from nigra.phantom.dataset import write_phantom
from nigra.preparation.prepare import prepare
from nigra.preparation.scaling import fit_scaling
from nigra.preparation.settings import PrepareSettings
from nigra.scoring.scorer import Scorer
from nigra.training import Task, TrainingSettings, train
from nigra.units import Patches, Source


def main(folder: Path) -> None:
    """Everything a run does, once, by hand."""
    write_phantom(folder / "phantom", controls=8, patients=2, resolution=6.0, progress=False)
    prepare(folder / "phantom", folder / "study", PrepareSettings(registration=False))
    cohort = open_cohort(folder / "study")
    print(f"cohort: {len(cohort.ids)} subjects, channels {', '.join(cohort.channels)}, space {cohort.space}")

    # one draw: some controls train, the others and all patients are tested
    draw = split(cohort.participants, SplitSettings(draws=1, test_fraction=0.25))[0]
    source, unit = Source.scaled(cohort, fit_scaling(cohort, draw.train)), Patches(15)
    model = build("mlcn2021-sae", channels=len(cohort.channels))
    task = Task(source, unit, cohort.rows(draw.train), np.zeros(0, dtype=np.int64))
    settings = TrainingSettings(epochs=3, batch=32, learning_rate=3e-3, units_per_subject=400)
    train(model, task, settings, folder / "model")
    print(f"model: {parameter_count(model)} parameters, trained on {len(draw.train)} controls")

    # one pass per subject gives the error and the code of every voxel
    scorer = Scorer(model, unit)
    print(f"scoring: {scorer.way}, {scorer.code_length} numbers a code")
    rows = dict(zip(cohort.ids, map(int, cohort.rows(cohort.ids)), strict=True))
    passes = {name: scorer.score(source, rows[name], codes=True) for name in draw.train + draw.test}

    # the error of a voxel; training controls set the threshold here, `nigra run` cross-fits them, which is fairer
    errors = {name: found.error[cohort.mask] for name, found in passes.items()}
    threshold = fit_threshold(np.stack([errors[name] for name in draw.train]), draw.train, 0.98, "training")
    print(f"threshold: {threshold.value:.3f}, the 98 % quantile of the training controls")
    groups = dict(zip(cohort.ids, cohort.participants["group"], strict=True))
    print("abnormal voxels by the error:", percents(threshold, {name: errors[name] for name in draw.test}, groups))

    # a one-class SVM per voxel on the training controls' codes, each of them scored by the SVMs of the others
    codes = {name: found.codes for name, found in passes.items()}
    controls = np.stack([codes[name] for name in draw.train])
    svm = VoxelwiseOneClassSVM(nu=0.2).fit(controls, draw.train)
    threshold = fit_threshold(training_map_values(svm, controls), draw.train, 0.98, "training")
    scores = {name: score_map_values(svm, codes[name][None], [name])[0] for name in draw.test}
    print("abnormal voxels by SVMs on codes:", percents(threshold, scores, groups))


def percents(threshold: Threshold, scores: dict[str, np.ndarray], groups: dict[str, str]) -> str:
    """Percentage of abnormal voxels of each subject, by group; 2 % is expected of new controls at best."""
    found = {name: threshold.observed_percent(scores[name][None], [name])[0] for name in scores}
    each = {g: ", ".join(f"{found[n]:.1f}" for n in found if groups[n] == g) for g in (CONTROL, PATIENT)}
    return "; ".join(f"{group} {numbers} %" for group, numbers in each.items())


if __name__ == "__main__":
    with TemporaryDirectory() as temporary:
        main(Path(temporary))
