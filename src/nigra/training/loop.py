"""One visible loop for every model.

Batches are drawn by (seed, epoch) alone, and a model's own noise by (seed, epoch, leg), a leg being a few steps. So
a run that was killed or sent a signal goes on from its checkpoint, written at the end of every epoch and between
legs of long ones, and on a CPU ends with the same bits.
"""

import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch

from nigra.errors import Interrupted, NigraError
from nigra.models.siamese import Model
from nigra.training.feed import Feed, Task, memory_layout
from nigra.training.machine import keep_freed_memory
from nigra.training.parallel import ALONE, Ranks, Terms, shared
from nigra.training.settings import Tick, TrainingSettings
from nigra.training.signals import Note, listening
from nigra.training.state import CHECKPOINT, Progress, State
from nigra.training.watch import Watch
from nigra.units.pairs import Epoch

LOG = logging.getLogger(__name__)

LEG = 8
"""Steps of the optimiser between two looks at the clock and at signals."""

SAVE_SECONDS = 60.0
"""Within an epoch a checkpoint is written about so often."""


def train(
    model: Model, task: Task, settings: TrainingSettings, folder: Path,
    device: str = "cpu", resume: bool = True, tick: Tick | None = None,
) -> Model:  # fmt: skip
    """Train ``model`` in place and return it, on the CPU, in evaluation mode.

    Writes into ``folder`` ``training.jsonl`` (a line per epoch, every loss term and measure of health on its own),
    ``checkpoint.safetensors`` and, at the end, ``health.json``. With ``resume`` an existing checkpoint is taken up;
    on a CPU the result is then the same, bit for bit, as without the interruption. In a group of processes
    (``parallel.joined``) each calls this alike, and the first one writes.

    Raises:
        NigraError: an empty mask, a loss that is not a number, a checkpoint of other settings.
        Interrupted: SIGTERM or SIGUSR1 came, and the checkpoint is written.
    """
    ranks = Ranks.here()
    folder.mkdir(parents=True, exist_ok=True)
    if ranks.first and not resume:
        (folder / CHECKPOINT).unlink(missing_ok=True)
    ranks.wait(device)
    keep_freed_memory()
    model.to(device, memory_format=memory_layout(task)).train()  # type: ignore[call-overload]
    learner, terms = shared(model, device, ranks)
    optimiser = torch.optim.Adam(learner.parameters(), lr=settings.learning_rate, fused=True)
    state = State(folder, learner, optimiser, settings)
    ranks.refuse_difference(state.epoch, state.progress.position, device=device)
    feed = Feed(task, settings, model.members, device)
    watch = Watch(feed, settings.seed) if ranks.first else None
    with listening() as note:
        while state.epoch < settings.epochs:
            leg = _Leg(state, settings, ranks, device, note, tick)
            drawn = feed.draw(np.random.default_rng([settings.seed, 2, state.epoch]), task.train_rows)
            losses = run_epoch(terms, feed, drawn, optimiser, state.progress, leg, ranks)
            if not np.isfinite(losses["loss"]):
                raise NigraError(
                    f"the loss became {losses['loss']} in epoch {state.epoch + 1}; lower learning_rate."
                )
            learner.eval()
            losses |= _validation(learner, feed, settings, ranks)
            health = watch.look(learner).columns() if watch else {}
            learner.train()
            state.finish_epoch(losses, health, leg.seconds())
            if ranks.first:
                LOG.info("epoch %d of %d: %s", state.epoch, settings.epochs, _words(losses | health))
                state.save()
    model.load_state_dict(state.best if settings.keep == "best-on-validation" else learner.state_dict())
    model.eval()
    if watch:
        watch.look(model).write(folder)
    return model.to("cpu")


