"""A training in a process of its own, to be sent signals, or started twice by torchrun.

``noisy`` prints a line as soon as something of an unfinished epoch is on disk, and waits there for a signal.
"""

import logging
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
from safetensors import safe_open

from nigra.errors import Interrupted, NigraError
from nigra.models.composition import Composition, build
from nigra.models.published import build as published
from nigra.models.siamese import Model
from nigra.training import Tick, TrainingSettings, limit_threads, loop, train
from nigra.training.parallel import joined
from tests.training.training_fixture import make_source, patches, weights

SETTINGS = TrainingSettings(epochs=3, batch=16, units_per_subject=60, seed=3)
"""360 pairs an epoch: 23 steps, the last with 8 pairs, in 3 legs."""


def noisy() -> Model:
    """Draws noise of its own, on the input and for its codes, which must be the same after a stop."""
    parts = {"siamese": {"alpha": 0.005}, "variational": {"warm_up": 0.5}, "corruption": {"sd": 0.1}}
    return build(Composition.model_validate(parts), 2, (15, 15), seed=3)


def waiting(folder: Path) -> Tick:
    """A tick that says when a checkpoint lies in the middle of an epoch, and goes on when a signal was noted."""

    def tick(done: float, text: str) -> None:
        path = folder / "checkpoint.safetensors"
        if path.exists():
            with safe_open(path, framework="pt") as stream:
                metadata = stream.metadata()
            if (metadata["epoch"], metadata["position"] > "0") == ("1", True):
                print("in the middle", flush=True)
                end = time.monotonic() + 60
                while signal.getsignal(signal.SIGTERM) != signal.SIG_DFL and time.monotonic() < end:
                    time.sleep(0.05)

    return tick


def stopping(done: float, text: str) -> None:
    """A tick that sends its own process a signal at the beginning of the second epoch of three."""
    if 0.3 < done < 0.4:
        os.kill(os.getpid(), signal.SIGUSR1)


def main(folder: Path, model: str, stop: str = "") -> int:
    logging.basicConfig(level=logging.WARNING)
    limit_threads(1)
    try:
        if model == "noisy":
            loop.SAVE_SECONDS = 0.0
            train(noisy(), patches(make_source()), SETTINGS, folder, tick=waiting(folder))
            return 0
        with joined("cpu") as (ranks, device):
            trained = train(
                published(model, seed=3), patches(make_source(), 2), SETTINGS, folder, device,
                tick=stopping if stop and ranks.rank == 1 else None,
            )  # fmt: skip
            np.save(folder / f"weights-{ranks.rank}.npy", weights(trained))
        return 0
    except Interrupted as stop:
        print(stop, flush=True)
        return stop.exit_code
    except NigraError as error:
        print(f"refused: {error}", flush=True)
        return 2


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), *sys.argv[2:]))
