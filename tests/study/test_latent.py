"""The latent stage on a small study: codes as the model gives them, whose they are, resumed, and refused."""

import io
import runpy
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from rich.console import Console
from safetensors.numpy import load_file

from nigra import cli
from nigra.config import settings_from
from nigra.errors import NigraError
from nigra.files import read_json, read_tsv, write_text
from nigra.latent.codes import PLACES, read_codes
from nigra.latent.settings import LatentSettings
from nigra.study import latent as stage
from nigra.study.coding import Coder, with_fresh_weights
from nigra.study.execution import Execution
from nigra.study.latent import latent, spaces_of, to_do
from nigra.study.latent_views import Placed, agreement
from nigra.study.pipeline import run_study
from nigra.study.run import Run
from nigra.study.score import methods_of, read_scores
from nigra.study.settings import RunSettings
from tests.study.study_fixture import CONTROLS, PATIENTS, SPACE, brain, make_study, quick_settings

CHANGED = {"splits": {"draws": 1, "test_fraction": 0.45}, "calibration": {"controls": "training"}}
MODELS = [
    {"preset": "mlcn2021-ae", "unit": {"slices": "all"}, "epochs": 2, "batch": 8},
    {"preset": "isbi2023-sae", "epochs": 2, "units_per_subject": 30, "batch": 16, "keep": "last"},
]
ONE = Execution(threads=1, device="cpu")
FILES = (
    "codes.npy", "codes.parquet", "latent.tsv", "spectrum.tsv", "separability.tsv", "neighbours.tsv",
    "traversal.npy",
)  # fmt: skip


def run_settings() -> RunSettings:
    return quick_settings(**CHANGED, models=MODELS)


def settings(**changes: object) -> LatentSettings:
    plain = {
        "run": "quick", "sample": {"places": 60, "per_subject": 20}, "bootstrap": 100, "permutations": 100,
        "folds": 3, "repeats": 1, "probe_codes": 600, "decoding": {"pairs": 2, "axes": 2, "steps": 3}, "anchors": 2,
        "neighbours": 3, "embeddings": {"methods": ["pca"], "bootstrap": 50, "stability_codes": 0},
    }  # fmt: skip
    return settings_from({**plain, **changes}, "latent.yaml", LatentSettings)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_study(tmp_path_factory.mktemp("latent"))
    run_study(folder, run_settings(), ONE, ("train", "score"))
    latent(folder, run_settings(), settings(), ONE)
    return folder


def folder_of(study: Path, model: str = "isbi2023-sae") -> Path:
    return study / "runs/quick/latent" / model / "draw-00"


def test_every_space_has_its_files_and_the_gathered_table_all_of_them(study: Path) -> None:
    models = ["mlcn2021-ae", "mlcn2021-ae_untrained", "isbi2023-sae", "isbi2023-sae_untrained"]
    for model in models:
        assert [name for name in FILES if not (folder_of(study, model) / name).exists()] == []
        assert read_json(folder_of(study, model) / "latent.json")["untrained"] == model.endswith("_untrained")
    table = read_tsv(study / "runs/quick/latent/latent.tsv")
    assert list(dict.fromkeys(table["model"])) == models
    own = read_tsv(folder_of(study) / "latent.tsv")
    again = table[table["model"] == "isbi2023-sae"]
    assert again["estimate"].to_numpy() == pytest.approx(own["estimate"].to_numpy(), nan_ok=True)
    assert (study / "runs/quick/latent/figures/latent-numbers.png").stat().st_size > 10_000
    points = load_file(folder_of(study) / "embeddings" / "pca.safetensors")["points"]
    codes = np.load(folder_of(study) / "codes.npy")
    assert points.shape == (len(codes), 2)
    assert set(read_tsv(folder_of(study) / "embeddings.tsv")["embedding"]) == {"pca"}


