"""Stage evaluate: region table, false-positive check, clusters, group comparison."""

import numpy as np
import pandas as pd

from nigra.cohort.splits import Draw
from nigra.cohort.store import CONTROL
from nigra.detection.clusters import COLUMNS, find_clusters
from nigra.detection.settings import method_label
from nigra.errors import NigraError
from nigra.files import write_image, write_json, write_tsv
from nigra.regions import Atlas, load_atlas, packaged_atlas, region_table
from nigra.statistics.evaluation import evaluate
from nigra.statistics.regional_mean import region_means, region_names, regional_mean_rows
from nigra.study.analyses import analyse, compared_scores, of_methods
from nigra.study.calibrate import abnormal_above, calibrate, map_key, threshold_volume, wants_maps
from nigra.study.progress import Steps
from nigra.study.run import Run
from nigra.study.score import in_volume, read_scores
from nigra.study.settings import INTENSITIES, REGIONAL_MEAN, Method
from nigra.training import Tick

CLUSTER_COLUMNS = ("model", "detector", "fold", "participant_id", "group", *COLUMNS, "region")
"""Columns of ``clusters.tsv``, in order."""


def atlas_of(run: Run) -> Atlas:
    """The run's atlas on the maps' grid."""
    settings, cohort, dseg = run.settings.atlas, run.cohort, run.label_image
    if dseg is None:
        return packaged_atlas("neuromorphometrics", cohort.space, cohort.mask.shape, cohort.affine)
    tsv = settings.tsv and run.study / settings.tsv
    return load_atlas(dseg, tsv, cohort.space, cohort.mask.shape, cohort.affine, settings.space, settings.merged)


def evaluate_all(run: Run, steps: Steps) -> None:
    """Write ``regions.tsv``, ``calibration.tsv``, ``clusters.tsv``, ``evaluation.tsv`` and those of ``analyses``.

    ``regions_compared.tsv`` has the scores as they were compared where the settings change them (harmonised,
    adjusted); ``regions.tsv`` always has them as they are.
    """
    atlas, regions, calibration = atlas_of(run), [], []
    methods = run.settings.methods
    pairs = [(method, draw) for method in methods for draw in run.draws]
    with steps.step("regions") as tick:
        for number, (method, draw) in enumerate(pairs):
            rows, check = _one_draw(run, method, draw, atlas)
            regions.append(rows)
            calibration.append(check)
            tick((number + 1) / len(pairs), method.label)
        if REGIONAL_MEAN in run.settings.baselines:
            regions += regional_mean(run, atlas)
        table = pd.concat(regions, ignore_index=True)
        write_tsv(run.folder / "regions.tsv", table)
        write_tsv(run.folder / "calibration.tsv", pd.DataFrame(calibration))
    with steps.step("clusters") as tick:
        write_tsv(run.folder / "clusters.tsv", cluster_table(run, atlas, tick))
    compared = compared_scores(run, table)
    (run.folder / "regions_compared.tsv").unlink(missing_ok=True)
    if compared is not table:
        write_tsv(run.folder / "regions_compared.tsv", compared)
    with steps.step("evaluation") as tick:
        results, settings, found = [], run.settings.evaluation, of_methods(compared)
        for number, ((model, detector), own) in enumerate(found.items()):
            own = own.drop(columns=["model", "detector"])
            result = evaluate(own, settings.specificity, settings.bootstrap, settings.permutations, settings.seed)
            results.append(named(result, model, detector))
            tick((number + 1) / len(found), method_label(model, detector))
        write_tsv(run.folder / "evaluation.tsv", pd.concat(results, ignore_index=True))
    analyse(run, table, compared, atlas, steps)


def named(table: pd.DataFrame, model: str, detector: str) -> pd.DataFrame:
    """The table with columns model and detector in front."""
    table.insert(0, "detector", detector)
    table.insert(0, "model", model)
    return table


def regional_mean(run: Run, atlas: Atlas) -> list[pd.DataFrame]:
    """Region rows of the regional mean z, draw by draw; each subject's volume is read once, unscaled."""
    cohort, used = run.cohort, dict.fromkeys(name for draw in run.draws for name in draw.train + draw.test)
    rows = dict(zip(used, cohort.rows(list(used)).tolist(), strict=True))
    means = {name: region_means(np.asarray(cohort.volumes[row]), cohort.mask, atlas) for name, row in rows.items()}
    people = cohort.participants.set_index("participant_id")
    tables = []
    for draw in run.draws:
        controls, tested = (np.stack([means[name] for name in names]) for names in (draw.train, draw.test))
        groups = people.loc[draw.train + draw.test, ["group"]].reset_index()
        table = regional_mean_rows(
            controls, tested, groups, region_names(atlas), draw.draw, run.settings.calibration.controls
        )
        tables.append(named(table, INTENSITIES, REGIONAL_MEAN))
    return tables


