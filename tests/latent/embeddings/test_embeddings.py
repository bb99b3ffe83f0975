"""One contract for all methods: neighbours kept, repeatable, saved and loaded, extended to new codes, refusals."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.manifold import Isomap as TheirIsomap
from sklearn.manifold import trustworthiness

from nigra.errors import NigraError
from nigra.latent.embedding_settings import EVERY, EmbeddingSettings
from nigra.latent.embeddings import EMBEDDINGS, Embedding, build, load, saved
from nigra.latent.embeddings.isomap import Isomap
from nigra.latent.embeddings.pca import PCA
from nigra.latent.embeddings.placing import at_rest
from nigra.latent.embeddings.spectral import DiffusionMap, SpectralEmbedding
from nigra.latent.graph import Neighbours
from nigra.latent.procrustes import align
from nigra.latent.quality import neighbourhoods
from nigra.latent.stability import shared_neighbours
from nigra.provenance import FittedOnError
from tests.latent.shapes import clusters, swiss_roll

SETTINGS = EmbeddingSettings(neighbours=12, perplexity=15.0)
COUNT, NEW = 260, 40


@pytest.fixture(scope="module")
def roll() -> tuple[np.ndarray, np.ndarray]:
    return swiss_roll(COUNT + NEW, np.random.default_rng(4))


@pytest.fixture(scope="module")
def fitted(roll) -> dict[str, Embedding]:
    codes = roll[0][:COUNT]
    graph = Neighbours(codes, 80)
    return {name: build(name, SETTINGS).fit(codes, ["a"] * COUNT, graph) for name in EVERY}


def test_every_name_of_the_settings_is_a_method() -> None:
    assert tuple(EMBEDDINGS) == EVERY


@pytest.mark.parametrize("name", EVERY)
def test_neighbours_are_kept_far_better_than_by_chance(name: str, fitted, roll) -> None:
    codes, points = roll[0][:COUNT], fitted[name].embedding_
    found = neighbourhoods(codes, points, 10)
    chance = found.chance()
    assert points.shape == (COUNT, 2)
    assert points.dtype == np.float32
    assert found.trustworthiness.mean() > chance[0] + 0.3
    assert found.recall.mean() > 5 * chance[2]
    shuffled = np.random.default_rng(0).permutation(points)
    assert neighbourhoods(codes, shuffled, 10).trustworthiness.mean() < chance[0] + 0.1  # negative control


@pytest.mark.parametrize("name", EVERY)
def test_the_same_codes_and_seed_give_the_same_bits(name: str, fitted, roll) -> None:
    codes = roll[0][:COUNT]
    before = codes.copy()
    again = build(name, SETTINGS).fit(codes, ["a"] * COUNT, Neighbours(codes, 80))
    assert np.array_equal(again.embedding_, fitted[name].embedding_)
    assert np.array_equal(codes, before)


@pytest.mark.parametrize("name", ["tsne", "umap", "pacmap", "localmap"])
def test_another_seed_gives_another_picture_only_where_a_method_draws(name: str, fitted, roll) -> None:
    other = build(name, SETTINGS, seed=1).fit(roll[0][:COUNT])
    assert EMBEDDINGS[name].drawn
    assert not np.array_equal(other.embedding_, fitted[name].embedding_)


@pytest.mark.parametrize("name", EVERY)
def test_what_was_saved_projects_as_before(name: str, fitted, roll, tmp_path: Path) -> None:
    new = roll[0][COUNT:]
    fitted[name].save(tmp_path / "e.safetensors")
    loaded = load(tmp_path / "e.safetensors")
    assert type(loaded) is type(fitted[name])
    assert loaded.get_params() == fitted[name].get_params()
    assert (loaded.fitted_on_, loaded.note_) == (("a",), fitted[name].note_)
    assert np.array_equal(loaded.embedding_, fitted[name].embedding_)
    assert np.array_equal(loaded.transform(new), fitted[name].transform(new))


@pytest.mark.parametrize("name", EVERY)
def test_new_codes_land_among_their_neighbours(name: str, fitted, roll) -> None:
    """Those of a new code in the latent space are near it in the picture; shuffled places are not."""
    codes, new = roll[0][:COUNT], roll[0][COUNT:]
    places, picture = fitted[name].transform(new), fitted[name].embedding_
    nearest = Neighbours(codes, 5).query(new, 5)[0]

    def ranks(where: np.ndarray) -> float:
        away = np.linalg.norm(where[:, None] - picture, axis=2)
        return float(np.take_along_axis(away.argsort(axis=1).argsort(axis=1), nearest, axis=1).mean())

    assert ranks(places) < COUNT / 7
    assert ranks(np.random.default_rng(1).permutation(places)) > COUNT / 4  # negative control


@pytest.mark.parametrize("name", ["pca", "spectral", "isomap", "diffusion"])
def test_projected_codes_are_where_a_refit_puts_them(name: str, rng) -> None:
    codes, _ = swiss_roll(900, rng)
    part, refit = build(name, SETTINGS).fit(codes[:800]), build(name, SETTINGS).fit(codes)
    frame = align(part.embedding_, refit.embedding_[:800])
    error = np.linalg.norm(frame.apply(part.transform(codes[800:])) - refit.embedding_[800:], axis=1)
    radius = np.linalg.norm(refit.embedding_ - refit.embedding_.mean(axis=0), axis=1)
    assert np.sqrt((error**2).mean() / (radius**2).mean()) < 0.35


@pytest.mark.parametrize("name", EVERY)
def test_fitted_subjects_and_other_codes_are_refused(name: str, fitted) -> None:
    with pytest.raises(FittedOnError, match=f"the {name} embedding was fitted on a"):
        fitted[name].transform(np.zeros((2, 3), np.float32), ["b", "a"])
    with pytest.raises(NigraError, match="4 features, the embedding was fitted on 3"):
        fitted[name].transform(np.zeros((2, 4), np.float32))
    with pytest.raises(NigraError, match="is not fitted yet"):
        build(name, SETTINGS).transform(np.zeros((2, 3), np.float32))
    with pytest.raises(NigraError, match="not finite"):
        build(name, SETTINGS).fit(np.full((300, 3), np.nan, np.float32))
    with pytest.raises(NigraError, match=f"{name} needs .* codes or more, but got 3"):
        build(name, SETTINGS).fit(np.eye(3, dtype=np.float32))


def test_a_graph_of_other_codes_is_refused(roll) -> None:
    with pytest.raises(NigraError, match="build it anew"):
        SpectralEmbedding().fit(roll[0], graph=Neighbours(roll[0][:100], 20))


def test_principal_components_are_those_of_the_singular_values(rng) -> None:
    codes = (rng.normal(size=(90, 6)) * [5, 3, 1, 1, 1, 1]).astype(np.float32)
    found = PCA().fit(codes)
    left, values, _ = np.linalg.svd(codes - codes.mean(axis=0), full_matrices=False)
    np.testing.assert_allclose(np.abs(found.embedding_), np.abs(left[:, :2] * values[:2]), atol=1e-4)
    np.testing.assert_allclose(found.explained_share_, (values**2 / (values**2).sum())[:2], rtol=1e-5)
    np.testing.assert_allclose(found.transform(codes), found.embedding_, atol=1e-5)
    with pytest.raises(NigraError, match="codes are equal"):
        PCA().fit(np.ones((9, 4), np.float32))


def test_with_all_codes_as_landmarks_it_is_plain_isomap(roll) -> None:
    codes, new = roll[0][:COUNT], roll[0][COUNT:]
    ours = Isomap(neighbours=12, landmarks=COUNT).fit(codes)
    theirs = TheirIsomap(n_neighbors=12).fit(codes)
    assert align(ours.embedding_, theirs.embedding_).residual < 1e-5
    assert align(ours.transform(new), theirs.transform(new)).residual < 1e-4
    some = Isomap(neighbours=12, landmarks=60).fit(codes)
    assert some.note_ == "ways from 60 landmarks"
    assert align(some.embedding_, ours.embedding_).residual < 0.05


def test_isomap_unrolls_the_sheet(rng) -> None:
    codes, sheet = swiss_roll(900, rng)
    found = Isomap(neighbours=8).fit(codes).embedding_
    assert align(found, sheet).residual < 0.1
    assert align(PCA().fit(codes).embedding_, sheet).residual > 0.3  # negative control


def test_axes_of_the_walk_satisfy_its_equation(rng) -> None:
    """On a ring the slow modes are a sine and a cosine; P mode = eigenvalue x mode, computed densely."""
    angle = 2 * np.pi * np.arange(200) / 200
    ring = np.stack([np.cos(angle), np.sin(angle), np.zeros(200)], axis=1).astype(np.float32)
    found = SpectralEmbedding(neighbours=8).fit(ring)
    assert align(found.embedding_, ring[:, :2]).residual < 1e-3
    assert found.eigenvalues_[0] == pytest.approx(found.eigenvalues_[1], rel=1e-4)
    np.testing.assert_allclose((found.modes_**2).mean(axis=0), 1, rtol=1e-6)


def test_diffusion_takes_the_density_out() -> None:
    """A line sampled four times as densely on its left half: the map's middle stays in the middle."""
    line = np.concatenate([np.linspace(0, 0.5, 800, endpoint=False), np.linspace(0.5, 1, 200)])
    codes = np.stack([line, 0 * line, 0 * line], axis=1).astype(np.float32)
    middles = {}
    for method in (DiffusionMap(neighbours=40), SpectralEmbedding(neighbours=40)):
        axis = method.fit(codes).embedding_[:, 0]
        middles[method.name] = (np.interp(0.5, line, axis) - axis[0]) / (axis[-1] - axis[0])
    assert middles["diffusion"] == pytest.approx(0.5, abs=0.1)
    assert abs(middles["spectral"] - 0.5) > 0.2  # negative control
    slow, slower = (DiffusionMap(neighbours=40, time=t).fit(codes) for t in (0.0, 50.0))
    np.testing.assert_allclose(slower.embedding_, slow.embedding_ * slow.eigenvalues_**50, rtol=1e-4)


