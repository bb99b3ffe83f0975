"""The explorer's answers against what lies in the study, and its refusals in words."""

import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import scipy.spatial

from nigra.cohort.store import open_cohort
from nigra.config import read_settings
from nigra.errors import NigraError
from nigra.explorer.opened import Study, check
from nigra.explorer.volumes import nifti
from nigra.files import read_json, write_json
from nigra.study.run import Run
from nigra.study.score import read_scores
from tests.explorer.latent_fixture import MODELS, ONE, PLACES, settings
from tests.explorer.served import Client, serve
from tests.study.study_fixture import CONTROLS, PATIENTS, make_study, planted

WHERE = {"run": "quick", "model": "sae", "draw": "0"}


@pytest.fixture(scope="module")
def client(explorable: Path) -> Iterator[Client]:
    with serve(explorable) as port:
        yield Client(port)


def floats(client: Client, path: str, **parameters: str) -> np.ndarray:
    answer = client.get(f"/api/{path}", **parameters)
    assert answer.status == 200, answer.text
    shape = [int(length) for length in answer.headers["x-shape"].split(",")]
    return np.frombuffer(answer.content, "<f4").reshape(shape)


def volume(client: Client, **parameters: str) -> nib.Nifti1Image:
    answer = client.get("/api/volume", **(WHERE | parameters))
    assert answer.status == 200, answer.text
    return nib.Nifti1Image.from_stream(io.BytesIO(answer.content))


def refused(client: Client, path: str, **parameters: str) -> str:
    answer = client.get(f"/api/{path}", **parameters)
    assert answer.status == 422
    return answer.json()["error"]


def table(explorable: Path, model: str = "sae") -> pd.DataFrame:
    return pd.read_parquet(explorable / "runs" / "quick" / "latent" / model / "draw-00" / "codes.parquet")


def test_a_run_is_described(client: Client, explorable: Path) -> None:
    found = client.get("/api/run", run="quick").json()
    assert found["shape"] == [18, 20, 7]
    assert found["channels"] == ["FA", "MD"]
    assert np.array(found["affine"])[:3, 3].tolist() == [-36, -40, -12]
    assert [each["participant_id"] for each in found["subjects"]] == CONTROLS + PATIENTS
    assert [each["label"] for each in found["spaces"]] == ["ae, draw-00", "sae, draw-00"]
    space = found["spaces"][1]
    assert space["codes"] == PLACES * 15
    assert [each["name"] for each in space["embeddings"]] == ["pca", "umap"]
    columns = {each["name"]: each["categories"] for each in space["columns"]}
    assert columns["group"] == ["control", "patient"]
    assert columns["age"] is None
    assert columns["region"] == ["high", "low", "putamen left"]
    assert space["measures"][0]["estimate"] == 0.91


def test_columns_and_points_are_those_of_the_files(client: Client, explorable: Path) -> None:
    expected = table(explorable)
    np.testing.assert_array_equal(floats(client, "column", **WHERE, name="x"), expected["x"])
    np.testing.assert_allclose(floats(client, "column", **WHERE, name="score:error"), expected["score:error"])
    codes = floats(client, "column", **WHERE, name="participant_id").astype(int)
    names = client.get("/api/run", run="quick").json()["spaces"][1]["columns"]
    categories = next(each["categories"] for each in names if each["name"] == "participant_id")
    assert [categories[code] for code in codes] == expected["participant_id"].tolist()
    points = floats(client, "points", **WHERE, embedding="umap")
    assert points.shape == (PLACES * 15, 3)
    assert points.std() > 0.1
    assert not np.array_equal(points, floats(client, "points", **(WHERE | {"model": "ae"}), embedding="umap"))


