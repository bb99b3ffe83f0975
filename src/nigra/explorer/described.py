"""What the page needs to know in words and small numbers: the study, a run, a voxel."""

import math
from typing import Any

import numpy as np
import pandas as pd

from nigra.cohort.store import CONTROL
from nigra.errors import NigraError
from nigra.explorer.opened import OpenRun, Study
from nigra.report.latent_folder import LatentFolder
from nigra.study.outdated import stale_spaces


def described_study(study: Study, first: str) -> dict[str, Any]:
    """Name, runs, and which of them to show first."""
    return {"study": study.folder.resolve().name, "runs": study.runs, "first": first}


def described_run(run: OpenRun) -> dict[str, Any]:
    """The grid, the subjects, the regions, and every latent space with its columns, embeddings and measures."""
    cohort = run.run.cohort
    people = cohort.participants[cohort.participants["group"] != "left out"]
    kept = [name for name in ("participant_id", "group", "age", "sex", "site") if name in people]
    subjects = [{name: plain(value) for name, value in row.items()} for row in people[kept].to_dict("records")]
    try:
        regions = {str(label): name for label, name in run.atlas.names.items()}
    except NigraError:  # the page works without an atlas
        regions = {}
    return {
        "run": run.run.settings.name,
        "space": cohort.space,
        "shape": list(cohort.mask.shape),
        "affine": cohort.affine.tolist(),
        "channels": list(cohort.channels),
        "subjects": subjects,
        "regions": regions,
        "spaces": [described_space(run, each) for each in run.latent],
    }


def described_space(run: OpenRun, space: LatentFolder) -> dict[str, Any]:
    """One latent space."""
    columns = [space.column(name) for name in space.columns]
    detectors = [m.detector.label for m in run.run.settings.methods if m.model_label == space.model]
    return {
        "model": space.model,
        "draw": space.draw,
        "label": f"{space.label} (of a model that was trained anew since)"
        if is_outdated(run, space)
        else space.label,
        "codes": len(space.table),
        "embeddings": [{"name": name} for name in space.embeddings],
        "columns": [{"name": each.name, "categories": each.categories} for each in columns],
        "detectors": detectors,
        "measures": [{k: plain(v) for k, v in row.items()} for row in space.measures.to_dict("records")],
    }


def is_outdated(run: OpenRun, space: LatentFolder) -> bool:
    """Whether the model was trained again after the latent stage saw it."""
    row = pd.DataFrame([{"model": space.model, "draw": space.draw}])
    return bool(stale_spaces(run.run.folder, row).any())


def described_voxel(
    run: OpenRun, model: str, draw: int, detector: str, voxel: tuple[int, int, int]
) -> dict[str, Any]:
    """Where a voxel is, and everyone's score there; no scores outside the mask, with a sentence that says so."""
    cohort = run.run.cohort
    if any(not 0 <= place < length for place, length in zip(voxel, cohort.mask.shape, strict=True)):
        raise NigraError(f"the maps have shape {cohort.mask.shape}; voxel {voxel} lies outside.")
    mm = (cohort.affine @ np.array([*voxel, 1.0]))[:3]
    found: dict[str, Any] = {"voxel": voxel, "mm": mm.tolist(), "region": region_at(run, voxel), "scores": []}
    index = int(run.rank[voxel])
    if index < 0:
        return found | {"note": "outside the brain mask: no scores here"}
    if not detector:
        return found | {"note": "this model gives no scores"}
    scored = run.scored(model, detector, draw)
    groups = dict(zip(cohort.ids, cohort.participants["group"], strict=True))
    held_out = len(scored.calibration_ids)
    values, threshold = np.asarray(scored.scores[:, index], float), scored.threshold.value
    for number, name in enumerate(scored.calibration_ids + scored.test_ids):
        part = "train" if number < held_out else "test"
        row = {"participant_id": name, "group": groups[name], "set": part, "score": plain(values[number])}
        found["scores"].append(row | {"abnormal": bool(scored.abnormal[number, index])})
    found["threshold"] = plain(float(threshold) if isinstance(threshold, float) else float(threshold[index]))
    found["places"] = places(found["scores"])
    return found


def places(scores: list[dict[str, Any]]) -> dict[str, dict[str, int]]:
    """Subject -> how many of the other controls score ``below`` it, ``of`` how many.

    >>> rows = [("a", "control", 1.0), ("b", "control", 2.0), ("c", "patient", 1.5)]
    >>> places([{"participant_id": name, "group": group, "score": score} for name, group, score in rows])
    {'a': {'below': 0, 'of': 1}, 'b': {'below': 1, 'of': 1}, 'c': {'below': 1, 'of': 2}}
    """
    known = [row for row in scores if row["score"] is not None]
    controls = [row for row in known if row["group"] == CONTROL]
    found = {}
    for row in known:
        others = [each["score"] for each in controls if each["participant_id"] != row["participant_id"]]
        below = sum(score < row["score"] for score in others)
        found[row["participant_id"]] = {"below": below, "of": len(others)}
    return found


def region_at(run: OpenRun, voxel: tuple[int, int, int]) -> str:
    """The region's name at a voxel; empty where there is none."""
    try:
        return run.atlas.names.get(int(run.atlas.labels[voxel]), "")
    except NigraError:
        return ""


def plain(value: Any) -> Any:
    """A value JSON can hold: NaN and infinity become None."""
    if isinstance(value, np.generic):
        value = value.item()
    return None if value is None or (isinstance(value, float) and not math.isfinite(value)) else value
