"""Config, code and docs agree: nothing a user can set, type or call goes without a word, or without a test."""

import argparse
import ast
import re
import tomllib
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel

from nigra.cli import build_parser
from nigra.config import _model_of, read_latent, read_settings, read_simulation, settings_from
from nigra.errors import NigraError
from nigra.latent.settings import LatentSettings
from nigra.launch.settings import SlurmSettings
from nigra.preparation.settings import Execution as PrepareExecution
from nigra.preparation.settings import PrepareSettings
from nigra.simulation.settings import SimulationSettings
from nigra.study.execution import Execution
from nigra.study.settings import RunSettings

ROOT = Path(__file__).parents[1]
SRC = ROOT / "src" / "nigra"
MODULES = sorted(path for path in SRC.rglob("*.py") if path.name not in ("__init__.py", "__main__.py"))

TESTED_ELSEWHERE = {
    "test_cli": ["cli/command", "cli/data", "cli/examine", "cli/runs", "cli/tools", "flags"],
    "test_config": [
        "study/evaluation_settings",
        "study/factorial_settings",
        "study/model_settings",
        "study/settings",
    ],
    "test_examples": ["units/source"],
    "cohort/test_manifest": ["cohort/scan"],
    "contracts/test_detectors": ["detection/detector"],
    "detection/test_mixture": ["detection/mixture_axes", "detection/mixture_kernels", "detection/mixture_torch"],
    "detection/test_student_mixture": ["detection/mixture_em"],
    "latent/embeddings/test_embeddings": [
        "latent/libraries",
        *(
            f"latent/embeddings/{name}"
            for name in ("embedding", "isomap", "pacmap", "pca", "placing", "saved", "spectral", "tsne", "umap")
        ),
    ],
    "latent/test_embed": ["latent/agreement", "latent/embedding_settings"],
    "latent/test_quality": ["latent/quality_kernels"],
    "launch/test_runner": ["launch/settings"],
    "explorer/test_app": ["explorer/described", "explorer/opened", "explorer/overlaid", "explorer/volumes"],
    "models/test_published": ["models/networks"],
    "models/test_variational": ["models/autoencoder"],
    "phantom/test_rendering": ["phantom/disease", "phantom/person"],
    "preparation/test_gate": ["preparation/agreement", "preparation/header", "preparation/values"],
    "preparation/test_prepare": ["preparation/settings", "preparation/subject"],
    "report/test_report": ["report/build", "report/flow", "report/pictures", "report/sources", "report/tables"],
    "scoring/test_dense": ["scoring/kernels"],
    "statistics/test_evaluation": ["statistics/notes"],
    "statistics/test_factorial": ["statistics/cells"],
    "statistics/test_factorial_words": ["statistics/outcomes"],
    "statistics/test_permutation": ["statistics/permutation_kernels"],
    "study/test_analyses": ["study/analysis_figures"],
    "study/test_latent_study": ["report/latent_study"],
    "study/test_detectors": ["detection/settings", "study/features", "study/rows"],
    "study/test_factorial": ["study/factorial_cells", "study/factorial_simple", "study/outdated"],
    "study/test_latent": [
        "study/latent_pictures",
        "study/latent_views",
        "latent/settings",
        "study/coding",
        "study/gathering",
        "study/spaces",
    ],
    "study/test_simulate": ["study/judging", "study/planted"],
    "study/test_pipeline": [
        f"study/{name}"
        for name in ("finish", "health", "run", "train", "score", "evaluate", "report", "execution", "progress")
    ],
    "training/test_loop": ["training/feed", "training/machine", "training/state"],
    "units/test_put_back": ["units/canvas", "units/centres", "units/kernels", "units/patches"],
}
"""Test files that test modules of another name too."""

WITHOUT_TESTS = {
    "shapes": "names only; every annotated call of the suite checks them",
    "demo": "`make demo` runs it whole, which takes minutes",
}
"""The short list of modules without a test file, and why."""

SIMULATIONS = {"simulate.yaml": SRC / "demo.yaml", "ixi_planted.yaml": ROOT / "examples" / "ixi_methods.yaml"}
"""Examples of what `nigra simulate` reads, and the study file each belongs to."""

LATENT = {"latent.yaml": SRC / "demo.yaml"}
"""Examples of what `nigra latent` reads, and the study file each belongs to."""

STUDIES = sorted(path for path in (ROOT / "examples").glob("*.yaml") if path.name not in {*SIMULATIONS, *LATENT})


def all_fields(model: type[BaseModel], place: str = "") -> list[tuple[str, str, str | None]]:
    """Place, name and description of every setting, nested ones too."""
    found = []
    for name, field in model.model_fields.items():
        found.append((f"{place}{name}", name, field.description))
        inner = _model_of(field.annotation)
        found += all_fields(inner, f"{place}{name}.") if inner else []
    return found


