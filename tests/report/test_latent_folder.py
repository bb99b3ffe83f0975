"""What pages read of a latent folder, and what is refused."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import save_file

from nigra.errors import NigraError
from nigra.report.latent_folder import LatentFolder, encode, latent_folders


def folder(run: Path, model: str = "sae", points: np.ndarray | None = None) -> LatentFolder:
    path = run / "latent" / model / "draw-03"
    (path / "embeddings").mkdir(parents=True)
    table = pd.DataFrame({
        "participant_id": ["b", "a", "b"], "group": ["patient", "control", "patient"],
        "x": [1, 2, 3], "y": [0, 0, 1], "z": [5, 5, 6], "region": pd.Categorical(["", "left", "right"]),
        "site": [2, 1, 2], "age": [60.5, np.nan, 71], "sex": [None, None, None], "score:z": [0.5, 1.5, np.nan],
    })  # fmt: skip
    table.to_parquet(path / "codes.parquet")
    values = np.arange(6, dtype=np.float32).reshape(3, 2) if points is None else points
    save_file({"points": values}, path / "embeddings" / "pca.safetensors")
    return latent_folders(run)[0]


def test_columns_become_numbers(tmp_path: Path) -> None:
    found = folder(tmp_path)
    assert (found.model, found.draw, found.label) == ("sae", 3, "sae, draw-03")
    assert found.columns == ["region", "group", "participant_id", "age", "site", "score:z"]
    region = found.column("region")
    assert region.categories == ("left", "right")
    np.testing.assert_array_equal(region.values, [np.nan, 0, 1])
    assert found.column("site").categories == ("1", "2")  # a site's number is a name
    np.testing.assert_array_equal(found.column("age").values, np.array([60.5, np.nan, 71], np.float32))
    np.testing.assert_array_equal(found.points("pca"), [[0, 1], [2, 3], [4, 5]])
    assert found.measures.empty


def test_integers_and_missing_values_are_kept() -> None:
    whole = encode("age", pd.Series([1, None, 3], dtype="Int64"))
    np.testing.assert_array_equal(whole.values, [1, np.nan, 3])
    assert encode("set", pd.Series([True, False])).categories == ("False", "True")


def test_what_does_not_fit_is_one_sentence(tmp_path: Path) -> None:
    found = folder(tmp_path, points=np.zeros((2, 2), np.float32))
    with pytest.raises(NigraError, match="2 or 3 numbers for each of 3 codes, but found shape \\(2, 2\\)"):
        found.points("pca")
    with pytest.raises(NigraError, match="has no embedding umap; it has pca"):
        found.points("umap")
    with pytest.raises(NigraError, match="has no column weight"):
        found.column("weight")
    (found.path / "embeddings" / "pca.safetensors").write_bytes(b"short")
    with pytest.raises(NigraError, match=r"pca\.safetensors is damaged"):
        found.points("pca")
    pd.DataFrame({"x": [1]}).to_parquet(found.path / "codes.parquet")
    with pytest.raises(NigraError, match="has no column participant_id, group, y, z"):
        _ = LatentFolder(found.path, "sae", 3).table


def test_links_out_of_the_run_are_left_out(tmp_path: Path) -> None:
    folder(tmp_path / "one")
    (tmp_path / "two" / "latent" / "sae").mkdir(parents=True)
    (tmp_path / "two" / "latent" / "sae" / "draw-03").symlink_to(tmp_path / "one" / "latent" / "sae" / "draw-03")
    assert latent_folders(tmp_path / "two") == []
    assert len(latent_folders(tmp_path / "one")) == 1  # negative control
