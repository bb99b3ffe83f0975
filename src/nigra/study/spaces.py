"""The latent spaces of a run that are asked for: models, trained and with fresh weights, and draws."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from nigra.cohort.splits import Draw
from nigra.cohort.store import CONTROL, PATIENT
from nigra.errors import NigraError
from nigra.files import key_in
from nigra.latent.settings import LatentSettings
from nigra.provenance import hash_settings
from nigra.regions import Atlas
from nigra.study.evaluate import atlas_of
from nigra.study.rows import score_key
from nigra.study.run import Fit, Run
from nigra.study.score import is_scored, methods_of
from nigra.study.settings import ModelSettings
from nigra.study.train import trained

UNTRAINED = "_untrained"
"""Behind a model's name: the same network with fresh weights."""

_ELSEWHERE = {"run", "title", "models", "draws", "untrained", "beside", "embeddings", "page"}
"""Settings that the numbers of one space do not depend on."""

_SUBJECT = ("participant_id", "group", "set", "age", "sex", "site")


@dataclass(frozen=True)
class Space:
    """One latent space: a model of a draw, trained or not."""

    run: Run
    settings: LatentSettings
    model: ModelSettings
    draw: Draw
    untrained: bool
    atlas: Atlas

    @property
    def label(self) -> str:
        """The model's name in folders and tables."""
        return self.model.label + (UNTRAINED if self.untrained else "")

    @property
    def folder(self) -> Path:
        """``runs/NAME/latent/MODEL/draw-NN``."""
        return self.run.folder / "latent" / self.label / f"draw-{self.draw.draw:02d}"

    @cached_property
    def key(self) -> str:
        """Stands for all that the code table and its numbers depend on."""
        run, draw = self.run, self.draw
        part = run.parts(draw)[0]
        fit = run.fit_key(Fit(self.model, draw.draw, part.train, part.fold))
        scored = [
            [m.label, score_key(run, m, draw)] for m in methods_of(run, self.model) if is_scored(run, m, draw)
        ]
        dumped = self.settings.model_dump(mode="json", exclude=_ELSEWHERE)
        return hash_settings([dumped, fit, self.untrained, scored, draw.test, self.atlas.source, self._people_said])

    @property
    def embedding_key(self) -> str:
        """Stands for all that the embeddings depend on."""
        return hash_settings([self.key, self.settings.embeddings.model_dump(mode="json")])

    @property
    def is_done(self) -> bool:
        """Whether code table and numbers are there."""
        return key_in(self.folder / "latent.json") == self.key

    @property
    def is_embedded(self) -> bool:
        """Whether its embeddings are there."""
        return key_in(self.folder / "embeddings.json") == self.embedding_key

    @cached_property
    def people(self) -> pd.DataFrame:
        """Subjects of the code table, a row each: training controls, then test subjects."""
        rows, draw = self.run.cohort.participants.set_index("participant_id", drop=False), self.draw
        tested = rows.loc[draw.test]
        if self.settings.sample.balanced:
            patients = tested.index[tested["group"] == PATIENT]
            rng = np.random.default_rng(self.settings.seed)
            kept = rng.permutation(patients)[: int((tested["group"] == CONTROL).sum())]
            tested = tested[~tested.index.isin(set(patients) - set(kept))]
        train = rows.loc[draw.train] if self.settings.sample.training else rows.iloc[:0]
        found = pd.concat([train.assign(set="train"), tested.assign(set="test")])
        known = [name for name in _SUBJECT if name in found and found[name].notna().any()]
        return found[known].reset_index(drop=True)

    @property
    def _people_said(self) -> dict[str, list[str]]:
        return {str(name): values.astype(str).tolist() for name, values in self.people.items()}


def spaces_of(run: Run, settings: LatentSettings) -> list[Space]:
    """Every latent space that is asked for, the run's order kept.

    Raises:
        NigraError: no model, an unknown one, one that is not trained, or more draws than there are.
    """
    labels = [model.label for model in run.settings.models]
    unknown = [name for name in settings.models if name not in labels]
    if unknown or not labels:
        found = ", ".join(labels) or "none"
        raise NigraError(f"models: {unknown[0] if unknown else 'one'} is wanted, but the run has {found}.")
    if (settings.draws or 1) > len(run.draws):
        raise NigraError(
            f"draws: {settings.draws} are wanted, but the run has {len(run.draws)}; take fewer, or null for all."
        )
    clash = [name for name in labels if settings.untrained and name + UNTRAINED in labels]
    if clash:
        raise NigraError(f"model {clash[0]}{UNTRAINED} has the name of an untrained control; set untrained: false.")
    atlas, spaces = atlas_of(run), []
    for model in run.settings.models:
        if settings.models and model.label not in settings.models:
            continue
        for draw in run.draws[: settings.draws]:
            part = run.parts(draw)[0]
            trained(run, Fit(model, draw.draw, part.train, part.fold))
            kinds = (False, True) if settings.untrained else (False,)
            spaces += [Space(run, settings, model, draw, untrained, atlas) for untrained in kinds]
    return spaces
