"""Dense scoring against patch by patch at its best batch; whole subjects; memory over many subjects."""

import tempfile
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray

from nigra.bench import libsvm, samples
from nigra.bench.interleave import Comparison, Goals, interleave, part
from nigra.detection.one_class_svm import VoxelwiseOneClassSVM
from nigra.models.published import PRESETS, build
from nigra.models.siamese import Model
from nigra.scoring.codes import CodeStore
from nigra.scoring.dense import DenseEncoder, dense_maps, parts_of
from nigra.scoring.errors import joint_error
from nigra.scoring.scorer import Scorer
from nigra.training import Tick
from nigra.units import Patches, Source

PEER = "patch by patch"
What = Literal["codes", "codes, a row each", "central errors"]
GOALS: dict[What, int | None] = {"codes": 40, "codes, a row each": None, "central errors": 10}
"""What is compared, and how many times as fast it shall be.

``codes`` are those of all voxels of the volume, each held once in the map of its slice, where neighbours share
what they have in common; ``a row each`` writes the brain's voxels out one by one, as detectors take them.
"""

BATCHES = (256, 1024, 4096, 16384)
GRIDS = {"2 mm": ((91, 109, 91), 3.0), "1.5 mm": ((121, 145, 121), 6.0)}
"""Shape of a volume at each resolution, and the seconds a whole subject may take."""

WHOLE = (("isbi2023-sae", "2 mm"), ("isbi2023-sae", "1.5 mm"), ("mlcn2021-sae", "2 mm"))
"""Whole subjects that are timed; the SAE of mlcn2021 with its 64-d codes at 2 mm alone, for the room they take."""

CONTROLS = 40
SMALL = (17, 19, 15)
"""The quick volume."""


def measure(quick: bool = False, tick: Tick | None = None) -> list[Comparison]:
    """Codes and central errors of two published models, whole subjects, and memory."""
    works: list[Callable[[Tick], Comparison]] = [
        partial(_against_patches, preset, what, quick) for preset in ("mlcn2021-sae", "isbi2023-sae")
        for what in GOALS
    ]  # fmt: skip
    works += [partial(_whole_subject, preset, grid, quick) for preset, grid in WHOLE]
    works.append(partial(_memory, quick))
    return [work(part(tick, at, len(works))) for at, work in enumerate(works)]


TITLES: dict[What, str] = {
    "codes": "Codes of every voxel of the volume, held in the slices' maps, {}",
    "codes, a row each": "Codes of every voxel of the brain, written out a row each, {}",
    "central errors": "Central errors of every voxel of the brain, {}",
}


def model_of(preset: str) -> tuple[Model, Patches]:
    """A published patch model with its first weights, and its unit; speed does not depend on training."""
    unit = PRESETS[preset].unit
    assert isinstance(unit, Patches)
    return build(preset).eval(), unit


# --- against patch by patch --------------------------------------------------------------------------------------


def patch_by_patch(
    model: Model, unit: Patches, source: Source, locations: Int[ndarray, "n 3"], what: What, batch: int
) -> Float[ndarray, "n k"]:
    """The plain way: cut each voxel's patch and send it through the model; codes, or the centre's joint error."""
    found = []
    with torch.inference_mode():
        for begin in range(0, len(locations), batch):
            where = locations[begin : begin + batch]
            units = unit.cut(source, np.zeros(len(where), dtype=np.int64), where)
            given = torch.from_numpy(units).to(memory_format=torch.channels_last)
            if what != "central errors":
                found.append(model.codes(given).numpy())
                continue
            centre = (slice(None), slice(None), slice(unit.half, unit.half + 1), slice(unit.half, unit.half + 1))
            found.append(joint_error(units[centre], model(given).numpy()[centre])[:, :, 0, 0])
    return np.concatenate(found)


def densely(scorer: Scorer, source: Source, what: What) -> Float[ndarray, "n k"]:
    """Ours, for the voxels of the mask in the order of ``numpy.nonzero``."""
    if what == "central errors":
        return scorer.score(source, 0).error[source.mask][:, None]
    return scorer.codes(source, 0)


def in_maps(model: Model, unit: Patches, source: Source) -> Callable[[], int]:
    """The same codes, left in the slices' maps; the call returns how many values those hold."""
    encoder, parts = DenseEncoder(model.encoder, source.volumes.shape[1], unit.size), parts_of(source.mask, unit)

    def call() -> int:
        with torch.inference_mode():
            return sum(values.numel() for _, values, _ in dense_maps(encoder, unit, source, 0, parts))

    return call


def best_batch(call: Callable[..., Any], locations: Int[ndarray, "n 3"]) -> int:
    """The quickest batch of ``BATCHES``; each is tried twice, warm the second time."""
    seconds = {}
    for batch in BATCHES:
        few = locations[: max(batch, 4096)]
        call(few, batch=batch)
        began = time.perf_counter()
        call(few, batch=batch)
        seconds[(time.perf_counter() - began) / len(few)] = batch
    return seconds[min(seconds)]


