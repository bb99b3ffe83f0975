"""How a Student-t mixture is fitted: a seeded start, batch EM, and online EM for more codes than memory holds."""

from collections.abc import Callable, Iterator

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from nigra.detection.mixture import FLOOR, Compiled, Parameters, Sums, maximisation
from nigra.detection.mixture_torch import OnDevice
from nigra.errors import NigraError

Passes = Compiled | OnDevice
Watch = Callable[[int, float], None]
"""Told the iteration and its mean log-likelihood."""

FIRST_DOF = 10.0
"""Degrees of freedom to start from, as in the published code of miccai2023."""

START_CODES = 20_000
"""Starts are tried on at most this many codes."""


def start(
    codes: Float[ndarray, "n d"], components: int, one_dof: bool, restarts: int, passes: Passes,
    rng: np.random.Generator,
) -> Parameters:  # fmt: skip
    """The most likely of ``restarts`` seeded starts after ten iterations each on some of the codes."""
    some = codes if len(codes) <= START_CODES else rng.choice(codes, START_CODES, replace=False, shuffle=False)
    held = passes.hold(some)
    best: tuple[float, Parameters] | None = None
    for _ in range(restarts):
        now = seeded(some, components, one_dof, rng)
        for _ in range(10 if restarts > 1 else 0):
            now = maximisation(passes.expectation(held, now), now)
        found = passes.expectation(held, now).log_likelihood
        if best is None or found > best[0]:
            best = (found, now)
    assert best is not None
    return best[1]


def seeded(codes: Float[ndarray, "n d"], components: int, one_dof: bool, rng: np.random.Generator) -> Parameters:
    """Means by k-means++ (Arthur & Vassilvitskii 2007), and the scatter within their cells, alike for all.

    Raises:
        NigraError: fewer different codes than components.
    """
    codes = codes.astype(np.float64)
    means = codes[rng.integers(len(codes), size=1)]
    nearest, distance = np.zeros(len(codes), np.int64), ((codes - means[0]) ** 2).sum(axis=1)
    for k in range(1, components):
        if not distance.any():
            raise NigraError(
                f"the controls have {k} different codes, too few for {components} components; ask for fewer."
            )
        means = np.vstack([means, codes[rng.choice(len(codes), p=distance / distance.sum())]])
        new = ((codes - means[k]) ** 2).sum(axis=1)
        nearest, distance = np.where(new < distance, k, nearest), np.minimum(new, distance)
    within = codes - means[nearest]
    scales, axes = np.linalg.eigh(within.T @ within / len(codes))
    d = codes.shape[1]
    return Parameters(
        np.bincount(nearest, minlength=components) / len(codes), means, np.tile(axes, (components, 1, 1)),
        np.tile(np.maximum(scales, FLOOR), (components, 1)),
        np.full((components, 1 if one_dof else d), FIRST_DOF),
    )  # fmt: skip


def batch_em(
    codes: Float[ndarray, "n d"], now: Parameters, passes: Passes, most: int, tolerance: float, watch: Watch
) -> Parameters:
    """EM over all codes, until the mean log-likelihood gains less than ``tolerance`` or ``most`` iterations."""
    held, before = passes.hold(codes), -np.inf
    for iteration in range(most):
        sums = passes.expectation(held, now)
        watch(iteration, sums.log_likelihood)
        if sums.log_likelihood - before < tolerance:
            break
        now, before = maximisation(sums, now), sums.log_likelihood
    return now


def online_em(
    first: Float[ndarray, "n d"], batches: Iterator[Float[ndarray, "m d"]], now: Parameters, passes: Passes,
    steps: int, watch: Watch,
) -> Parameters:  # fmt: skip
    """Stepwise EM (Cappé & Moulines 2009): each batch's sums are mixed into the running ones.

    Step sizes (t + 1)^-0.6, as miccai2023. The running sums of the second half are averaged (there the parameters
    are) and give the result.
    """
    sums = passes.expectation(passes.hold(first), now)
    averaged: Sums | None = None
    for step in range(1, steps + 1):
        sums = sums.mixed(passes.expectation(passes.hold(next(batches)), now), (step + 1) ** -0.6)
        now = maximisation(sums, now)
        watch(step - 1, sums.log_likelihood)
        late = step - steps // 2
        if late > 0:
            averaged = sums if averaged is None else averaged.mixed(sums, 1 / late)
    return now if averaged is None else maximisation(averaged, now)
