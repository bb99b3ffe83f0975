"""One pass over the subjects of a draw: the codes that were drawn, and what needs the codes of every place.

Training controls come first, one subject in memory at a time. Their mean at every place is what *beyond place*
takes off; test subjects are measured against it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse
from jaxtyping import Float
from numpy import ndarray

from nigra.latent.codes import Drawn, Locations
from nigra.latent.separability import shift_scores
from nigra.latent.tightness import Metric, TightnessMap
from nigra.provenance import refuse_fitted
from nigra.regions import WHOLE_BRAIN, Atlas
from nigra.study.coding import Coder
from nigra.training import Tick


@dataclass(frozen=True)
class Gathered:
    """What one pass leaves.

    ``codes`` and ``centred`` (beyond place) are in the order drawn; ``scores`` of separability are by statistic,
    (test subjects, regions); ``tightness`` is a value per place.
    """

    codes: Float[ndarray, "n d"]
    centred: Float[ndarray, "n d"]
    regions: list[str]
    scores: dict[str, Float[ndarray, "n_tested n_regions"]]
    tightness: Float[ndarray, " n_locations"]


class Members:
    """Which places are in which region; the whole brain is the first."""

    def __init__(self, locations: Locations, atlas: Atlas) -> None:
        names, masks = [WHOLE_BRAIN], [np.ones(len(locations), dtype=bool)]
        present, number = np.unique(locations.region.astype(str), return_inverse=True)
        for region, labels in atlas.regions.items():
            inside = np.isin(present, [atlas.names[label] for label in labels])[number]
            if inside.any():
                names.append(region)
                masks.append(inside)
        self.names, counts = names, np.array([mask.sum() for mask in masks])
        self._mean = scipy.sparse.csr_array(np.stack(masks) / counts[:, None])

    def mean(self, values: Float[ndarray, "n_locations *d"]) -> Float[ndarray, "n_regions *d"]:
        """Mean of values over the places of each region."""
        return self._mean @ values


def gather(
    coder: Coder, atlas: Atlas, locations: Locations, drawn: Drawn, people: Sequence[str], train: Sequence[str],
    tested: Sequence[str], tight: Sequence[str], metric: Metric, tick: Tick,
) -> Gathered:  # fmt: skip
    """Read every subject once.

    Args:
        coder: the model.
        atlas: the regions of separability.
        locations: the coder's places.
        drawn: codes to keep; its subject numbers are places in ``people``.
        people: subjects of the code table.
        train: training controls, whose mean codes are what place means.
        tested: subjects whose separability scores are wanted, none of them trained on.
        tight: subjects of the tightness map.
        metric: its distance.
        tick: told the fraction done.
    """
    refuse_fitted("model", coder.trained_on, list(tested))
    members, number = Members(locations, atlas), {name: k for k, name in enumerate(people)}
    place = _Places(len(locations), coder.length)
    codes = np.empty((len(drawn), coder.length), np.float32)
    centred, tightness = codes.copy(), TightnessMap(len(locations), coder.length, metric)
    means: dict[str, ndarray] = {}
    spread = []
    everybody = [*train, *tested]
    for done, name in enumerate(everybody):
        own = coder.read(int(coder.run.cohort.rows([name])[0]))
        means[name] = members.mean(own)
        if name in tight:
            tightness.add(own)
        if done < len(train):
            place.add(own)
        else:
            spread.append(members.mean(place.standardised(own)))
        if name in number:
            rows = drawn.of(number[name])
            codes[rows] = own[drawn.location[rows]]
            if done >= len(train):
                centred[rows] = codes[rows] - place.mean[drawn.location[rows]]
        tick((done + 1) / len(everybody), f"{done + 1}/{len(everybody)} subjects")
    for name in set(train) & set(number):
        rows = drawn.of(number[name])
        centred[rows] = place.without_own(codes[rows], drawn.location[rows])
    scores = {"shift": _shift(means, train, tested), "spread": np.array(spread).reshape(len(tested), -1)}
    enough = tightness.subjects > 1
    tight_values = tightness.values() if enough else np.full(len(locations), np.nan)
    return Gathered(codes, centred, members.names, scores, tight_values)


class _Places:
    """Mean code and variance of training controls at every place."""

    def __init__(self, n_locations: int, d: int) -> None:
        self.n, self._sum, self._square = 0, np.zeros((n_locations, d)), np.zeros(n_locations)

    def add(self, codes: Float[ndarray, "n_locations d"]) -> None:
        self.n += 1
        self._sum += codes
        self._square += (codes.astype(np.float64) ** 2).sum(axis=1)

    @cached_property  # asked for when all have been added
    def mean(self) -> Float[ndarray, "n_locations d"]:
        return self._sum / self.n

    def standardised(self, codes: Float[ndarray, "n_locations d"]) -> Float[ndarray, " n_locations"]:
        """Squared distance from the mean over the variance; places that hardly vary count as the typical one."""
        mean = self.mean
        variance = (self._square / self.n - (mean**2).sum(axis=1)) * self.n / max(self.n - 1, 1)
        floor = max(1e-3 * float(np.median(variance)), 1e-12)
        return ((codes - mean) ** 2).sum(axis=1) / np.maximum(variance, floor)

    def without_own(self, codes: Float[ndarray, "n d"], location: ndarray) -> Float[ndarray, "n d"]:
        """A training control's codes less the mean of the others."""
        return (codes - self._sum[location] / self.n) * (self.n / max(self.n - 1, 1))


def _shift(means: dict[str, ndarray], train: Sequence[str], tested: Sequence[str]) -> ndarray:
    """Mahalanobis distance of every tested subject's mean code, by region."""
    known, new = np.stack([means[name] for name in train]), np.stack([means[name] for name in tested])
    return np.stack([shift_scores(known[:, k], new[:, k]) for k in range(known.shape[1])], axis=1)
