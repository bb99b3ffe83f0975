"""Study files: YAML in, typed settings out; a wrong name or value is one sentence with a suggestion."""

import re
from difflib import get_close_matches
from pathlib import Path
from textwrap import shorten
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from nigra.errors import NigraError
from nigra.latent.settings import LatentSettings
from nigra.launch.settings import SlurmSettings
from nigra.simulation.settings import SimulationSettings
from nigra.study.factorial_settings import FactorialSettings
from nigra.study.settings import RunSettings

Settings = TypeVar("Settings", bound=BaseModel)


def read_settings(path: Path | None) -> RunSettings:
    """Read a study file; None gives the defaults."""
    return RunSettings() if path is None else settings_from(_content(path), str(path))


def read_run(study: Path, name: str, first: str) -> RunSettings:
    """The settings that a run of a study was made with.

    Args:
        study: the study's folder.
        name: of the run.
        first: what to do where there is no such run.

    Raises:
        NigraError: there is none, or its settings are those of another run, whose folder they would lead to.
    """
    kept = study / "runs" / name / "settings.yaml"
    if not kept.exists():
        raise NigraError(f"{kept.parent} is no run; {first} first, or name another run.")
    settings = read_settings(kept)
    if settings.name != name:
        raise NigraError(
            f"{kept}: it is the settings of run {settings.name}, not of {name}; give the folder its name back, or "
            "name another run."
        )
    return settings


def run_meant(study: Path) -> str:
    """The run that a command means when nobody names one: the study's only one, else the default name."""
    names = [path.parent.name for path in (study / "runs").glob("*/settings.yaml")]
    return names[0] if len(names) == 1 else RunSettings.model_fields["name"].default


def read_stage(study: Path, path: Path | None, run: str | None) -> RunSettings:
    """Settings for a stage of a run: from a file, of a run that is there, of the only one, or else the defaults.

    Errors as of ``read_settings`` and ``read_run``.
    """
    if path is not None:
        return read_settings(path)
    name = run or run_meant(study)
    if run is None and not (study / "runs" / name / "settings.yaml").exists():
        return RunSettings()
    return read_run(study, name, f"run `nigra run {study}`")


def read_simulation(path: Path | None, study: Path | None = None, run: str | None = None) -> SimulationSettings:
    """Read what `nigra simulate` is to plant; None gives the defaults, and of which run see ``read_latent``."""
    return settings_from(_about_run(path, study, run), str(path or "settings"), SimulationSettings)


def read_latent(path: Path | None, study: Path | None = None, run: str | None = None) -> LatentSettings:
    """Read what `nigra latent` is to look at; None gives the defaults.

    The run is the one named, else the file's, else what is meant in the study (``run_meant``).
    """
    return settings_from(_about_run(path, study, run), str(path or "settings"), LatentSettings)


def _about_run(path: Path | None, study: Path | None, run: str | None) -> dict[Any, Any]:
    """What a file holds, with the run it is about."""
    meant = {"run": run_meant(study)} if study else {}
    return meant | ({} if path is None else _content(path)) | ({"run": run} if run else {})


def read_slurm(path: Path | None) -> SlurmSettings:
    """Read what the jobs of a launched run ask of the cluster; None gives the defaults."""
    return SlurmSettings() if path is None else settings_from(_content(path), str(path), SlurmSettings)


