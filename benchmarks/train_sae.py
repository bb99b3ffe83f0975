"""How fast the published SAE trains: patches per second, both pair members counted, and the full training time.

The full size is that of mlcn2021: 41 training controls, 600 000 patches an epoch, 30 epochs, batches of 225 pairs.

    python benchmarks/train_sae.py                    # one epoch in ten of the size, extrapolated
    python benchmarks/train_sae.py --full --json F    # the whole training, timed
"""

import argparse
import json
import platform
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from nigra.models.published import PRESETS, build
from nigra.training import Task, TrainingSettings, limit_threads, train
from nigra.units import Source

CONTROLS, UNITS = 41, 600_000


def synthetic(shape: tuple[int, int, int]) -> Source:
    """Smooth random volumes: training speed does not depend on what they show."""
    rng = np.random.default_rng(0)
    coarse = rng.random((CONTROLS, 2, *(n // 8 + 2 for n in shape)), dtype=np.float32)
    volumes = coarse.repeat(8, 2).repeat(8, 3).repeat(8, 4)[..., : shape[0], : shape[1], : shape[2]]
    grid = np.indices(shape) / (np.array(shape) - 1)[:, None, None, None] - 0.5
    return Source.plain(np.ascontiguousarray(volumes), (grid**2).sum(axis=0) < 0.2)


def processor() -> str:
    """The processor's name as the system gives it."""
    path = Path("/proc/cpuinfo")
    names = [line for line in path.read_text().splitlines() if "model name" in line] if path.exists() else []
    return names[0].split(":")[1].strip() if names else platform.processor()


def main() -> None:
    """Train, print the rate, write JSON when asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="train all 30 epochs of 600 000 patches")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads (default: 2)")
    parser.add_argument("--json", type=Path, help="write the result there")
    parsed = parser.parse_args()
    limit_threads(parsed.threads)
    published = PRESETS["mlcn2021-sae"]
    epochs = published.epochs if parsed.full else 2
    units = (UNITS if parsed.full else UNITS // 10) // CONTROLS + 1
    settings = TrainingSettings(epochs=epochs, batch=published.batch, units_per_subject=units)
    source = synthetic((121, 145, 121))
    task = Task(source, published.unit, np.arange(CONTROLS), np.zeros(0, dtype=np.int64))
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        train(build("mlcn2021-sae"), task, settings, Path(folder))
        seconds = time.monotonic() - began
        lines = [json.loads(line) for line in (Path(folder) / "training.jsonl").read_text().splitlines()]
    # the first epoch warms up compiled loops and the allocator
    timed = lines if parsed.full else lines[1:]
    rate = 2 * CONTROLS * units * len(timed) / sum(line["seconds"] for line in timed)
    full = 2 * UNITS * published.epochs / rate / 60
    result = {
        "patches_per_second": round(rate),
        "full_training_minutes": round(seconds / 60 if parsed.full else full, 1),
        "measured": "whole training" if parsed.full else "extrapolated from one epoch in ten of the size",
        "threads": parsed.threads,
        "processor": processor(),
        "torch": torch.__version__,
    }
    print(json.dumps(result, indent=2))
    if parsed.json:
        parsed.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
