"""What a run compares when some of it could not be scored: a failed model does not cost the others their tables."""

from nigra.detection.settings import INTENSITIES
from nigra.errors import NigraError
from nigra.study.run import Run
from nigra.study.score import is_scored, methods_of, models_of
from nigra.study.settings import BASELINES, RunSettings


def without_unscored(run: Run) -> tuple[RunSettings, list[str]]:
    """The settings without the models that are not scored in every draw, and a sentence for each left out.

    What could be scored is compared on the same draws; a method with some draws alone would not be.

    Raises:
        NigraError: nothing is scored in every draw.
    """
    missing: dict[str, list[int]] = {}
    for model in models_of(run):
        draws = [d.draw for d in run.draws if not all(is_scored(run, m, d) for m in methods_of(run, model))]
        if draws:
            missing[methods_of(run, model)[0].model_label] = draws
    if len(missing) == len(models_of(run)):
        raise NigraError(
            f"no method of {run.folder} is scored in every draw, so nothing can be evaluated; tasks.tsv says why."
        )
    sentences = [
        f"{label} is left out: draw {', '.join(map(str, draws))} could not be scored; tasks.tsv says why."
        for label, draws in missing.items()
    ]
    return (_without(run.settings, missing), sentences) if missing else (run.settings, [])


def _without(settings: RunSettings, labels: dict[str, list[int]]) -> RunSettings:
    """The settings without models of these labels; ``intensities`` takes the detectors on the maps with it."""
    changed: dict[str, object] = {"models": [model for model in settings.models if model.label not in labels]}
    if INTENSITIES in labels:
        changed["detectors"] = [each for each in settings.detectors if each.source != INTENSITIES]
        changed["baselines"] = [name for name in settings.baselines if name not in BASELINES]
    left = settings.model_copy(update=changed)
    reference = settings.evaluation.reference
    gone = {method.label for method in settings.methods} - {method.label for method in left.methods}
    if reference in gone:
        evaluation = settings.evaluation.model_copy(update={"reference": ""})
        left = left.model_copy(update={"evaluation": evaluation})
    return left
