"""A model is a composition: an architecture, and the terms it is trained with."""

from math import prod
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import nn

from nigra.errors import NigraError
from nigra.models.architecture import ArchitectureSettings
from nigra.models.autoencoder import Autoencoder
from nigra.models.blocks import Shape
from nigra.models.corruption import Corruption, CorruptionSettings
from nigra.models.reconstruction import Reconstruction, ReconstructionSettings
from nigra.models.siamese import Model, Siamese, SiameseSettings
from nigra.models.variational import Variational, VariationalSettings, with_heads


class Composition(BaseModel):
    """Everything a model is, but for what it sees (the unit) and how it is trained."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    architecture: ArchitectureSettings = Field(ArchitectureSettings(), description="encoder and decoder")
    reconstruction: ReconstructionSettings = Field(
        ReconstructionSettings(), description="what a reconstruction is measured by"
    )
    siamese: SiameseSettings | None = Field(
        None, description="what pulls the codes of a pair together; null: single units, no pairs"
    )
    variational: VariationalSettings | None = Field(
        None, description="what holds codes near a normal distribution; null: a code is a vector"
    )
    corruption: CorruptionSettings | None = Field(
        None, description="what is done to the input in training; null: nothing"
    )

    @model_validator(mode="after")
    def _terms_fit(self) -> "Composition":
        siamese = self.siamese
        if siamese is not None and siamese.kind == "wasserstein" and self.variational is None:
            raise ValueError("wasserstein compares distributions; give a variational term, or choose squared")
        if self.reconstruction.weight == 0 and (siamese is None or siamese.alpha == 0):
            raise ValueError("reconstruction has weight 0 and nothing pulls codes together: nothing is learnt")
        return self


def build(composition: Composition, channels: int, shape: Shape, seed: int = 0) -> Model:
    """Build a model with freshly drawn weights.

    Weights of encoder and decoder are drawn first, so compositions that differ in terms alone begin alike.

    Args:
        composition: what the model is.
        channels: of a unit.
        shape: of a unit: 2 or 3 lengths.
        seed: seed of the initial weights; torch's global generator is left as it was.

    Raises:
        NigraError: no channel, or a unit shape that the architecture or a term cannot take.
    """
    if channels < 1:
        raise NigraError(f"channels are {channels}; a model needs at least one.")
    composition.reconstruction.refuse(shape)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        encoder, decoder = composition.architecture.network(channels, shape)
        code = code_shape(encoder, channels, shape)
        variational = None
        if composition.variational is not None:
            encoder, head = with_heads(encoder, code[0], len(shape))
            variational = Variational(composition.variational, head)
    reconstruction = Reconstruction(composition.reconstruction, channels)
    corruption = Corruption(composition.corruption) if composition.corruption is not None else None
    autoencoder = Autoencoder(encoder, decoder, reconstruction, variational, corruption)
    if composition.siamese is None:
        return autoencoder
    composition.siamese.refuse(prod(code))
    return Siamese(autoencoder, composition.siamese)


def code_shape(encoder: nn.Module, channels: int, shape: Shape) -> Shape:
    """Features and lengths of a code, found by sending zeros through the encoder, which stays as it was."""
    training = encoder.training
    encoder.eval()  # or BatchNorm would learn from the zeros
    device = next(encoder.parameters()).device
    with torch.no_grad():
        code = encoder(torch.zeros(1, channels, *shape, device=device))
    encoder.train(training)
    return tuple(code.shape[1:])


def parameter_count(model: nn.Module) -> int:
    """Number of trained parameters."""
    return sum(parameter.numel() for parameter in model.parameters())


def describe(composition: Composition, channels: int, shape: Shape) -> dict[str, Any]:
    """The capacity of a model, for tables that compare models.

    Returns:
        ``parameters``, ``encoder_parameters``, ``decoder_parameters`` (counts), ``unit_values``, ``code_shape``
        (features, then lengths), ``code_length`` and ``compression``, unit values per value of the code.

    >>> sae = describe(Composition(), 2, (15, 15))
    >>> sae["parameters"], sae["code_length"], sae["compression"]
    (12034, 64, 7.03125)
    """
    with torch.device("meta"):  # shapes alone, no arithmetic
        model = build(composition, channels, shape)
    code, values = code_shape(model.encoder, channels, shape), channels * prod(shape)
    return {
        "parameters": parameter_count(model),
        "encoder_parameters": parameter_count(model.encoder),
        "decoder_parameters": parameter_count(model.decoder),
        "unit_values": values,
        "code_shape": list(code),
        "code_length": prod(code),
        "compression": values / prod(code),
    }
