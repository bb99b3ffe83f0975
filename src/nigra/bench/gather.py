"""Cutting pairs of patches: ours against what other libraries feed a training with, all from the same volumes."""

import importlib.util
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch.utils.data import DataLoader, Dataset

from nigra.bench import samples
from nigra.bench.interleave import Comparison, Goals, Side, interleave, missing
from nigra.shapes import Volumes
from nigra.training import Tick, keep_freed_memory
from nigra.units import Patches, Source
from nigra.units.pairs import Epoch, draw_epoch
from nigra.units.resident import Resident, held_bytes

FULL, QUICK = (57, (121, 145, 121)), (3, (24, 26, 10))
"""Subjects and shape of a volume: the largest published cohort of controls at 1.5 mm, and a toy."""

BATCH = 225
"""Pairs in a batch, as mlcn2021 trains."""

GOALS = Goals({"torch DataLoader": 6, "TorchIO Queue": 100}, rate=4e5, difference=0)
MISSING = "not installed: pip install nigra[benchmark]"
UNIT = Patches(15)


@dataclass(frozen=True)
class Work:
    """What is cut: pairs of an epoch, from a source; patches that need no border, as not every peer has one."""

    source: Source
    epoch: Epoch
    locations: np.ndarray

    def asked(self, begin: int) -> tuple[np.ndarray, np.ndarray]:
        """Rows and locations of a batch: the first members, then their partners."""
        rows, where = self.epoch.members(begin, min(begin + BATCH, len(self.epoch)), 2)
        return rows, self.locations[where]


def measure(quick: bool = False, tick: Tick | None = None) -> list[Comparison]:
    """Pairs of 15 x 15 x 1 patches with two channels, batches of 225 pairs, from a memory-mapped array."""
    n_subjects, shape = QUICK if quick else FULL
    keep_freed_memory()  # as a training has it; for all sides, it holds for the process
    with tempfile.TemporaryDirectory() as folder:
        work = work_of(write_volumes(Path(folder), n_subjects, shape), 450 if quick else 36_000)
        began = time.perf_counter()
        held = Resident.of(work.source, UNIT, np.arange(n_subjects))
        seconds = time.perf_counter() - began
        peers, works, notes = _peers(work, quick)
        able = {name: call for name, call in peers.items() if call is not None}
        ours, sides = interleave(
            2 * len(work.epoch), partial(_all, work, held.cut), able, rounds=2 if quick else 5,
            peer_work=works, notes=notes, name="nigra, subjects held in memory", tick=tick, warm=True,
        )  # fmt: skip
        sizes: dict[str, float | int | str] = {
            "subjects": n_subjects, "volume": " x ".join(map(str, shape)), "channels": 2, "pairs in a batch": BATCH,
            "seconds to hold the subjects": round(seconds, 2),
            "GB held": round(held_bytes(work.source, UNIT, n_subjects) / 1e9, 2),
        }  # fmt: skip
        return [
            Comparison(
                name="gather",
                title="Pairs of patches cut for training",
                work="patches cut",
                ours=ours,
                peers=sides + _absent(peers),
                largest_difference=_difference(work, held),
                difference_of="patches of the same pairs (memory map, DataLoader, numpy)",
                sizes=sizes,
                goal="at least 4e5 patches a second, 6 times DataLoader, 100 times TorchIO Queue; the same patches",
                goals=GOALS,
            )
        ]


def write_volumes(folder: Path, n_subjects: int, shape: tuple[int, int, int]) -> Volumes:
    """Two-channel volumes as the cohort store keeps them, (N, C, X, Y, Z) float32, memory-mapped."""
    path = folder / "volumes.npy"
    volumes = np.lib.format.open_memmap(path, "w+", np.float32, (n_subjects, 2, *shape))
    for row in range(n_subjects):
        volumes[row] = samples.volumes(1, shape, seed=row).volumes[0]
    volumes.flush()
    return np.load(path, mmap_mode="r")


