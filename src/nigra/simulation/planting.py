"""Planting: the recorded lesions put into a control's volume, and the table that says what was done."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from nigra.errors import NigraError
from nigra.shapes import Affine, Labels, Mask, Volume
from nigra.simulation.effects import apply
from nigra.simulation.placing import Lesion
from nigra.simulation.settings import EffectSettings
from nigra.simulation.shapes import voxel_mm3

COLUMNS = (
    "participant_id", "draw", "shape", "size", "effect", "strength", "number", "source", "voxels", "size_mm3",
    "i", "j", "k", "x_mm", "y_mm", "z_mm", "shift_i", "shift_j", "shift_k", "seed",
)  # fmt: skip
"""Columns of ``plantings.tsv``: one row per lesion of a planted volume."""


def plant(
    volume: Volume, lesions: Sequence[Lesion], effect: EffectSettings, strength: float, channels: Sequence[str],
    brain: Mask, affine: Affine,
) -> Volume:  # fmt: skip
    """A copy of the volume with the effect in every lesion; all other voxels and channels keep their bits.

    Args:
        volume: unscaled, as in the cohort store; left as it is.
        channels: the volume's channels by name.

    Raises:
        NigraError: the effect names a channel that the volume does not have.
    """
    changed = channel_shares(effect, channels)
    for lesion in lesions:
        volume = apply(
            effect.kind, volume, lesion.mask, strength, changed, brain, affine, effect.edge_mm, effect.scale_mm
        )
    return np.array(volume)


def channel_shares(effect: EffectSettings, channels: Sequence[str]) -> dict[int, float]:
    """Channel index -> change per unit of strength; every channel and 1 where the effect names none."""
    unknown = sorted(set(effect.channels) - set(channels))
    if unknown:
        raise NigraError(
            f"effect {effect.label} changes the channel {unknown[0]}, but the maps are {', '.join(channels)}; "
            "name one of these."
        )
    shares = effect.channels or dict.fromkeys(channels, 1.0)
    return {list(channels).index(name): share for name, share in shares.items()}


def truth(lesions: Sequence[Lesion], grid: tuple[int, ...]) -> Labels:
    """The lesions' numbers as a label image, 0 elsewhere."""
    labels = np.zeros(grid, np.int32)
    for lesion in lesions:
        labels[lesion.mask] = lesion.number
    return labels


def describe(lesions: Sequence[Lesion], affine: Affine) -> pd.DataFrame:
    """What ``plantings.tsv`` says of lesions, without whom and how they were planted into."""
    rows = []
    for lesion in lesions:
        x, y, z = affine[:3, :3] @ np.array(lesion.place) + affine[:3, 3]
        voxels = int(lesion.mask.sum())
        rows.append((lesion.number, lesion.source, voxels, voxels * voxel_mm3(affine), *lesion.place,
                     x, y, z, *lesion.shift, lesion.seed))  # fmt: skip
    return pd.DataFrame(rows, columns=list(COLUMNS[6:]))
