"""What is derived from a model once, to score with: dense codes and a pruned decoder, each tried before use.

That a fast way gives the values of the plain one (DESIGN, law 2) is not left to the list of layers alone: on random
patches it is held against the model itself, so that a model that is more than its layers is noticed.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from nigra.errors import NigraError
from nigra.models.siamese import Model
from nigra.scoring.cone import Cone, central
from nigra.scoring.dense import DenseEncoder
from nigra.scoring.layers import NotExactError, channels_of
from nigra.units import Centred, Cubes

TOLERANCE = 1e-5
"""Largest difference from the model itself at which a fast way is trusted, relative to values above 1; float32
rounds to about 1e-7, an error in a derivation shows at 1e-2."""


@dataclass(frozen=True)
class Derived:
    """The fast ways of a model of patches or cubes; None where the model forbids one, and ``way`` says why."""

    code_shape: tuple[int, ...]
    encoder: DenseEncoder | None
    cone: Cone | None
    way: str


@dataclass(frozen=True)
class Examples:
    """Random units, their codes and reconstructions by the model itself."""

    units: Float[Tensor, "n channels *unit"]
    codes: Float[Tensor, "n *code"]
    rebuilt: Float[Tensor, "n channels *unit"]


def derive(model: Model, unit: Centred, device: str, dense: bool = True, centre: bool = True) -> Derived:
    """Find the fast ways that hold.

    Args:
        model: in evaluation mode, on ``device``.
        dense: False takes none.
        centre: whether central pixels alone are wanted; whole reconstructions leave nothing to prune.

    Raises:
        NigraError: the model does not take, or does not give back, units of this size.
    """
    with torch.no_grad(), exact_products():
        examples = _examples(model, unit, device)
        shape = tuple(int(n) for n in examples.codes.shape[1:])
        if not dense:
            return Derived(shape, None, None, "unit by unit: as asked")
        encoder, why = _encoder(model, unit, examples)
        if not centre:
            return Derived(shape, encoder, None, "unit by unit: overlap: average needs whole reconstructions")
        cone, why_whole = _cone(model, shape, examples, device)
    coding = "dense codes" if encoder else "unit by unit"
    decoding = "central pixel from a pruned decoder" if cone else "whole patches decoded"
    reasons = "; ".join(reason for reason in (why, why_whole) if reason)
    return Derived(shape, encoder, cone, f"{coding}, {decoding}" + (f": {reasons}" if reasons else ""))


def _examples(model: Model, unit: Centred, device: str) -> Examples:
    generator = torch.Generator().manual_seed(0)
    channels = channels_of(model.encoder, model.decoder)
    shape, what = unit.unit_shape(()), type(unit).__name__.lower()
    units = torch.rand(8, channels, *shape, generator=generator).to(device)
    try:
        codes = model.encode(units)
        rebuilt = model.decode(codes)
    except RuntimeError as error:
        raise NigraError(f"this model cannot take {what} of {' x '.join(map(str, shape))} ({error}).") from error
    if rebuilt.shape != units.shape:
        raise NigraError(
            f"this model gives {tuple(rebuilt.shape[1:])} back for {what} of {tuple(units.shape[1:])}; choose a "
            "size it rebuilds."
        )
    return Examples(units, codes, rebuilt)


def _encoder(model: Model, unit: Centred, examples: Examples) -> tuple[DenseEncoder | None, str]:
    """The dense encoder, or why there is none."""
    if isinstance(unit, Cubes):
        return None, "cubes reach beyond the slice that dense codes are read from"
    channels = examples.units.shape[1]
    try:
        encoder = DenseEncoder(model.encoder, channels, unit.size)
        values = encoder.map(examples.units)
        places = torch.arange(len(values), device=values.device) * values[0, 0].numel()
        _require_same("dense codes", encoder.read(values, places), examples.codes.flatten(1))
    except NotExactError as reason:
        return None, str(reason)
    return encoder, ""


def _cone(model: Model, shape: tuple[int, ...], examples: Examples, device: str) -> tuple[Cone | None, str]:
    """The pruned decoder, or why there is none."""
    size = examples.units.shape[-1]
    try:
        cone = Cone(model.decoder, shape, size, device)
        _require_same("the pruned decoder's pixels", cone(examples.codes.flatten(1)), central(examples.rebuilt))
    except NotExactError as reason:
        return None, str(reason)
    return cone, ""


def _require_same(what: str, found: Tensor, expected: Tensor) -> None:
    same = found.shape == expected.shape
    difference = float((found - expected).abs().max()) if same else float("inf")
    if not difference <= TOLERANCE * max(1.0, float(expected.abs().max())):
        raise NotExactError(f"{what} differ from the model's own by {difference:.2g}")


@contextmanager
def exact_products() -> Iterator[None]:
    """On a GPU, matrix products and convolutions in float32 without TF32, which keeps only 3 digits."""
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matmul.allow_tf32, cudnn.allow_tf32
    matmul.allow_tf32 = cudnn.allow_tf32 = False
    try:
        yield
    finally:
        matmul.allow_tf32, cudnn.allow_tf32 = before