def work_of(volumes: Volumes, pairs: int) -> Work:
    """About so many pairs, at least a batch, whose patches lie within the volume."""
    source = Source.plain(volumes, samples.ellipsoid(volumes.shape[2:]))
    locations = UNIT.locate(source.mask)
    last = np.array(source.shape)[:2] - UNIT.half
    within = ((locations[:, :2] >= UNIT.half) & (locations[:, :2] < last)).all(axis=1)
    rng, rows = np.random.default_rng(0), np.arange(len(volumes))
    return Work(source, draw_epoch(rng, rows, int(within.sum()), -(-pairs // len(rows))), locations[within])


def _all(work: Work, cut: Callable[[np.ndarray, np.ndarray], Any]) -> None:
    """Cut every batch of the epoch."""
    for begin in range(0, len(work.epoch), BATCH):
        cut(*work.asked(begin))


def _difference(work: Work, held: Resident) -> float:
    """Largest difference between our patches of one batch and those of the three that can cut the same ones."""
    rows, where = work.asked(0)
    ours = held.cut(rows, where).numpy()
    both = next(iter(DataLoader(Pairs(work), batch_size=BATCH)))
    loaded = torch.cat([both[:, 0], both[:, 1]]).numpy()
    others = UNIT.cut(work.source, rows, where), loaded, by_index(work, rows, where)
    return max(float(abs(ours - other).max()) for other in others)


# --- peers -------------------------------------------------------------------------------------------------------


def _peers(work: Work, quick: bool) -> tuple[dict[str, Callable[[], Any] | None], dict[str, float], dict[str, str]]:
    """Calls by name (None: not installed), the patches that a slow one cuts per call, and notes."""
    loader, note = best_loader(work, quick)
    few = 90 if quick else 4_500
    calls: dict[str, Callable[[], Any] | None] = {
        "nigra, from the memory map": partial(_all, work, partial(UNIT.cut, work.source)),
        "numpy fancy index": partial(_all, work, partial(by_index, work)),
        "torch DataLoader": partial(_exhaust, loader),
        "TorchIO Queue": torchio_queue(work, few),
        "MONAI PatchDataset": monai_patches(work, few),
    }
    works = {"TorchIO Queue": float(few), "MONAI PatchDataset": float(few)}
    own = "random patches of its own, no mask, volumes already in memory"
    return calls, works, {"torch DataLoader": note, "TorchIO Queue": own, "MONAI PatchDataset": own}


def _absent(peers: dict[str, Callable[[], Any] | None]) -> list[Side]:
    return [missing(name, MISSING) for name, call in peers.items() if call is None]


def by_index(work: Work, rows: np.ndarray, where: np.ndarray) -> Float[ndarray, "n channels size size"]:
    """One indexed read from the memory map per batch, as numpy has it."""
    steps = np.arange(-UNIT.half, UNIT.half + 1)
    x, y, z = (column[:, None, None] for column in where.T)
    x, y = x + steps[:, None], y + steps
    values = work.source.volumes[rows[:, None, None], :, x, y, z] * work.source.mask[x, y, z][..., None]
    return np.ascontiguousarray(np.moveaxis(values, -1, 1))


class Pairs(Dataset[torch.Tensor]):
    """One pair per item, (2, channels, 15, 15), as most training code is written."""

    def __init__(self, work: Work) -> None:
        self.work = work

    def __len__(self) -> int:
        return len(self.work.epoch)

    def __getitem__(self, index: int) -> torch.Tensor:
        epoch, steps = self.work.epoch, np.arange(-UNIT.half, UNIT.half + 1)
        x, y, z = self.work.locations[epoch.where[index]]
        height, width = self.work.source.shape[:2]
        if UNIT.half <= x < height - UNIT.half and UNIT.half <= y < width - UNIT.half:
            window: tuple[Any, ...] = (
                slice(x - UNIT.half, x + UNIT.half + 1),
                slice(y - UNIT.half, y + UNIT.half + 1),
                z,
            )
        else:  # the nearest voxel is repeated
            window = (np.clip(x + steps, 0, height - 1)[:, None], np.clip(y + steps, 0, width - 1), z)
        members = [
            self.work.source.volumes[row[index]][(slice(None), *window)] for row in (epoch.first, epoch.second)
        ]
        return torch.from_numpy(np.stack(members) * self.work.source.mask[window])


def best_loader(work: Work, quick: bool) -> tuple[DataLoader[torch.Tensor], str]:
    """The faster of DataLoaders without and with two workers, which stay alive between epochs."""
    found = []
    for workers in (0,) if quick else (0, 2):
        loader = DataLoader(Pairs(work), BATCH, num_workers=workers, persistent_workers=workers > 0)
        if not quick:
            _exhaust(loader)  # starts the workers
        began = time.perf_counter()
        _exhaust(loader)
        found.append((time.perf_counter() - began, loader, f"num_workers {workers}, the faster of those tried"))
    return min(found, key=lambda each: each[0])[1:]


def torchio_queue(work: Work, patches: int) -> Callable[[], Any] | None:
    """TorchIO's queue of uniformly drawn patches, from arrays; it is as long as all patches."""
    if importlib.util.find_spec("torchio") is None:
        return None
    import torchio as tio

    rows = range(min(len(work.source.volumes), 8))
    each = -(-patches // len(rows))
    images = [tio.ScalarImage(tensor=torch.from_numpy(np.array(work.source.volumes[row]))) for row in rows]
    dataset = tio.SubjectsDataset([tio.Subject(image=image) for image in images])
    queue = tio.Queue(dataset, each * len(rows), each, tio.UniformSampler((15, 15, 1)), num_workers=0)
    return lambda: _exhaust(tio.SubjectsLoader(queue, batch_size=2 * BATCH, num_workers=0), patches)


def monai_patches(work: Work, patches: int) -> Callable[[], Any] | None:
    """MONAI's PatchDataset with random crops from arrays in memory.

    One crop per image, images repeated: it crops anew for every patch and throws the other crops away.
    """
    if importlib.util.find_spec("monai") is None:
        return None
    from monai.data import PatchDataset
    from monai.transforms import RandSpatialCropSamples

    images = [torch.from_numpy(np.array(volume)) for volume in work.source.volumes[:8]]
    crop = RandSpatialCropSamples((15, 15, 1), num_samples=1, random_size=False)
    dataset = PatchDataset([images[index % len(images)] for index in range(patches)], crop, 1)
    return lambda: _exhaust(DataLoader(dataset, batch_size=2 * BATCH, num_workers=0), patches)


def _exhaust(batches: Iterable[Any], patches: int | None = None) -> int:
    """Read batches to the end, or until at least so many patches were seen; returns how many."""
    seen = 0
    for batch in batches:
        seen += len(batch["image"]["data"] if isinstance(batch, dict) else batch)
        if patches is not None and seen >= patches:
            break
    return seen
