"""Stage report: every picture of a run, then the one offline file that holds them."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from nigra.cohort.splits import Draw
from nigra.cohort.store import CONTROL, PATIENT
from nigra.detection.settings import ERROR, method_label
from nigra.errors import NigraError
from nigra.figures.architecture import Architecture, architecture_diagram, layer_sizes
from nigra.figures.axial import level_of, slice_at, slice_of_nuclei
from nigra.figures.cohort_picture import cohort_picture
from nigra.figures.false_positives import false_positive_check
from nigra.figures.reconstructions import example_reconstructions
from nigra.figures.score_maps import score_maps
from nigra.figures.style import save
from nigra.figures.training_curves import read_training, training_curves
from nigra.files import read_tsv
from nigra.models.composition import build, parameter_count
from nigra.regions import COLUMNS, WHOLE_BRAIN, Atlas
from nigra.report.build import build_report
from nigra.scoring.errors import reconstruct
from nigra.study.analysis_figures import analysis_figures
from nigra.study.calibrate import threshold_volume
from nigra.study.evaluate import atlas_of
from nigra.study.progress import Steps
from nigra.study.run import Run
from nigra.study.score import in_volume, read_scores, units_of
from nigra.study.settings import Method, ModelSettings
from nigra.study.train import trained
from nigra.units import Source


def report_all(run: Run, steps: Steps) -> Path:
    """Draw the figures from the files of the earlier stages and write ``report.html``; returns its path."""
    atlas, regions = atlas_of(run), read_tsv(run.folder / "regions.tsv")
    missing = {"model", "detector", *COLUMNS} - set(regions.columns)
    if missing:
        raise NigraError(
            f"{run.folder / 'regions.tsv'} has a column {min(missing)}, but found none; run `nigra evaluate` again."
        )
    regions["model"] = [method_label(*pair) for pair in zip(regions["model"], regions["detector"], strict=True)]
    # baselines stand in the tables; listed as detectors they have pictures too
    background, methods = mean_control(run), run.settings.asked or run.settings.methods
    # or pictures of models no longer asked for would stay in the report
    shutil.rmtree(run.folder / "figures", ignore_errors=True)
    with steps.step("figures") as tick:
        for number, method in enumerate(methods):
            for name, figure in _figures_of(run, method, regions, atlas, background).items():
                save(figure, run.folder / "figures" / f"{name}-{method.label}")
            tick((number + 1) / (len(methods) + 1), method.label)
        # the cohort picture of the first method listed is the run's first figure
        save(_cohort(run, methods[0], regions, atlas, background), run.folder / "figure1")
        for name, figure in (_figures_of_all(run, regions) | analysis_figures(run, methods)).items():
            save(figure, run.folder / "figures" / name)
    return build_report(run.folder)


def _figures_of(
    run: Run, method: Method, regions: pd.DataFrame, atlas: Atlas, background: np.ndarray
) -> dict[str, Figure]:
    """The pictures of one method; examples are those of the first draw."""
    figures = {"cohort": _cohort(run, method, regions, atlas, background)}
    if run.settings.figures.examples and _covers(run, method, _level(run, atlas)):
        if method.model and method.detector.kind == ERROR:
            figures["reconstructions"] = _reconstructions(run, method.model, method, run.draws[0], atlas)
        figures["scores"] = _scores(run, method, run.draws[0], atlas, background)
    return figures


def _covers(run: Run, method: Method, k: int) -> bool:
    """Whether the method scores anything of axial slice k, which a model's own central slices may leave out."""
    volume = np.zeros(run.cohort.mask.shape, bool)
    volume[run.cohort.mask] = np.isfinite(read_scores(run, method, run.draws[0]).scores[0])
    return bool(volume[..., k].any())


def _figures_of_all(run: Run, regions: pd.DataFrame) -> dict[str, Figure]:
    """The pictures that compare models."""
    history = read_training(run.folder)  # a folder may hold models and draws of earlier settings
    asked = [(model.label, draw.draw) for model in run.settings.models for draw in run.draws]
    history = history[pd.MultiIndex.from_frame(history[["model", "draw"]]).isin(asked)]
    whole = regions[(regions["region"] == WHOLE_BRAIN) & (regions["set"] == "test")]
    expected = run.settings.calibration.expected_percent(len(run.draws[0].train))
    figures = {
        "false-positives": false_positive_check(whole[whole["group"] == CONTROL], expected),
    }
    if run.settings.models:
        figures["models"] = architecture_diagram([_architecture(run, model) for model in run.settings.models])
    return figures | ({"training": training_curves(history)} if len(history) else {})


