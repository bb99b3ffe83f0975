"""A run as tasks: pieces of work with declared inputs and outputs, each done once, alone, in any process.

``train`` is one training, ``score`` one model on one draw with all of its detectors and thresholds, ``plant`` one
model on one draw of the simulation where the settings ask for it, ``finish`` makes the tables and the report of
whatever could be scored. A task whose outputs are there for these settings is done; one that was killed is done
again and takes up what it left.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal, get_args

from nigra.cohort.splits import Draw
from nigra.detection.settings import INTENSITIES
from nigra.errors import NigraError
from nigra.files import key_in, write_json
from nigra.provenance import hash_file, hash_settings, versions
from nigra.study.calibrate import calibrate, calibrate_all, map_key
from nigra.study.finish import finish, finish_steps
from nigra.study.planted import Plan
from nigra.study.progress import Steps
from nigra.study.rows import score_key
from nigra.study.run import Fit, Run
from nigra.study.score import is_scored, methods_of, models_of, score_one
from nigra.study.settings import Method, ModelSettings
from nigra.study.simulate import plant_draw
from nigra.study.train import all_fits, is_trained, train_one
from nigra.study.unscored import without_unscored

Kind = Literal["train", "score", "plant", "finish"]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""Kinds of tasks, in the order in which they can be done."""


class NeedsError(NigraError):
    """A task cannot be done as one that it needs is not."""


@dataclass(frozen=True, eq=False)
class Task:
    """One piece of work: it reads ``inputs`` and leaves ``outputs``.

    ``needs`` are the tasks whose outputs it reads, which have to be done; those of ``after`` have to have ended,
    done or failed. ``model`` is None where detectors read the maps themselves.
    """

    name: str
    kind: Kind
    inputs: tuple[Path, ...]
    outputs: tuple[Path, ...]
    needs: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    fit: Fit | None = None
    model: ModelSettings | None = None
    draw: Draw | None = None

    @property
    def row(self) -> dict[str, str]:
        """What a table says of it: task, kind, model, draw and fold, empty where it has none."""
        label = self.fit.model.label if self.fit else _label(self.model) if self.draw else ""
        draw = self.fit.draw if self.fit else self.draw.draw if self.draw else ""
        fold = "" if self.fit is None or self.fit.fold is None else self.fit.fold
        return {"task": self.name, "kind": self.kind, "model": label, "draw": str(draw), "fold": str(fold)}


class Tasks:
    """The tasks of a run, which of them are done, and how each is done."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.all = _declared(run)
        self._named = {task.name: task for task in self.all}

    def __getitem__(self, name: str) -> Task:
        if name not in self._named:
            raise NigraError(
                f"{name} is no task of run {self.run.settings.name}; its tasks are {self.all[0].name}, ..., "
                f"{self.all[-1].name}."
            )
        return self._named[name]

    def key(self, task: Task) -> str:
        """Stands for everything a task's outputs depend on; of those that come last, also for what was scored."""
        if task.fit:
            return self.run.fit_key(task.fit)
        if task.kind == "score":
            return hash_settings([self._score_keys[m.model_label, m.detector.label, n] for m, n in self._of(task)])
        settings = self.run.settings
        planted = settings.planted
        common = [planted.model_dump(mode="json") if planted else None, self._scored]
        if task.kind == "plant":
            return hash_settings(common)
        told = self.run.folder / "latent" / "latent.tsv"  # of a stage of its own, given at any time
        latent = [hash_file(told)] if told.exists() else []
        return hash_settings(
            [common, settings.model_dump(mode="json"), self.run.execution.maps, versions()["nigra"], *latent]
        )

    def is_done(self, task: Task) -> bool:
        """Whether the outputs are there, made with these settings."""
        if task.fit:
            return is_trained(self.run, task.fit)
        if task.kind == "score":
            return all(self._is_calibrated(method, task.draw) for method in methods_of(self.run, task.model))
        return all(path.exists() for path in task.outputs) and key_in(task.outputs[0]) == self.key(task)

    def do(self, task: Task, steps: Steps) -> None:
        """Do exactly this task, unless it is done.

        Raises:
            NeedsError: one that it needs is not done.
        """
        for name in task.needs:
            if not self.is_done(self[name]):
                raise NeedsError(f"needs {name}, which is not done")
        if self.is_done(task):
            steps.say(f"{task.name}: done before")
        elif task.fit:
            with steps.step(f"train {task.fit.text}") as tick:
                train_one(self.run, task.fit, tick)
        elif task.kind == "score" and task.draw:
            score_one(self.run, task.model, task.draw, steps)
            for method in methods_of(self.run, task.model):
                calibrate(self.run, method, task.draw)
        elif task.kind == "plant" and task.draw:
            self._plant(task, task.draw, steps)
        else:
            self._finish(task, steps)

    def forget(self, task: Task) -> None:
        """Make a task undone, so that it starts afresh."""
        traces = list(task.outputs)
        if task.fit:
            traces.append(self.run.place(task.fit.model, task.fit.draw, task.fit.fold) / "task.json")
        elif task.kind == "score":
            traces += [path.with_name("scores-so-far.json") for path in task.outputs]
        elif task.draw:
            traces += task.outputs[0].parent.glob(f"*_draw-{task.draw.draw:02d}_*.tsv")
        for path in traces:
            path.unlink(missing_ok=True)

    def _of(self, task: Task) -> list[tuple[Method, int]]:
        return [(method, task.draw.draw) for method in methods_of(self.run, task.model) if task.draw]

    @cached_property
    def _score_keys(self) -> dict[tuple[str, str, int], str]:
        """Keys that the scores have to have, by model, detector and draw."""
        return {
            (method.model_label, method.detector.label, draw.draw): score_key(self.run, method, draw)
            for method in self.run.settings.methods for draw in self.run.draws
        }  # fmt: skip

    @property
    def _scored(self) -> list[str]:
        """Keys of the scores that are there."""

        def place(model: str, detector: str, draw: int) -> Path:
            return self.run.folder / model / f"draw-{draw:02d}" / detector / "scores.json"

        return [key for where, key in self._score_keys.items() if key_in(place(*where)) == key]

    def _is_calibrated(self, method: Method, draw: Draw | None) -> bool:
        if draw is None or not is_scored(self.run, method, draw):
            return False
        folder = self.run.method_place(method, draw.draw)
        return key_in(folder / "thresholds.json") == map_key(self.run, folder)

    def _plant(self, task: Task, draw: Draw, steps: Steps) -> None:
        plan = self._plan()
        lesions = {
            target: found for target in plan.targets if target.draw == draw and (found := plan.lesions(target))
        }
        key = self.key(task)
        plant_draw(plan, task.model, draw, lesions, steps)
        write_json(task.outputs[0], {"key": key})

    def _plan(self) -> Plan:
        """The simulation of what was scored."""
        settings, planted = without_unscored(self.run)[0], self.run.settings.planted
        assert planted is not None
        plan = Plan(replace(self.run, settings=settings), planted)
        plan.check()
        return plan

    def _finish(self, task: Task, steps: Steps) -> None:
        key, (settings, left_out) = self.key(task), without_unscored(self.run)
        run = replace(self.run, settings=settings)
        steps.total = 1 + sum(finish_steps(run))
        for sentence in left_out:
            steps.say(sentence)
        calibrate_all(run, steps)
        finish(self.run, settings, steps, left_out)
        write_json(task.outputs[0], {"key": key, "left_out": left_out})


