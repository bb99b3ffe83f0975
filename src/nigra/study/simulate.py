"""Stage simulate: plant known anomalies into held-out controls, score them as the run does, count what is found.

A control is planted into before anything else happens to it: the unscaled volume of the store is changed, then
scaled, seen by the model, scored by the detector and cut by the threshold of the run, all of which were fitted on
other people and stay as they are. What the unplanted control scores is in the run's ``scores.npy`` already.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from filelock import FileLock, Timeout
from rich.console import Console

from nigra.cohort.splits import Draw
from nigra.errors import NigraError
from nigra.figures.dose_response import dose_response_figure, froc_figure
from nigra.figures.style import save
from nigra.files import read_tsv, write_json, write_tsv
from nigra.provenance import record, refuse_fitted
from nigra.report.simulation import build_simulation_page
from nigra.simulation.advantage import advantage, best_reference
from nigra.simulation.dose_response import KEYS, dose_response, froc, smallest_effect
from nigra.simulation.placing import Lesion
from nigra.simulation.planting import plant, truth
from nigra.simulation.settings import SimulationSettings
from nigra.study.execution import Execution
from nigra.study.features import Reader, controls, fit_detectors
from nigra.study.judging import Judge, Rows, measure
from nigra.study.planted import Plan, Target
from nigra.study.progress import Steps, between
from nigra.study.rows import score_key
from nigra.study.run import Run, cores
from nigra.study.score import methods_of, models_of, scores_of
from nigra.study.settings import INTENSITIES, ModelSettings, RunSettings
from nigra.training import Tick, limit_threads

TEXT = ("participant_id", "model", "detector", "shape", "size", "effect", "region", "source")
WHO = ("participant_id", "draw")


def simulate(
    study: Path, run_settings: RunSettings, settings: SimulationSettings, execution: Execution | None = None,
    console: Console | None = None,
) -> Path:  # fmt: skip
    """Examine every method of a scored run with planted anomalies; returns ``runs/NAME/simulation``.

    A killed simulation, started again with the same settings, goes on where it was and ends with the same results.

    Raises:
        NigraError: the run is not scored with these settings, or the settings do not fit it.
    """
    plan = Plan(Run(study, run_settings, execution or Execution()), settings)
    plan.check()
    try:
        with FileLock(plan.run.folder / ".lock", timeout=0):
            limit_threads(plan.run.execution.threads or cores())
            for path in plan.folder.glob(
                "**/.writing-*"
            ):  # left by a killed process; the lock says that nobody writes
                path.unlink()
            pairs = len(models_of(plan.run)) * len(plan.draws)
            simulate_all(plan, Steps(console, pairs + 3))
    except Timeout as error:
        raise NigraError(f"{plan.run.folder} is in use by another nigra; wait for it.") from error
    return plan.folder


def to_do(study: Path, run_settings: RunSettings, settings: SimulationSettings) -> list[tuple[str, int, int]]:
    """What a simulation would do, by model: its name, planted volumes in all, those scored before."""
    plan = Plan(Run(study, run_settings), settings)
    plan.check()
    each, found = sum(len(effect.strengths) for effect in settings.effects), []
    for model in models_of(plan.run):
        done = sum(_files(plan, model, target)[0].exists() for target in plan.targets)
        found.append((methods_of(plan.run, model)[0].model_label, each * len(plan.targets), each * done))
    return found


def simulate_all(plan: Plan, steps: Steps) -> None:
    """Plant, score and count what is not yet done, then write the tables, the figures and the page."""
    pairs = [(model, draw) for model in models_of(plan.run) for draw in plan.draws]
    with steps.step("draw places") as tick:
        lesions = plan.draw_all(tick)
    empty = len(plan.targets) - len(lesions)
    for sentence in plan.without_change(lesions):
        steps.say(sentence)
    if empty:
        steps.say(
            f"Caution: {empty} of {len(plan.targets)} shapes fit nowhere in their subject; they are left out."
        )
    for model, draw in pairs:
        plant_draw(plan, model, draw, lesions, steps)
    with steps.step("tables"):
        tables = write_tables(plan, lesions)
    with steps.step("figures and page"):
        draw_figures(plan, *tables)
        build_simulation_page(plan.folder)


def _files(plan: Plan, model: ModelSettings | None, target: Target) -> tuple[Path, Path]:
    """Tables of a target's lesions and of its false-positive clusters; the first is written last."""
    label, key = methods_of(plan.run, model)[0].model_label, plan.key(model, target)[:12]
    stem = plan.folder / "targets" / label / f"{target.file}_{key}"
    return stem.with_name(f"{stem.name}_lesions.tsv"), stem.with_name(f"{stem.name}_froc.tsv")


def plant_draw(
    plan: Plan, model: ModelSettings | None, draw: Draw, lesions: dict[Target, list[Lesion]], steps: Steps
) -> None:
    """Plant into, score and measure every target of a draw that is not yet done, by all methods of a model."""
    run, methods = plan.run, methods_of(plan.run, model)
    own = {target: _files(plan, model, target) for target in lesions if target.draw == draw}
    left = [t for t, (path, _) in own.items() if run.execution.overwrite or not path.exists()]
    text = f"plant and score {methods[0].model_label}, draw-{draw.draw:02d}"
    if not left:
        steps.skip(text)
        return
    with steps.step(text) as tick:
        reader = Reader(run, model, draw.draw, run.parts(draw)[0], [method.detector for method in methods])
        refuse_fitted("model", reader.trained_on, [target.name for target in left])
        with controls(reader, steps.say, between(tick, 0.0, 0.1)) as features:
            fitted = fit_detectors(reader, methods, features, between(tick, 0.1, 0.2))
        judges = [Judge.of(plan, method, draw, fitted.get(method)) for method in methods]
        for number, target in enumerate(left):
            share = between(tick, 0.2 + 0.8 * number / len(left), 0.2 + 0.8 * (number + 1) / len(left))
            tables = _examine(plan, reader, judges, target, lesions[target], share)
            for path, rows in zip(own[target][::-1], tables[::-1], strict=True):
                write_tsv(path, pd.DataFrame(rows))


