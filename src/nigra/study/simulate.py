"""Stage simulate: plant known anomalies into held-out controls, score them as the run does, count what is found.

A control is planted into before anything else happens to it: the unscaled volume of the store is changed, then
scaled, seen by the model, scored by the detector and cut by the threshold of the run, all of which were fitted on
other people and stay as they are. What the unplanted control scores is in the run's ``scores.npy`` already.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from filelock import FileLock, Timeout
from rich.console import Console

from nigra.cohort.splits import Draw
from nigra.detection.detector import Detector
from nigra.errors import NigraError
from nigra.figures.dose_response import dose_response_figure, froc_figure
from nigra.figures.style import save
from nigra.files import read_tsv, write_json, write_tsv
from nigra.provenance import record, refuse_fitted
from nigra.report.simulation import build_simulation_page
from nigra.shapes import Labels
from nigra.simulation.dose_response import KEYS, dose_response, froc, smallest_effect
from nigra.simulation.measures import hits, in_box, share_above, threshold_at, voxel_measures
from nigra.simulation.placing import Lesion
from nigra.simulation.planting import plant, truth
from nigra.simulation.settings import SimulationSettings
from nigra.study.execution import Execution
from nigra.study.features import Reader, controls, fit_detectors
from nigra.study.planted import Plan, Target
from nigra.study.progress import Steps, between
from nigra.study.run import Run, cores
from nigra.study.score import Scored, methods_of, models_of, read_scores, scores_of
from nigra.study.settings import Method, ModelSettings, RunSettings
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
            _simulate(plan, console)
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


def _simulate(plan: Plan, console: Console | None) -> None:
    limit_threads(plan.run.execution.threads or cores())
    for path in plan.folder.glob("**/.writing-*"):  # left by a killed process; the lock says that nobody writes
        path.unlink()
    pairs = [(model, draw) for model in models_of(plan.run) for draw in plan.draws]
    steps = Steps(console, len(pairs) + 3)
    with steps.step("draw places") as tick:
        lesions = plan.draw_all(tick)
    empty = len(plan.targets) - len(lesions)
    if empty:
        steps.say(
            f"Caution: {empty} of {len(plan.targets)} shapes fit nowhere in their subject; they are left out."
        )
    for model, draw in pairs:
        _score_draw(plan, model, draw, lesions, steps)
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


def _score_draw(
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
        judges = [_Judge.of(plan, method, draw, fitted.get(method)) for method in methods]
        for number, target in enumerate(left):
            share = between(tick, 0.2 + 0.8 * number / len(left), 0.2 + 0.8 * (number + 1) / len(left))
            tables = _examine(plan, reader, judges, target, lesions[target], share)
            for path, rows in zip(own[target][::-1], tables[::-1], strict=True):
                write_tsv(path, pd.DataFrame(rows))


@dataclass(frozen=True)
class _Judge:
    """A method on a draw: how it scores, its thresholds, and what it says of the unplanted controls."""

    method: Method
    detector: Detector | None
    names: list[str]
    unplanted: np.ndarray
    calibrated: float
    matched: float
    thresholds: list[float]
    reference: np.ndarray
    """Abnormal voxels of the cross-fitted controls at the run's threshold, none where training controls set it."""

    @classmethod
    def of(cls, plan: Plan, method: Method, draw: Draw, detector: Detector | None) -> "_Judge":
        scored: Scored = read_scores(plan.run, method, draw)
        names, calibrated = plan.controls(draw), scored.threshold(plan.run)
        refuse_fitted("threshold", calibrated.fitted_on, names)
        unplanted = np.array(scored.test[[scored.test_ids.index(name) for name in names]])
        rates = [threshold_at(unplanted, rate) for rate in plan.settings.rates]
        reference = scored.abnormal(plan.run)[: len(scored.calibration_ids) if scored.folds else 0]
        matched = threshold_at(unplanted, plan.settings.rate)
        return cls(method, detector, names, unplanted, calibrated.value, matched, rates, reference)


def _examine(
    plan: Plan, reader: Reader, judges: list[_Judge], target: Target, lesions: list[Lesion], tick: Tick
) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    """Rows for ``lesions.tsv`` and of false-positive clusters: strength 0, then every effect and strength."""
    run, settings = plan.run, plan.settings
    labels = truth(lesions, run.cohort.mask.shape)
    volume = np.asarray(run.cohort.volumes[int(run.cohort.rows([target.name])[0])])
    pairs = [(effect, strength) for effect in settings.effects for strength in effect.strengths]
    found: tuple[list[dict[str, object]], list[dict[str, object]]] = [], []
    for judge in judges:
        for effect in settings.effects:  # as scanned: what is found where nothing is
            scores = judge.unplanted[judge.names.index(target.name)]
            _measure(plan, judge, target, labels, scores, {"effect": effect.label, "strength": 0.0}, found)
    for number, (effect, strength) in enumerate(pairs):
        planted = plant(volume, lesions, effect, strength, run.cohort.channels, run.cohort.mask, run.cohort.affine)
        features = reader.read_volume(planted)
        for judge in judges:
            scores = scores_of(judge.detector, features, judge.method, target.name)
            _measure(plan, judge, target, labels, scores, {"effect": effect.label, "strength": strength}, found)
        tick((number + 1) / len(pairs), f"{target.name}, {target.shape.label}")
    return found


