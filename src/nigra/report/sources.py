"""What a finished run left on disk, read once; a part that is absent is named, never invented."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from nigra.detection.settings import method_label
from nigra.errors import NigraError
from nigra.files import read_json, read_tsv

TEXT = (
    "participant_id",
    "session_id",
    "site",
    "group",
    "model",
    "detector",
    "region",
    "measure",
    "set",
    "kept",
    "reason",
    "note",
    "level",
    "column",
    "question",
    "first",
    "second",
    "effect",
    "variable",
    "why",
)
ANALYSES = ("comparison", "balance", "confounds", "site", "disease", "false_positives")
"""Tables a run writes where its cohort can answer them; none of them is missed."""

LEFT_OUT = "not in this run"


@dataclass(frozen=True)
class Sources:
    """Everything the report is made of; ``absent`` lists the files that were not there.

    ``participants`` carry the groups of this run, which may differ from those of the study; ``names`` says what
    the run calls its controls and patients. ``health`` has a row per training, ``left_out`` a sentence per model
    that failed. ``analyses`` are the tables whose question could be asked, by name.
    """

    run: Path
    description: dict[str, Any]
    settings: dict[str, Any]
    provenance: dict[str, Any]
    splits: list[dict[str, Any]]
    intake: pd.DataFrame
    participants: pd.DataFrame
    quality: pd.DataFrame
    regions: pd.DataFrame
    evaluation: pd.DataFrame
    calibration: pd.DataFrame
    names: dict[str, str]
    synthetic: bool
    health: pd.DataFrame = field(default_factory=pd.DataFrame)
    left_out: list[str] = field(default_factory=list)
    analyses: dict[str, pd.DataFrame] = field(default_factory=dict)
    absent: list[str] = field(default_factory=list)


def read_sources(run: Path) -> Sources:
    """Read ``STUDY/runs/NAME`` and the study around it; only a missing run folder is an error."""
    if not run.is_dir():
        raise NigraError(f"{run} does not exist; run `nigra run` first, or name an existing run.")
    study = run.parent.parent
    absent: list[str] = []

    def here(path: Path) -> bool:
        if not path.exists():
            absent.append(path.relative_to(study).as_posix())
        return path.exists()

    def table(path: Path) -> pd.DataFrame:
        return by_method(read_tsv(path, TEXT)) if here(path) else pd.DataFrame()

    def json(path: Path) -> Any:
        return read_json(path) if here(path) else {}

    description = json(study / "dataset_description.json")
    settings = read_settings(run / "settings.yaml") if here(run / "settings.yaml") else {}
    splits = (json(run / "splits.json") or {}).get("draws", [])
    regions = table(run / "regions.tsv")
    named = settings.get("groups") or {}
    return Sources(
        run=run,
        description=description,
        settings=settings,
        provenance=json(run / "provenance.json"),
        splits=splits,
        intake=table(study / "intake.tsv"),
        participants=groups_of_run(table(study / "participants.tsv"), splits, regions),
        quality=read_tsv(study / "quality.tsv", TEXT) if (study / "quality.tsv").exists() else pd.DataFrame(),
        regions=regions,
        evaluation=table(run / "evaluation.tsv"),
        calibration=table(run / "calibration.tsv"),
        names={group: str(named.get(f"{group}_name") or group) for group in ("control", "patient")},
        synthetic=is_synthetic(description),
        health=read_tsv(run / "health.tsv", TEXT) if (run / "health.tsv").exists() else pd.DataFrame(),
        left_out=read_json(run / "left_out.json") if (run / "left_out.json").exists() else [],
        analyses={name: table(run / f"{name}.tsv") for name in ANALYSES if (run / f"{name}.tsv").exists()},
        absent=absent,
    )


def by_method(table: pd.DataFrame) -> pd.DataFrame:
    """The table with model and detector under one name in column ``model``, as the report speaks of them."""
    if not {"model", "detector"} <= set(table):
        return table
    names = [method_label(*pair) for pair in zip(table["model"], table["detector"], strict=True)]
    return table.assign(model=names)


def read_settings(path: Path) -> dict[str, Any]:
    """The settings as the run saved them."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise NigraError(f"{path} is not readable YAML ({error}); write it again with `nigra run`.") from error
    return content if isinstance(content, dict) else {}


def groups_of_run(people: pd.DataFrame, splits: list[dict[str, Any]], regions: pd.DataFrame) -> pd.DataFrame:
    """Participants with the group they had in this run: who trains is a control, the region table says the rest."""
    if people.empty or not splits:
        return people
    groups = dict(zip(regions["participant_id"], regions["group"], strict=True)) if "group" in regions else {}
    groups |= {name: "control" for draw in splits for name in draw.get("train", [])}
    own = dict(zip(people["participant_id"], people["group"], strict=True)) if "group" in people else {}
    groups |= {name: own.get(name) for draw in splits for name in draw.get("test", []) if name not in groups}
    return people.assign(group=people["participant_id"].map(groups).fillna(LEFT_OUT))


def is_synthetic(description: dict[str, Any]) -> bool:
    """Whether the data set's name, which carries the name of its source, says synthetic or phantom."""
    return re.search(r"\b(synthetic|phantom)\b", str(description.get("Name", "")), re.IGNORECASE) is not None


def flatten(settings: Any, prefix: str = "") -> list[tuple[str, str]]:
    """Nested settings as dotted names and printed values.

    >>> flatten({"training": {"epochs": 30}, "models": ["a", "b"]})
    [('training.epochs', '30'), ('models', 'a, b')]
    >>> flatten({"models": [{"preset": "a"}, {"preset": "b"}]})
    [('models.0.preset', 'a'), ('models.1.preset', 'b')]
    """
    if isinstance(settings, dict) and settings:
        return [row for key, value in settings.items() for row in flatten(value, f"{prefix}{key}.")]
    if isinstance(settings, list) and any(isinstance(value, dict) for value in settings):
        return flatten({str(number): value for number, value in enumerate(settings)}, prefix)
    if isinstance(settings, list):
        settings = ", ".join(str(value) for value in settings)
    return [(prefix.removesuffix("."), "none" if settings in (None, "", {}) else str(settings))]
