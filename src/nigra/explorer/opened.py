"""The study behind the page: runs, latent spaces and subjects looked up by name, never by path."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np

from nigra.cohort.splits import Draw
from nigra.errors import NigraError
from nigra.regions import Atlas
from nigra.report.latent_folder import LatentFolder, latent_folders
from nigra.study.evaluate import atlas_of
from nigra.study.run import Part, Run
from nigra.study.score import Scored, methods_of, models_of, read_scores
from nigra.study.settings import Method, ModelSettings, RunSettings

SettingsReader = Callable[[Path], RunSettings]


@dataclass
class OpenRun:
    """A run with what the page asks of it again and again."""

    run: Run
    _scored: dict[tuple[str, int], Scored] = field(default_factory=dict)

    @cached_property
    def atlas(self) -> Atlas:
        """The run's atlas on the maps' grid."""
        return atlas_of(self.run)

    @cached_property
    def rank(self) -> np.ndarray:
        """(x, y, z) place of a voxel among those of the mask, in numpy.nonzero order; -1 outside."""
        mask = self.run.cohort.mask
        return np.where(mask, np.cumsum(mask).reshape(mask.shape) - 1, -1)

    @property
    def latent(self) -> list[LatentFolder]:
        """Latent spaces, as they are on disk now."""
        found = latent_folders(self.run.folder)
        return [_kept(each, (each.path / "codes.parquet").stat().st_mtime_ns) for each in found]

    def space(self, model: str, draw: int) -> LatentFolder:
        """A latent space by model and draw."""
        found = [each for each in self.latent if (each.model, each.draw) == (model, draw)]
        if not found:
            raise NigraError(
                f"run {self.run.settings.name} has no latent space of {model}, draw {draw}; run `nigra latent`."
            )
        return found[0]

    def model(self, label: str) -> ModelSettings | None:
        """A model by its label; None for ``intensities``."""
        for model in models_of(self.run):
            if methods_of(self.run, model)[0].model_label == label:
                return model
        raise NigraError(f"run {self.run.settings.name} has no trained model {label}.")

    def unit(self, label: str) -> object | None:
        """What a model sees, also its untrained control, ``MODEL_untrained``; None where the run does not say."""
        known = {model.label: model.unit for model in self.run.settings.models}
        return known.get(label, known.get(label.rsplit("_", 1)[0]))

    def method(self, model: str, detector: str) -> Method:
        """A method by its labels."""
        for method in self.run.settings.methods:
            if (method.model_label, method.detector.label) == (model, detector):
                return method
        raise NigraError(f"run {self.run.settings.name} has no detector {detector} on {model}.")

    def draw(self, number: int) -> Draw:
        """A draw by number."""
        for draw in self.run.draws:
            if draw.draw == number:
                return draw
        raise NigraError(f"run {self.run.settings.name} has no draw {number}; it has {len(self.run.draws)}.")

    def part_of(self, draw: int, subject: str) -> Part:
        """Who scores a subject: the part of the draw that holds it out."""
        for part in self.run.parts(self.draw(draw)):
            if subject in part.scored:
                return part
        raise NigraError(f"{subject} takes no part in draw {draw}; choose another subject or draw.")

    def row(self, subject: str) -> int:
        """A subject's row in the store."""
        return int(self.run.cohort.rows([subject])[0])

    def scored(self, model: str, detector: str, draw: int) -> Scored:
        """A method's scores on a draw."""
        method, key = self.method(model, detector), (f"{model}+{detector}", draw)
        if key not in self._scored:
            self._scored[key] = read_scores(self.run, method, self.draw(draw))
        return self._scored[key]


@lru_cache(maxsize=64)
def _kept(folder: LatentFolder, stamp: int) -> LatentFolder:
    """The same folder, whose table is read once, as long as the file stays the same (``stamp``)."""
    return folder


class Study:
    """A study folder.

    Args:
        folder: the study.
        read: reads a run's ``settings.yaml``.
    """

    def __init__(self, folder: Path, read: SettingsReader) -> None:
        self.folder, self._read = folder, read
        self._open: dict[tuple[str, int], OpenRun] = {}

    @property
    def runs(self) -> list[str]:
        """Names of the runs, those with a latent space first, the newest first; links out of the study left out."""
        root, found = self.folder.resolve(), []
        for settings in (self.folder / "runs").glob("*/settings.yaml"):
            if settings.resolve().is_relative_to(root):
                has_latent = bool(latent_folders(settings.parent))
                found.append((not has_latent, -settings.stat().st_mtime, settings.parent.name))
        return [name for *_, name in sorted(found)]

    def run(self, name: str) -> OpenRun:
        """A run by name."""
        if name not in self.runs:
            known = ", ".join(self.runs) or "none"
            raise NigraError(f"{self.folder} has no run {name}; it has {known}.")
        settings = self.folder / "runs" / name / "settings.yaml"
        key = (name, settings.stat().st_mtime_ns)
        if key not in self._open:
            self._open = {kept: run for kept, run in self._open.items() if kept[0] != name}
            self._open[key] = OpenRun(Run(self.folder, self._read(settings)))
        return self._open[key]


def check(study: Study, name: str | None = None) -> str:
    """The run to open first; what is missing is one sentence before any server starts.

    Raises:
        NigraError: no cohort, no run, no such run, or no run with a latent space.
    """
    if not study.runs:
        raise NigraError(f"{study.folder} has no run; run `nigra run {study.folder} --config FILE` first.")
    run = study.run(name or study.runs[0])
    _ = run.run.cohort
    if not run.latent:
        which = f"run {name}" if name else "no run of it"
        verb = "has no" if name else "has a"
        raise NigraError(
            f"{study.folder}: {which} {verb} latent space to explore; run `nigra latent {study.folder}` first."
        )
    return run.run.settings.name