def _one_draw(run: Run, method: Method, draw: Draw, atlas: Atlas) -> tuple[pd.DataFrame, dict[str, object]]:
    """Region rows of a draw, and its line of the false-positive check on test controls."""
    scored = calibrate(run, method, draw)  # or thresholds of other settings would lie beside these tables
    names = scored.calibration_ids + scored.test_ids
    people = run.cohort.participants.set_index("participant_id").loc[names, ["group"]].reset_index()
    controls = run.settings.calibration.controls
    sets = [controls] * len(scored.calibration_ids) + ["test"] * len(scored.test_ids)
    finite = np.isfinite(scored.scores)
    blank = [name for name, any_ in zip(names, finite.any(axis=1), strict=True) if not any_]
    if blank:
        raise NigraError(
            f"{', '.join(blank[:5])} has no scored voxel by {method.label}, draw-{draw.draw:02d}; every subject "
            "needs some, or no voxel is left to compare: check the volume, or leave the subject out of the groups."
        )
    has_score = finite.all(axis=0)
    table = region_table(scored.abnormal, has_score, run.cohort.mask, atlas, people, draw.draw, sets)
    threshold = scored.threshold
    is_control = people["group"].to_numpy()[len(scored.calibration_ids) :] == CONTROL
    tested = [name for name, keep in zip(scored.test_ids, is_control, strict=True) if keep]
    observed = threshold.observed_percent(scored.test[is_control], tested)
    check = {
        "model": method.model_label, "detector": method.detector.label, "fold": draw.draw,
        "controls": controls, "rule": run.settings.calibration.rule, "quantile": threshold.quantile,
        # one per voxel has no place in a table
        "threshold": threshold.value if isinstance(threshold.value, float) else np.nan,
        "expected_percent": threshold.expected_percent,
        "observed_percent": float(observed.mean()), "lowest_percent": float(observed.min()),
        "highest_percent": float(observed.max()), "test_controls": len(tested),
    }  # fmt: skip
    return named(table, method.model_label, method.detector.label), check


def cluster_table(run: Run, atlas: Atlas, tick: Tick) -> pd.DataFrame:
    """Clusters of every test subject, method and draw, and their maps where the run wants maps.

    ``region`` is the atlas' at the cluster's highest voxel, or empty. Columns: ``CLUSTER_COLUMNS``.
    """
    settings, found = run.settings.clusters, []
    people = run.cohort.participants.set_index("participant_id")["group"]
    pairs = [(method, draw) for method in run.settings.methods for draw in run.draws]
    inverse = np.linalg.inv(run.cohort.affine)
    names = {int(value): name for value, name in atlas.names.items()}
    for number, (method, draw) in enumerate(pairs):
        scored = read_scores(run, method, draw)
        threshold = threshold_volume(run, scored)
        for name, scores in zip(scored.test_ids, scored.test, strict=True):
            table, labels = find_clusters(
                in_volume(run, scores), threshold, run.cohort.affine, settings.at_most, settings.smallest
            )
            peaks = table[["peak_x", "peak_y", "peak_z"]].to_numpy() @ inverse[:3, :3].T + inverse[:3, 3]
            at = tuple(np.rint(peaks).astype(int).T)
            table["region"] = [names.get(int(value), "") for value in atlas.labels[at]]
            for column, value in (("group", people[name]), ("participant_id", name), ("fold", draw.draw)):
                table.insert(0, column, value)
            found.append(named(table, method.model_label, method.detector.label))
            if wants_maps(run, draw):
                folder = run.method_place(method, draw.draw) / "maps"
                path = folder / f"{name}_space-{run.cohort.space}_desc-clusters_dseg.nii.gz"
                write_image(path, labels, run.cohort.affine)
                content = {
                    "Description": "clusters of abnormal voxels, 1 the most striking; see clusters.tsv",
                    "Settings": settings.model_dump(), "AbnormalAbove": abnormal_above(scored),
                    "Key": map_key(run, run.method_place(method, draw.draw)),
                }  # fmt: skip
                write_json(path.with_name(path.name.replace(".nii.gz", ".json")), content)
        tick((number + 1) / len(pairs), method.label)
    return pd.concat(found, ignore_index=True)[list(CLUSTER_COLUMNS)]
