"""How far the latent spaces, or pictures, of different models, folds and seeds agree on the codes they share."""

from collections.abc import Mapping
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd

from nigra.latent.embed import read_points
from nigra.latent.procrustes import residuals, shared_rows


def folder_residuals(folders: Mapping[str, Path], embedding: str | None = None) -> pd.DataFrame:
    """``residuals`` between latent folders (models, folds, seeds) on the codes they all share.

    Args:
        folders: by name, each with ``codes.parquet``, ``codes.npy`` and ``embeddings``.
        embedding: which embedding is compared; None: the codes themselves.
    """
    tables = {name: pd.read_parquet(folder / "codes.parquet") for name, folder in folders.items()}
    points = {
        name: np.load(folder / "codes.npy", mmap_mode="r") if embedding is None else read_points(folder, embedding)
        for name, folder in folders.items()
    }
    found = []
    for first, second in combinations(folders, 2):
        one, two = shared_rows(tables[first], tables[second])
        pair = {first: points[first][one], second: points[second][two]}
        known = np.isfinite(pair[first]).all(axis=1) & np.isfinite(pair[second]).all(axis=1)
        found.append(residuals({name: each[known] for name, each in pair.items()}).assign(codes=int(known.sum())))
    return pd.concat(found, ignore_index=True)