def test_parts_without_an_edge_are_joined_and_said(rng) -> None:
    codes, which = clusters(160, 5, rng)
    for method in (SpectralEmbedding(neighbours=6), Isomap(neighbours=6)):
        points = method.fit(codes).embedding_
        assert "joined by" in method.note_
        assert np.isfinite(points).all()
        own = np.array([points[which == which[i]].mean(axis=0) for i in range(160)])
        assert np.linalg.norm(points - own, axis=1).mean() < 0.3 * np.linalg.norm(own, axis=1).mean()


@pytest.mark.parametrize("method", [SpectralEmbedding, DiffusionMap])
def test_axes_that_single_out_few_codes_are_left_out(rng, method) -> None:
    """A ring of codes, and ten far away that hang on it by their longest edges: the picture is of the ring."""
    ring = rng.uniform(0, 2 * np.pi, 1000)
    codes = np.stack([np.cos(ring), np.sin(ring), 0 * ring], axis=1)
    codes[:10] = [9, 9, 0] + 0.01 * rng.normal(size=(10, 3))
    lonely = method(neighbours=12).fit(codes.astype(np.float32))
    assert "axes left out, each of which singles out few codes" in lonely.note_
    assert "% of them hold" not in lonely.note_
    for points in (lonely.embedding_[10:], lonely.transform(codes[10:].astype(np.float32), ["new"] * 990)):
        spread = np.quantile(points, 0.95, axis=0) - np.quantile(points, 0.05, axis=0)
        assert (spread > 0.3 * np.ptp(points, axis=0)).all()
    plain = method(neighbours=12).fit(codes[10:].astype(np.float32))
    assert plain.note_ == ""  # negative control


