"""What a method says of one planted volume: its lesions voxel by voxel, lesion by lesion and region by region."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from nigra.cohort.splits import Draw
from nigra.detection.detector import Detector
from nigra.provenance import refuse_fitted
from nigra.shapes import Labels, Scores
from nigra.simulation.measures import hits, in_box, share_above, threshold_at, voxel_measures
from nigra.study.planted import Plan, Target
from nigra.study.score import Scored, read_scores
from nigra.study.settings import Method

Rows = tuple[list[dict[str, object]], list[dict[str, object]]]
"""Rows of ``lesions.tsv``, and of lesions found and false-positive clusters at each threshold of the FROC curve."""


@dataclass(frozen=True)
class Judge:
    """A method on a draw: how it scores, its thresholds, and what it says of the unplanted controls."""

    method: Method
    detector: Detector | None
    names: list[str]
    unplanted: Scores
    calibrated: Float[ndarray, " n_voxels"]
    """The run's threshold at every voxel, the same at all with the rule quantile."""
    matched: float
    thresholds: list[float]
    reference: Bool[ndarray, "n_controls n_voxels"]
    """Abnormal voxels of the cross-fitted controls at the run's threshold, none where training controls set it."""

    @classmethod
    def of(cls, plan: Plan, method: Method, draw: Draw, detector: Detector | None) -> "Judge":
        """A method's judge on a draw; ``detector`` is fitted on the draw's training controls, None for the error.

        Raises:
            NigraError: the run is not scored, or a test control took part in the threshold.
        """
        scored: Scored = read_scores(plan.run, method, draw)
        names, threshold = plan.controls(draw), scored.threshold
        refuse_fitted("threshold", threshold.fitted_on, names)
        unplanted = np.array(scored.test[[scored.test_ids.index(name) for name in names]])
        rates = [threshold_at(unplanted, rate) for rate in plan.settings.rates]
        reference = scored.abnormal[: len(scored.calibration_ids) if scored.folds else 0]
        matched = threshold_at(unplanted, plan.settings.rate)
        calibrated = np.broadcast_to(np.float32(threshold.value), unplanted.shape[1:])
        return cls(method, detector, names, unplanted, calibrated, matched, rates, reference)


def measure(
    plan: Plan, judge: Judge, target: Target, labels: Labels, scores: np.ndarray, dose: dict[str, object],
    found: Rows,
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
    plan: Plan, judge: Judge, target: Target, labels: Labels, scores: np.ndarray
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
        healthy = [100 * float((row > judge.calibrated)[region].mean()) for row in others]
        healthy += (100 * judge.reference[:, region].mean(axis=1)).tolist()
        limit = float(np.quantile(healthy, 0.95, method="higher")) if healthy else np.nan
        percent = 100 * float((scores > judge.calibrated)[region].mean())
        rows.append({
            "region": plan.atlas.names[label], "region_percent": percent, "region_limit": limit,
            "region_found": float(percent > limit) if healthy else np.nan,
        })  # fmt: skip
    return rows
