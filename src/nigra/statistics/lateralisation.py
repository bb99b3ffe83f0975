"""Is the hemisphere opposite to the more affected side of the body the more abnormal one?

Pairs a left with a right region by their names, and compares them within each patient:

    index = (contra - ipsi) / (contra + ipsi)

with contra the region opposite to the more affected side of the body, where Parkinson's disease is worse in the
brain. 0 = both sides alike, 1 = all on the contralateral side.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.stats
from jaxtyping import Bool, Float
from numpy import ndarray

_SIDES = {"left": "left", "l": "left", "lh": "left", "right": "right", "r": "right", "rh": "right"}


@dataclass(frozen=True)
class Lateralisation:
    """``estimate`` is the mean index, each affected side counting one half; ``contra`` the share of patients whose
    contralateral region has the higher score; ``p`` by permuted sides, ``p_sign`` by the sign test; two-sided."""

    estimate: float
    low: float
    high: float
    contra: float
    p: float
    p_sign: float


UNKNOWN = Lateralisation(np.nan, np.nan, np.nan, np.nan, np.nan, np.nan)


def side_of(name: str) -> tuple[str, str | None]:
    """A region's name without its side, and the side; None where the name has no side, or two.

    The side is a word of its own: left, right, lh or rh anywhere, l or r at either end.

    >>> side_of("Right_Putamen"), side_of("SN left"), side_of("ctx-lh-precuneus"), side_of("Precentral_L")
    (('Putamen', 'right'), ('SN', 'left'), ('ctx precuneus', 'left'), ('Precentral', 'left'))
    >>> side_of("whole brain"), side_of("lateral ventricles")
    (('whole brain', None), ('lateral ventricles', None))
    """
    words = [word for word in re.split(r"[\s_.\-()]+", name) if word]
    at = [
        k for k, word in enumerate(words)
        if word.lower() in _SIDES and (len(word) > 1 or k in (0, len(words) - 1))
    ]  # fmt: skip
    if len(at) != 1 or len(words) == 1:
        return name, None
    return " ".join(words[: at[0]] + words[at[0] + 1 :]), _SIDES[words[at[0]].lower()]


def pair_regions(names: Sequence[str]) -> tuple[dict[str, tuple[str, str]], list[str]]:
    """Name without side -> (left, right), and the names that have no partner, in their order.

    A name that stands for two regions of one side pairs with nothing: nobody can tell which was meant.
    """
    found: dict[str, dict[str, list[str]]] = {}
    for name in dict.fromkeys(names):
        base, side = side_of(name)
        if side:
            found.setdefault(base.lower(), {}).setdefault(side, []).append(name)
    whole = [sides for sides in found.values() if [len(sides.get(s, [])) for s in ("left", "right")] == [1, 1]]
    pairs = {side_of(sides["left"][0])[0]: (sides["left"][0], sides["right"][0]) for sides in whole}
    paired = {name for both in pairs.values() for name in both}
    return pairs, [name for name in dict.fromkeys(names) if name not in paired]


def asymmetry(
    left: Float[ndarray, " n_subjects"], right: Float[ndarray, " n_subjects"]
) -> Float[ndarray, " n_subjects"]:
    """(right - left) / (right + left) of scores that are 0 or more; NaN where both are 0, as 0 / 0 has no side."""
    total = left + right
    return np.divide(right - left, total, out=np.full(total.shape, np.nan), where=total > 0)


def lateralisation(
    asymmetries: Float[ndarray, " n_patients"], affected_left: Bool[ndarray, " n_patients"],
    permutations: int = 10_000, seed: int = 0,
) -> Lateralisation:  # fmt: skip
    """Index of patients of known ``asymmetries`` (right against left, finite) and more affected side of the body.

    The mean index of patients affected on the left and that of those affected on the right count one half each, so
    that a difference of the hemispheres that everybody has (of the brain, the scanner, the method) cancels. For the
    same reason p permutes the affected sides between patients and keeps everybody's asymmetry; the sign test, of as
    many higher contralateral as ipsilateral regions, has no such protection. The interval is Welch's
    of the two means. With one side only, estimate, interval and p are NaN; with one patient of a side the interval.
    """
    if not len(asymmetries):
        return UNKNOWN
    index = np.where(affected_left, asymmetries, -asymmetries)
    higher, unequal = int((index > 0).sum()), int((index != 0).sum())
    sign = float(scipy.stats.binomtest(higher, unequal).pvalue) if unequal else 1.0
    contra = higher / unequal if unequal else np.nan
    if affected_left.all() or not affected_left.any():
        return Lateralisation(np.nan, np.nan, np.nan, contra, np.nan, sign)
    rng = np.random.default_rng(seed)
    shuffled = rng.permuted(np.tile(affected_left[:, None], permutations), axis=0)
    estimate = float(_balanced(asymmetries, affected_left[:, None])[0])
    null = _balanced(asymmetries, shuffled)
    tail = min((null >= estimate - 1e-12).sum(), (null <= estimate + 1e-12).sum())
    p = min(1.0, 2 * (1 + int(tail)) / (1 + permutations))
    return Lateralisation(
        estimate, *_welch(asymmetries[affected_left], asymmetries[~affected_left]), contra, p, sign
    )


def _balanced(
    asymmetries: Float[ndarray, " n_patients"], left: Bool[ndarray, "n_patients samples"]
) -> Float[ndarray, " samples"]:
    """Half the difference of the mean asymmetries: contra is right for one side and left for the other."""
    return (asymmetries @ left / left.sum(axis=0) - asymmetries @ ~left / (~left).sum(axis=0)) / 2


def _welch(left: ndarray, right: ndarray) -> tuple[float, float]:
    """95 % interval of half the difference of two means (Welch 1947)."""
    if min(len(left), len(right)) < 2:
        return np.nan, np.nan
    # by hand: scipy's test warns the user where the patients of one side are all alike
    difference, (v, w) = float(left.mean() - right.mean()), (x.var(ddof=1) / len(x) for x in (left, right))
    if not v + w > 0:
        return difference / 2, difference / 2
    freedom = (v + w) ** 2 / (v**2 / (len(left) - 1) + w**2 / (len(right) - 1))
    half = float(scipy.stats.t.ppf(0.975, freedom) * np.sqrt(v + w))
    return (difference - half) / 2, (difference + half) / 2
