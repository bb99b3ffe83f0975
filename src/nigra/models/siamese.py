"""A siamese auto-encoder *has* an auto-encoder: two units of the same place share its weights."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from nigra.models.autoencoder import Autoencoder, SpatialCode, Units


class Siamese(nn.Module):
    """Trains its auto-encoder on pairs, pulling the codes of the two members together (media2020, mlcn2021).

    Loss of a pair: ``MSE(x1, x1') + MSE(x2, x2') - alpha * cos(z1, z2)``, averaged over the batch. With
    ``alpha`` 0 it is the auto-encoder's own loss on both members.
    """

    members = 2

    def __init__(self, autoencoder: Autoencoder, alpha: float) -> None:
        super().__init__()
        self.autoencoder, self.alpha = autoencoder, alpha

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

    def terms(self, units: Units) -> dict[str, Tensor]:
        """Terms of the loss of a batch whose first half holds the first members, second half their partners."""
        code = self.encode(units)
        rebuilt = self.decode(code)
        # both halves have one size, so the sum of their means is twice the mean of the whole
        reconstruction = 2 * self.autoencoder.reconstruction(rebuilt, units)
        first, second = torch.chunk(code.flatten(1), 2)
        similarity = functional.cosine_similarity(first, second).mean()
        loss = reconstruction - self.alpha * similarity
        return {"loss": loss, "reconstruction": reconstruction, "similarity": similarity}


Model = Autoencoder | Siamese
"""What ``published.build`` returns and every later stage takes."""
