"""Several processes train one model: DistributedDataParallel under torchrun, a batch shared out among them.

Every process draws the same epoch from the same seed and learns from its part of each batch; gradients are added
with each process's share of the batch as its weight. So the steps, and the trajectory of the loss, are those of one
process with the whole batch, up to the rounding of sums.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from nigra.errors import NigraError
from nigra.models.siamese import Model

Terms = Callable[[Tensor, Tensor], dict[str, Tensor]]
"""Units of a batch (the first members, then their partners) and location numbers, to the terms of the loss."""


@dataclass(frozen=True)
class Ranks:
    """Who shares this training: ``world`` processes, of which this is number ``rank``."""

    rank: int = 0
    world: int = 1

    @classmethod
    def here(cls) -> "Ranks":
        """The group this process belongs to, or itself alone."""
        if distributed.is_available() and distributed.is_initialized():
            return cls(distributed.get_rank(), distributed.get_world_size())
        return cls()

    @property
    def first(self) -> bool:
        """Whether this process keeps the books: only it writes files."""
        return self.rank == 0

    def part(self, begin: int, end: int) -> tuple[int, int]:
        """This process's part of the samples ``begin:end``; parts differ by one sample at most, and may be empty.

        >>> [Ranks(rank, 3).part(10, 15) for rank in range(3)]
        [(10, 11), (11, 13), (13, 15)]
        """
        count = end - begin
        return begin + count * self.rank // self.world, begin + count * (self.rank + 1) // self.world

    def total(self, values: Tensor) -> Tensor:
        """Sums over the processes; the values given stay as they are."""
        if self.world == 1:
            return values
        values = values.clone()
        distributed.all_reduce(values)
        return values

    def any(self, *flags: bool, device: str = "cpu") -> list[bool]:
        """For each flag whether it is set in any process, so that all do the same."""
        if self.world == 1:
            return list(flags)
        return [value > 0 for value in self.total(torch.tensor(flags, dtype=torch.float32, device=device)).tolist()]

    def told(self, flag: bool, device: str = "cpu") -> bool:
        """What the first process says: files it is writing may look different to another."""
        return self.any(flag and self.first, device=device)[0]

    def weight(self, loss: Tensor, share: float) -> Tensor | None:
        """What a loss, the mean over this process's ``share`` of the batch, counts in the mean of all processes.

        DistributedDataParallel averages gradients over processes, so that a share of 1 / world counts 1.
        """
        return None if self.world == 1 else torch.full_like(loss, share * self.world)

    def wait(self, device: str = "cpu") -> None:
        """Go on when all processes have come here."""
        self.any(True, device=device)

    def refuse_difference(self, *numbers: int, device: str = "cpu") -> None:
        """Raise where the processes do not read the same from their disks."""
        found = self.total(torch.tensor(numbers, dtype=torch.float64, device=device)) / self.world
        if self.any(found.tolist() != list(numbers), device=device)[0]:
            raise NigraError(
                "the processes of this training read different checkpoints; give them one folder on a shared disk."
            )


ALONE = Ranks()
"""One process."""


def rank_of_start() -> tuple[int, int]:
    """Number of this process and of all, as torchrun started them; (0, 1) without it."""
    return int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))


@contextmanager
def joined(device: str) -> Iterator[tuple[Ranks, str]]:
    """Join the group that torchrun started; yields it and this process's own device.

    Without torchrun it is one process on ``device``. On GPUs each process of a machine takes one of its own and
    they speak NCCL; where they outnumber the GPUs they share them and speak gloo, as they do on CPUs.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or Ranks.here().world > 1:
        yield Ranks.here(), device
        return
    on_gpu, local = torch.device(device).type == "cuda", int(os.environ["LOCAL_RANK"])
    if on_gpu:
        device = f"cuda:{local % torch.cuda.device_count()}"
        torch.cuda.set_device(device)
    own = on_gpu and int(os.environ["LOCAL_WORLD_SIZE"]) <= torch.cuda.device_count()
    distributed.init_process_group("nccl" if own else "gloo")
    try:
        yield Ranks.here(), device
    finally:
        distributed.destroy_process_group()


def shared(model: Model, device: str, ranks: Ranks) -> tuple[Model, Terms]:
    """The model that takes the steps, and its terms with gradients added up over the processes.

    For one process both are the model's own. On GPUs a model with BatchNorm is trained as a copy whose batch
    statistics are those of the whole batch; its weights have the same names.

    Raises:
        NigraError: the loss is no mean over the samples of a batch, or there is BatchNorm on CPUs: the parts of a
            batch would not add up to the batch.
    """
    if ranks.world == 1:
        return model, model.terms
    if any(getattr(part, "needs_batch", False) for part in model.modules()):
        raise NigraError(
            f"a term of this model compares all samples of a batch (vicreg, barlow, contrastive, free bits), which "
            f"{ranks.world} processes would not see together; train it in one process, or choose another term."
        )
    if any(isinstance(part, nn.modules.batchnorm._BatchNorm) for part in model.modules()):
        if torch.device(device).type == "cpu":
            raise NigraError(
                f"this model has BatchNorm, whose statistics {ranks.world} processes on CPUs would not share; "
                "train it in one process, or on GPUs."
            )
        model = nn.SyncBatchNorm.convert_sync_batchnorm(deepcopy(model))
    own = [torch.device(device)] if torch.device(device).type == "cuda" else None
    return model, DistributedDataParallel(_Terms(model), own)


class _Terms(nn.Module):
    """The terms of a model as the ``forward`` that DistributedDataParallel wants; only the loss has a gradient."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model

    def forward(self, units: Tensor, places: Tensor) -> dict[str, Tensor]:
        terms = self.model.terms(units, places)
        return {name: value if name == "loss" else value.detach() for name, value in terms.items()}
