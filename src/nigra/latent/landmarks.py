"""Landmarks: the codes that a method is fitted on where all of them would be too many.

The others are then projected as new codes are (Nystroem's idea: Bengio et al. 2004, NIPS 16). Every subject gets
the same share, so that no one scan draws the picture.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Int
from numpy import ndarray


def choose(count: int, most: int, seed: int = 0, subjects: Sequence[str] = ()) -> Int[ndarray, " chosen"]:
    """Rows of at most ``most`` of ``count`` codes, ascending: all of them, or a draw in equal shares by subject.

    Args:
        count: codes there are.
        most: landmarks wanted.
        seed: of the draw.
        subjects: whose code each is; empty: all alike.

    >>> choose(6, 3, subjects=["a", "a", "a", "a", "b", "c"])[1:]
    array([4, 5])
    """
    if count <= most:
        return np.arange(count)
    order = np.random.default_rng(seed).permutation(count)
    if len(subjects):
        turn = pd.Series(np.asarray(subjects)[order]).groupby(np.asarray(subjects)[order]).cumcount()
        order = order[np.argsort(turn.to_numpy(), kind="stable")]
    return np.sort(order[:most])


def note(fitted: int, count: int) -> str:
    """What a table says about landmarks; nothing where every code took part.

    >>> note(10, 40)
    'fitted on 10 landmarks of 40 codes, the others projected'
    """
    return "" if fitted >= count else f"fitted on {fitted} landmarks of {count} codes, the others projected"
