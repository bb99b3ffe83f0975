"""Clusters of abnormal voxels: the few places of a score map that a reader should look at first (media2020)."""

import numpy as np
import pandas as pd
from numpy import ndarray
from scipy import ndimage
from scipy.stats import rankdata

from nigra.errors import NigraError
from nigra.shapes import Affine, Labels, ScoreMap

COLUMNS = ("cluster", "voxels", "volume_mm3", "mean_score", "max_score", "peak_x", "peak_y", "peak_z")
"""Columns of the table of clusters, in order; the peak's place is in millimetres."""


def find_clusters(
    score_map: ScoreMap, threshold: float | ScoreMap, affine: Affine, at_most: int = 10, smallest: int = 1
) -> tuple[pd.DataFrame, Labels]:
    """Voxels above the threshold that touch by a face, an edge or a corner, the most striking cluster first.

    media2020 ranks clusters by size and by mean score with equal weight and keeps 10: here, by the mean of the two
    ranks (equal values share the average rank). Ties go to the larger cluster, then to the higher mean, then to
    the one whose first voxel comes first in the array.

    Args:
        score_map: higher = more abnormal; NaN is never abnormal.
        threshold: a score above it is abnormal; one number, or one per voxel. Either way clusters are ranked and
            described by the scores themselves, not by how far they lie above the threshold.
        affine: voxel index to millimetres.
        at_most: clusters kept.
        smallest: voxels a cluster needs to be ranked at all.

    Returns:
        A table with ``COLUMNS``, a row per cluster kept, and a map (x, y, z) int32 of their numbers: 1 is the first
        row, 0 outside. The peak is the highest voxel, the first of equal ones.

    Raises:
        NigraError: ``at_most`` or ``smallest`` below 1.
    """
    if at_most < 1 or smallest < 1:
        raise NigraError(f"at_most is {at_most} and smallest {smallest}; give whole numbers of 1 or more.")
    found, count = ndimage.label(score_map > threshold, structure=np.ones((3, 3, 3)))
    inside = np.arange(1, count + 1)
    voxels = np.bincount(found.ravel(), minlength=count + 1)[1:]
    scores = np.where(found > 0, score_map, 0).astype(np.float64)
    means = np.asarray(ndimage.mean(scores, found, inside), np.float64)
    kept = _ranked(inside, voxels, means, smallest)[:at_most]
    number = np.zeros(count + 1, np.int32)
    number[kept] = np.arange(1, len(kept) + 1)
    peaks = np.array(ndimage.maximum_position(scores, found, kept), np.int64).reshape(-1, 3)
    millimetres = peaks @ affine[:3, :3].T + affine[:3, 3]
    columns = [
        np.arange(1, len(kept) + 1), voxels[kept - 1], voxels[kept - 1] * abs(np.linalg.det(affine[:3, :3])),
        means[kept - 1], scores[tuple(peaks.T)], *millimetres.T,
    ]  # fmt: skip
    return pd.DataFrame(dict(zip(COLUMNS, columns, strict=True))), number[found]


def _ranked(inside: ndarray, voxels: ndarray, means: ndarray, smallest: int) -> ndarray:
    """Numbers of the clusters that are large enough, the first to show first."""
    enough = voxels >= smallest
    inside, voxels, means = inside[enough], voxels[enough], means[enough]
    rank = rankdata(-voxels) + rankdata(-means)
    return inside[np.lexsort((inside, -means, -voxels, rank))]
