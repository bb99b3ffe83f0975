"""A siamese auto-encoder *has* an auto-encoder: two units of the same place share its weights."""

from collections.abc import Callable
from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from nigra.errors import NigraError
from nigra.models import similarity
from nigra.models.autoencoder import Autoencoder, Observed, SpatialCode, Units
from nigra.models.settings import KindSettings
from nigra.models.similarity import Places

LONGEST_CODE = 8192
"""Values of a code beyond which a matrix of their products is refused."""


class SiameseSettings(KindSettings):
    """The siamese term and its weight."""

    own: ClassVar[dict[str, dict[str, Any]]] = {
        "vicreg": {"variance": 1.0, "covariance": 0.04},
        "barlow": {"off_diagonal": 0.005},
        "contrastive": {"temperature": 0.1},
    }
    kind: Literal["cosine", "squared", "vicreg", "barlow", "contrastive", "wasserstein"] = Field(
        "cosine",
        description="cosine (published) or squared distance of the two codes; vicreg, barlow, contrastive: against "
        "the batch, so that codes cannot all become one; wasserstein: of distributions, with a variational term",
    )
    alpha: float = Field(
        0.005, ge=0, le=1e6, description="its weight in the loss; 0 is the auto-encoder on the same pairs"
    )
    variance: float | None = Field(
        None, ge=0, description="vicreg: weight of the variance floor, against 1 for the distance; null: 1"
    )
    covariance: float | None = Field(
        None, ge=0, description="vicreg: weight of the covariance, against 1 for the distance; null: 0.04"
    )
    off_diagonal: float | None = Field(
        None, ge=0, description="barlow: weight of what is shared between different values; null: 0.005"
    )
    temperature: float | None = Field(
        None, ge=1e-3, description="contrastive: cosines are divided by it; null: 0.1"
    )

    def refuse(self, code_length: int) -> None:
        """Raise NigraError for a code too long for a term that multiplies all its values with each other."""
        if self.kind in ("vicreg", "barlow") and code_length > LONGEST_CODE:
            raise NigraError(
                f"the code has {code_length} values; {self.kind} multiplies them all with each other, which "
                f"{LONGEST_CODE} allow; give a smaller code_size."
            )

    def term(self, observed: Observed, places: Places | None = None) -> Float[Tensor, ""]:
        """The term of a batch whose first half holds the first members, lower = more similar."""
        members = torch.chunk(observed.code.flatten(1), 2)
        if self.kind == "wasserstein":
            assert observed.log_variance is not None, "the composition refuses it without a variational term"
            return similarity.wasserstein(*members, *torch.chunk(observed.log_variance.flatten(1), 2))
        given = {"places": places} if self.kind == "contrastive" else {}
        term: Callable[..., Tensor] = getattr(similarity, self.kind)
        return term(*members, **self.values, **given)


class Siamese(nn.Module):
    """Trains its auto-encoder on pairs, pulling the codes of the two members together (media2020, mlcn2021).

    Loss of a pair as published: ``MSE(x1, x1') + MSE(x2, x2') - alpha * cos(z1, z2)``, averaged over the batch.
    With ``alpha`` 0 it is the auto-encoder's own loss on both members, bit for bit: the siamese term is reported
    and takes no part in loss or gradient.

    Args:
        autoencoder: what both members go through.
        siamese: the term with its weight, or the weight of the published one.
    """

    members = 2

    def __init__(self, autoencoder: Autoencoder, siamese: SiameseSettings | float) -> None:
        super().__init__()
        self.autoencoder = autoencoder
        self.siamese = siamese if isinstance(siamese, SiameseSettings) else SiameseSettings(alpha=siamese)

    @property
    def alpha(self) -> float:
        """Weight of the siamese term."""
        return self.siamese.alpha

    @property
    def needs_batch(self) -> bool:
        """Whether the term of a pair depends on the other pairs of its batch."""
        return self.alpha > 0 and self.siamese.kind in ("vicreg", "barlow", "contrastive")

    @property
    def encoder(self) -> nn.Sequential:
        """The shared encoder."""
        return self.autoencoder.encoder

    @property
    def decoder(self) -> nn.Sequential:
        """The shared decoder."""
        return self.autoencoder.decoder

    def encode(self, units: Units) -> SpatialCode:
        """See ``Autoencoder.encode``."""
        return self.autoencoder.encode(units)

    def decode(self, code: SpatialCode) -> Units:
        """See ``Autoencoder.decode``."""
        return self.autoencoder.decode(code)

    def codes(self, units: Units) -> Float[Tensor, "batch d"]:
        """See ``Autoencoder.codes``."""
        return self.autoencoder.codes(units)

    def forward(self, units: Units) -> Units:
        """Reconstructions."""
        return self.autoencoder(units)

    def begin_epoch(self, done: float, seed: int) -> None:
        """See ``Autoencoder.begin_epoch``."""
        self.autoencoder.begin_epoch(done, seed)

    def kl_per_dimension(self, units: Units) -> Float[Tensor, " d"] | None:
        """See ``Autoencoder.kl_per_dimension``."""
        return self.autoencoder.kl_per_dimension(units)

    def terms(self, units: Units, places: Places | None = None) -> dict[str, Tensor]:
        """Terms of the loss of a pair, the auto-encoder's being sums over its members.

        ``siamese`` is the term, unweighted, lower = more similar; ``similarity`` is the mean cosine of the codes,
        the same number for every kind of term.

        Args:
            units: a batch whose first half holds the first members, the second half their partners.
            places: location number of each pair, for the contrastive term.
        """
        observed = self.autoencoder.observe(units)
        # both halves have one size, so the sum of their means is twice the mean of the whole
        terms = {name: 2 * value for name, value in self.autoencoder.cost(observed, units).items()}
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.alpha > 0):
            terms["siamese"] = self.siamese.term(observed, places)
        if self.alpha > 0:
            terms["loss"] = terms["loss"] + self.alpha * terms["siamese"]
        with torch.no_grad():
            terms["similarity"] = -similarity.cosine(*torch.chunk(observed.code.flatten(1), 2))
        return terms


Model = Autoencoder | Siamese
"""What ``composition.build`` returns and every later stage takes."""
