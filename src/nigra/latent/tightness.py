"""Co-location tightness: are codes of one place in different people closer than codes of other places?

This is what a siamese term claims to do. Tightness is the root of (mean squared distance at the same place / mean
squared distance between other places), always between different subjects: 0 when a place has one code in all, 1
when place means nothing. Overall it comes with an interval; over the brain it is a map, from sums alone.
"""

from typing import Literal

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from nigra.errors import NigraError
from nigra.latent.measured import Measured, Resampling, Weighted, measured, of_pairs
from nigra.latent.pairs import closer_at_same_place, other_place, same_place, unit_length
from nigra.shapes import Codes

Metric = Literal["euclidean", "cosine"]


def tightness_numbers(codes: Codes, resampling: Resampling, who: str = "") -> list[Measured]:
    """Tightness by both metrics (null 1), and how often the same place is the closer one (null .5).

    Args:
        codes: finite codes of the same places in all subjects, at least two of each.
        resampling: how intervals are drawn.
        who: said in the measure's name, such as ``training controls``.
    """
    suffix = f", {who}" if who else ""
    found = []
    for metric, values in (("", codes.astype(np.float64)), (", cosine", unit_length(codes))):
        ratio = _root(of_pairs(same_place(values), other_place(values)))
        found.append(measured(f"tightness{metric}{suffix}", ratio, len(codes), resampling, 1.0))
    closer = closer_at_same_place(codes.astype(np.float64), np.random.default_rng(resampling.seed))
    found.append(measured(f"same place closer{suffix}", of_pairs(closer), len(codes), resampling, 0.5))
    return found


def _root(statistic: Weighted) -> Weighted:
    return lambda weights: np.sqrt(np.maximum(statistic(weights), 0))


class TightnessMap:
    """Takes subjects' codes one after the other; ``values`` is the tightness of every place.

    Kept are one sum of codes and three numbers per place, whatever the number of subjects. Sums are float64, and
    codes are taken off the first subject's mean, so that far from the origin no digits are lost.
    """

    def __init__(self, n_locations: int, d: int, metric: Metric = "euclidean") -> None:
        self.metric, self.subjects = metric, 0
        self._sum = np.zeros((n_locations, d))
        self._square, self._with_own = np.zeros(n_locations), np.zeros(n_locations)
        self._means = np.zeros(d)
        self._mean_square, self._origin = 0.0, np.zeros(d)

    def add(self, codes: Float[ndarray, "n_locations d"]) -> None:
        """Take one subject's codes of all places."""
        wide = codes.astype(np.float64)
        if self.metric == "cosine":
            wide = unit_length(wide[None])[0]
        if not self.subjects:
            self._origin = wide.mean(axis=0)
        wide -= self._origin
        mean, square = wide.mean(axis=0), (wide**2).sum(axis=1)
        self._sum += wide
        self._square += square
        self._with_own += wide @ mean
        self._means += mean
        self._mean_square += float(square.mean())
        self.subjects += 1

    def values(self) -> Float[ndarray, " n_locations"]:
        """Tightness of every place over pairs of subjects: its code in others against theirs of all other places.

        Raises:
            NigraError: fewer than two subjects, or two places.
        """
        n, places = self.subjects, len(self._square)
        if n < 2 or places < 2:
            raise NigraError(f"tightness compares two subjects at two places, found {n} and {places}; add some.")
        at_same = (self._sum**2).sum(axis=1) - self._square  # over ordered pairs of different subjects
        pairs = n * (n - 1)
        same = 2 * (self._square / n - at_same / pairs)
        products = places * (self._sum @ self._means - self._with_own) - at_same
        others = (places * self._mean_square - self._square) / ((places - 1) * n)
        other = self._square / n + others - 2 * products / ((places - 1) * pairs)
        ratio = np.divide(same, other, out=np.full(places, np.nan), where=other > 0)
        return np.sqrt(np.maximum(ratio, 0))
