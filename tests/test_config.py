"""Study files: what is written is what is set; what is wrong is one sentence with the way out."""

import re
from pathlib import Path

import pytest
import yaml

from nigra.config import describe, read_run, read_settings, settings_from
from nigra.errors import NigraError
from nigra.study.settings import ModelSettings, RunSettings
from nigra.units import Patches, Slices

SAE = {"preset": "mlcn2021-sae"}


def refused(content: dict) -> str:
    with pytest.raises(NigraError) as caught:
        settings_from(content, "study.yaml")
    sentence = str(caught.value)
    assert sentence.startswith("study.yaml: ")
    assert "\n" not in sentence
    return sentence.removeprefix("study.yaml: ")


def test_no_file_an_empty_file_and_no_settings_give_the_defaults(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("# nothing yet\n")
    assert read_settings(None) == read_settings(tmp_path / "a.yaml") == settings_from({}) == RunSettings()
    assert [model.label for model in RunSettings().models] == ["mlcn2021-ae", "mlcn2021-sae"]


def test_what_is_written_is_set_and_the_rest_keeps_its_default(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(
        "name: pd\nsplits: {draws: 3}\nmodels:\n  - {preset: isbi2023-sae, unit: {plane: coronal}, epochs: 2}\n"
        "  - {preset: mlcn2021-ae, name: whole, unit: {slices: all}}\n"
    )
    settings = read_settings(path)
    assert (settings.name, settings.splits.draws, settings.splits.test_fraction) == ("pd", 3, 0.27)
    first, second = settings.models
    assert (first.label, first.unit.build(), second.label) == ("isbi2023-sae", Patches(15, "coronal"), "whole")
    assert second.unit.build() == Slices("axial", None)
    assert settings.calibration == RunSettings().calibration


def test_what_a_model_leaves_out_stays_as_published() -> None:
    # Muñoz-Ramírez et al. 2021, section 2.2; Pinon et al. 2023, section 2.2
    slices = ModelSettings(preset="mlcn2021-ae").training
    assert (slices.epochs, slices.batch, slices.learning_rate) == (160, 40, 1e-3)
    sae = ModelSettings(preset="mlcn2021-sae").training
    assert (sae.epochs, sae.batch, sae.units_per_subject, sae.keep) == (30, 225, 15_000, "last")
    best = ModelSettings(preset="isbi2023-sae").training
    assert (best.keep, best.validation_fraction) == ("best-on-validation", 0.1)
    changed = ModelSettings(preset="mlcn2021-sae", epochs=3, units_per_subject="all", validation_fraction=0.2)
    assert changed.training.model_dump() | {"units_per_subject": None} == changed.training.model_dump()
    assert (changed.training.epochs, changed.training.batch, changed.training.validation_fraction) == (3, 225, 0.2)


@pytest.mark.parametrize(
    ("content", "place", "meant"),
    [
        ({"modelz": []}, "modelz", "models"),
        ({"splits": {"drawz": 3}}, "splits.drawz", "draws"),
        ({"groups": {"controls": {}}}, "groups.controls", "control"),
        ({"groups": {"control": {"age_belo": 45}}}, "groups.control.age_belo", "age_below"),
        ({"models": [SAE, {**SAE, "epoch": 3}]}, "models.1.epoch", "epochs"),
        ({"models": [{**SAE, "scores": {"overlop": "average"}}]}, "models.0.scores.overlop", "overlap"),
        ({"calibration": {"fold": 2}}, "calibration.fold", "folds"),
    ],
)
def test_an_unknown_name_is_refused_with_a_suggestion_at_every_level(content: dict, place: str, meant: str) -> None:
    assert refused(content) == f"{place} is unknown; did you mean {meant}?"


def test_a_name_like_no_other_lists_the_known_ones() -> None:
    known = "method, draws, test_fraction, seed, test_controls"
    assert refused({"splits": {"zzz": 1}}) == f"splits.zzz is unknown; known there: {known}."


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({"splits": {"draws": "many"}}, "splits.draws: input should be a valid integer.*'many'"),
        ({"splits": {"draws": 0}}, r"splits.draws: input should be greater than or equal to 1 \(found 0\)"),
        ({"splits": {"method": "loo"}}, r"splits.method: input should be 'repeated' or 'k-fold' \(found 'loo'\)"),
        ({"splits": 3}, "splits: write its settings below it"),
        ({"models": SAE}, "models: write a list"),
        ({"models": [], "baselines": []}, "no model reads what the detectors need; name a model"),
        ({"models": ["mlcn2021-ae"]}, "models.0: write its settings below it"),
        ({"models": [{"epochs": 3}]}, "models.0: a model needs a preset, or a name"),
        ({"models": [{"preset": "mlcn2022-ae"}]}, "'mlcn2021-ae', 'mlcn2021-sae', .* 'mlcn2022-ae'"),
        ({"models": [SAE, SAE]}, "two models are both called mlcn2021-sae; give each a name"),
        ({"models": [{**SAE, "scores": {"stride": 2}}]}, "stride 2 with overlap: centre .* use average"),
        ({"atlas": {"name": "file"}}, "give both or neither"),
        ({"name": "a/b"}, "name: use letters, digits"),
        ({"name": ".."}, "name: use letters, digits"),
        ({"models": [{**SAE, "name": ".."}]}, "models.0.name: use letters, digits"),
        ({1: 2}, "1: keys should be strings"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_one_sentence_that_names_its_place(content: dict, sentence: str) -> None:
    assert re.search(sentence, refused(content))


def test_several_mistakes_are_told_together() -> None:
    told = refused({"splits": {"draws": 0, "test_fraction": 2}, "modelz": 1})
    assert all(place in told for place in ("splits.draws", "splits.test_fraction", "modelz"))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("- a\n- b\n", "holds no settings but a list"),
        ("just words", "holds no settings but a str"),
        ("splits: {draws: 3", "is not readable YAML"),
        ("a:\tb: c", "is not readable YAML"),
        ("models: !!python/object/apply:os.getcwd []", "is not readable YAML"),
        (b"\xff\xfe\xfa", "is not readable YAML"),
        (None, "does not exist; give the study file to --config"),
        ("folder", "is not readable YAML"),
    ],
    ids=["list", "text", "open brace", "tab", "code", "bytes", "missing", "folder"],
)
def test_a_file_that_is_no_study_file_is_one_sentence(tmp_path: Path, text, sentence: str) -> None:
    path = tmp_path / "study.yaml"
    if text == "folder":
        path.mkdir()
    elif text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(NigraError, match=sentence) as caught:
        read_settings(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_settings_never_change_after_reading() -> None:
    with pytest.raises(ValueError, match="frozen"):
        RunSettings().name = "other"  # type: ignore[misc]


def test_the_written_settings_of_a_run_read_back_as_themselves(tmp_path: Path) -> None:
    settings = settings_from(
        {
            "name": "pd",
            "models": [{"preset": "mlcn2021-ae", "unit": {"slices": "all"}}],
            "groups": {"patient": {"age_from": 65}},
        }
    )
    (tmp_path / "settings.yaml").write_text(yaml.safe_dump(settings.model_dump(mode="json"), sort_keys=False))
    assert read_settings(tmp_path / "settings.yaml") == settings
    assert settings != RunSettings()


def test_the_description_is_a_study_file_of_the_defaults(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(describe())
    assert read_settings(path) == RunSettings(models=[ModelSettings(preset="mlcn2021-ae")])
    assert "  siamese: null\n" in describe()
    assert re.search(r"^# +alpha: 0.005$", describe(), re.MULTILINE)  # what may be given in its place


@pytest.mark.parametrize("name", ["slices", "units_per_subject"])
def test_a_number_or_all_is_refused_in_one_sentence(name: str) -> None:
    wrong = {"unit": {name: 0}} if name == "slices" else {name: 0}
    text = refused({"models": [{"preset": "mlcn2021-ae", **wrong}]})
    assert text.count(name) == 1
    assert "greater than 0" in text
    assert "'all'" in text
    assert "constrained" not in text


def test_a_model_called_figures_would_share_its_folder_with_the_pictures() -> None:
    assert "choose another name" in refused({"models": [{"preset": "mlcn2021-ae", "name": "Figures"}]})


def test_a_detector_may_be_asked_for_by_name() -> None:
    settings = RunSettings.model_validate({"models": [], "detectors": ["nigra-default"]})
    (method,) = [each for each in settings.methods if each.detector.label == "nigra-default"]
    assert method.detector.kind == "local-change"
    assert method.label == "intensities+nigra-default"
    with pytest.raises(ValueError, match="no detector is known by the name nigra-defualt"):
        RunSettings.model_validate({"detectors": ["nigra-defualt"]})


FACTORIAL = {
    "base": {"epochs": 2, "siamese": {"kind": "squared"}},
    "factors": {
        "unit": {"patch": {"unit": {"size": 9}, "architecture": {"kind": "stack", "widths": [4]}},
                 "slice": {"unit": {"kind": "slice"}, "architecture": {"kind": "stack"}}},
        "alpha": {"sweep": "siamese.alpha", "values": [0, 0.01, 0.1]},
    },
    "seeds": [3, 4],
}  # fmt: skip


def test_a_factorial_is_a_model_for_every_cell_and_seed(tmp_path: Path) -> None:
    settings = settings_from({"name": "f", "factorial": FACTORIAL})
    models = {model.label: model for model in settings.models}
    assert len(models) == 12
    assert list(models)[:3] == ["patch_0_seed-3", "patch_0_seed-4", "patch_0.01_seed-3"]
    one, other = models["patch_0.1_seed-4"], models["slice_0_seed-3"]
    assert one.levels == {"unit": "patch", "alpha": "0.1"}
    assert (one.unit.size, one.siamese.kind, one.siamese.alpha, one.seed, one.training.epochs) == (  # type: ignore[union-attr]
        9, "squared", 0.1, 4, 2,
    )  # fmt: skip
    assert (other.unit.kind, other.siamese.alpha, other.architecture.widths) == ("slice", 0, None)  # type: ignore[union-attr]
    (tmp_path / "settings.yaml").write_text(yaml.safe_dump(settings.model_dump(mode="json"), sort_keys=False))
    assert read_settings(tmp_path / "settings.yaml") == settings


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"factors": {}}, "factorial.factors"),
        ({"factors": {"unit": {"patch": {}}}}, "factor unit needs two levels or more"),
        ({"factors": {"alpha": {"sweep": "siamese.alpha"}}}, "factor alpha: write sweep, .* and values, a list"),
        ({"factors": {"a": {"sweep": "siamese.alfa", "values": [1, 2]}}}, "siamese.alfa is unknown; did you mean"),
        ({"seeds": [1, 1]}, "seed 1 is given twice"),
        ({"seeds": list(range(400))}, "make 2400 models, but at most 500"),
        ({"epoch": 2}, "factorial.epoch is unknown"),
        ({"factors": {"subjects": {"sweep": "subjects", "values": [4, 8]}}}, "a factor is called subjects"),
        ({"factors": {"a": {"sweep": "siamese..alpha", "values": [1, 2]}}}, "factor a: write sweep"),
        ({"factors": {"a": {"sweep": "epochs", "values": [1, 2, 1]}}}, "factor a: 1 is given twice"),
        ({"factors": {"a": {"sweep": "epochs", "values": [1, 1.0]}}}, "cells 1_seed-3 and 1.0_seed-3 .* one and"),
        ({"factors": {"a": {"x": {"epochs": 2}, "y": {}}}}, "cells x_seed-3 and y_seed-3 .* one and"),
        ({"factors": {"a": {"sweep": "seed", "values": [1, 2]}}}, "1: the factorial itself says seed of each"),
        ({"base": {"name": "x"}}, "base: the factorial itself says name of each model"),
        ({"factors": {"a": {True: {"epochs": 3}, "y": {}}}}, "YAML reads on, off, yes, no and null as True"),
        ({"factors": {"a": {"NA": {"epochs": 3}, "y": {}}}}, "'NA' is no name of a factor or level"),
        ({"factors": {" a": {"x": {"epochs": 3}, "y": {}}}}, "' a' is no name of a factor or level"),
        ({"factors": {"a": {"x y": {"epochs": 3}, "x/y": {}}}}, "both called x-y_seed-3; give its levels names"),
        ({"factors": {"a": {"x": {}, "y": {"unit": {"knd": "slice"}}}}}, "^cell y_seed-3 .*: unit.knd is"),
        ({"factors": {"a": {"x" * 300: {"epochs": 3}, "y": {}}}}, "name: string should have at most 120"),
    ],
)  # fmt: skip
def test_a_wrong_factorial_is_one_sentence(change: dict, sentence: str) -> None:
    assert re.search(sentence, refused({"factorial": {**FACTORIAL, **change}}))


