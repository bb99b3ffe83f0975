"""Regional mean z: the mean of each map over a region against the same mean in controls.

What a reader with a statistics package would do first. It has no score per voxel, so its rows of the region table
have a score and neither voxels nor a percentage.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float
from numpy import ndarray

from nigra.detection.gaussian import VoxelwiseZ
from nigra.provenance import refuse_fitted
from nigra.regions import COLUMNS, WHOLE_BRAIN, Atlas
from nigra.shapes import Mask, Volume
from nigra.statistics.draws import TEST

_SMALLEST_SD = 1e-12
"""Maps are not scaled here and may be tiny numbers (MD in mm2/s), so the floor only keeps zero away."""


def region_names(atlas: Atlas) -> list[str]:
    """The regions of ``region_means``, in the order of the region table: the whole brain first."""
    return [WHOLE_BRAIN, *atlas.regions]


def region_means(volume: Volume, mask: Mask, atlas: Atlas) -> Float[ndarray, "n_regions channels"]:
    """Mean of each channel over the region's voxels inside the mask; NaN in a region without one.

    The whole brain is the whole mask; a NaN in a volume makes the means that hold it NaN.
    """
    inside = atlas.labels[mask]
    present, position = np.unique(inside, return_inverse=True)
    regions = [tuple(present.tolist()), *atlas.regions.values()]
    member = np.array([np.isin(present, labels) for labels in regions])
    counts = np.bincount(position)
    means = np.empty((len(regions), len(volume)))
    for channel, values in enumerate(volume[:, mask].astype(np.float64)):
        sums = np.bincount(position, weights=values)
        totals = [sums[here].sum() for here in member]
        voxels = np.array([counts[here].sum() for here in member])
        means[:, channel] = np.divide(totals, voxels, out=np.full(len(regions), np.nan), where=voxels > 0)
    return means


def regional_mean_rows(
    controls: Float[ndarray, "n_controls n_regions channels"],
    tested: Float[ndarray, "n_tested n_regions channels"],
    participants: pd.DataFrame,
    regions: Sequence[str],
    fold: int,
    controls_set: str,
) -> pd.DataFrame:
    """Region rows of a draw (columns ``nigra.regions.COLUMNS``): training controls, then test subjects.

    The score is the root mean square, over channels, of the z-score of the region's mean; mean and sd are those of
    the training controls, and of the others for a training control itself (exact leave-one-out), so it stands for a
    new person when it sets a cut-off. It is blind to the direction of a change, as the networks' errors are, and
    does not depend on the units of a map. voxels, abnormal and percent are missing.

    Args:
        controls: means of the draw's training controls, 3 or more.
        tested: means of the subjects of set ``test``.
        participants: participant_id and group, in the order of ``controls``, then ``tested``.
        regions: names of the regions.
        fold: the draw.
        controls_set: what the region table calls the training controls (held-out or training).

    Raises:
        NigraError: too few controls, or a test subject among them.
    """
    names, n = participants["participant_id"].tolist(), len(controls)
    refuse_fitted("regional mean", names[:n], names[n:])
    z = VoxelwiseZ(floor=_SMALLEST_SD).fit(controls)
    score = -np.concatenate([z.leave_one_out_scores(), z.score_samples(tested)])
    unknown = np.full(score.size, np.nan)
    columns = {
        "participant_id": np.repeat(participants["participant_id"].to_numpy(), len(regions)),
        "group": np.repeat(participants["group"].to_numpy(), len(regions)),
        "fold": fold,
        "set": np.repeat(np.array([controls_set] * n + [TEST] * len(tested), dtype=object), len(regions)),
        "region": list(regions) * len(score),
        "voxels": pd.array(np.full(score.size, None), dtype="Int64"),
        "abnormal": pd.array(np.full(score.size, None), dtype="Int64"),
        "percent": unknown,
        "score": score.ravel().astype(float),
    }
    return pd.DataFrame(columns, columns=list(COLUMNS))
