"""How much more a method finds than a reference does, where the reference finds something but not all.

Ratios of sensitivities mean nothing where both find nothing or everything; so only strengths count at which the
reference's mean sensitivity lies between two limits, and they are the same for all methods.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float
from numpy import ndarray

from nigra.detection.settings import method_label
from nigra.simulation.dose_response import KEYS, by_subject
from nigra.simulation.few_subjects import ratio_interval

MEASURE = "sensitivity_matched"
"""Share of lesion voxels found by every method at the same observed rate of false positives."""

COLUMNS = (
    "model", "detector", "reference", "shape", "size", "effect", "conditions", "sensitivity",
    "reference_sensitivity", "ratio", "low", "high", "subjects",
)  # fmt: skip
"""Columns of ``advantage.tsv``, in order; an empty shape, size and effect stand for all of them together."""


def best_reference(lesions: pd.DataFrame, candidates: Sequence[tuple[str, str]]) -> tuple[str, str] | None:
    """The (model, detector) among ``candidates`` with the highest mean sensitivity over all that was planted.

    Chosen on the very lesions it is compared on, in its favour.
    """
    planted = lesions[lesions["strength"] > 0]
    means = by_subject(planted, [MEASURE])[MEASURE].groupby(["model", "detector"]).mean()
    known = {key: float(means[key]) for key in candidates if key in means.index}
    return max(known, key=lambda key: known[key]) if known else None


def advantage(
    lesions: pd.DataFrame, reference: tuple[str, str], limits: tuple[float, float] = (0.05, 0.5)
) -> pd.DataFrame:
    """Mean sensitivity of every method over the conditions that count, over that of ``reference``: ``COLUMNS``.

    Args:
        lesions: as ``lesions.tsv``; ``reference``: model and detector of the method divided by.
        limits: a shape, size, effect and strength counts where the reference's mean lies between these.

    A row per method and shape x size x effect, and one for all together, every condition with the same weight.
    ``low``, ``high``: 95 % interval of the ratio over subjects, who are the same for both methods. No row
    where no condition counts.
    """
    place = list(KEYS[2:])
    values = by_subject(lesions[lesions["strength"] > 0], [MEASURE])[MEASURE]
    subjects = lesions["participant_id"].unique().tolist()
    wide = values.unstack("participant_id", sort=False).reindex(columns=subjects)  # noqa: PD010
    of_reference = pd.DataFrame(wide.xs(reference, level=("model", "detector")))
    mean = of_reference.mean(axis="columns")
    counted = of_reference[(mean >= limits[0]) & (mean <= limits[1])]
    rows = []
    for model, detector in dict.fromkeys(zip(lesions["model"], lesions["detector"], strict=True)):
        own = wide.xs((model, detector), level=("model", "detector")).reindex(counted.index)
        groups = [(("", "", ""), np.arange(len(counted)))]
        keys = [key[:3] for key in counted.index]
        groups += [(key, np.array([key == each for each in keys]).nonzero()[0]) for key in dict.fromkeys(keys)]
        for key, at in groups:
            if len(at):
                found = _found(own.to_numpy(float)[at], counted.to_numpy(float)[at])
                rows.append({
                    "model": model, "detector": detector, "reference": method_label(*reference),
                    **dict(zip(place[:-1], key, strict=True)), "conditions": len(at), **found,
                    "subjects": int(counted.iloc[at].notna().any().sum()),
                })  # fmt: skip
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _found(
    own: Float[ndarray, "n_conditions n_subjects"], reference: Float[ndarray, "n_conditions n_subjects"]
) -> dict[str, float]:
    """Both means, their ratio and its interval; only subjects whom both have scored in a condition."""
    both = np.isfinite(own) & np.isfinite(reference)
    own, reference = np.where(both, own, np.nan), np.where(both, reference, np.nan)
    mine, theirs = (float(np.nanmean(each, axis=1).mean()) for each in (own, reference))
    ratio, low, high = ratio_interval(own, reference)
    return {"sensitivity": mine, "reference_sensitivity": theirs, "ratio": ratio, "low": low, "high": high}
