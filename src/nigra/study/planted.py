"""Who is planted into, where, and what becomes of it: drawn from the settings alone, before anything is scored."""

from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nigra.cohort.splits import Draw
from nigra.cohort.store import CONTROL
from nigra.errors import NigraError
from nigra.files import write_image, write_tsv
from nigra.provenance import hash_file, hash_settings
from nigra.regions import Atlas
from nigra.shapes import Mask
from nigra.simulation.placing import Lesion, draw_lesions, seed_of
from nigra.simulation.planting import COLUMNS, channel_shares, describe, plant, truth
from nigra.simulation.settings import ShapeSettings, SimulationSettings
from nigra.simulation.shapes import read_masks, voxel_mm
from nigra.study.evaluate import atlas_of
from nigra.study.rows import score_key
from nigra.study.run import Run
from nigra.study.score import methods_of, models_of, read_scores
from nigra.study.settings import INTENSITIES, ModelSettings
from nigra.training import Tick

_ELSEWHERE = {"title", "run", "shapes", "bootstrap", "subjects", "participants", "draws"}
"""Settings that a target's results do not depend on, or that are part of the target."""


@dataclass(frozen=True, eq=False)
class Target:
    """One subject of a draw with one shape in one size: its lesions are the same for all effects and strengths."""

    draw: Draw
    name: str
    shape: ShapeSettings
    size: float | None

    @property
    def file(self) -> str:
        """Its name in file names, in the manner of BIDS entities."""
        size = self.shape.size_text(self.size).replace(" ", "").replace(".", "p")
        return f"{self.name}_draw-{self.draw.draw:02d}_shape-{self.shape.label}_size-{size}"


