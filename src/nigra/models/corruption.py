"""Corruption of the input in training: what is rebuilt is the clean unit, so noise is unlearnt (denoising AE).

Vincent, Larochelle, Bengio, Manzagol. Extracting and composing robust features with denoising autoencoders.
ICML 2008.
"""

from typing import Literal

from jaxtyping import Float
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from nigra.models.noise import Noise

Units = Float[Tensor, "batch channels *size"]


class CorruptionSettings(BaseModel):
    """The noise put on units."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    kind: Literal["noise"] = Field(
        "noise", description="noise: independent Gaussian noise on each voxel and channel"
    )
    sd: float = Field(0.1, gt=0, le=10, description="its standard deviation, on the 0-1 scale of intensities")


class Corruption(nn.Module):
    """Adds noise inside the brain, in training mode alone; outside, where every channel is 0, units stay 0.

    So the edge of the brain is told as always; a voxel inside that is 0 in every channel is spared too.
    """

    def __init__(self, settings: CorruptionSettings) -> None:
        super().__init__()
        self.settings, self.noise = settings, Noise(stream=2)

    def forward(self, units: Units) -> Units:
        """Units to feed the encoder with; the given ones are left as they are."""
        if not self.training:
            return units
        inside = (units != 0).any(dim=1, keepdim=True)
        return units + self.settings.sd * self.noise.like(units) * inside

    def begin_epoch(self, seed: int) -> None:
        """See ``Autoencoder.begin_epoch``."""
        self.noise.seed(seed)