def test_points_are_laid_over_those_of_another_model(client: Client) -> None:
    """Against SciPy's Procrustes, and chance where nothing is shared."""
    own, other = (floats(client, "points", **(WHERE | {"model": m}), embedding="pca") for m in ("sae", "ae"))
    onto = {"onto_model": "ae", "onto_draw": "0", "onto_embedding": "pca"}
    answer = client.get("/api/points", **WHERE, embedding="pca", **onto)
    laid, fit = np.frombuffer(answer.content, "<f4").reshape(-1, 2), json.loads(answer.headers["x-fit"])
    _, second, disparity = scipy.spatial.procrustes(other.astype(float), own.astype(float))
    assert fit["shared"] == len(own)
    assert fit["residual"] == pytest.approx(disparity, rel=1e-6)
    assert fit["residual"] < 0.5 < 0.9 < fit["null"] <= 1
    centred = other - other.mean(axis=0)
    size = np.linalg.norm(centred)
    np.testing.assert_allclose((laid - other.mean(axis=0)) / size, second, atol=1e-6)
    np.testing.assert_allclose(((laid - other) ** 2).sum() / size**2, disparity, rtol=1e-4)
    # onto itself nothing moves; three dimensions onto two keep all three
    same = client.get("/api/points", **WHERE, embedding="pca", **(onto | {"onto_model": "sae"}))
    np.testing.assert_allclose(np.frombuffer(same.content, "<f4").reshape(-1, 2), own, atol=1e-5)
    assert floats(client, "points", **WHERE, embedding="umap", **onto).shape == (PLACES * 15, 3)
    assert "no embedding tsne" in refused(
        client, "points", **WHERE, embedding="pca", **(onto | {"onto_embedding": "tsne"})
    )
    assert "no latent space" in refused(client, "points", **WHERE, embedding="pca", **(onto | {"onto_draw": "9"}))


def test_volumes_are_those_of_the_store_and_the_scores(client: Client, explorable: Path) -> None:
    cohort, run = open_cohort(explorable), Run(explorable, settings(), ONE)
    image = volume(client, kind="image", subject="sub-P1", channel="1")
    np.testing.assert_array_equal(image.get_fdata(dtype=np.float32), cohort.volumes[cohort.rows(["sub-P1"])[0], 1])
    np.testing.assert_array_equal(image.affine, cohort.affine)
    mean = volume(client, kind="mean").get_fdata()
    expected = np.stack([np.array(cohort.volumes[row, 0]) for row in cohort.rows(CONTROLS)]).mean(0)
    np.testing.assert_allclose(mean, expected, atol=1e-6)
    method = next(m for m in run.settings.methods if m.label == "sae")
    scored = read_scores(run, method, run.draws[0])
    row = (scored.calibration_ids + scored.test_ids).index("sub-P1")
    shown = volume(client, kind="score", subject="sub-P1", detector="error").get_fdata(dtype=np.float32)
    np.testing.assert_array_equal(shown[cohort.mask], scored.scores[row])
    assert np.isnan(shown[~cohort.mask]).all()
    abnormal = volume(client, kind="abnormal", subject="sub-P1", detector="error").get_fdata()
    np.testing.assert_array_equal(abnormal[cohort.mask] > 0, shown[cohort.mask] > scored.threshold.value)
    labels = volume(client, kind="regions").get_fdata()
    assert set(np.unique(labels)) == {0, 7, 299, 300}
    assert (labels[planted()] == 299).all()


@pytest.mark.parametrize("subject", ["sub-P1", "sub-C00"])
def test_the_reconstruction_is_of_the_model_that_did_not_see_the_subject(
    client: Client, explorable: Path, subject: str
) -> None:
    """Its error, computed live, is the score that was written when the run was scored."""
    mask = open_cohort(explorable).mask
    error = volume(client, kind="error", subject=subject).get_fdata(dtype=np.float32)
    score = volume(client, kind="score", subject=subject, detector="error").get_fdata(dtype=np.float32)
    np.testing.assert_allclose(error[mask], score[mask], rtol=1e-4)
    made = volume(client, kind="reconstruction", subject=subject, channel="0").get_fdata(dtype=np.float32)
    assert np.isfinite(made[mask]).all()
    assert made[mask].std() > 0