@dataclass(frozen=True)
class Plan:
    """A run and what is to be planted into its test controls."""

    run: Run
    settings: SimulationSettings

    @property
    def folder(self) -> Path:
        """``runs/NAME/simulation``."""
        return self.run.folder / "simulation"

    @cached_property
    def atlas(self) -> Atlas:
        """The run's atlas."""
        return atlas_of(self.run)

    @cached_property
    def draws(self) -> list[Draw]:
        """The draws that are used."""
        return self.run.draws[: self.settings.draws]

    @cached_property
    def distance_mm(self) -> float:
        """Between lesions: as set, or the widest patch, so that no patch sees two."""
        if self.settings.distance_mm is not None:
            return self.settings.distance_mm
        widest = max((model.unit.size for model in self.run.settings.models if model.per_voxel), default=1)
        return widest * float(voxel_mm(self.run.cohort.affine).max())

    def controls(self, draw: Draw) -> list[str]:
        """The test controls of a draw, in the order of its scores."""
        groups = dict(zip(self.run.cohort.ids, self.run.cohort.participants["group"], strict=True))
        return [name for name in draw.test if groups[name] == CONTROL]

    def subjects(self, draw: Draw) -> list[str]:
        """The test controls that are planted into, drawn by the seed."""
        wanted = set(self.settings.participants)
        able = sorted(name for name in self.controls(draw) if not wanted or name in wanted)
        rng = np.random.default_rng(seed_of(self.settings.seed, "subjects", draw.draw))
        return sorted(rng.permutation(able)[: self.settings.subjects].tolist())

    @cached_property
    def targets(self) -> list[Target]:
        """Every subject of every draw with every shape."""
        found = [
            Target(draw, name, shape, size)
            for draw in self.draws for name in self.subjects(draw) for shape, size in self.settings.sized
        ]  # fmt: skip
        if not found:
            raise NigraError(
                "nobody can be planted into: none of the participants named is a test control of the draws used; "
                "name others, use more draws, or name none."
            )
        return found

    def check(self) -> None:
        """Refuse before anything is written: not scored, or what ``check_settings`` refuses."""
        self.check_settings()
        _ = self._allowed

    def check_settings(self) -> None:
        """Refuse what can be told before anything is scored: unknown channels, regions, draws, people or masks."""
        for effect in self.settings.effects:
            channel_shares(effect, self.run.cohort.channels)
        self.run.cohort.rows(self.settings.participants)
        if (self.settings.draws or 1) > len(self.run.draws):
            raise NigraError(
                f"draws: {self.settings.draws} are wanted, but the run has {len(self.run.draws)}; take fewer, or "
                "null for all."
            )
        able = {name for draw in self.draws for name in self.controls(draw)}
        strange = [name for name in self.settings.participants if name not in able]
        if strange:
            raise NigraError(
                f"{strange[0]}: participants planted into are test controls of the draws used, but this is none; "
                f"choose of {', '.join(sorted(able)[:12])}."
            )
        _ = self.targets, self._regions, self._masks

    @cached_property
    def _allowed(self) -> dict[int, Mask]:
        """By draw, the voxels that every method scores: where methods are compared on the same lesions."""
        allowed = {}
        for draw in self.draws:
            scored = np.ones(int(self.run.cohort.mask.sum()), dtype=bool)
            for method in self.run.settings.methods:
                scored &= np.isfinite(read_scores(self.run, method, draw).scores).all(axis=0)
            allowed[draw.draw] = self.run.cohort.mask.copy()
            allowed[draw.draw][self.run.cohort.mask] = scored
        return allowed

    @cached_property
    def _regions(self) -> dict[str, dict[str, Mask]]:
        """By shape, the regions that are planted into."""
        if not any(shape.kind == "region" for shape in self.settings.shapes):
            return {}
        found, known = {}, self.atlas.regions
        for shape in self.settings.shapes:
            for name in shape.regions:
                if name not in known:
                    close = get_close_matches(name, known, n=1)
                    hint = f"did you mean {close[0]}?" if close else f"known: {', '.join(list(known)[:12])}."
                    raise NigraError(f"shape {shape.label}: {name!r} is no region of the run's atlas; {hint}")
            names = shape.regions or list(self.atlas.names.values())
            masks = {name: np.isin(self.atlas.labels, known[name]) & self.run.cohort.mask for name in names}
            found[shape.label] = {name: mask for name, mask in masks.items() if mask.any()}
        return found

    @cached_property
    def _masks(self) -> dict[str, dict[str, Mask]]:
        """By shape, the lesion masks on the grid."""
        cohort = self.run.cohort
        return {
            shape.label: read_masks(
                self._paths(shape), cohort.mask.shape, cohort.affine, shape.parts, shape.smallest_mm3
            )
            for shape in self.settings.shapes if shape.kind == "mask"
        }  # fmt: skip

    def _paths(self, shape: ShapeSettings) -> list[Path]:
        return [self.run.study / path for path in shape.files]

    def lesions(self, target: Target) -> list[Lesion]:
        """The lesions of a target, drawn from a seed of its own."""
        settings, shape = self.settings, target.shape
        seed = seed_of(settings.seed, target.name, target.draw.draw, shape.label, target.size)
        return draw_lesions(
            shape, target.size, self._allowed[target.draw.draw], self.run.cohort.affine, seed, settings.lesions,
            self.distance_mm, self._regions.get(shape.label), self._masks.get(shape.label),
        )  # fmt: skip

    def key(self, model: ModelSettings | None, target: Target) -> str:
        """Stands for all that the results of a model's methods on a target depend on."""
        common = self._common[model.label if model else INTENSITIES, target.draw.draw]
        masks = self._mask_hashes.get(target.shape.label, [])
        return hash_settings([common, target.shape.model_dump(mode="json"), target.size, target.name, masks])

    @cached_property
    def _common(self) -> dict[tuple[str, int], str]:
        """By model and draw, what stands for all but the target: methods, places, settings, atlas."""
        run, found = self.run, {}
        dumped = self.settings.model_dump(mode="json", exclude=_ELSEWHERE)
        for model in models_of(run):
            for draw in self.draws:
                methods = [[m.detector.label, score_key(run, m, draw)] for m in methods_of(run, model)]
                places = sha256(np.packbits(self._allowed[draw.draw]).tobytes()).hexdigest()
                found[model.label if model else INTENSITIES, draw.draw] = hash_settings([
                    dumped, methods, places, self.distance_mm, self.atlas.source,
                    run.settings.calibration.to_key(), run.cohort.digest,
                ])  # fmt: skip
        return found

    @cached_property
    def _mask_hashes(self) -> dict[str, list[str]]:
        """By shape, the SHA-256 of its files."""
        return {shape.label: [hash_file(path) for path in self._paths(shape)] for shape in self.settings.shapes}

    def draw_all(self, tick: Tick) -> dict[Target, list[Lesion]]:
        """All lesions; writes ``plantings.tsv`` and the truth images."""
        found, tables, written = {}, [], set[Path]()
        for number, target in enumerate(self.targets):
            lesions = self.lesions(target)
            if lesions:
                found[target] = lesions
                tables.append(self._rows(target, describe(lesions, self.run.cohort.affine)))
                path = self.folder / "truth" / f"{target.file}_space-{self.run.cohort.space}_dseg.nii.gz"
                write_image(path, truth(lesions, self.run.cohort.mask.shape), self.run.cohort.affine)
                written.add(path)
            tick((number + 1) / len(self.targets), target.name)
        if not found:
            raise NigraError(
                "none of the shapes fits into the voxels that every method scores; plant smaller ones."
            )
        for path in set((self.folder / "truth").glob("*.nii.gz")) - written:  # of earlier settings
            path.unlink()
        write_tsv(self.folder / "plantings.tsv", pd.concat(tables, ignore_index=True)[list(COLUMNS)])
        return found

    def without_change(self, lesions: dict[Target, list[Lesion]]) -> list[str]:
        """A caution for every strength so small that the planted volume of the first target is the scan itself."""
        cohort, (target, own) = self.run.cohort, next(iter(lesions.items()))
        volume = np.asarray(cohort.volumes[int(cohort.rows([target.name])[0])])
        return [
            f"Caution: {effect.label} of strength {strength:g} changes no voxel of {target.name}; what is found of "
            "it is found without any change."
            for effect in self.settings.effects
            for strength in effect.strengths
            if np.array_equal(
                plant(volume, own, effect, strength, cohort.channels, cohort.mask, cohort.affine), volume
            )
        ]

    def _rows(self, target: Target, table: pd.DataFrame) -> pd.DataFrame:
        """Planting rows of a target, for each effect and strength."""
        pairs = [(effect.label, strength) for effect in self.settings.effects for strength in effect.strengths]
        who: dict[str, Any] = {"participant_id": target.name, "draw": target.draw.draw, "shape": target.shape.label,
               "size": target.shape.size_text(target.size)}  # fmt: skip
        return pd.concat([table.assign(**who, effect=effect, strength=strength) for effect, strength in pairs])
