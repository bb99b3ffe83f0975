"""A run: the settings, the cohort and the draws they lead to, and the folder everything is kept in."""

import os
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import yaml

from nigra.cohort.selection import select
from nigra.cohort.splits import Draw, balanced_folds, balanced_sample, read_splits, split, write_splits
from nigra.cohort.store import Cohort, open_cohort
from nigra.errors import NigraError
from nigra.files import read_json, write_json, write_text
from nigra.provenance import hash_file, hash_settings, record
from nigra.study.execution import Execution
from nigra.study.settings import Method, ModelSettings, RunSettings
from nigra.training import limit_threads
from nigra.units import Unit
from nigra.units.planes import midline_of


@dataclass(frozen=True)
class Fit:
    """One training to do: a model on a draw's training controls, or without one fold of them."""

    model: ModelSettings
    draw: int
    train: tuple[str, ...]
    fold: int | None = None

    @property
    def text(self) -> str:
        """What the user reads of it, in the words of the run's folders."""
        part = "" if self.fold is None else f", fold-{self.fold}"
        return f"{self.model.label}, draw-{self.draw:02d}{part}"


@dataclass(frozen=True)
class Part:
    """Subjects of a draw who are scored alike: by what was fitted on ``train``, which they are not of."""

    train: tuple[str, ...]
    scored: tuple[str, ...]
    fold: int | None = None