def test_every_setting_has_a_description() -> None:
    models = (RunSettings, Execution, PrepareSettings, PrepareExecution, SimulationSettings, LatentSettings)
    fields = [field for model in models for field in all_fields(model)]
    assert {
        "splits.draws",
        "models.scores.overlap",
        "groups.control.age_from",
        "resolution",
        "device",
        "shapes.sizes",
    } <= {place for place, _, _ in fields}
    assert [place for place, _, text in fields if not text or len(text) < 8] == []


def test_every_setting_can_be_named_in_yaml() -> None:
    """YAML reads ``null``, ``on`` or ``no`` as something else than a name."""
    names = {name for m in (RunSettings, SimulationSettings, LatentSettings) for _, name, _ in all_fields(m)}
    assert {name for name in names if yaml.safe_load(f"{name}: 1") != {name: 1}} == set()
    assert yaml.safe_load("null: 1") != {"null": 1}  # negative control


def test_every_command_and_flag_has_help() -> None:
    parser = build_parser()
    commands = next(a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    assert len(commands.choices) >= 10
    assert {choice.dest for choice in commands._choices_actions if choice.help} == set(commands.choices)
    silent = [
        f"{name} {action.dest}" for name, command in commands.choices.items() for action in command._actions
        if not action.help
    ]  # fmt: skip
    assert silent == []


def undocumented(source: str) -> list[str]:
    """Public functions, classes and methods without a docstring; ``__init__`` is told by its class."""

    def walk(node: ast.AST, place: str) -> list[str]:
        found = []
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.ClassDef) and not child.name.startswith("_"):
                if ast.get_docstring(child) is None:
                    found.append(f"{place}{child.name}")
                if isinstance(child, ast.ClassDef):
                    found += walk(child, f"{place}{child.name}.")
        return found

    tree = ast.parse(source)
    return ([] if ast.get_docstring(tree) else ["the module"]) + walk(tree, "")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SRC)))
def test_every_public_thing_has_a_docstring(path: Path) -> None:
    assert undocumented(path.read_text(encoding="utf-8")) == []


def test_a_missing_docstring_would_be_noticed() -> None:
    source = '"""M."""\ndef f(): pass\nclass A:\n    """A."""\n    def g(self): pass\n    def _h(self): pass\n'
    assert undocumented(source) == ["f", "A.g"]
    assert undocumented("x = 1") == ["the module"]


def test_every_module_has_a_test_file_or_says_who_tests_it() -> None:
    names = {str(path.relative_to(SRC).with_suffix("")) for path in MODULES}
    own = {name for name in names if (ROOT / "tests" / Path(name).parent / f"test_{Path(name).name}.py").exists()}
    elsewhere = {name for tested in TESTED_ELSEWHERE.values() for name in tested}
    assert [test for test in TESTED_ELSEWHERE if not (ROOT / "tests" / f"{test}.py").exists()] == []
    assert elsewhere | set(WITHOUT_TESTS) <= names, "strike those that are gone"
    assert names - own - elsewhere - set(WITHOUT_TESTS) == set()


@pytest.mark.parametrize("path", [*STUDIES, SRC / "demo.yaml"], ids=lambda p: p.name)
def test_the_study_files_that_ship_can_be_read(path: Path) -> None:
    settings = read_settings(path)
    assert settings.title
    assert settings.name == path.stem
    assert settings != RunSettings()


@pytest.mark.parametrize("name", SIMULATIONS)
def test_the_simulations_that_ship_can_be_read(name: str) -> None:
    settings = read_simulation(ROOT / "examples" / name)
    assert settings.title
    assert settings.run == read_settings(SIMULATIONS[name]).name
    assert settings != SimulationSettings()


@pytest.mark.parametrize("name", LATENT)
def test_the_latent_files_that_ship_can_be_read(name: str) -> None:
    settings = read_latent(ROOT / "examples" / name)
    assert settings.title
    assert settings.run == read_settings(LATENT[name]).name
    assert settings != LatentSettings()


def _accepts(kind: type[BaseModel], content: dict) -> bool:
    try:
        settings_from(content, "a page", kind)
    except NigraError:
        return False
    return True


PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
KINDS = (RunSettings, LatentSettings, SimulationSettings, SlurmSettings)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_study_files_in_the_pages_can_be_read(path: Path) -> None:
    """Every block of YAML but those that are indented, which stand for a part of one."""
    blocks = re.findall(r"```yaml\n(?! )(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL)
    contents = [yaml.safe_load(block) for block in blocks]
    assert [each for each in contents if not any(_accepts(kind, each) for kind in KINDS)] == []


def test_there_are_examples() -> None:
    assert {"ixi.yaml", "ixi_age.yaml"} <= {path.name for path in (ROOT / "examples").iterdir()}


def test_every_layer_exists_and_everything_is_in_a_layer() -> None:
    content = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    layers = content["tool"]["importlinter"]["contracts"][0]["layers"]
    present = {path.stem for path in SRC.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert set(layers) == present - {"__init__", "__main__"}
    assert len(layers) == len(set(layers))


def test_the_version_is_said_once() -> None:
    from nigra import __version__

    content = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert content["project"]["version"] == __version__
