"""Siamese terms: how unlike the codes of two members are. **Lower = more similar**, always: they are minimised.

=========== ============================================================ ==================================
kind        of the codes a, b of a pair                                  source
=========== ============================================================ ==================================
cosine      - cos(a, b)                                                  media2020, mlcn2021
squared     mean over dimensions of (a - b)²                             Bromley et al. 1993
vicreg      squared + variance V + covariance C over the batch           Bardes, Ponce, LeCun 2022, eq. 1-6
barlow      cross-correlation over the batch against the identity        Zbontar et al. 2021, eq. 1-2
contrastive cross-entropy of the pair against the batch's other pairs    van den Oord et al. 2018; Chen 2020
wasserstein squared 2-Wasserstein distance of the two distributions      Dowson, Landau 1982
=========== ============================================================ ==================================

Those with the batch's other pairs can tell a code that is alike for partners from one that is alike for everybody.
Sums over dimensions are divided by their number, so that a weight means the same for short and long codes.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

Members = Float[Tensor, "pairs d"]
"""Codes of the first or of the second members."""

Term = Float[Tensor, ""]
Places = Int[Tensor, " pairs"]
"""The number of each pair's location."""


def cosine(first: Members, second: Members) -> Term:
    """Minus the mean cosine: -1 for parallel codes, 1 for opposite ones."""
    return -functional.cosine_similarity(first, second).mean()


def squared(first: Members, second: Members) -> Term:
    """Mean squared difference of the codes' values."""
    return functional.mse_loss(first, second)


def vicreg(first: Members, second: Members, variance: float, covariance: float) -> Term:
    """Squared distance, a floor of 1 under each value's standard deviation, and no covariance between values.

    Args:
        first: codes of the first members.
        second: codes of their partners.
        variance: weight of the floor, against 1 for the distance (published: 25 against 25).
        covariance: weight of the covariance (published: 1 against 25).
    """
    floor = _below_one(first) + _below_one(second)
    return squared(first, second) + variance * floor + covariance * (_covariances(first) + _covariances(second))


def _below_one(codes: Members) -> Term:
    """How far standard deviations over the batch fall short of 1, on average."""
    return functional.relu(1 - torch.sqrt(_centred(codes).square().sum(0) / _freedom(codes) + 1e-4)).mean()


def _covariances(codes: Members) -> Term:
    """Sum of the squared covariances between values, per value."""
    centred = _centred(codes)
    matrix = centred.T @ centred / _freedom(codes)
    return (matrix.square().sum() - matrix.diagonal().square().sum()) / len(matrix)


def _centred(codes: Members) -> Members:
    return codes - codes.mean(dim=0)


def _freedom(codes: Members) -> int:
    return max(len(codes) - 1, 1)  # a last batch of one pair has no variance, and is no reason to stop


def barlow(first: Members, second: Members, off_diagonal: float) -> Term:
    """Each value is to agree with itself in the partner's code and to be independent of all others, per value.

    Args:
        first: codes of the first members.
        second: codes of their partners.
        off_diagonal: weight of the independence (published: 0.005).
    """
    matrix = _standardised(first).T @ _standardised(second) / len(first)
    agreement = matrix.diagonal()
    apart = matrix.square().sum() - agreement.square().sum()
    return ((1 - agreement).square().sum() + off_diagonal * apart) / len(matrix)


def _standardised(codes: Members) -> Members:
    centred = _centred(codes)
    return centred / torch.sqrt(centred.square().mean(dim=0) + 1e-5)


def contrastive(first: Members, second: Members, temperature: float, places: Places | None = None) -> Term:
    """InfoNCE: among the second members, each first one's partner is to be the most parallel, and vice versa.

    The negatives are the other pairs of the batch, which lie elsewhere; a pair of the very same location, of
    which batches of slices have many, is none and is left out when ``places`` tells.

    Args:
        first: codes of the first members.
        second: codes of their partners.
        temperature: what cosines are divided by.
        places: location number of each pair; None takes all for different.
    """
    cosines = functional.normalize(first) @ functional.normalize(second).T / temperature
    own = torch.arange(len(first), device=first.device)
    if places is not None:
        no_negative = (places[:, None] == places) & (own[:, None] != own)
        cosines = cosines.masked_fill(no_negative, float("-inf"))
    return (functional.cross_entropy(cosines, own) + functional.cross_entropy(cosines.T, own)) / 2


def wasserstein(first: Members, second: Members, first_log_variance: Members, second_log_variance: Members) -> Term:
    """Squared 2-Wasserstein distance between normal distributions with independent values, per value.

    |m₁ - m₂|² + |σ₁ - σ₂|² over d: the squared distance of the means, and of the standard deviations too.

    Args:
        first: means of the first members.
        second: means of their partners.
        first_log_variance: log σ² of the first members.
        second_log_variance: log σ² of their partners.
    """
    spreads = functional.mse_loss(torch.exp(0.5 * first_log_variance), torch.exp(0.5 * second_log_variance))
    return squared(first, second) + spreads
