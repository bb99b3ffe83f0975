"""What a finished run left on disk, read once; a part that is absent is named, never invented."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from nigra.errors import NigraError
from nigra.files import read_json, read_tsv

TEXT = (
    "participant_id",
    "session_id",
    "site",
    "group",
    "model",
    "region",
    "measure",
    "set",
    "kept",
    "reason",
    "note",
)


@dataclass(frozen=True)
class Sources:
    """Everything the report is made of; ``absent`` lists the files that were not there."""

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
    synthetic: bool
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
        return read_tsv(path, TEXT) if here(path) else pd.DataFrame()

    def json(path: Path) -> Any:
        return read_json(path) if here(path) else {}

    description = json(study / "dataset_description.json")
    settings = read_settings(run / "settings.yaml") if here(run / "settings.yaml") else {}
    return Sources(
        run=run,
        description=description,
        settings=settings,
        provenance=json(run / "provenance.json"),
        splits=(json(run / "splits.json") or {}).get("draws", []),
        intake=table(study / "intake.tsv"),
        participants=table(study / "participants.tsv"),
        quality=read_tsv(study / "quality.tsv", TEXT) if (study / "quality.tsv").exists() else pd.DataFrame(),
        regions=table(run / "regions.tsv"),
        evaluation=table(run / "evaluation.tsv"),
        calibration=table(run / "calibration.tsv"),
        synthetic=is_synthetic(description, study / "participants.json"),
        absent=absent,
    )


def read_settings(path: Path) -> dict[str, Any]:
    """The settings as the run saved them."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise NigraError(f"{path} is not readable YAML ({error}); write it again with `nigra run`.") from error
    return content if isinstance(content, dict) else {}


def is_synthetic(description: dict[str, Any], participants: Path) -> bool:
    """Whether the data set calls itself synthetic, or its name a phantom."""
    told = str(description) + (participants.read_text(encoding="utf-8") if participants.exists() else "")
    name = str(description.get("Name", ""))
    return bool(re.search(r"\bsynthetic\b", told, re.IGNORECASE) or re.search(r"\bphantom\b", name, re.IGNORECASE))


def flatten(settings: Any, prefix: str = "") -> list[tuple[str, str]]:
    """Nested settings as dotted names and printed values.

    >>> flatten({"training": {"epochs": 30}, "models": ["a", "b"]})
    [('training.epochs', '30'), ('models', 'a, b')]
    """
    if isinstance(settings, dict) and settings:
        return [row for key, value in settings.items() for row in flatten(value, f"{prefix}{key}.")]
    if isinstance(settings, list) and not any(isinstance(value, dict) for value in settings):
        settings = ", ".join(str(value) for value in settings)
    return [(prefix.removesuffix("."), "none" if settings in (None, "", {}) else str(settings))]