def test_what_is_wrong_with_every_cell_is_said_once() -> None:
    told = refused({"factorial": {**FACTORIAL, "base": {"siamse": {}}}})
    assert told.count("siamse is unknown; did you mean siamese?") == 1
    assert told.startswith("cell patch_0_seed-3 of the factorial: ")


def test_levels_of_any_name_make_folders_and_no_value_is_a_level() -> None:
    factors = {"a": {"sweep": "subjects", "values": [5, None]}, 2: {"[β]": {"epochs": 3}, "../x": {}}}
    models = settings_from({"factorial": {**FACTORIAL, "factors": factors, "seeds": [0]}}).models
    assert [model.label for model in models] == [
        "5_---_seed-0",
        "5_..-x_seed-0",
        "none_---_seed-0",
        "none_..-x_seed-0",
    ]
    assert [model.subjects for model in models] == [5, 5, None, None]
    assert models[0].levels == {"a": "5", "2": "[β]"}


@pytest.mark.parametrize("name", ["latent", "simulation", "Tasks", "factorial", "slurm", "figures", "intensities"])
def test_no_model_takes_a_folder_of_the_run(name: str) -> None:
    assert f"no model is called {name.lower()}, the folder of" in refused({"models": [{**SAE, "name": name}]})


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        ({"siamese": {"alpha": 1e300}}, "siamese.alpha: input should be less than or equal to"),
        (
            {"siamese": {"kind": "contrastive", "temperature": 0}},
            "siamese.temperature: input should be greater than",
        ),
        ({"variational": {"beta": 1e30}}, "variational.beta: input should be less than"),
        ({"corruption": {"sd": 1e38}}, "corruption.sd: input should be less than"),
        ({"pairs": {"place": "neighbouring", "distance": float("inf")}, "siamese": {}}, "pairs.distance: "),
        (
            {"pairs": {"place": "random", "distance": 7}, "siamese": {}},
            "distance 7 has no meaning for place: random",
        ),
        ({"seed": 2**40}, "seed: input should be less than"),
    ],
)
def test_a_number_without_sense_is_refused(model: dict, sentence: str) -> None:
    assert sentence in refused({"models": [{"name": "m", **model}]})