def _examine(
    plan: Plan, reader: Reader, judges: list[Judge], target: Target, lesions: list[Lesion], tick: Tick
) -> Rows:
    """Rows for ``lesions.tsv`` and of false-positive clusters: strength 0, then every effect and strength."""
    run, settings = plan.run, plan.settings
    labels = truth(lesions, run.cohort.mask.shape)
    volume = np.asarray(run.cohort.volumes[int(run.cohort.rows([target.name])[0])])
    pairs = [(effect, strength) for effect in settings.effects for strength in effect.strengths]
    found: Rows = [], []
    for judge in judges:
        for effect in settings.effects:  # as scanned: what is found where nothing is
            scores = judge.unplanted[judge.names.index(target.name)]
            measure(plan, judge, target, labels, scores, {"effect": effect.label, "strength": 0.0}, found)
    for number, (effect, strength) in enumerate(pairs):
        planted = plant(volume, lesions, effect, strength, run.cohort.channels, run.cohort.mask, run.cohort.affine)
        features = reader.read_volume(planted)
        for judge in judges:
            scores = scores_of(judge.detector, features, judge.method, target.name)
            measure(plan, judge, target, labels, scores, {"effect": effect.label, "strength": strength}, found)
        tick((number + 1) / len(pairs), f"{target.name}, {target.shape.label}")
    return found


def write_tables(
    plan: Plan, lesions: dict[Target, list[Lesion]]
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Write ``lesions.tsv`` and, from it, ``dose_response``, ``smallest_effect``, ``advantage``, ``froc``."""
    files = [_files(plan, model, target) for model in models_of(plan.run) for target in lesions]
    for path in set((plan.folder / "targets").glob("*/*.tsv")) - {path for pair in files for path in pair}:
        path.unlink()  # of earlier settings
    order = {label: number for number, label in enumerate(_labels(plan))}
    parts = [pd.concat([read_tsv(pair[i], TEXT) for pair in files], ignore_index=True) for i in (0, 1)]
    found, counts = (
        part.assign(
            _method=[order[pair] for pair in zip(part["model"], part["detector"], strict=True)],
            region=part["region"].fillna("") if "region" in part else "",
        )
        .sort_values("_method", kind="stable").drop(columns="_method").reset_index(drop=True)
        for part in parts
    )  # fmt: skip
    settings = plan.settings
    curves = dose_response(found)
    smallest = smallest_effect(found, 0.5, settings.bootstrap, settings.seed)
    clusters = froc(counts.drop(columns="region"))
    first = [*KEYS, *WHO]
    write_tsv(plan.folder / "lesions.tsv", found[[*first, *(c for c in found if c not in first)]])
    write_tsv(plan.folder / "dose_response.tsv", curves)
    write_tsv(plan.folder / "smallest_effect.tsv", smallest)
    write_tsv(plan.folder / "froc.tsv", clusters)
    (plan.folder / "advantage.tsv").unlink(missing_ok=True)
    reference = best_reference(found, [(INTENSITIES, name) for name in plan.run.settings.baselines])
    if reference is not None:
        ahead = advantage(found, reference)
        write_tsv(plan.folder / "advantage.tsv", ahead)
    given = settings.model_dump(mode="json")
    inputs = {"cohort/volumes.npy": plan.run.cohort.digest, f"atlas {plan.atlas.space}": plan.atlas.source}
    about = {"scored": _scored(plan)}
    write_json(plan.folder / "simulation.json", about | record("simulate", given, inputs))
    return curves, clusters, smallest


def _scored(plan: Plan) -> dict[str, str]:
    """By ``MODEL/draw-NN/DETECTOR``, the key of the scores that were looked at."""
    run, pairs = plan.run, [(method, draw) for method in plan.run.settings.methods for draw in plan.draws]
    places = [run.method_place(method, draw.draw).relative_to(run.folder).as_posix() for method, draw in pairs]
    return {place: score_key(run, *pair) for place, pair in zip(places, pairs, strict=True)}


def _labels(plan: Plan) -> list[tuple[str, str]]:
    """Model and detector of every method, in the run's order."""
    return [(method.model_label, method.detector.label) for method in plan.run.settings.methods]


def draw_figures(plan: Plan, curves: pd.DataFrame, clusters: pd.DataFrame, smallest: pd.DataFrame) -> None:
    """Write the pictures of the tables."""
    folder, rate = plan.folder / "figures", plan.settings.rate
    save(dose_response_figure(curves, "sensitivity_matched", rate), folder / "dose-response-sensitivity")
    save(dose_response_figure(curves, "auroc", rate), folder / "dose-response-auroc")
    save(dose_response_figure(curves, "found", rate), folder / "dose-response-lesions")
    save(froc_figure(clusters), folder / "froc")