def test_codes_are_the_model_s_at_the_places_said(study: Path) -> None:
    """Oracle: the auto-encoder's own codes of patches cut one by one."""
    run, codes = Run(study, run_settings(), ONE), read_codes(folder_of(study))
    coder = Coder(run, run.settings.models[1], run.draws[0])
    some = codes.table.iloc[:: len(codes.table) // 25]
    rows = run.cohort.rows(some["participant_id"].astype(str).tolist())
    where = some[["x", "y", "z"]].to_numpy(dtype=np.int64)
    units = coder.unit.cut(coder.source, rows, where)
    expected = coder._encode(units).flatten(1).numpy()
    np.testing.assert_allclose(codes.codes[some.index], expected, atol=1e-5)
    mm = nib.affines.apply_affine(run.cohort.affine, where)
    np.testing.assert_allclose(some[["x_mm", "y_mm", "z_mm"]], mm)
    assert brain()[tuple(where.T)].all()
    assert np.ptp(codes.codes, axis=0).max() > 1e-3


def test_scores_and_regions_stand_beside_the_codes(study: Path) -> None:
    run, codes = Run(study, run_settings(), ONE), read_codes(folder_of(study))
    method = methods_of(run, run.settings.models[1])[0]
    scored = read_scores(run, method, run.draws[0])
    names = [*scored.calibration_ids, *scored.test_ids]
    voxel = np.full(brain().shape, -1)
    voxel[brain()] = np.arange(brain().sum())
    for row in codes.table.iloc[::97].to_dict("records"):
        expected = scored.scores[names.index(row["participant_id"]), voxel[row["x"], row["y"], row["z"]]]
        assert row["score:error"] == pytest.approx(float(expected), nan_ok=True)
        inside = 7 <= row["x"] < 12 and 8 <= row["y"] < 13 and 2 <= row["z"] < 5
        assert row["region"] == ("putamen left" if inside else "low" if row["z"] < 3 else "high")
    assert codes.table["score:error"].notna().mean() > 0.9
    assert "score:error" not in read_codes(folder_of(study, "isbi2023-sae_untrained")).table


def test_a_slice_has_a_row_with_z_alone(study: Path) -> None:
    codes = read_codes(folder_of(study, "mlcn2021-ae"))
    touched = np.flatnonzero(brain().any(axis=(0, 1)))
    assert codes.table[["x", "y", "x_mm", "y_mm"]].isna().all().all()
    assert sorted(codes.table["z"].unique()) == touched.tolist()
    assert len(codes.table) == len(touched) * 15
    assert codes.table["score:error"].notna().all()
    run = Run(study, run_settings(), ONE)
    scored = read_scores(run, methods_of(run, run.settings.models[0])[0], run.draws[0])
    row = codes.table[codes.table["participant_id"] == scored.test_ids[0]].iloc[2]
    volume = np.full(brain().shape, np.nan)
    volume[brain()] = scored.test[0]
    assert row["score:error"] == pytest.approx(np.nanmean(volume[..., int(row["z"])]), rel=1e-5)


def test_sets_and_people_are_those_of_the_draw(study: Path) -> None:
    draw, table = Run(study, run_settings(), ONE).draws[0], read_codes(folder_of(study)).table
    who = table.drop_duplicates("participant_id").set_index("participant_id")
    assert set(who.index[who["set"] == "train"]) == set(draw.train)
    assert set(who.index[who["set"] == "test"]) == set(draw.test)
    assert set(who.index[who["group"] == "patient"]) == set(PATIENTS)
    assert set(who.index) == set(CONTROLS) | set(PATIENTS)
    counts = table[table["design"] == PLACES].groupby("participant_id", observed=True).size()
    assert set(counts) == {60}


def test_planted_patients_are_told_by_the_regional_score_where_they_differ(study: Path) -> None:
    table = read_tsv(folder_of(study) / "separability.tsv", ("region",)).set_index(["statistic", "region"])
    assert table.loc[("spread", "putamen left"), "estimate"] == 1
    assert table.loc[("spread", "putamen left"), "p"] < 0.05
    assert set(table.index.get_level_values(1)) == {"whole brain", "low", "high", "putamen left"}


def test_place_is_read_off_a_trained_code_and_the_map_is_on_the_grid(study: Path) -> None:
    table = read_tsv(folder_of(study) / "latent.tsv", ("measure", "note")).set_index("measure")
    assert table.loc["place R2", "low"] > table.loc["place R2", "null"] + 0.2
    assert table.loc["tightness", "high"] < 1
    image = nib.load(folder_of(study) / "maps" / f"space-{SPACE}_desc-tightness_map.nii.gz")
    values = np.asarray(image.dataobj)
    assert (np.isfinite(values) == brain()).all()
    assert 0 < np.nanmean(values) < 1


def test_the_example_of_negative_controls_falls_to_chance_where_places_and_points_are_shuffled(study: Path) -> None:
    example = runpy.run_path(str(Path(__file__).parents[2] / "examples" / "negative_controls.py"))
    told, judged = example["main"](study, "quick", "isbi2023-sae")
    assert list(dict.fromkeys(told["codes of"])) == ["isbi2023-sae", "isbi2023-sae_untrained"]
    place = told[told["measure"] == "place R2"]
    assert (place["as it is"] > 0.2).all()  # of the untrained network, too: what a code tells without any training
    assert place["shuffled"].abs().max() < 0.05
    judged = judged.set_index("measure")
    for measure in ("trustworthiness", "continuity", "recall"):
        own = judged.loc[measure]
        assert own["as it is"] > own["chance"] + 0.2
        assert own["shuffled"] == pytest.approx(own["chance"], abs=0.05)


def test_fresh_weights_are_others_and_drawn_by_the_seed(study: Path) -> None:
    run = Run(study, run_settings(), ONE)
    trained = Coder(run, run.settings.models[1], run.draws[0])
    first, again, other = (with_fresh_weights(trained.model, seed).state_dict() for seed in (0, 0, 1))
    name = next(name for name, value in trained.model.state_dict().items() if value.ndim == 4)
    assert first[name].equal(again[name])
    assert not first[name].equal(other[name])
    assert not first[name].equal(trained.model.state_dict()[name])


def test_done_work_is_taken_up_and_done_again_gives_the_same(
    study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "study"
    shutil.copytree(study, copy)
    assert all(done and embedded for _, done, embedded in to_do(copy, run_settings(), settings()))
    before = {name: (folder_of(copy) / name).read_bytes() for name in FILES}
    calls: list[str] = []
    plain = stage.examine
    monkeypatch.setattr(stage, "examine", lambda space, tick: (calls.append(space.label), plain(space, tick)))
    latent(copy, run_settings(), settings(), ONE)
    assert calls == []
    (folder_of(copy) / "latent.json").unlink()  # as after a kill
    (folder_of(copy) / "codes.npy").write_bytes(b"half")
    latent(copy, run_settings(), settings(), ONE)
    assert calls == ["isbi2023-sae"]
    assert {name: (folder_of(copy) / name).read_bytes() for name in FILES} == before
    assert not to_do(copy, run_settings(), settings(seed=1))[0][1], "another seed is other work"


def test_what_does_not_fit_the_run_is_refused(study: Path) -> None:
    run = Run(study, run_settings(), ONE)
    for changes, sentence in (
        ({"models": ["nobody"]}, "nobody is wanted"),
        ({"draws": 5}, "5 are wanted"),
    ):
        with pytest.raises(NigraError, match=sentence):
            spaces_of(run, settings(**changes))
    other = quick_settings(**CHANGED, models=[{"preset": "isbi2023-sae", "epochs": 3}])
    with pytest.raises(NigraError, match="not trained"):
        spaces_of(Run(study, other, ONE), settings())
    with pytest.raises(NigraError, match="training controls"):
        settings(sample={"training": False}, embeddings={})


def test_the_command_line_says_what_is_done(study: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    path = tmp_path / "latent.yaml"
    write_text(path, settings().model_dump_json())  # JSON is YAML
    assert cli.main(["latent", str(study), "--config", str(path), "--dry-run"]) == 0
    assert "isbi2023-sae_untrained, draw-00: done before" in capsys.readouterr().out
    assert cli.main(["latent", str(study), "--config", str(path), "--run", "nothing", "--dry-run"]) == 2
    assert "is no run" in capsys.readouterr().err


def test_pictures_of_earlier_codes_do_not_stay_beside_new_ones(study: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(study, tmp_path / "study")
    other = {"places": 40, "per_subject": 0}
    few = {"sample": other, "untrained": False, "models": ["isbi2023-sae"]}
    folder = folder_of(copy)
    before = len(load_file(folder / "embeddings" / "pca.safetensors")["points"])
    latent(copy, run_settings(), settings(**few, embeddings={"methods": []}), ONE)
    assert 0 < len(read_codes(folder).table) < before
    assert not (folder / "embeddings").exists()
    assert not (folder / "embeddings.tsv").exists()
    assert (folder_of(copy, "mlcn2021-ae") / "embeddings" / "pca.safetensors").exists()
    assert list(folder.glob("figures/embeddings-*")) == []


def test_subjects_are_laid_out_by_their_codes_and_patients_lie_apart(study: Path) -> None:
    codes, found = read_codes(folder_of(study)), read_tsv(folder_of(study) / "subjects.tsv")
    assert set(found["participant_id"]) == set(CONTROLS) | set(PATIENTS)
    block, _ = codes.block(sorted(found["participant_id"]))
    flat = block.reshape(len(block), -1).astype(float)
    apart = np.sqrt(((flat[:, None] - flat[None]) ** 2).sum(axis=2) / block.shape[1])
    np.fill_diagonal(apart, np.inf)
    ordered = found.sort_values("participant_id")
    np.testing.assert_allclose(ordered["nearest"], apart.min(axis=1), rtol=1e-4)
    assert (folder_of(study) / "figures" / "subjects.png").stat().st_size > 5_000
    own = found.set_index("participant_id")
    patients, controls = own.loc[PATIENTS, "axis_1"], own.loc[CONTROLS, "axis_1"]
    assert max(patients.min() - controls.max(), controls.min() - patients.max()) > 0, "planted, in the same place"


def test_places_are_tighter_in_codes_than_places_at_random(study: Path) -> None:
    found = read_tsv(folder_of(study) / "places.tsv", ("region",))
    codes = read_codes(folder_of(study))
    rows = (codes.table["design"] == PLACES).to_numpy()
    table, values = codes.table[rows], codes.codes[rows].astype(float)
    assert len(found) == 60
    one = found.iloc[7]
    here = values[(table[["x", "y", "z"]] == one[["x", "y", "z"]].to_numpy(dtype=float)).all(axis=1)]
    assert len(here) == one["subjects"] == 15
    assert one["spread_codes"] == pytest.approx(np.sqrt(here.var(axis=0, ddof=1).sum()), rel=1e-4)
    assert found["relative_codes"].median() < 0.8
    assert {"relative_pca", "way_pca", "apart_pca", "way_codes"} <= set(found)
    assert (found["apart_pca"] <= found["way_pca"] + 1e-6).all()
    assert (folder_of(study) / "figures" / "places.png").stat().st_size > 5_000
    slices = read_tsv(folder_of(study, "mlcn2021-ae") / "places.tsv", ("region",))
    assert slices["x"].isna().all()
    assert (slices["subjects"] == 15).all()


def test_models_are_compared_and_a_shuffled_picture_stands_beside_the_others(study: Path) -> None:
    folder = study / "runs/quick/latent"
    effects = read_tsv(folder / "study" / "effects.tsv", ("measure", "factor", "level"))
    learnt = effects[(effects["factor"] == "training") & (effects["measure"] == "place R2")].iloc[0]
    table = read_tsv(folder / "latent.tsv", ("model", "measure")).set_index(["measure", "model"])["estimate"]
    means = [
        np.nanmean([table["place R2", f"{model}{twin}"] for model in ("mlcn2021-ae", "isbi2023-sae")])
        for twin in ("", "_untrained")
    ]
    assert learnt["estimate"] == pytest.approx(means[0] - means[1])
    assert "one fold" in str(learnt["note"])
    assert (folder / "study" / "study.html").stat().st_size > 20_000
    assert (folder_of(study) / "figures" / "embeddings-shuffled.png").exists()
    # a patch and a slice share no place: nothing to lay over one another
    assert read_tsv(folder / "agreement.tsv").empty


def test_spaces_agree_as_far_as_they_were_made_to(study: Path, rng: np.random.Generator) -> None:
    run = Run(study, run_settings(), ONE)
    space = next(each for each in spaces_of(run, settings()) if each.label == "isbi2023-sae")
    own = Placed.read(space)
    turn = np.linalg.qr(rng.normal(size=(own.points["codes"].shape[1],) * 2))[0]
    order = rng.permutation(len(own.table))[10:]
    turned = Placed(
        own.table.iloc[order].reset_index(drop=True),
        {"codes": own.points["codes"][order] @ turn + 3, "pca": rng.normal(size=(len(order), 2))},
    )
    found = agreement({"a": own, "b": turned}).set_index("space")
    assert found.loc["codes", "residual"] < 1e-4
    assert found.loc["codes", "null"] > 0.9
    assert found.loc["pca", "residual"] > 0.9  # negative control: a picture of noise
    assert (found["codes"] == len(order)).all()


def test_when_nothing_can_be_embedded_the_reason_is_said_and_the_numbers_stay(study: Path, tmp_path: Path) -> None:
    copy, text = shutil.copytree(study, tmp_path / "study"), io.StringIO()
    shutil.rmtree(copy / "runs/quick/latent")
    asked = {"methods": ["tsne"], "perplexity": 99999}
    wanted = settings(untrained=False, models=["isbi2023-sae"], embeddings=asked)
    latent(copy, run_settings(), wanted, ONE, Console(file=text, width=200))
    assert "No latent.html: tsne needs" in text.getvalue()
    assert len(read_tsv(folder_of(copy) / "latent.tsv")) > 5
    assert not (copy / "runs/quick/latent/latent.html").exists()
