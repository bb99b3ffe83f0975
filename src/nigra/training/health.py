"""The health of a model: does its code still say anything, and is its reconstruction better than an average?

A siamese or variational term can be satisfied by a code that says nothing, and the loss looks fine: the code
collapsed. What is measured here is said of one model on some units, which ``watch`` chooses. The thresholds of the
verdict are reasoned in decisions/0021.
"""

import logging
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from nigra.errors import NigraError
from nigra.files import write_json

LOG = logging.getLogger(__name__)

HEALTH_FILE = "health.json"

ACTIVE_SD, ACTIVE_KL = 0.01, 0.01
"""A dimension with more than this share of the largest standard deviation is active; in a variational model, with
more than this KL (nats)."""

CONSTANT = 1e-6
"""Codes whose standard deviation is this share of their size or less are one code, up to rounding."""

FEWEST_RANK, LARGEST_ERROR = 1.5, 1.0
"""A code of a lower effective rank is flagged, and a reconstruction from this relative error on."""


@dataclass(frozen=True)
class Health:
    """Numbers of one look at a model. NaN: the model has no such thing, or is not finite."""

    pairs: int
    """pairs looked at"""
    dimensions: int
    """length of a code"""
    code_sd: float
    """root mean square over dimensions of the codes' standard deviation"""
    effective_rank: float
    """see ``effective_rank``"""
    active_units: int
    """dimensions that vary: by ``ACTIVE_SD``, of variational models by ``ACTIVE_KL``"""
    kl: float
    """sum over dimensions of the KL to the prior, nats"""
    similarity: float
    """mean cosine of the codes of pairs, as drawn for training"""
    random_similarity: float
    """mean cosine of a first member with another pair's second one"""
    alike: float
    """how often the own partner is more alike than the random one; ties count half, 0.5 is chance"""
    error: float
    """squared error of reconstructions, divided by that of the mean of other subjects' units of the same place"""
    unit_error: float
    """the same, divided by the squared error of one mean unit for all places"""
    dimension_sd: list[float]
    """standard deviation of each dimension of the code"""
    dimension_kl: list[float]
    """KL of each dimension, empty without a variational term"""

    @property
    def why(self) -> list[str]:
        """What is wrong, a sentence each; nothing where the model is well."""
        if not np.isfinite([self.code_sd, self.unit_error]).all():
            return ["codes or reconstructions are not finite."]
        found = []
        if self.effective_rank == 0:
            found.append("every unit has the same code.")
        elif self.effective_rank < FEWEST_RANK:
            found.append(
                f"codes vary along one direction (effective rank {self.effective_rank:.2f} of {self.dimensions})."
            )
        if self.dimension_kl and self.active_units == 0:
            found.append(f"no dimension of the code says anything (KL below {ACTIVE_KL} nats in each).")
        if self.unit_error >= LARGEST_ERROR:
            found.append(
                f"reconstructions are no better than one mean unit ({self.unit_error:.2f} times its error); train "
                "longer, or lower the weights of the other terms."
            )
        return found

    @property
    def collapsed(self) -> bool:
        """Whether anything is wrong."""
        return bool(self.why)

    def columns(self) -> dict[str, float | None]:
        """The numbers that change while training, as ``health_*``; None for NaN, as in JSON."""
        fixed = ("pairs", "dimensions", "dimension_sd", "dimension_kl")
        return {f"health_{name}": _plain(value) for name, value in asdict(self).items() if name not in fixed}

    def to_json(self) -> dict[str, Any]:
        """``collapsed``, ``why`` and all numbers."""
        return {"collapsed": self.collapsed, "why": self.why, **{k: _plain(v) for k, v in asdict(self).items()}}

    def write(self, folder: Path) -> None:
        """Write ``health.json``; that a model collapsed is a warning in the log, too."""
        write_json(folder / HEALTH_FILE, self.to_json())
        if self.collapsed:
            LOG.warning("%s: the model collapsed: %s", folder, " ".join(self.why))


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return value if np.isfinite(value) else None


def measure(
    first: Float[ndarray, "n d"], second: Float[ndarray, "n d"], random: Float[ndarray, "n d"],
    errors: tuple[float, float, float], kl: Float[ndarray, " d"] | None = None,
) -> Health:  # fmt: skip
    """All numbers from codes and errors.

    Args:
        first: codes of the first members.
        second: codes of their partners.
        random: codes of their random partners.
        errors: squared errors of the reconstructions, of the mean image at the place, of the mean unit.
        kl: mean KL of each dimension, of a variational model.

    Raises:
        NigraError: fewer than 2 pairs.
    """
    if len(first) < 2:
        raise NigraError(f"a model's health needs at least 2 pairs, but found {len(first)}; draw more units.")
    codes = np.concatenate([first, second]).astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):  # codes that are not finite are said to be so
        sd, rank = codes.std(axis=0), effective_rank(codes)
        own, other = cosines(first, second), cosines(first, random)
    active = sd > ACTIVE_SD * sd.max() if kl is None else kl > ACTIVE_KL
    rebuilt, image, unit = errors
    return Health(
        pairs=len(first),
        dimensions=codes.shape[1],
        code_sd=float(np.sqrt((sd**2).mean())),
        effective_rank=rank,
        active_units=int(active.sum()) if rank > 0 or kl is not None else 0,
        kl=np.nan if kl is None else float(kl.sum()),
        similarity=float(own.mean()),
        random_similarity=float(other.mean()),
        alike=float(((own > other) + 0.5 * (own == other)).mean()),
        error=_ratio(rebuilt, image),
        unit_error=_ratio(rebuilt, unit),
        dimension_sd=sd.tolist(),
        dimension_kl=[] if kl is None else kl.tolist(),
    )


def effective_rank(codes: Float[ndarray, "n d"]) -> float:
    """exp(entropy) of the spectrum of the codes' covariance, normalised to sum 1 (Roy & Vetterli 2007, eq. 3-4).

    The number of directions the codes vary in, if they varied equally in each: at most min(n - 1, d). Codes that
    are all the same, up to ``CONSTANT`` of their size, have 0; NaN where a code is not finite.

    >>> effective_rank(np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]]))
    2.0
    """
    codes = np.asarray(codes, np.float64)
    if not np.isfinite(codes).all():
        return np.nan
    centred = codes - codes.mean(axis=0)
    total = (centred**2).sum()
    if total <= CONSTANT**2 * (codes**2).sum():
        return 0.0
    # the products of codes have the spectrum of those of dimensions, and may be the smaller matrix
    products = centred.T @ centred if codes.shape[1] <= len(codes) else centred @ centred.T
    shares = np.linalg.eigvalsh(products) / total
    shares = shares[shares > np.finfo(np.float64).eps]
    return float(np.exp(-(shares * np.log(shares)).sum()))


def cosines(one: Float[ndarray, "n d"], two: Float[ndarray, "n d"]) -> Float[ndarray, " n"]:
    """Cosine of each pair of codes; 0 with a code of length 0."""
    one, two = one.astype(np.float64), two.astype(np.float64)
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(two, axis=1)
    return (one * two).sum(axis=1) / np.maximum(lengths, np.finfo(np.float64).tiny)


def _ratio(value: float, reference: float) -> float:
    """NaN where the reference makes no error: there is nothing to reconstruct."""
    return value / reference if reference > 0 else np.nan