def _content(path: Path) -> dict[Any, Any]:
    """What a YAML file of settings holds."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise NigraError(f"{path} does not exist; give the study file to --config.") from error
    except (yaml.YAMLError, UnicodeDecodeError, IsADirectoryError) as error:
        text = " ".join(str(error).split())
        raise NigraError(f"{path} is not readable YAML ({text}); see examples/ for one that is.") from error
    if content is None:
        content = {}
    if not isinstance(content, dict):
        raise NigraError(f"{path} holds no settings but a {type(content).__name__}; write `name: value` lines.")
    return content


def settings_from(
    content: dict[Any, Any], where: str = "settings",
    model: type[Settings] = RunSettings,  # type: ignore[assignment]
) -> Settings:  # fmt: skip
    """Settings from plain values.

    >>> settings_from({"splits": {"drawz": 3}})
    Traceback (most recent call last):
    nigra.errors.NigraError: settings: splits.drawz is unknown; did you mean draws?
    """
    try:
        return model.model_validate(content)
    except ValidationError as error:
        found: dict[str, list[ErrorDetails]] = {}  # a setting that may be two things is refused as each of them
        for detail in error.errors():
            found.setdefault(_place(detail), []).append(detail)
        cells, said = _cells(content), dict[str, str]()  # what is wrong with all cells is said once, of the first
        for place, details in found.items():
            cell, within = _of_cell(place, cells)
            said.setdefault(_sentence(within, details, model), cell)
        raise NigraError(f"{where}: " + " ".join(f"{cell}{text}" for text, cell in said.items())) from error


def _cells(content: dict[Any, Any]) -> list[str]:
    """Names of the models that a factorial stands for, where it is one."""
    try:
        return [each["name"] for each in FactorialSettings.model_validate(content.get("factorial")).models()]
    except ValidationError:
        return []


def _of_cell(place: str, cells: list[str]) -> tuple[str, str]:
    """A place in a factorial's models, which no study file has, as the cell and the place within it.

    >>> _of_cell("models.1.unit.knd", ["AE_seed-0", "SAE_seed-0"])
    ('cell SAE_seed-0 of the factorial: ', 'unit.knd')
    """
    found = re.match(r"models\.(\d+)(?:\.(.*))?$", place)
    if not found or not cells:
        return "", place
    return f"cell {cells[int(found[1])]} of the factorial: ", found[2] or "the model"


_PLAIN = {
    "model_type": "write its settings below it, as `name: value` lines",
    "list_type": "write a list, each item after a dash",
    "too_short": "write at least one item, or leave it out",
    "dict_type": "write `name: value` lines below it",
    "string_pattern_mismatch": "use letters, digits, dots, dashes and underscores, a letter or digit first",
}
"""What pydantic says in terms of Python, said in terms of a study file."""


_CHOICE = re.compile(r"(constrained-)?(int|float|str)$|literal\[")


def _place(detail: ErrorDetails) -> str:
    """Where in the file, without pydantic's names for the choices of a union."""
    return ".".join(str(part) for part in detail["loc"] if not _CHOICE.match(str(part))) or "the file"


def _sentence(place: str, details: list[ErrorDetails], model: type[BaseModel]) -> str:
    detail = details[0]
    if detail["type"] == "extra_forbidden":
        known = _names_at(model, detail["loc"][:-1])
        close = get_close_matches(str(detail["loc"][-1]), known, n=1)
        hint = f"did you mean {close[0]}?" if close else f"known there: {', '.join(known)}."
        return f"{place} is unknown; {hint}"
    if detail["type"] == "missing":
        return f"{place} is missing; add it."
    messages = [_PLAIN.get(each["type"]) or each["msg"].removeprefix("Value error, ") for each in details]
    message = ", or ".join(dict.fromkeys(messages)).removesuffix(".")
    given = detail.get("input")
    shown = "" if isinstance(given, dict | list) else f" (found {shorten(repr(given), 80)})"
    return f"{place}: {message[0].lower()}{message[1:]}{shown}."


def _names_at(model: type[BaseModel], place: tuple[int | str, ...]) -> list[str]:
    """Names of the settings at a place of the nested model."""
    for part in place:
        if isinstance(part, int):
            continue
        found = _model_of(model.model_fields[part].annotation) if part in model.model_fields else None
        if found is None:
            return []
        model = found
    return list(model.model_fields)


def _model_of(annotation: Any) -> type[BaseModel] | None:
    """The settings class inside an annotation, also inside ``list[...]``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((m for a in getattr(annotation, "__args__", ()) if (m := _model_of(a))), None)


def describe(model: type[BaseModel] = RunSettings, given: BaseModel | None = None, indent: int = 0) -> str:
    """All settings with their defaults and descriptions as a commented YAML text: what a study file may hold."""
    lines = []
    for name, field in model.model_fields.items():
        inner, pad = _model_of(field.annotation), "  " * indent
        value = getattr(given, name) if given is not None else field.default
        lines.append(f"{pad}# {field.description}")
        if inner is None:
            text = "(required)" if field.is_required() else yaml.safe_dump(value, default_flow_style=True)
            lines.append(f"{pad}{name}: {text.removesuffix('...' + chr(10)).strip()}")
        else:
            if value is None:
                lines += [f"{pad}{name}: null", *_as_comment(describe(inner, None, indent + 1))]
                continue
            is_list = isinstance(value, list)
            lines.append(f"{pad}{name}:" + ("  # a list; for each:" if is_list else ""))
            if is_list:
                lines.append(
                    _as_item(
                        describe(inner, value[0] if value else None, indent + 2),
                        next(iter(inner.model_fields)),
                        pad,
                    )
                )
            else:
                lines.append(describe(inner, value, indent + 1))
    return "\n".join(lines)


def _as_comment(text: str) -> list[str]:
    """Settings that are there only where they are given."""
    return [f"# {line}" for line in text.splitlines()]


def _as_item(text: str, first: str, pad: str) -> str:
    """Put the dash of a YAML list item before its first setting."""
    return text.replace(f"{pad}    {first}:", f"{pad}  - {first}:", 1)
