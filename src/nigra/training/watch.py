"""Looks at a model now and again, always by the same units of training subjects: they are drawn once, by seed."""

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor

from nigra.models.siamese import Model
from nigra.training.feed import Feed
from nigra.training.health import Health, measure

PAIRS, VALUES = 512, 2**22
"""At most so many pairs are looked at, and so many values of their first members."""

FEWEST, SHARE = 64, 1 / 16
"""At most this share of an epoch's samples, so that looking costs little beside learning; but so many pairs."""

OTHERS = 20
"""The mean image is that of at most so many other subjects."""


class Watch:
    """The units looked at, and what an average knows of them.

    Args:
        feed: where units come from; pairs are drawn by its rule, also for a model that takes single units.
        seed: of the sample.
    """

    def __init__(self, feed: Feed, seed: int = 0) -> None:
        rows, rng = feed.task.train_rows, np.random.default_rng([seed, 5])
        unit, source = feed.task.unit, feed.task.source
        values = unit.unit_channels(source.volumes.shape[1]) * int(np.prod(unit.unit_shape(source.shape)))
        most = max(min(PAIRS, VALUES // values, max(FEWEST, int(SHARE * feed.samples(rows)))), 2)
        drawn = feed.draw(rng, rows, -(-most // len(rows)))
        count, self.batch = min(most, len(drawn)), feed.batch
        self.first, self.second = torch.chunk(feed.units(drawn, 0, count, members=2), 2)
        first, second = np.split(drawn.members(0, count, 2)[0], 2)
        self.random = random_partners(rng, first, second)
        where = drawn.members(0, count, 1)[1]
        image = _mean_of_others(feed, first, feed.locations[where], rng.permutation(rows)[:OTHERS])
        self.image_error = _squared(image - self.first)
        self.unit_error = _squared(self.first.mean(dim=0) - self.first)

    @torch.no_grad()
    def look(self, model: Model) -> Health:
        """The health of a model in evaluation mode, on the device of the feed."""
        first, second = self._codes(model, self.first), self._codes(model, self.second)
        error = sum(_squared(model(units) - units) for units in self.first.split(self.batch))
        errors = error, self.image_error, self.unit_error
        return measure(first, second, second[self.random], errors, self._kl(model))

    def _kl(self, model: Model) -> Float[ndarray, " d"] | None:
        """KL of each dimension, of a variational model."""
        parts = [(model.kl_per_dimension(part), len(part)) for part in self.first.split(self.batch)]
        sums = [kl.double() * count for kl, count in parts if kl is not None]
        return (torch.stack(sums).sum(dim=0) / len(self.first)).cpu().numpy() if sums else None

    def _codes(self, model: Model, units: Tensor) -> Float[ndarray, "n d"]:
        return torch.cat([model.codes(part) for part in units.split(self.batch)]).float().cpu().numpy()


def random_partners(
    rng: np.random.Generator, first: Int[ndarray, " n"], second: Int[ndarray, " n"]
) -> Int[ndarray, " n"]:
    """For each pair the number of another pair whose second member is a random partner of its first.

    Random partners are of the same subject or of another as in the pair itself; else who a unit is from would tell
    them from the own partner. Where no other pair allows that, any other one is taken.

    Args:
        rng: draws them.
        first: subjects of the first members.
        second: subjects of the second members.
    """
    allowed = (first[:, None] == second[None, :]) == (first == second)[:, None]
    order = rng.random(allowed.shape) + allowed
    np.fill_diagonal(order, -1)
    return order.argmax(axis=1)


def _mean_of_others(feed: Feed, own: np.ndarray, locations: np.ndarray, subjects: np.ndarray) -> Tensor:
    """For every unit the mean of the same place in other subjects."""
    total, count = torch.zeros(()), np.zeros(len(own), np.float32)
    for subject in subjects:
        units, others = feed.cut(np.full(len(own), subject), locations), (own != subject).astype(np.float32)
        total = total + units * _spread(others, units)
        count += others
    return total / _spread(count, units)


def _spread(values: np.ndarray, like: Tensor) -> Tensor:
    """One number per unit in the shape that multiplies units."""
    return torch.from_numpy(values).to(like.device).reshape(-1, *[1] * (like.ndim - 1))


def _squared(difference: Tensor) -> float:
    return float((difference.double() ** 2).sum())
