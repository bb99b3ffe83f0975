"""What a method finds of planted lesions, by voxel and by lesion: plain arrays, higher = more abnormal."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from scipy import ndimage

from nigra.shapes import Labels, Mask
from nigra.simulation.shapes import EVERY_SIDE

NAN = float("nan")


def auroc(positive: Float[ndarray, " n"], negative: Float[ndarray, " m"]) -> float:
    """Probability that a positive scores above a negative, ties half; NaN scores are left out.

    >>> auroc(np.array([1.0, 3.0]), np.array([0.0, 1.0, 2.0]))
    0.75
    """
    positive, ranked = positive[np.isfinite(positive)], np.sort(negative[np.isfinite(negative)])
    if not len(positive) or not len(ranked):
        return NAN
    below, upto = (np.searchsorted(ranked, positive, side) for side in ("left", "right"))
    return float((below + upto).mean() / (2 * len(ranked)))


def average_precision(positive: Float[ndarray, " n"], negative: Float[ndarray, " m"]) -> float:
    """Mean over the positives of the precision at their score: the area under precision and recall in steps.

    Chance is the share of positives, n / (n + m). NaN scores are left out.
    """
    found, ranked = np.sort(positive[np.isfinite(positive)]), np.sort(negative[np.isfinite(negative)])
    if not len(found) or not len(ranked):
        return NAN
    true = len(found) - np.searchsorted(found, found, "left")
    false = len(ranked) - np.searchsorted(ranked, found, "left")
    return float((true / (true + false)).mean())


def share_above(scores: Float[ndarray, " n"], threshold: float | Float[ndarray, " n"]) -> float:
    """Share of the scored voxels above a threshold (one, or one per voxel); NaN where none is scored."""
    finite = np.isfinite(scores)
    return float((scores > threshold)[finite].mean()) if finite.any() else NAN


def threshold_at(scores: Float[ndarray, "n_subjects n_voxels"], rate: float) -> float:
    """The threshold that this share of the given subjects' scored voxels lies above (to one voxel)."""
    return float(np.quantile(scores[np.isfinite(scores)], 1 - rate, method="higher"))


@dataclass(frozen=True)
class Hits:
    """``found`` says of each lesion whether it was; ``false`` counts the clusters that touch no lesion."""

    found: Bool[ndarray, " n_lesions"]
    false: int


def hits(abnormal: Mask, lesions: Labels, share: float = 0.5, smallest: int = 1) -> Hits:
    """Lesion-wise detection: a lesion is found when at least ``share`` of its voxels lie in clusters.

    Clusters are abnormal voxels that touch by face, edge or corner, ``smallest`` or more of them.

    Args:
        lesions: 1, 2, ... n inside lesions, 0 elsewhere.
    """
    clusters, _ = ndimage.label(abnormal, EVERY_SIDE)
    sizes = np.bincount(clusters.ravel())
    enough = sizes >= smallest
    enough[0] = False
    inside = lesions > 0
    voxels = np.bincount(lesions[inside], minlength=lesions.max() + 1)[1:]
    in_clusters = np.bincount(lesions[inside & enough[clusters]], minlength=lesions.max() + 1)[1:]
    touching = np.unique(clusters[inside])
    return Hits(in_clusters >= share * voxels, int(enough.sum() - enough[touching].sum()))


def in_box(mask: Mask) -> tuple[slice, ...]:
    """The smallest box that holds a mask: labelling clusters takes as long as the volume is large."""
    where = np.argwhere(mask)
    return tuple(slice(int(a), int(b) + 1) for a, b in zip(where.min(axis=0), where.max(axis=0), strict=True))


VOXEL_COLUMNS = (
    "auroc", "auroc_paired", "average_precision", "precision_chance", "sensitivity", "sensitivity_matched",
)  # fmt: skip
"""Voxel-wise measures of a lesion, in order; see ``voxel_measures``."""


def voxel_measures(
    planted: Float[ndarray, " n_voxels"], unplanted: Float[ndarray, " n_voxels"],
    lesions: Int[ndarray, " n_voxels"], calibrated: float | Float[ndarray, " n_voxels"], matched: float,
) -> list[dict[str, float]]:  # fmt: skip
    """One row of ``VOXEL_COLUMNS`` per lesion.

    ``auroc`` and ``average_precision`` hold a lesion's voxels against the same volume's voxels outside of all
    lesions, ``auroc_paired`` against the very same voxels as scanned; ``precision_chance`` is the average precision
    of an uninformative score, the lesion's share of both.

    Args:
        planted: scores of the planted volume's brain voxels.
        unplanted: scores of the same subject as scanned.
        lesions: 1, 2, ... n inside lesions, 0 elsewhere.
        calibrated: the run's threshold, one or one per voxel, for ``sensitivity``.
        matched: the threshold with the stated observed rate on unplanted test controls, for
            ``sensitivity_matched``.
    """
    outside, rows = np.sort(planted[lesions == 0]), []
    scored = int(np.isfinite(outside).sum())
    limit = np.broadcast_to(calibrated, planted.shape)
    for number in range(1, int(lesions.max()) + 1):
        after, before = planted[lesions == number], unplanted[lesions == number]
        own = int(np.isfinite(after).sum())
        values = (
            auroc(after, outside), auroc(after, before), average_precision(after, outside),
            own / (own + scored) if own else NAN, share_above(after, limit[lesions == number]),
            share_above(after, matched),
        )  # fmt: skip
        rows.append(dict(zip(VOXEL_COLUMNS, values, strict=True)))
    return rows
