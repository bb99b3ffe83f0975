"""A latent folder gets its embeddings: fitted on training controls, everybody else projected, numbers beside."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nigra.errors import NigraError
from nigra.files import read_tsv
from nigra.latent.agreement import folder_residuals
from nigra.latent.embed import TABLE_COLUMNS, Session, embed_folder, read_points
from nigra.latent.embedding_settings import EmbeddingSettings
from nigra.latent.embeddings import build, load, saved
from tests.latent.shapes import clusters

SETTINGS = EmbeddingSettings(
    methods=["pca", "spectral", "pacmap"], neighbours=10, judged_neighbours=8, stability_codes=150, seeds=2,
    subsamples=1, bootstrap=60, pairs=2000,
)  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, rng) -> Path:
    """300 codes of 20 subjects, 12 of them training controls; one code is not finite."""
    codes, _ = clusters(300, 6, rng)
    codes[7] = np.nan
    who = np.arange(300) // 15
    table = pd.DataFrame(
        {
            "participant_id": [f"sub-{i:02d}" for i in who],
            "set": np.where(who < 12, "train", "test"),
            "group": np.where(who < 16, "control", "patient"),
            "x": np.arange(300) % 15, "y": 3, "z": 4,
        }
    )  # fmt: skip
    np.save(tmp_path / "codes.npy", codes)
    table.to_parquet(tmp_path / "codes.parquet")
    return tmp_path


def test_training_controls_are_fitted_and_the_others_projected(folder: Path) -> None:
    told: list[tuple[float, str]] = []
    found = embed_folder(folder, SETTINGS, lambda done, text: told.append((done, text)))
    codes, train = np.load(folder / "codes.npy"), np.arange(300) < 180
    for name in SETTINGS.methods:
        arrays, words = saved.read(folder / "embeddings" / f"{name}.safetensors")
        points = arrays["points"]
        assert points.shape == (300, 2)
        assert list(np.flatnonzero(np.isnan(points).any(axis=1))) == [7]
        assert np.array_equal(np.flatnonzero(arrays["projected"]), np.flatnonzero(~train))
        assert (words["method"], words["fitted_on"], words["seed"]) == (name, "train", "0")
        assert json.loads(words["settings"])["neighbours"] == 10
        fit = load(folder / "embeddings" / "fitted" / f"{name}.safetensors")
        assert fit.fitted_on_ == tuple(f"sub-{i:02d}" for i in range(12))
        np.testing.assert_array_equal(fit.transform(codes[180:], ["sub-15"] * 120), points[180:])
    own = build("pca", SETTINGS).fit(codes[train & np.isfinite(codes).all(axis=1)]).transform(codes[180:])
    np.testing.assert_allclose(read_points(folder, "pca")[180:], own, atol=1e-5)
    written = read_tsv(folder / "embeddings.tsv")
    assert tuple(written.columns) == tuple(found.columns) == TABLE_COLUMNS
    assert len(written) == len(found)
    assert told[-1][0] == pytest.approx(1, abs=0.1)
    assert {"pca", "spectral", "pacmap"} == {text.split(":")[0] for _, text in told}


def test_numbers_stand_beside_their_chance_values(folder: Path) -> None:
    found = embed_folder(folder, SETTINGS).set_index(["embedding", "measure"])
    for name in SETTINGS.methods:
        rows = found.loc[name]
        assert rows["estimate"]["trustworthiness"] > rows["null"]["trustworthiness"] + 0.2
        assert rows["estimate"]["projected: recall"] > 3 * rows["null"]["projected: recall"]
        assert rows["low"]["continuity"] < rows["estimate"]["continuity"] < rows["high"]["continuity"]
        assert ("seeds: residual" in rows.index) == (name == "pacmap")
    np.save(folder / "codes.npy", np.random.default_rng(0).permutation(np.load(folder / "codes.npy")))
    points = {name: read_points(folder, name) for name in SETTINGS.methods}
    from nigra.latent.quality import quality

    codes = np.load(folder / "codes.npy")
    for name, each in points.items():  # negative control: the pictures of other codes
        known = np.isfinite(codes).all(axis=1) & np.isfinite(each).all(axis=1)
        table = quality(codes[known], each[known], k=8).set_index("measure")
        assert table["estimate"]["trustworthiness"] == pytest.approx(table["null"]["trustworthiness"], abs=0.06), (
            name
        )


def test_the_same_folder_gives_the_same_files(folder: Path) -> None:
    first = embed_folder(folder, SETTINGS)
    before = {name: read_points(folder, name) for name in SETTINGS.methods}
    pd.testing.assert_frame_equal(embed_folder(folder, SETTINGS), first)
    for name, points in before.items():
        np.testing.assert_array_equal(read_points(folder, name), points)


def test_a_fit_on_all_is_marked(folder: Path) -> None:
    settings = SETTINGS.model_copy(update={"fitted_on": "all", "methods": ["pca"]})
    found = embed_folder(folder, settings)
    arrays, words = saved.read(folder / "embeddings" / "pca.safetensors")
    assert words["fitted_on"] == "all"
    assert "patients included" in words["note"]
    assert found["note"].str.contains("patients included").all()
    assert not arrays["projected"].any()
    assert not found["measure"].str.startswith("projected").any()


def test_above_a_size_landmarks_are_fitted_and_that_is_said(folder: Path) -> None:
    settings = SETTINGS.model_copy(update={"landmarks": 90, "methods": ["spectral"], "stability_codes": 0})
    found = embed_folder(folder, settings)
    arrays, _ = saved.read(folder / "embeddings" / "spectral.safetensors")
    assert (arrays["projected"] == 0).sum() == 90 + 1  # and the code that is nowhere
    assert found["note"].str.contains("fitted on 90 landmarks of 179 codes").all()
    rows = found.set_index("measure")
    assert rows["estimate"]["projected: trustworthiness"] > 0.8


def test_a_method_with_too_few_codes_leaves_its_sentence_and_the_others_go_on(folder: Path) -> None:
    settings = SETTINGS.model_copy(update={"methods": ["tsne", "pca"], "perplexity": 80.0, "stability_codes": 0})
    found = embed_folder(folder, settings).set_index("embedding")
    assert found["measure"]["tsne"] == "not made"
    assert "tsne needs 242 codes or more, but got 179" in found["note"]["tsne"]
    assert (found.loc["pca"]["estimate"] > 0).all()


def test_what_cannot_be_embedded_is_refused(folder: Path, rng) -> None:
    with pytest.raises(NigraError, match="no code is of a training control"):
        Session(rng.normal(size=(9, 3)), ["a"] * 9, np.zeros(9, bool), SETTINGS)
    np.save(folder / "codes.npy", np.zeros((5, 3), np.float32))
    with pytest.raises(NigraError, match=r"codes\.npy has 5 rows and codes\.parquet 300"):
        embed_folder(folder, SETTINGS)


def test_folders_are_compared_on_the_codes_they_share(folder: Path, tmp_path: Path, rng) -> None:
    settings = SETTINGS.model_copy(update={"methods": ["pca"], "stability_codes": 0})
    # clusters at the corners of a regular tetrahedron have no first axis; these do
    np.save(folder / "codes.npy", np.load(folder / "codes.npy") * np.float32([4, 2, 1, 1, 1, 1]))
    embed_folder(folder, settings)
    other = tmp_path / "other"
    shutil.copytree(folder, other, ignore=shutil.ignore_patterns("other"))
    codes, table = np.load(folder / "codes.npy"), pd.read_parquet(folder / "codes.parquet")
    order = rng.permutation(300)[:250]
    np.save(other / "codes.npy", -2 * codes[order])
    table.iloc[order].reset_index(drop=True).to_parquet(other / "codes.parquet")
    embed_folder(other, settings)
    for embedding, most in ((None, 1e-6), ("pca", 0.05)):
        found = folder_residuals({"a": folder, "b": other}, embedding)
        assert found["codes"][0] in (249, 250)
        assert found["residual"][0] < most
        assert found["null"][0] > 0.9