def _declared(run: Run) -> list[Task]:
    """Every task, in the order in which they can be done."""
    trainings = [_training(run, fit) for fit in all_fits(run)]
    scorings = [_scoring(run, model, draw, trainings) for model in models_of(run) for draw in run.draws]
    planted = run.settings.planted
    used = [draw.draw for draw in run.draws[: planted.draws]] if planted else []
    plantings = [_planting(run, task, scorings) for task in scorings if task.draw and task.draw.draw in used]
    before = (*scorings, *plantings)
    inputs = tuple(path for task in before for path in task.outputs)
    outputs = tuple(run.folder / name for name in ("finished.json", "regions.tsv", "evaluation.tsv", "report.html"))
    finish = Task("finish", "finish", inputs, outputs, after=tuple(task.name for task in before))
    return [*trainings, *scorings, *plantings, finish]


def _sources(run: Run) -> tuple[Path, Path]:
    """What tasks read that no task makes: the cohort and the draws."""
    return run.study / "cohort" / "volumes.npy", run.folder / "splits.json"


def _training(run: Run, fit: Fit) -> Task:
    place = run.place(fit.model, fit.draw, fit.fold)
    fold = "" if fit.fold is None else f"_fold-{fit.fold}"
    name = f"train_{fit.model.label}_draw-{fit.draw:02d}{fold}"
    return Task(name, "train", _sources(run), (place / "model.json", place / "model.safetensors"), fit=fit)


def _scoring(run: Run, model: ModelSettings | None, draw: Draw, trainings: list[Task]) -> Task:
    own = [each for each in trainings if each.fit and (each.fit.model, each.fit.draw) == (model, draw.draw)]
    inputs = (*_sources(run), *(path for each in own for path in each.outputs))
    outputs = tuple(run.method_place(method, draw.draw) / "scores.json" for method in methods_of(run, model))
    name = f"score_{_label(model)}_draw-{draw.draw:02d}"
    return Task(name, "score", inputs, outputs, tuple(each.name for each in own), model=model, draw=draw)


def _planting(run: Run, scoring: Task, scorings: list[Task]) -> Task:
    """Lesions are planted where every method scores, so all scorings come first; those that failed are left out."""
    label, draw = _label(scoring.model), scoring.draw
    name = scoring.name.replace("score_", "plant_", 1)
    output = run.folder / "simulation" / "targets" / label / f"{name}.json"
    inputs = (_sources(run)[0], *scoring.outputs)
    after = tuple(task.name for task in scorings)
    return Task(name, "plant", inputs, (output,), (scoring.name,), after, model=scoring.model, draw=draw)


def _label(model: ModelSettings | None) -> str:
    return model.label if model else INTENSITIES
