"""The examples run as they stand."""

import re
import runpy
from math import prod
from pathlib import Path

import numpy as np
import pytest
import yaml

from nigra.config import read_settings, settings_from
from nigra.detection.calibration import CalibrationSettings
from nigra.files import read_tsv
from nigra.models.composition import describe
from nigra.statistics.cells import factors_of
from nigra.statistics.sweep import swept
from nigra.study.evaluation_settings import AtlasSettings, EvaluationSettings
from nigra.study.execution import Execution
from nigra.study.pipeline import run_study
from tests.study.study_fixture import PATIENTS, SPACE, make_study

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"


def test_first_steps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(EXAMPLES / "first_steps.py"))["main"](tmp_path)
    lines = capsys.readouterr().out
    assert "cohort: 10 subjects, channels FA, MD" in lines
    assert "12034 parameters, trained on 6 controls" in lines
    assert "dense codes, central pixel from a pruned decoder, 64 numbers a code" in lines
    for scored_by in ("the error", "SVMs on codes"):
        found = re.search(rf"by {scored_by}: control ([\d.]+), ([\d.]+) %; patient ([\d.]+), ([\d.]+) %", lines)
        assert found
        percents = [float(number) for number in found.groups()]
        assert max(percents) < 50
        assert len(set(percents)) > 1


@pytest.mark.parametrize(
    "path",
    sorted(path for path in EXAMPLES.glob("*.yaml") if path.stem not in ("simulate", "ixi_planted", "latent")),
    ids=lambda path: path.stem,
)
def test_study_files_are_read(path: Path) -> None:
    assert read_settings(path).name == path.stem


@pytest.mark.parametrize(
    ("stem", "factor", "among"),
    [
        ("sweep_alpha", "alpha", {"0", "0.005"}), ("sweep_code_size", "code_size", {"16"}),
        ("sweep_beta", "beta", {"0", "1"}), ("sweep_patch_size", "patch_size", {"15"}),
        ("controls", "controls", {"16"}),
    ],
)  # fmt: skip
def test_each_sweep_is_a_curve(stem: str, factor: str, among: set[str]) -> None:
    models = read_settings(EXAMPLES / f"{stem}.yaml").models
    factors = factors_of({model.label: model.levels for model in models})
    assert swept(factors) == [factor]
    assert among < set(factors[factor])
    assert len({model.model_copy(update={"seed": 0, "name": "", "levels": {}}) for model in models}) == len(
        factors[factor]
    )


def test_patches_of_all_sizes_are_alike_in_all_else() -> None:
    """As the file says of two channels: parameters, compression, voxels of an epoch and of a step."""
    models = read_settings(EXAMPLES / "sweep_patch_size.yaml").models
    found = []
    for model in models:
        shape = (model.unit.size, model.unit.size)
        capacity, amounts = describe(model.composition, 2, shape), model.training_on(shape)
        assert 10_500 < capacity["parameters"] < 11_150
        assert 6 < capacity["compression"] < 6.5
        found.append((prod(shape) * (amounts.units_per_subject or 0), prod(shape) * amounts.batch))
    np.testing.assert_allclose(np.array(found) / found[0], 1, atol=0.02)


def test_detectors_run_on_any_study(tmp_path: Path) -> None:
    """As in the file, but for less training, who sets the threshold, and an atlas in the space of the fixture."""
    settings = read_settings(EXAMPLES / "detectors.yaml")
    model = settings.models[0].model_copy(update={"epochs": 1, "units_per_subject": 100})
    atlas = AtlasSettings(name="file", dseg=Path(f"space-{SPACE}_dseg.nii.gz"))
    changes = {
        "models": [model], "baselines": [], "atlas": atlas,
        "evaluation": EvaluationSettings(bootstrap=100, permutations=100),
        # a fold of the cross-fitting would leave four controls, too few to say how far a new one may lie
        "calibration": CalibrationSettings(controls="training"),
    }  # fmt: skip
    settings = settings.model_copy(update=changes)
    folder = run_study(make_study(tmp_path), settings, Execution(threads=1), ("train", "score", "evaluate"))
    table = read_tsv(folder / "evaluation.tsv")
    assert list(table.columns[:2]) == ["model", "detector"]
    auc = table[(table["measure"] == "auc") & (table["region"] == "putamen left")].set_index(["model", "detector"])
    assert list(auc.index) == [
        ("mlcn2021-sae", "error"), ("mlcn2021-sae", "one-class-svm"), ("mlcn2021-sae", "mahalanobis"),
        ("mlcn2021-sae", "z"), ("intensities", "mixture"),
    ]  # fmt: skip
    # patients differ there by ten standard deviations: whoever looks voxel by voxel sees it
    assert auc.loc[("mlcn2021-sae", "z"), "estimate"] == 1
    assert auc.loc[("mlcn2021-sae", "mahalanobis"), "estimate"] == 1
    clusters = read_tsv(folder / "clusters.tsv")
    first = clusters[(clusters["detector"] == "z") & (clusters["cluster"] == 1)].set_index("participant_id")
    assert set(first.loc[PATIENTS, "region"]) == {"putamen left"}
    assert clusters["voxels"].min() >= 3


def test_the_page_on_detectors_shows_a_study_file_that_is_one() -> None:
    page = (ROOT / "docs/concepts/detectors.md").read_text(encoding="utf-8")
    blocks = [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)]
    settings = [settings_from(block) for block in blocks if "detectors" in block]
    assert len(settings) == 1
    assert len(settings[0].asked) == 7  # as the page says
    assert {method.label for method in settings[0].methods} >= {"mlcn2021-sae+one-class-svm", "intensities+z-maps"}
    assert [line.split(" has no ")[0] for line in settings[0].left_out] == ["mlcn2021-ae", "mlcn2021-ae"]