def test_what_is_planted_in_a_run_is_planted_in_that_run() -> None:
    assert "run other is another run" in refused({"models": [SAE], "planted": {"run": "other"}})
    assert RunSettings.model_validate({"name": "own", "planted": {"run": "own"}}).planted is not None


def test_a_run_whose_folder_was_renamed_is_not_taken_for_the_other(tmp_path: Path) -> None:
    with pytest.raises(NigraError, match="runs/copy is no run; run it first, or name another run"):
        read_run(tmp_path, "copy", "run it")
    kept = tmp_path / "runs" / "copy" / "settings.yaml"
    kept.parent.mkdir(parents=True)
    kept.write_text("name: first\n")
    with pytest.raises(NigraError, match=r"it is the settings of run first, not of copy"):
        read_run(tmp_path, "copy", "run it")
    kept.write_text("name: copy\n")
    assert read_run(tmp_path, "copy", "run it").name == "copy"


def test_models_beside_a_factorial_are_refused() -> None:
    assert "give models or factorial" in refused({"factorial": FACTORIAL, "models": [SAE]})


def test_a_published_model_is_changed_in_part() -> None:
    sae = ModelSettings(preset="mlcn2021-sae")
    assert sae.siamese is not None
    changed = ModelSettings.model_validate(
        {"preset": "mlcn2021-sae", "siamese": {"alpha": 0.1}, "unit": {"plane": "coronal"}}
    )
    assert changed.siamese == sae.siamese.model_copy(update={"alpha": 0.1})
    assert (changed.unit.plane, changed.unit.size) == ("coronal", 15)
    assert changed.architecture == sae.architecture
    alone = ModelSettings.model_validate({"preset": "mlcn2021-sae", "siamese": None})
    assert alone.siamese is None
    other = ModelSettings.model_validate({"preset": "mlcn2021-sae", "siamese": {"kind": "vicreg"}})
    assert other.siamese is not None
    assert (other.siamese.kind, other.siamese.alpha) == ("vicreg", 0.005)
    assert ModelSettings(preset="mlcn2021-sae", name="x").fitted == sae.fitted != changed.fitted


def test_amounts_in_voxels_are_the_same_for_patches_and_slices() -> None:
    given = {"voxels_per_subject": 50_000, "batch_voxels": 20_000}
    patches = ModelSettings.model_validate({"preset": "mlcn2021-sae", **given}).training_on((15, 15))
    slices = ModelSettings.model_validate({"preset": "mlcn2021-ae", **given}).training_on((46, 55))
    assert (patches.units_per_subject, patches.batch) == (222, 89)  # 50 000 / 225, 20 000 / 225
    assert (slices.units_per_subject, slices.batch) == (20, 8)  # 50 000 / 2530, 20 000 / 2530
    assert "say the same in two ways" in refused({"models": [{**SAE, **given, "batch": 3}]})
