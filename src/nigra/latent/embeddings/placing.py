"""New codes in a picture that is held still: where the method's own attraction to neighbours is at rest."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

STEPS = 60
"""Steps of the reweighted means; places move less than a thousandth of the picture long before."""


def at_rest(
    picture: Float[ndarray, "n dimensions"],
    neighbours: Int[ndarray, "new k"],
    weights: Float[ndarray, "new k"],
    pull: Callable[[Float[ndarray, "new k"]], Float[ndarray, "new k"]],
) -> Float[ndarray, "new dimensions"]:
    """Minimise the sum over neighbours of weight x loss(squared distance in the picture), by reweighted means.

    Args:
        picture: the places of the codes the method was fitted on.
        neighbours: rows of ``picture`` near each new code.
        weights: how strongly each is tied, above 0.
        pull: the loss's derivative by the squared distance; it falls with distance, which makes every step go down.
    """
    near = picture[neighbours].astype(np.float64)
    share = weights / weights.sum(axis=1, keepdims=True)
    places = np.einsum("nk,nkm->nm", share, near)
    for _ in range(STEPS):
        away = ((near - places[:, None]) ** 2).sum(axis=2)
        forces = share * pull(away)
        places = np.einsum("nk,nkm->nm", forces / forces.sum(axis=1, keepdims=True), near)
    return places.astype(np.float32)
