"""Random numbers of a model's own: seeded by the epoch, so that a resumed run draws what it would have drawn."""

from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor


class Noise:
    """Standard normal values from a stream that ``seed`` begins anew; torch's own generators are left alone.

    Args:
        stream: tells apart the uses within one model.
    """

    def __init__(self, stream: int) -> None:
        self.stream = stream
        self.seed(0)

    def seed(self, seed: int) -> None:
        """Begin again; on one device the same seed gives the same values."""
        self._seed = int(np.random.SeedSequence([seed, self.stream]).generate_state(1)[0])
        self._generator: torch.Generator | None = None

    def like(self, values: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
        """The next values, of the shape, type and device of ``values``."""
        if self._generator is None or self._generator.device != values.device:
            self._generator = torch.Generator(values.device).manual_seed(self._seed)
        return torch.randn(values.shape, generator=self._generator, device=values.device, dtype=values.dtype)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_generator": None}  # generators cannot be copied; a copy begins its stream again
