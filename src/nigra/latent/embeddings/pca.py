"""Principal components: the flat picture, and the only one whose distances can be read as they are."""

from typing import ClassVar

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from nigra.errors import NigraError
from nigra.latent.embeddings.embedding import Embedding, fixed_signs
from nigra.latent.graph import Neighbours
from nigra.training import Tick


class PCA(Embedding):
    """The axes of the largest variance (Hotelling 1933).

    Fitted: ``mean_`` (d,), ``components_`` (dimensions, d), ``explained_share_`` (dimensions,) of the variance.
    """

    name: ClassVar[str] = "pca"
    tensors: ClassVar[tuple[str, ...]] = ("embedding_", "mean_", "components_", "explained_share_")

    def _fit(self, codes: Float[ndarray, "n d"], graph: Neighbours | None, tick: Tick | None) -> None:
        if codes.shape[1] < self.dimensions:
            raise NigraError(
                f"codes have {codes.shape[1]} features, too few for {self.dimensions} axes; ask for fewer."
            )
        self.mean_ = codes.mean(axis=0, dtype=np.float64)
        away = codes - self.mean_
        values, vectors = np.linalg.eigh(away.T @ away)
        if not values[-1] > 0:
            raise NigraError("all codes are equal, so they have no axes; check the model for collapse.")
        components = vectors[:, ::-1][:, : self.dimensions]
        self.components_ = (components * fixed_signs(components)).T
        self.explained_share_ = np.maximum(values[::-1][: self.dimensions], 0) / np.maximum(values, 0).sum()
        self.embedding_ = self._transform(codes)
        self.note_ = f"{100 * self.explained_share_.sum():.0f} % of the variance"

    def _transform(self, codes: Float[ndarray, "new d"]) -> Float[ndarray, "new dimensions"]:
        return ((codes - self.mean_) @ self.components_.T).astype(np.float32)
