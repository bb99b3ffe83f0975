"""What a model learns from: the units of a task's subjects, drawn by seed and cut where the model is."""

from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor

from nigra.errors import NigraError
from nigra.training.settings import TrainingSettings
from nigra.units import Source, Unit
from nigra.units.pairs import Epoch, PairRule, PairSettings, draw_epoch
from nigra.units.resident import reader


@dataclass(frozen=True)
class Task:
    """What to train on: cohort rows split into those that drive the gradient and those that only watch.

    ``pairs`` is the rule by which partners are drawn; models that take single units have no use for it.
    """

    source: Source
    unit: Unit
    train_rows: Int[ndarray, " n_train"]
    validation_rows: Int[ndarray, " n_validation"]
    pairs: PairSettings = field(default_factory=PairSettings)


class Feed:
    """Draws epochs of a task and hands out their units in batches.

    Args:
        task: the subjects and the unit.
        settings: how many units are drawn and how many make a batch.
        members: units of one sample, 1 or 2 (pairs).
        device: where the units are wanted.

    Raises:
        NigraError: the mask holds no unit, or the unit has no places of the kind that pairs want.
    """

    def __init__(self, task: Task, settings: TrainingSettings, members: int, device: str = "cpu") -> None:
        self.task, self.batch, self.members, self.device = task, settings.batch, members, device
        self.per_subject = settings.units_per_subject
        self.locations = task.unit.locate(task.source.mask)
        if len(self.locations) == 0:
            raise NigraError("the cohort's mask is empty; prepare the cohort again.")
        self.rule = PairRule.of(task.pairs, task.unit, task.source, self.locations)
        self.layout = memory_layout(task)
        self.cut = reader(task.source, task.unit, np.concatenate([task.train_rows, task.validation_rows]), device)

    def samples(self, rows: Int[ndarray, " subjects"]) -> int:
        """How many samples an epoch on these subjects has."""
        return len(rows) * min(self.per_subject or len(self.locations), len(self.locations))

    def draw(
        self, rng: np.random.Generator, rows: Int[ndarray, " subjects"], per_subject: int | None = None
    ) -> Epoch:
        """The samples of one epoch on these subjects; ``per_subject`` instead of what the settings say."""
        return draw_epoch(rng, rows, len(self.locations), per_subject or self.per_subject, self.rule)

    def units(self, drawn: Epoch, begin: int, end: int, members: int | None = None) -> Float[Tensor, "batch ..."]:
        """Units of the samples ``begin:end``: the first members, then (for pairs) their partners."""
        subjects, where = drawn.members(begin, end, members or self.members)
        return self.cut(subjects, self.locations[where]).contiguous(memory_format=self.layout)

    def places(self, drawn: Epoch, begin: int, end: int) -> Int[Tensor, " samples"]:
        """Location numbers of the first members of the samples ``begin:end``."""
        return torch.from_numpy(drawn.where[begin:end]).to(self.device)


def memory_layout(task: Task) -> torch.memory_format:
    """Channels last, which convolutions of 2D and 3D units run fastest on."""
    flat = len(task.unit.unit_shape(task.source.shape)) == 2
    return torch.channels_last if flat else torch.channels_last_3d