def test_where_no_other_axis_is_left_those_of_few_codes_are_drawn_and_called_so(rng, monkeypatch) -> None:
    monkeypatch.setattr("nigra.latent.embeddings.spectral._SPARE", 0)
    codes = np.r_[[9, 9, 0] + 0.01 * rng.normal(size=(10, 3)), rng.normal(size=(990, 3))]
    lonely = SpectralEmbedding(neighbours=12).fit(codes.astype(np.float32))
    assert "axis 1 singles out few codes: 1 % of them hold" in lonely.note_


def test_at_rest_the_pulls_cancel(rng) -> None:
    picture = rng.normal(size=(50, 2))
    neighbours, weights = rng.integers(0, 50, size=(20, 6)), rng.random((20, 6)) + 0.1

    def pull(squared: np.ndarray) -> np.ndarray:
        return 1 / (11 + squared) ** 2

    places = at_rest(picture, neighbours, weights, pull).astype(float)
    away = picture[neighbours] - places[:, None]
    forces = weights[..., None] * pull((away**2).sum(axis=2))[..., None] * away
    assert np.abs(forces.sum(axis=1)).max() < 1e-6
    assert np.abs(forces).max() > 1e-4


def test_three_axes_are_possible(roll) -> None:
    settings = EmbeddingSettings(dimensions=3, neighbours=12)
    for name in ("pca", "spectral", "isomap", "pacmap"):
        assert build(name, settings).fit(roll[0][:COUNT]).embedding_.shape == (COUNT, 3)


@pytest.mark.slow  # its projection compiles anew in every process
def test_the_projection_of_umap_is_near_its_authors(fitted, roll) -> None:
    """Their own starts from the same places and adds chance: both find the same neighbours."""
    from nigra.latent.libraries import library, quiet

    codes, new = roll[0][:COUNT], roll[0][COUNT:]
    with quiet():
        theirs = library("umap").UMAP(n_neighbors=12, random_state=0, init="pca").fit(codes)
        places = theirs.transform(new)
    own = fitted["umap"].transform(new)
    kept = [trustworthiness(new, each, n_neighbors=5) for each in (places, own)]
    assert kept[1] > kept[0] - 0.05
    assert shared_neighbours(own, np.random.default_rng(0).permutation(own), 5) < 0.3


def test_a_damaged_file_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "e.safetensors").write_bytes(b"no")
    with pytest.raises(NigraError, match=r"e\.safetensors is damaged"):
        saved.read(tmp_path / "e.safetensors")
    with pytest.raises(NigraError, match="does not exist"):
        load(tmp_path / "f.safetensors")


def test_a_missing_library_is_one_sentence() -> None:
    from nigra.latent.libraries import library

    with pytest.raises(NigraError, match=r"surely_absent is not installed .* pip install 'nigra\[latent\]'"):
        library("surely_absent.part")