def test_a_voxel_tells_everyones_score_and_place(client: Client, explorable: Path) -> None:
    run = Run(explorable, settings(), ONE)
    i, j, k = 9, 10, 3
    found = client.get("/api/voxel", **WHERE, detector="error", i=str(i), j=str(j), k=str(k)).json()
    assert found["mm"] == [0, 0, 0]
    assert found["region"] == "putamen left"
    scored = read_scores(run, next(m for m in run.settings.methods if m.label == "sae"), run.draws[0])
    at = int(np.flatnonzero((np.argwhere(run.cohort.mask) == (i, j, k)).all(axis=1))[0])
    expected = dict(zip(scored.calibration_ids + scored.test_ids, scored.scores[:, at].tolist(), strict=True))
    shown = {row["participant_id"]: row["score"] for row in found["scores"]}
    assert shown == pytest.approx(expected)
    assert found["threshold"] == pytest.approx(scored.threshold.value)
    others = [expected[name] for name in CONTROLS]
    assert found["places"]["sub-P0"] == {"below": sum(score < expected["sub-P0"] for score in others), "of": 11}
    assert found["places"]["sub-C00"]["of"] == 10  # nobody is compared with themselves
    outside = client.get("/api/voxel", **WHERE, detector="error", i="0", j="0", k="0").json()
    assert outside["scores"] == []
    assert "outside the brain mask" in outside["note"]
    assert "lies outside" in refused(client, "voxel", **WHERE, detector="error", i="18", j="0", k="0")


