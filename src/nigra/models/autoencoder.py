"""An auto-encoder: an encoder, a decoder, and the terms it is trained with."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from nigra.models.corruption import Corruption
from nigra.models.reconstruction import Reconstruction, ReconstructionKind, ReconstructionSettings
from nigra.models.similarity import Places
from nigra.models.variational import Variational, kl_per_dimension

Units = Float[Tensor, "batch channels *size"]
SpatialCode = Float[Tensor, "batch features *code_size"]


class Observed(NamedTuple):
    """What training sees of units: codes (means, where a code is a distribution) and reconstructions."""

    code: SpatialCode
    log_variance: SpatialCode | None
    rebuilt: Units


class Autoencoder(nn.Module):
    """Encoder and decoder; the code keeps its spatial shape inside, ``codes`` gives it flat.

    ``decoder(encoder(units))`` is the reconstruction, without chance: noise and drawn codes belong to training.

    Args:
        encoder: units to codes; its last layer makes the mean where the code is a distribution.
        decoder: codes to units.
        reconstruction: the reconstruction term, or its kind.
        variational: makes the code a distribution; None leaves it a vector.
        corruption: what is done to the input in training; None is nothing.
    """

    members = 1
    """Units of one training sample."""

    def __init__(
        self, encoder: nn.Sequential, decoder: nn.Sequential, reconstruction: Reconstruction | ReconstructionKind,
        variational: Variational | None = None, corruption: Corruption | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        if not isinstance(reconstruction, Reconstruction):
            reconstruction = Reconstruction(ReconstructionSettings(kind=reconstruction))
        self.reconstruction: Reconstruction = reconstruction
        self.variational, self.corruption = variational, corruption

    def encode(self, units: Units) -> SpatialCode:
        """Units to codes in their spatial shape."""
        return self.encoder(units)

    def decode(self, code: SpatialCode) -> Units:
        """Codes in their spatial shape to reconstructions."""
        return self.decoder(code)

    def codes(self, units: Units) -> Float[Tensor, "batch d"]:
        """Codes as vectors of length d."""
        return self.encode(units).flatten(1)

    def forward(self, units: Units) -> Units:
        """Reconstructions."""
        return self.decode(self.encode(units))

    def begin_epoch(self, done: float, seed: int) -> None:
        """To be called before each epoch of training.

        Args:
            done: share of the epochs that are done, for what grows with them.
            seed: of the epoch's noise; the same seed gives the same noise.
        """
        if self.variational is not None:
            self.variational.begin_epoch(done, seed)
        if self.corruption is not None:
            self.corruption.begin_epoch(seed)

    def observe(self, units: Units) -> Observed:
        """Codes and reconstructions as training sees them: of corrupted units, by drawn codes."""
        given = units if self.corruption is None else self.corruption(units)
        if self.variational is None:
            code = self.encoder(given)
            return Observed(code, None, self.decoder(code))
        mean, log_variance = self._distribution(given)
        return Observed(mean, log_variance, self.decoder(self.variational.draw(mean, log_variance)))

    def cost(self, observed: Observed, units: Units) -> dict[str, Tensor]:
        """Terms of the loss of clean units, once observed; ``kl`` in nats per unit, in the loss per value."""
        reconstruction = self.reconstruction(observed.rebuilt, units)
        loss = self.reconstruction.settings.weight * reconstruction
        terms = {"loss": loss, "reconstruction": reconstruction}
        if self.variational is not None and observed.log_variance is not None:
            divergence = kl_per_dimension(observed.code, observed.log_variance)
            # the reconstruction is a mean over values, so the divergence is divided by their number
            terms["loss"] = loss + self.variational.cost(divergence) / units[0].numel()
            terms["kl"] = divergence.sum()
        return terms

    def terms(self, units: Units, places: Places | None = None) -> dict[str, Tensor]:
        """Terms of the training loss; ``loss`` is what is minimised.

        Args:
            units: a batch.
            places: as ``Siamese.terms`` takes them; of no use to single units.
        """
        return self.cost(self.observe(units), units)

    def kl_per_dimension(self, units: Units) -> Float[Tensor, " d"] | None:
        """Divergence of each value of the code in nats, mean over units; None where a code is no distribution."""
        if self.variational is None:
            return None
        with torch.no_grad():
            return kl_per_dimension(*self._distribution(units))

    def _distribution(self, units: Tensor) -> tuple[Tensor, Tensor]:
        features = self.encoder[:-1](units)
        return self.encoder[-1](features), self.variational.log_variance(features)  # type: ignore[union-attr]
