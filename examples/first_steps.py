"""First steps in Python: a tiny synthetic cohort, a quick siamese auto-encoder, one subject's abnormal voxels.

Run it with ``python examples/first_steps.py``; it takes less than a minute and prints four lines.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from nigra.cohort.splits import SplitSettings, split
from nigra.cohort.store import CONTROL, open_cohort
from nigra.detection.calibration import fit_threshold
from nigra.models.published import build, parameter_count
from nigra.phantom.dataset import write_phantom
from nigra.preparation.prepare import prepare
from nigra.preparation.scaling import fit_scaling
from nigra.preparation.settings import PrepareSettings
from nigra.scoring.errors import score_map
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
    train(
        model,
        task,
        TrainingSettings(epochs=4, batch=32, learning_rate=3e-3, units_per_subject=600),
        folder / "model",
    )
    print(f"model: {parameter_count(model)} parameters, trained on {len(draw.train)} controls")

    # scores of the training controls set the threshold here; `nigra run` cross-fits them, which is fairer
    scores = {name: score_map(model, unit, source, int(cohort.rows([name])[0])) for name in cohort.ids}
    inside = {name: scores[name][cohort.mask] for name in cohort.ids}
    threshold = fit_threshold(np.array([inside[name] for name in draw.train]), draw.train, 0.98, "training")
    print(f"threshold: {threshold.value:.3f}, the 98 % quantile of the training controls")

    groups = dict(zip(cohort.ids, cohort.participants["group"], strict=True))
    percents = {name: threshold.observed_percent(inside[name][None], [name])[0] for name in draw.test}
    for_controls = [f"{percents[name]:.1f}" for name in draw.test if groups[name] == CONTROL]
    print(f"abnormal voxels of test controls: {', '.join(for_controls)} % (2 % expected of new controls at best)")


if __name__ == "__main__":
    with TemporaryDirectory() as temporary:
        main(Path(temporary))