def test_patches_are_cut_around_their_codes(client: Client, explorable: Path) -> None:
    cohort, rows = open_cohort(explorable), table(explorable)
    at = 777
    voxel, subject = rows.loc[at, ["x", "y", "z"]].astype(int), rows.loc[at, "participant_id"]
    patches = floats(client, "patches", **WHERE, rows=f"{at},3", channel="0")
    size = patches.shape[1]
    assert patches.shape == (2, size, size)
    assert size % 2
    slice_ = cohort.volumes[cohort.rows([subject])[0], 0, :, :, voxel["z"]]
    assert patches[0, size // 2, size // 2] == slice_[voxel["x"], voxel["y"]]
    right, up = patches[0, size // 2, size // 2 + 1], patches[0, size // 2 - 1, size // 2]
    assert (right, up) == (slice_[voxel["x"] + 1, voxel["y"]], slice_[voxel["x"], voxel["y"] + 1])
    assert "rows" in refused(client, "patches", **WHERE, rows="99999999")


def test_refusals_are_sentences(client: Client) -> None:
    assert "has no run elsewhere; it has quick" in refused(client, "run", run="elsewhere")
    assert "no latent space of pca" in refused(client, "points", **(WHERE | {"model": "pca"}), embedding="pca")
    assert "no embedding tsne; it has pca, umap" in refused(client, "points", **WHERE, embedding="tsne")
    assert "no column weight" in refused(client, "column", **WHERE, name="weight")
    assert "no volume 'secrets'" in refused(client, "volume", **WHERE, kind="secrets")
    assert "no subject sub-X" in refused(client, "volume", **WHERE, kind="image", subject="sub-X")
    assert "2 channels" in refused(client, "volume", **WHERE, kind="image", subject="sub-P0", channel="2")
    assert "without run" in refused(client, "run")
    assert "whole number" in refused(client, "points", run="quick", model="sae", draw="-1", embedding="pca")


@pytest.mark.parametrize("path", [
    "/static/../app.py", "/static/%2e%2e/app.py", "/static/..%2fapp.py", "/static/%2fetc%2fpasswd", "/../cli.py",
    "/static/", "/runs/quick/settings.yaml", "/docs", "/openapi.json", "/api/", "/api/../static/main.js",
])  # fmt: skip
def test_no_path_leads_to_another_file(client: Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status == 404
    assert answer.json() == {"error": "there is no such page."}


@pytest.mark.parametrize("name", ["../quick", "..", "/etc", "quick/../quick", "quick/latent"])
def test_names_are_no_paths(client: Client, name: str) -> None:
    assert "has no run" in refused(client, "run", run=name)
    assert refused(client, "points", **WHERE, embedding=f"../../{name}")
    assert refused(client, "column", **(WHERE | {"model": name}), name="x")


def test_links_out_of_the_study_are_not_followed(explorable: Path, tmp_path: Path) -> None:
    study = make_study(tmp_path / "study")
    (study / "runs").mkdir()
    (study / "runs" / "linked").symlink_to(explorable / "runs" / "quick")
    assert Study(study, read_settings).runs == []
    assert Study(explorable, read_settings).runs == ["quick"]  # negative control


def test_the_page_and_its_scripts_are_served_with_a_strict_policy(client: Client) -> None:
    page = client.get("/", headers={"X-Nigra-Token": ""})
    assert page.status == 200
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "sub-" not in page.text
    scripts = [part.split('"')[0] for part in page.text.split('src="')[1:]]
    assert sorted(scripts) == ["/static/main.js", "/static/niivue.umd.js", "/static/plotly-strict.min.js"]
    for script in scripts:
        answer = client.get(script)
        assert answer.headers["content-type"].startswith("text/javascript")
        assert len(answer.content) > 5000
    assert client.get("/api/study", headers={"X-Nigra-Token": "wrong"}).status == 403
    assert client.get("/api/study", "POST").status == 405


def test_nothing_to_explore_is_one_sentence(tmp_path: Path, explorable: Path) -> None:
    study = make_study(tmp_path / "study")
    with pytest.raises(NigraError, match="has no run; run `nigra run"):
        check(Study(study, read_settings))
    kept = study / "runs" / "bare" / "settings.yaml"
    kept.parent.mkdir(parents=True)
    kept.write_text(
        (explorable / "runs" / "quick" / "settings.yaml").read_text().replace("name: quick", "name: bare")
    )
    with pytest.raises(NigraError, match="no run of it has a latent space to explore; run `nigra latent"):
        check(Study(study, read_settings))
    with pytest.raises(NigraError, match="has no run other; it has bare"):
        check(Study(study, read_settings), "other")
    assert check(Study(explorable, read_settings)) == "quick"


def test_a_damaged_table_is_one_sentence(explorable: Path, tmp_path: Path) -> None:
    from nigra.report.latent_folder import LatentFolder

    (tmp_path / "codes.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(NigraError, match=r"codes\.parquet is damaged"):
        _ = LatentFolder(tmp_path, "sae", 0).table


def test_a_nifti_keeps_values_and_affine(affine: np.ndarray, rng: np.random.Generator) -> None:
    values = rng.normal(size=(11, 13, 9)).astype(np.float32)
    image = nib.Nifti1Image.from_stream(io.BytesIO(nifti(values, affine)))
    np.testing.assert_array_equal(image.get_fdata(dtype=np.float32), values)
    np.testing.assert_allclose(image.affine, affine)
    assert image.dataobj.offset == 352  # where brain.js begins to read


def test_the_fixture_has_both_models(explorable: Path) -> None:
    for model in MODELS:
        assert read_json(explorable / "runs" / "quick" / model / "draw-00" / "model.json")["key"]


def test_a_space_of_an_earlier_training_says_so_and_a_file_that_is_a_link_is_refused(
    explorable: Path, tmp_path: Path
) -> None:
    study = tmp_path / "study"
    shutil.copytree(explorable, study)
    space = study / "runs" / "quick" / "latent" / "sae" / "draw-00"
    key = read_json(study / "runs" / "quick" / "sae" / "draw-00" / "model.json")["key"]
    for known, words in (
        (key, "sae, draw-00"),
        ("another", "sae, draw-00 (of a model that was trained anew since)"),
    ):
        write_json(space / "latent.json", {"model": known})
        with serve(study) as port:
            spaces = Client(port).get("/api/run", run="quick").json()["spaces"]
            assert [each["label"] for each in spaces] == ["ae, draw-00", words]
    outside = tmp_path / "outside.safetensors"
    shutil.move(space / "embeddings" / "pca.safetensors", outside)
    (space / "embeddings" / "pca.safetensors").symlink_to(outside)
    with serve(study) as port:
        assert "leads out of the run" in refused(Client(port), "points", **WHERE, embedding="pca")
        assert floats(Client(port), "points", **WHERE, embedding="umap").size  # negative control
