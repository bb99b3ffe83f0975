"""An auto-encoder: an encoder, a decoder, and the reconstruction term it is trained with."""

from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

ReconstructionTerm = Literal["mse", "l1"]

RECONSTRUCTION = {"mse": functional.mse_loss, "l1": functional.l1_loss}
"""Reconstruction terms: the mean over batch, channels and pixels of the squared or absolute error."""

Units = Float[Tensor, "batch channels height width"]
SpatialCode = Float[Tensor, "batch features code_height code_width"]


class Autoencoder(nn.Module):
    """Encoder and decoder; the code keeps its spatial shape inside, ``codes`` gives it flat."""

    members = 1
    """Units of one training sample."""

    def __init__(self, encoder: nn.Sequential, decoder: nn.Sequential, reconstruction: ReconstructionTerm) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        self.reconstruction = RECONSTRUCTION[reconstruction]

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

    def terms(self, units: Units) -> dict[str, Tensor]:
        """Terms of the training loss; ``loss`` is what is minimised."""
        reconstruction = self.reconstruction(self(units), units)
        return {"loss": reconstruction, "reconstruction": reconstruction}
