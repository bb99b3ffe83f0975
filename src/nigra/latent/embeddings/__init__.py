"""Embeddings of a latent space, one method a module, all with the contract of ``embedding.Embedding``."""

from pathlib import Path
from typing import Any

from nigra.latent.embedding_settings import EmbeddingName, EmbeddingSettings
from nigra.latent.embeddings import saved
from nigra.latent.embeddings.embedding import Embedding
from nigra.latent.embeddings.isomap import Isomap
from nigra.latent.embeddings.pacmap import LocalMAP, PaCMAP
from nigra.latent.embeddings.pca import PCA
from nigra.latent.embeddings.spectral import DiffusionMap, SpectralEmbedding
from nigra.latent.embeddings.tsne import TSNE
from nigra.latent.embeddings.umap import UMAP

EMBEDDINGS: dict[str, type[Embedding]] = {
    method.name: method for method in (PCA, TSNE, UMAP, SpectralEmbedding, Isomap, DiffusionMap, PaCMAP, LocalMAP)
}
"""Every method by its name in settings, tables and files."""


def build(name: EmbeddingName, settings: EmbeddingSettings, seed: int | None = None) -> Embedding:
    """The unfitted embedding that settings describe; ``seed`` in place of theirs, for stability."""
    method = EMBEDDINGS[name]
    offered: dict[str, Any] = {
        "dimensions": settings.dimensions, "seed": settings.seed if seed is None else seed,
        "neighbours": settings.neighbours, "perplexity": settings.perplexity,
        "time": settings.diffusion_time, "parallel": settings.parallel,
    }  # fmt: skip
    wanted = method._get_param_names()
    return method(**{key: value for key, value in offered.items() if key in wanted})


def load(path: Path) -> Embedding:
    """An embedding as it was saved, ready to project new codes."""
    arrays, words = saved.read(path)
    return EMBEDDINGS[words["method"]].restored(arrays, words)
