"""Quality: one row of numbers per prepared subject, and words for the rows that stand out."""

from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd

from nigra.shapes import Mask, ScoreMap

OUTLIER = 3.5
"""Robust deviations from the cohort's median (Iglewicz & Hoaglin, 1993) at which a subject is pointed out."""

# not the white matter median: scanners choose their units anew for every scan
_WATCHED = {
    "dice": ("overlap with the mask", "low"),
    "correlation": ("correlation with the template", "low"),
    "volume_ml": ("brain volume", "both"),
}


@dataclass(frozen=True)
class Quality:
    """Measures of one prepared subject; None where a measure does not apply.

    ``dice`` and ``correlation`` against the template (without registration: against the cohort's mask and mean
    map); ``volume_ml`` of the brain mask in the scan's own space; ``white_matter_median`` in the scan's own units,
    the number its intensities were divided by; ``seconds`` of the preparation.
    """

    dice: float | None
    correlation: float | None
    volume_ml: float | None
    voxel_size_mm: str
    white_matter_median: float | None
    seconds: float


def dice(a: Mask, b: Mask) -> float:
    """Overlap of two masks, 2 |a ∩ b| / (|a| + |b|), 0-1, to 4 decimals (Dice, Ecology 26:297, 1945)."""
    return round(float(2 * (a & b).sum() / max(1, a.sum() + b.sum())), 4)


def correlation(a: ScoreMap, b: ScoreMap, mask: Mask) -> float | None:
    """Pearson's correlation of two maps inside a mask, to 4 decimals; None where it is not defined."""
    x, y = a[mask].astype(float), b[mask].astype(float)
    if x.size < 2 or x.std() == 0 or y.std() == 0:
        return None
    return round(float(np.corrcoef(x, y)[0, 1]), 4)


def size_words(voxel_size: tuple[float, float, float]) -> str:
    """Voxel edges in mm as one word.

    >>> size_words((2.0, 1.5, 3.0))
    '2x1.5x3'
    """
    return "x".join(f"{edge:.4g}" for edge in voxel_size)


def notes(table: pd.DataFrame) -> list[str]:
    """One note per row of a quality table: in what the subject stands out of the cohort, or nothing.

    A subject stands out when it is more than `OUTLIER` robust deviations (1.4826 x median absolute deviation)
    from the median, in the bad direction; fewer than five subjects give no norm to stand out of.
    """
    words: list[list[str]] = [[] for _ in range(len(table))]
    for column, (name, side) in _WATCHED.items():
        values = pd.to_numeric(table[column], errors="coerce").to_numpy(dtype=float)
        known = values[np.isfinite(values)]
        if len(known) < 5:
            continue
        median = float(np.median(known))
        spread = 1.4826 * float(np.median(np.abs(known - median)))
        for row, value in enumerate(values):
            distance = (value - median) / spread if spread > 0 else 0.0
            if distance < -OUTLIER or (side == "both" and distance > OUTLIER):
                words[row].append(f"{'low' if distance < 0 else 'high'} {name} ({value:.4g}, median {median:.4g})")
    return ["; ".join(parts) for parts in words]


def table(rows: list[dict]) -> pd.DataFrame:
    """The quality table in its column order, with the notes."""
    columns = ["participant_id", *Quality.__dataclass_fields__, "status", "reason"]
    found = pd.DataFrame(rows, columns=columns)
    return found.assign(note=notes(found))


def as_row(participant_id: str, quality: Quality | None, status: str, reason: str = "") -> dict:
    """One row of `table`; a failed subject has no measures."""
    return {
        "participant_id": participant_id,
        **(asdict(quality) if quality else {}),
        "status": status,
        "reason": reason,
    }