def _against_patches(preset: str, what: What, quick: bool, tick: Tick) -> Comparison:
    shape, share = (SMALL, 300) if quick else (GRIDS["1.5 mm"][0], 32_768)
    least = GOALS[what]
    (model, unit), source = model_of(preset), samples.volumes(1, shape)
    if what == "codes":
        source = Source.plain(source.volumes)
    dense = partial(densely, Scorer(model, unit), source, what)
    timed = in_maps(model, unit, source) if what == "codes" else dense
    plain = model_of(preset)[0].to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    everywhere = unit.locate(source.mask)
    voxels, middle = len(everywhere), (len(everywhere) - share) // 2
    locations = everywhere[middle : middle + share]
    call = partial(patch_by_patch, plain, unit, source, what=what)
    batch = best_batch(call, locations)
    ours, peers = interleave(
        voxels, timed, {PEER: partial(call, locations, batch=batch)}, 2 if quick else 5, {PEER: share},
        {PEER: f"batches of {batch}, the best of {', '.join(map(str, BATCHES))}; channels_last"}, tick=tick,
    )  # fmt: skip
    spread = np.linspace(0, voxels - 1, share).astype(np.int64)  # the border of the brain too
    difference = np.abs(dense()[spread] - call(everywhere[spread], batch=batch)).max()
    return Comparison(
        name=f"dense-{preset}-{what.replace(',', '').replace(' ', '-')}",
        title=TITLES[what].format(preset),
        work="voxels",
        ours=ours,
        peers=peers,
        largest_difference=float(difference),
        difference_of=what,
        sizes={"volume": " x ".join(map(str, shape)), "voxels": voxels, f"voxels {PEER}": share},
        goal=f"at least {least} times {PEER}, difference at most 1e-6" if least else "difference at most 1e-6",
        goals=Goals({PEER: least} if least else {}, difference=1e-6),
    )


# --- whole subjects ----------------------------------------------------------------------------------------------


def _whole_subject(preset: str, grid: str, quick: bool, tick: Tick) -> Comparison:
    shape, seconds = GRIDS[grid]
    shape, controls = (SMALL, 10) if quick else (shape, CONTROLS)
    (model, unit), source = model_of(preset), samples.volumes(1, shape)
    scorer = Scorer(model, unit)
    mine = scorer.codes(source, 0)
    noise = samples.codes(controls, *mine.shape)
    noise *= mine.std()
    noise += mine
    svm = VoxelwiseOneClassSVM(nu=libsvm.NU, gamma="scale", tolerance=libsvm.TOLERANCE)

    def whole() -> None:
        codes = scorer.score(source, 0, codes=True).codes
        assert codes is not None
        svm.score_samples(codes[None])

    with tempfile.TemporaryDirectory() as folder, CodeStore(Path(folder) / "codes.npy", *noise.shape) as store:
        for row in range(controls):
            store.write(row, noise[row])
        del noise
        svm.fit(store.codes)  # as in a run: controls' codes are float16 on disk
        ours, _ = interleave(1, whole, {}, 2 if quick else 5, notes={"nigra": scorer.way}, tick=tick)
    voxels = int(source.mask.sum())
    return Comparison(
        name=f"dense-subject-{preset}-{grid.replace(' ', '')}",
        title=f"A whole subject at {grid}: codes, errors, one-class SVM per voxel; {preset}",
        work="subjects",
        ours=ours,
        peers=[],
        largest_difference=None,
        difference_of="",
        sizes={
            "volume": " x ".join(map(str, shape)), "voxels": voxels, "controls": controls, "d": mine.shape[1],
            "seconds a subject": round(1 / ours.rate, 3),
        },
        goal=f"at most {seconds:g} s a subject",
        goals=Goals(rate=1 / seconds),
    )  # fmt: skip


# --- memory ------------------------------------------------------------------------------------------------------


def score_volumes(scorer: Scorer, source: Source, rows: Iterable[int]) -> None:
    """Codes and errors of subjects one by one, nothing kept."""
    for row in rows:
        scorer.score(source, row, codes=True)


def private_memory() -> float:
    """MiB of this process's own memory, without files mapped into it; NaN where the system does not say."""
    path = Path("/proc/self/status")
    found = [line for line in path.read_text().splitlines() if line.startswith("RssAnon")] if path.exists() else []
    return int(found[0].split()[1]) / 1024 if found else float("nan")


def _memory(quick: bool, tick: Tick) -> Comparison:
    """Growth of memory after the first subjects: what each subject leaves behind would add up."""
    shape, first, subjects = (SMALL, 2, 6) if quick else ((45, 54, 45), 20, 200)
    (model, unit), source = model_of("mlcn2021-sae"), samples.volumes(4, shape)
    scorer, used, seconds = Scorer(model, unit), [], []
    for at in range(subjects):
        began = time.perf_counter()
        one = scorer.score(source, at % 4, codes=True)
        seconds.append(time.perf_counter() - began)
        used.append(private_memory())
        tick((at + 1) / subjects, f"{at + 1}/{subjects} subjects")
    assert one.codes is not None
    growth = max(used[first:]) - max(used[:first])
    ours, _ = interleave(1, lambda: scorer.score(source, 0, codes=True), {}, 3)
    return Comparison(
        name="dense-memory",
        title=f"Memory over {subjects} subjects, codes and errors, mlcn2021-sae",
        work="subjects",
        ours=ours,
        peers=[],
        largest_difference=None if np.isnan(growth) else max(growth, 0.0),
        difference_of=f"memory in MiB, between the first {first} and all {subjects} subjects",
        sizes={
            "volume": " x ".join(map(str, shape)), "subjects": subjects,
            "MiB of one subject's codes": round(one.codes.nbytes / 2**20, 1),
        },
        goal="memory grows by at most 32 MiB",
        goals=Goals(difference=32),
    )  # fmt: skip