def _measure(
    plan: Plan, judge: _Judge, target: Target, labels: Labels, scores: np.ndarray, dose: dict[str, object],
    found: tuple[list[dict[str, object]], list[dict[str, object]]],
) -> None:  # fmt: skip
    """Add a row per lesion, and one per threshold of the FROC curve."""
    settings, mask, box = plan.settings, plan.run.cohort.mask, in_box(plan.run.cohort.mask)
    unplanted = judge.unplanted[judge.names.index(target.name)]
    condition = {
        "model": judge.method.model_label, "detector": judge.method.detector.label, "shape": target.shape.label,
        "size": target.shape.size_text(target.size), **dose, "participant_id": target.name,
        "draw": target.draw.draw,
    }  # fmt: skip

    def lesion_wise(threshold: float) -> tuple[np.ndarray, int]:
        abnormal = np.zeros(mask.shape, dtype=bool)
        abnormal[mask] = scores > threshold
        result = hits(abnormal[box], labels[box], settings.found_share, settings.smallest)
        return result.found, result.false

    rows = voxel_measures(scores, unplanted, labels[mask], judge.calibrated, judge.matched)
    regions = _region_rows(plan, judge, target, labels, scores)
    hit, _ = lesion_wise(judge.matched)
    for number, (row, region) in enumerate(zip(rows, regions, strict=True)):
        own = {
            "number": number + 1, "voxels": int((labels == number + 1).sum()), **row,
            "observed_rate": share_above(unplanted, judge.calibrated),
            "observed_rate_matched": share_above(unplanted, judge.matched), "found": float(hit[number]),
        }  # fmt: skip
        found[0].append(condition | own | region)
    for rate, threshold in zip(settings.rates, judge.thresholds, strict=True):
        hit, false = lesion_wise(threshold)
        counts = {"rate": rate, "lesions": len(hit), "found": int(hit.sum()), "false_clusters": false}
        found[1].append(condition | counts)


def _region_rows(
    plan: Plan, judge: _Judge, target: Target, labels: Labels, scores: np.ndarray
) -> list[dict[str, object]]:
    """Whether the region that holds most of each lesion stands out among unplanted controls' regions.

    The limit is the 95 % quantile of the region's percentage over the cross-fitted controls and the other test
    controls. A lesion outside of all regions has none.
    """
    atlas, mask, rows = plan.atlas.labels[plan.run.cohort.mask], plan.run.cohort.mask, []
    others = [row for name, row in zip(judge.names, judge.unplanted, strict=True) if name != target.name]
    for number in range(1, int(labels.max()) + 1):
        inside = atlas[labels[mask] == number]
        label = int(np.bincount(inside[inside > 0]).argmax()) if (inside > 0).any() else 0
        region = (atlas == label) & np.isfinite(scores)
        if label == 0 or not region.any():
            rows.append({"region": "", "region_percent": np.nan, "region_limit": np.nan, "region_found": np.nan})
            continue
        healthy = [100 * float((row[region] > judge.calibrated).mean()) for row in others]
        healthy += (100 * judge.reference[:, region].mean(axis=1)).tolist()
        limit = float(np.quantile(healthy, 0.95, method="higher")) if healthy else np.nan
        percent = 100 * float((scores[region] > judge.calibrated).mean())
        rows.append({
            "region": plan.atlas.names[label], "region_percent": percent, "region_limit": limit,
            "region_found": float(percent > limit) if healthy else np.nan,
        })  # fmt: skip
    return rows


def write_tables(
    plan: Plan, lesions: dict[Target, list[Lesion]]
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Write ``lesions.tsv`` and, from it, ``dose_response.tsv``, ``smallest_effect.tsv`` and ``froc.tsv``."""
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
    curves = dose_response(found, settings.bootstrap, settings.seed)
    smallest = smallest_effect(found, 0.5, settings.bootstrap, settings.seed)
    clusters = froc(counts.drop(columns="region"), settings.bootstrap, settings.seed)
    first = [*KEYS, *WHO]
    write_tsv(plan.folder / "lesions.tsv", found[[*first, *(c for c in found if c not in first)]])
    write_tsv(plan.folder / "dose_response.tsv", curves)
    write_tsv(plan.folder / "smallest_effect.tsv", smallest)
    write_tsv(plan.folder / "froc.tsv", clusters)
    given = settings.model_dump(mode="json")
    inputs = {"cohort/volumes.npy": plan.run.cohort.digest, f"atlas {plan.atlas.space}": plan.atlas.source}
    write_json(plan.folder / "simulation.json", record("simulate", given, inputs))
    return curves, clusters, smallest


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