def run_epoch(
    terms: Terms, feed: Feed, drawn: Epoch, optimiser: torch.optim.Optimizer | None = None,
    progress: Progress | None = None, pause: Callable[[int, int], None] | None = None, ranks: Ranks = ALONE,
) -> dict[str, float]:  # fmt: skip
    """One pass over drawn samples, or the rest of one; with an optimiser it learns.

    Args:
        terms: the model's, see ``parallel.shared``.
        feed: where units come from.
        drawn: the epoch.
        optimiser: takes a step a batch.
        progress: how far the pass is; updated.
        pause: called before every ``LEG``-th step with the samples done and all.
        ranks: who shares the batches.

    Returns:
        The mean of every term over the samples.
    """
    progress = progress if progress is not None else Progress()
    for begin in range(progress.position, len(drawn), feed.batch):
        end = min(begin + feed.batch, len(drawn))
        progress.position = begin
        if pause and begin // feed.batch % LEG == 0:
            pause(begin, len(drawn))
        if optimiser and end - begin < 2:
            continue  # a batch of one has no variance for BatchNorm to use
        low, high = ranks.part(begin, end)
        some = max(high, low + 1)  # a process without a sample takes the step with the others, at weight 0
        found = terms(feed.units(drawn, low, some), feed.places(drawn, low, some))
        if optimiser:
            optimiser.zero_grad(set_to_none=True)
            found["loss"].backward(ranks.weight(found["loss"], (high - low) / (end - begin)))
            optimiser.step()
        progress.add(found, high - low)
    sums = ranks.total(torch.stack(list(progress.sums.values())))
    return {name: float(value) / len(drawn) for name, value in zip(progress.sums, sums, strict=True)}


def _validation(model: Model, feed: Feed, settings: TrainingSettings, ranks: Ranks) -> dict[str, float]:
    """The mean of every term on the subjects that only watch, always on the same units, so that epochs compare."""
    if len(feed.task.validation_rows) == 0:
        return {}
    drawn = feed.draw(np.random.default_rng([settings.seed, 3]), feed.task.validation_rows)
    with torch.no_grad():
        watched = run_epoch(model.terms, feed, drawn, ranks=ranks)
    return {f"validation_{name}": value for name, value in watched.items()}


class _Leg:
    """What is done between two legs: signals and the clock are looked at, the model's noise is drawn anew."""

    def __init__(
        self, state: State, settings: TrainingSettings, ranks: Ranks, device: str, note: Note, tick: Tick | None
    ) -> None:
        self.state, self.settings, self.ranks, self.device = state, settings, ranks, device
        self.note, self.tick = note, tick
        self.saved = time.monotonic()
        self.began = self.saved - state.progress.seconds
        if not ranks.first:  # the sums of all processes were written down; the first one takes them up
            state.progress.sums = {name: torch.zeros_like(value) for name, value in state.progress.sums.items()}

    def seconds(self) -> float:
        """Since the epoch began, pauses between two runs not counted."""
        return time.monotonic() - self.began

    def __call__(self, position: int, count: int) -> None:
        due = time.monotonic() - self.saved > SAVE_SECONDS
        stop, due = self.ranks.any(self.note.signal is not None, due, device=self.device)
        if stop or due:
            self._save()
        if stop:
            raise Interrupted(
                f"{self.note.signal or 'a signal'} came in epoch {self.state.epoch + 1} of {self.settings.epochs}; "
                "the same command goes on from there."
            )
        epoch, leg = self.state.epoch, position // self.settings.batch // LEG
        done = (epoch + position / count) / self.settings.epochs
        words = np.random.SeedSequence([self.settings.seed, 4, epoch, leg, self.ranks.rank]).generate_state(1)
        self.state.model.begin_epoch(done, int(words[0]))
        if self.tick:
            self.tick(done, f"{samples_done(position, count)} units")

    def _save(self) -> None:
        progress = self.state.progress
        progress.seconds, self.saved = self.seconds(), time.monotonic()
        sums = {name: self.ranks.total(value) for name, value in progress.sums.items()}
        if self.ranks.first:
            self.state.save(sums)


def samples_done(done: int, total: int) -> str:
    """Samples done of all, in thousands where that is shorter.

    >>> samples_done(12_000, 600_000), samples_done(3, 80)
    ('12k/600k', '3/80')
    """
    return f"{done // 1000}k/{total // 1000}k" if total >= 10_000 else f"{done}/{total}"


def _words(numbers: Mapping[str, float | None]) -> str:
    """A line for the log.

    >>> _words({"loss": 0.25, "health_effective_rank": 12.3456, "health_kl": None})
    'loss 0.25, effective rank 12.3'
    """
    said = {name.removeprefix("health_").replace("_", " "): value for name, value in numbers.items()}
    return ", ".join(f"{name} {value:.3g}" for name, value in said.items() if value is not None)
