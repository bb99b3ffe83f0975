"""Clinical columns of the participants as numbers: what cannot be read is refused, what is missing is NaN."""

import numpy as np
import pandas as pd
from jaxtyping import Float
from numpy import ndarray

from nigra.errors import NigraError

UNABLE_TO_RATE = 101
"""What PPMI writes for a Hoehn and Yahr stage that could not be rated."""

_SIDES = {"l": 1.0, "left": 1.0, "r": 0.0, "right": 0.0}
_NO_SIDE = ("symmetric", "symmetrical", "bilateral", "both", "none")


def stages(values: pd.Series) -> Float[ndarray, " n_subjects"]:
    """Hoehn and Yahr stages as numbers, half stages too; missing and 101 ("unable to rate") are NaN."""
    found = numbers(values)
    found[found == UNABLE_TO_RATE] = np.nan
    wrong = found[(found < 0) | (found > 5)]
    if len(wrong):
        raise _refusal(values, "a Hoehn and Yahr stage is 0 to 5, or 101 for unable to rate", f"{wrong[0]:g}")
    return found


def numbers(values: pd.Series) -> Float[ndarray, " n_subjects"]:
    """A column as numbers; NaN where it is empty."""
    found = pd.to_numeric(values, errors="coerce")
    wrong = values[found.isna() & values.notna()]
    if len(wrong):
        raise _refusal(values, "a clinical value is a number", repr(wrong.tolist()[0]))
    return found.to_numpy(dtype=float, na_value=np.nan).copy()


def affected_sides(values: pd.Series) -> Float[ndarray, " n_subjects"]:
    """1 for left, 0 for right, NaN where neither is the more affected; numbers are refused, as codes differ."""
    words = values.astype("string").str.strip().str.lower()
    wrong = values[~words.isin([*_SIDES, *_NO_SIDE]) & words.notna()]
    if len(wrong):
        raise _refusal(values, "a more affected side is left, right or symmetric", repr(wrong.tolist()[0]))
    return words.map(_SIDES).to_numpy(dtype=float, na_value=np.nan)


def _refusal(values: pd.Series, rule: str, found: str) -> NigraError:
    return NigraError(f"{values.name}: {rule}, but found {found}; correct it, or leave it empty.")
