"""The reconstruction term: how far a reconstruction is from its unit, averaged over batch, channels and voxels.

=========== =================================================== =======================================
kind        of the difference e at a voxel                      source
=========== =================================================== =======================================
mse         e²                                                  mlcn2021 (patches), isbi2023
l1          |e|                                                 mlcn2021 (slices)
charbonnier √(e² + epsilon²)                                    Charbonnier et al. 1994
ssim        1 - SSIM                                            Wang et al. 2004
mse+ssim    (1 - ssim_share) e² + ssim_share (1 - SSIM)         after Zhao et al. 2017
gaussian    (log σ² + e² / σ²) / 2, one learned σ per channel   σ-VAE, Rybkin, Daniilidis, Levine 2021
=========== =================================================== =======================================
"""

from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from nigra.errors import NigraError
from nigra.models.blocks import Shape, shape_text, soft_clip
from nigra.models.settings import KindSettings
from nigra.models.ssim import ssim

ReconstructionKind = Literal["mse", "l1", "charbonnier", "ssim", "mse+ssim", "gaussian"]

LOG_VARIANCE, LOWEST, HIGHEST = -4.0, -12.0, 2.0
"""Where log σ² starts (σ 0.14 of the 0-1 scale) and what it stays between, so that no loss becomes infinite."""


class ReconstructionSettings(KindSettings):
    """The reconstruction term and its weight."""

    own: ClassVar[dict[str, dict[str, Any]]] = {"charbonnier": {"epsilon": 1e-3}, "mse+ssim": {"ssim_share": 0.5}}
    kind: ReconstructionKind = Field(
        "mse",
        description="mse, l1 or charbonnier (a smooth l1) per voxel; ssim: structure; gaussian: learned noise",
    )
    weight: float = Field(
        1.0, ge=0, le=1e6, description="its weight in the loss; 0 leaves the siamese term alone, to see it fail"
    )
    epsilon: float | None = Field(None, ge=1e-9, description="charbonnier: errors below are squared; null: 0.001")
    ssim_share: float | None = Field(None, ge=0, le=1, description="mse+ssim: share of the SSIM; null: 0.5")

    def refuse(self, shape: Shape) -> None:
        """Raise NigraError for units that have no room for an SSIM window of 3 voxels."""
        if "ssim" in self.kind and min(shape) < 3:
            raise NigraError(f"units are {shape_text(shape)}; {self.kind} needs at least 3 voxels along each axis.")


class Reconstruction(nn.Module):
    """The term, unweighted; it holds what the gaussian kind learns.

    Args:
        settings: which one.
        channels: of a unit.
    """

    def __init__(self, settings: ReconstructionSettings, channels: int = 1) -> None:
        super().__init__()
        self.settings = settings
        if settings.kind == "gaussian":
            self.log_variance = nn.Parameter(torch.full((channels,), LOG_VARIANCE))

    def forward(
        self, rebuilt: Float[Tensor, "batch channels *size"], units: Float[Tensor, "batch channels *size"]
    ) -> Float[Tensor, ""]:
        """The mean over all values, lower = better."""
        values = self.settings.values
        match self.settings.kind:
            case "mse":
                return functional.mse_loss(rebuilt, units)
            case "l1":
                return functional.l1_loss(rebuilt, units)
            case "charbonnier":
                return torch.sqrt((rebuilt - units) ** 2 + values["epsilon"] ** 2).mean()
            case "ssim":
                return 1 - ssim(rebuilt, units)
            case "mse+ssim":
                share = values["ssim_share"]
                return (1 - share) * functional.mse_loss(rebuilt, units) + share * (1 - ssim(rebuilt, units))
            case "gaussian":
                return self._gaussian(rebuilt, units)

    def _gaussian(self, rebuilt: Tensor, units: Tensor) -> Tensor:
        squared = ((rebuilt - units) ** 2).transpose(0, 1).flatten(1).mean(dim=1)
        log_variance = soft_clip(self.log_variance, LOWEST, HIGHEST)
        return 0.5 * (log_variance + squared * torch.exp(-log_variance)).mean()