@dataclass(frozen=True)
class Run:
    """Everything the stages of one run share."""

    study: Path
    settings: RunSettings
    execution: Execution = field(default_factory=Execution)

    @property
    def folder(self) -> Path:
        """``STUDY/runs/NAME``."""
        return self.study / "runs" / self.settings.name

    @cached_property
    def cohort(self) -> Cohort:
        """The store, with every subject's group as this run defines it; subjects of no group are marked so."""
        whole = open_cohort(self.study)
        chosen = select(whole.participants, self.settings.groups)
        groups = chosen.set_index("participant_id")["group"]
        participants = whole.participants.copy()
        participants["group"] = participants["participant_id"].map(groups).fillna("left out")
        return replace(whole, participants=participants)

    @cached_property
    def device(self) -> str:
        """The device models run on."""
        wanted = self.execution.device
        if wanted == "cuda" and not torch.cuda.is_available():
            raise NigraError(
                "--device cuda needs a GPU that torch can use, but found none; take --device auto, or a CUDA build "
                "of torch."
            )
        return ("cuda" if torch.cuda.is_available() else "cpu") if wanted == "auto" else wanted

    @cached_property
    def draws(self) -> list[Draw]:
        """The draws, read from ``splits.json`` when these settings already made it, else drawn."""
        if self._split_is_kept:
            return read_splits(self._split_path, self._members)
        return split(self._members, self.settings.splits)

    @property
    def _members(self) -> pd.DataFrame:
        people = self.cohort.participants
        return people[people["group"] != "left out"]

    @property
    def _split_path(self) -> Path:
        return self.folder / "splits.json"

    @property
    def _split_key(self) -> str:
        columns = [name for name in ("participant_id", "group", "age", "sex") if name in self._members]
        members = self._members[columns].astype(str).to_dict("list")
        return hash_settings([self.settings.splits.model_dump(), members])

    @property
    def _split_is_kept(self) -> bool:
        if not self._split_path.exists():
            return False
        kept = read_json(self._split_path)
        return isinstance(kept, dict) and kept.get("provenance", {}).get("key") == self._split_key

    def folds(self, draw: Draw) -> list[list[str]]:
        """Cross-fitting folds of a draw's training controls; none when the training controls set the threshold."""
        calibration = self.settings.calibration
        if calibration.controls == "training":
            return []
        people = self.cohort.participants
        controls = people[people["participant_id"].isin(draw.train)]
        if len(controls) < 4:
            raise NigraError(
                f"draw {draw.draw} has {len(controls)} training controls; cross-fitting needs 4: add controls, "
                "test fewer, or set calibration.controls to training."
            )
        return balanced_folds(controls, min(calibration.folds, len(controls) // 2), self.settings.splits.seed)

    def parts(self, draw: Draw) -> list[Part]:
        """Who is scored by what: the test subjects by all training controls, then each fold by the others."""
        return [Part(tuple(draw.train), tuple(draw.test))] + [
            Part(tuple(name for name in draw.train if name not in set(fold)), tuple(fold), number)
            for number, fold in enumerate(self.folds(draw))
        ]

    def fits(self, model: ModelSettings, draw: Draw) -> list[Fit]:
        """The trainings a model needs on a draw: on all training controls, then without each fold."""
        return [Fit(model, draw.draw, part.train, part.fold) for part in self.parts(draw)]

    def unit(self, model: ModelSettings) -> Unit:
        """What a model sees of this cohort's volumes."""
        return model.unit.build(midline_of(self.cohort.affine, self.cohort.mask.shape))

    def learners(self, fit: Fit) -> list[str]:
        """Who a model learns from: all training controls, or as many of them as its settings say."""
        wanted = fit.model.subjects
        if wanted is None:
            return list(fit.train)
        if wanted > len(fit.train):
            raise NigraError(
                f"{fit.text}: subjects is {wanted}, but {len(fit.train)} controls are there to train on; take "
                "fewer."
            )
        people = self.cohort.participants
        controls = people[people["participant_id"].isin(fit.train)]
        chosen = set(balanced_sample(controls, wanted, np.random.default_rng([self.settings.splits.seed, 5])))
        return [name for name in fit.train if name in chosen]

    @cached_property
    def label_image(self) -> Path | None:
        """The label image of the regions; None: a packaged atlas."""
        settings = self.settings.atlas
        if settings.dseg or settings.name != "auto":
            return settings.dseg and self.study / settings.dseg
        found = sorted((self.study / "sourcedata").glob(f"**/*space-{self.cohort.space}_atlas-*_dseg.nii.gz"))
        return found[0] if len(found) == 1 else None

    def place(self, model: ModelSettings, draw: int, fold: int | None = None) -> Path:
        """Folder of a model's draw, or of one fold of it."""
        folder = self.folder / model.label / f"draw-{draw:02d}"
        return folder if fold is None else folder / f"fold-{fold}"

    def method_place(self, method: Method, draw: int) -> Path:
        """Folder of a draw's scores by a method: ``MODEL/draw-NN/DETECTOR``."""
        return self.folder / method.model_label / f"draw-{draw:02d}" / method.detector.label

    def fit_key(self, fit: Fit) -> str:
        """Stands for everything a training depends on; another key means another model."""
        return hash_settings(
            {
                "model": fit.model.fitted,
                "scaling": self.settings.scaling.model_dump(),
                "train": self.learners(fit),
                "cohort": self.cohort.digest,
                "channels": self.cohort.channels,
            }
        )

    def begin(self) -> None:
        """Limit threads, then write the draws, the settings and the provenance of the run."""
        limit_threads(self.execution.threads or cores())
        settings: dict[str, Any] = self.settings.model_dump(mode="json")
        if not self._split_is_kept:
            write_splits(
                self._split_path, self.draws, {"key": self._split_key, **record("split", settings["splits"])}
            )
        write_text(self.folder / "settings.yaml", yaml.safe_dump(settings, sort_keys=False, allow_unicode=True))
        detectors = dict.fromkeys(method.detector for method in self.settings.methods)
        seeds = {
            "splits": self.settings.splits.seed, "evaluation": self.settings.evaluation.seed,
            "figures": self.settings.figures.seed,
            **{f"model {model.label}": model.seed for model in self.settings.models},
            **{f"detector {each.label}": each.seed or 0 for each in detectors if each.draws},
        }  # fmt: skip
        inputs = {"cohort/volumes.npy": self.cohort.digest}
        dseg = self.label_image
        if dseg and dseg.is_file():  # a missing one is told where it is read
            inputs[f"atlas {dseg.name}"] = hash_file(dseg)
        content = record("run", settings, inputs)
        execution = {"device": self.device, "threads": torch.get_num_threads()}
        write_json(self.folder / "provenance.json", content | {"seeds": seeds, "execution": execution})


def cores() -> int:
    """Cores this process may use; where the system does not say (macOS), all there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