def mean_control(run: Run) -> np.ndarray:
    """Mean first channel of the first draw's training controls, scaled 0-1: the grey picture behind the colours."""
    rows = run.cohort.rows(run.draws[0].train)
    mean = np.mean([run.cohort.volumes[row, 0] for row in rows], axis=0)
    return np.clip(mean / np.quantile(mean[run.cohort.mask], 0.995), 0, 1).astype(np.float32)


def _cohort(run: Run, method: Method, regions: pd.DataFrame, atlas: Atlas, background: np.ndarray) -> Figure:
    settings, groups = run.settings.figures, run.settings.groups
    rows = regions[(regions["model"] == method.label) & (regions["set"] == "test")]
    return cohort_picture(
        rows, atlas.labels, atlas.names, background, run.cohort.affine, settings.patients_shown, settings.seed,
        settings.level_mm, expected_percent=run.settings.calibration.expected_percent(len(run.draws[0].train)),
        group_names={CONTROL: groups.control_name, PATIENT: groups.patient_name},
        title=f"Abnormal voxels per region, {method.label}",
    )  # fmt: skip


def _level(run: Run, atlas: Atlas) -> int:
    """Index of the axial slice the examples show."""
    level, depth = run.settings.figures.level_mm, run.cohort.mask.shape[2]
    return (
        slice_of_nuclei(atlas.labels, atlas.names) if level is None else slice_at(level, run.cohort.affine, depth)
    )


def _examples(run: Run, draw: Draw) -> list[str]:
    """The first test controls and patients of a draw, in cohort order, never chosen by their scores."""
    groups = dict(zip(run.cohort.ids, run.cohort.participants["group"], strict=True))
    count = run.settings.figures.examples
    return [name for group in (CONTROL, PATIENT) for name in [t for t in draw.test if groups[t] == group][:count]]


def _reconstructions(run: Run, model: ModelSettings, method: Method, draw: Draw, atlas: Atlas) -> Figure:
    names, k = _examples(run, draw), _level(run, atlas)
    used = trained(run, run.fits(model, draw)[0])
    source = Source.scaled(run.cohort, used.scaling)
    plane = np.zeros_like(run.cohort.mask)
    plane[..., k] = run.cohort.mask[..., k]
    inputs, rebuilt, scores = [], [], []
    for name in names:
        row = int(run.cohort.rows([name])[0])
        shown = np.where(plane[..., k], source.volume(row)[0, ..., k], np.nan)
        volume = reconstruct(used.model, run.unit(model), source, row, model.scores, plane, run.device)
        inputs.append(shown)
        rebuilt.append(np.where(plane[..., k], volume[0, ..., k], np.nan))
        scores.append(_score_volume(run, method, draw, name)[..., k])
    threshold = threshold_volume(run, read_scores(run, method, draw))
    threshold = threshold if isinstance(threshold, float) else threshold[..., k]
    return example_reconstructions(
        names, np.array(inputs), np.array(rebuilt), np.array(scores), run.cohort.affine,
        level_of(k, run.cohort.affine), channel=run.cohort.channels[0], units="scaled 0-1", threshold=threshold,
        title=f"Example reconstructions, {model.label}, draw {draw.draw}",
    )  # fmt: skip


def _score_volume(run: Run, method: Method, draw: Draw, name: str) -> np.ndarray:
    scored = read_scores(run, method, draw)
    return in_volume(run, scored.test[scored.test_ids.index(name)])


def _scores(run: Run, method: Method, draw: Draw, atlas: Atlas, background: np.ndarray) -> Figure:
    names, k = _examples(run, draw), _level(run, atlas)
    volumes = np.array([_score_volume(run, method, draw, name) for name in names])
    step = max(1, round(12 / run.cohort.affine[2, 2]))
    depth = run.cohort.mask.shape[2]
    levels = [level_of(i, run.cohort.affine) for i in (k - step, k, k + step, k + 2 * step) if 0 <= i < depth]
    threshold = threshold_volume(run, read_scores(run, method, draw))
    return score_maps(
        names, volumes, background, run.cohort.affine, levels, threshold,
        units=units_of(method).split(",")[0],
        title=f"Score maps, {method.label}, draw {draw.draw}",
    )  # fmt: skip


def _architecture(run: Run, model: ModelSettings) -> Architecture:
    unit = run.unit(model)
    channels, shape = unit.unit_channels(len(run.cohort.channels)), unit.unit_shape(run.cohort.mask.shape)
    network = build(model.composition, channels, shape)
    sizes = layer_sizes(network, (channels, *shape))
    term = model.siamese.kind if model.siamese and model.siamese.alpha else ""
    return Architecture(model.label, sizes, parameter_count(network), network.members == 2, term)
