"""The variational term: a code is a distribution, held near the standard normal one.

Kingma, Welling. Auto-encoding variational Bayes, 2014 (the divergence in closed form: appendix B). beta: Higgins et
al. 2017. warm_up: Bowman et al. 2016. free_bits: Kingma et al. 2016, appendix C.8.
"""

import torch
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from nigra.models.blocks import CONVOLUTION, soft_clip
from nigra.models.noise import Noise

LOWEST, HIGHEST = -20.0, 10.0
"""What log σ² stays between, so that neither σ nor its logarithm becomes infinite."""

SpatialCode = Float[Tensor, "batch features *code_size"]


class VariationalSettings(BaseModel):
    """The weight of the divergence, and when and where it acts."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    beta: float = Field(
        1.0,
        ge=0,
        le=1e6,
        description="weight of the divergence; 1 with a gaussian reconstruction is the evidence bound",
    )
    warm_up: float = Field(0.0, ge=0, le=1, description="share of the epochs over which the weight grows from 0")
    free_bits: float = Field(0.0, ge=0, description="divergence of a dimension, in nats, that costs nothing")


class Variational(nn.Module):
    """The part of a variational auto-encoder beyond its means: variances, drawing, divergence.

    Args:
        settings: of the term.
        log_variance: the layer that makes log σ² from what the encoder's last layer makes the mean from.
    """

    def __init__(self, settings: VariationalSettings, log_variance: nn.Module) -> None:
        super().__init__()
        self.settings, self.head = settings, log_variance
        self.noise, self.done = Noise(stream=1), 1.0

    @property
    def needs_batch(self) -> bool:
        """Whether the cost of a unit depends on the others of its batch: bits are free on average over them."""
        return self.settings.free_bits > 0

    def log_variance(
        self, features: Float[Tensor, "batch features *size"]
    ) -> Float[Tensor, "batch code_features *code_size"]:
        """log σ² of each value of the code."""
        return soft_clip(self.head(features), LOWEST, HIGHEST)

    def draw(self, mean: SpatialCode, log_variance: SpatialCode) -> SpatialCode:
        """A code from its distribution; in evaluation mode the mean."""
        if not self.training:
            return mean
        return mean + torch.exp(0.5 * log_variance) * self.noise.like(mean)

    def cost(self, divergence: Float[Tensor, " d"]) -> Float[Tensor, ""]:
        """The weighted divergence of a unit, in nats; in evaluation mode the weight is the final one."""
        early = self.training and self.done < self.settings.warm_up
        weight = self.settings.beta * (self.done / self.settings.warm_up if early else 1.0)
        return weight * divergence.clamp(min=self.settings.free_bits).sum()

    def begin_epoch(self, done: float, seed: int) -> None:
        """See ``Autoencoder.begin_epoch``."""
        self.done = done
        self.noise.seed(seed)


def kl_per_dimension(mean: SpatialCode, log_variance: SpatialCode) -> Float[Tensor, " d"]:
    """Divergence of each value's distribution from the standard normal one, in nats, mean over the batch."""
    values = 0.5 * (mean**2 + torch.exp(log_variance) - 1 - log_variance)
    return values.flatten(1).mean(dim=0)


def with_heads(encoder: nn.Sequential, features: int, axes: int) -> tuple[nn.Sequential, nn.Module]:
    """An encoder whose last layer makes the mean, and a layer of the same kind for log σ².

    An encoder that ends in a plain convolution has its mean already; to another one a convolution of kernel 1 is
    added, which keeps the code's shape.

    Args:
        encoder: of an auto-encoder.
        features: of its code.
        axes: of a unit.
    """
    last = encoder[-1]
    if not isinstance(last, nn.Conv2d | nn.Conv3d):
        last = CONVOLUTION[axes](features, features, 1)
        encoder = nn.Sequential(*encoder, last)
    return encoder, type(last)(last.in_channels, last.out_channels, last.kernel_size)  # type: ignore[arg-type]
