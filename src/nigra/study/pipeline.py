"""The whole run: the stages one after the other, each taking up what is already there."""

from pathlib import Path

from filelock import FileLock, Timeout
from rich.console import Console

from nigra.detection.settings import ERROR
from nigra.errors import NigraError
from nigra.files import key_in
from nigra.study.analyses import rehearse
from nigra.study.calibrate import calibrate_all, refuse_conformal
from nigra.study.evaluate import atlas_of
from nigra.study.execution import Execution
from nigra.study.finish import evaluate_and_plant, finish_steps, report_and_answer
from nigra.study.locks import alone
from nigra.study.planted import Plan
from nigra.study.progress import Steps
from nigra.study.refusals import refuse_untrainable
from nigra.study.run import Run, cores
from nigra.study.score import is_scored, methods_of, models_of, read_scores, score_all
from nigra.study.settings import RunSettings
from nigra.study.simulate import to_do
from nigra.study.train import all_fits, is_trained, train_all
from nigra.training import limit_threads
from nigra.training.parallel import rank_of_start

STAGES = ("train", "score", "evaluate", "report")
"""Stages in their order; each reads what the earlier ones wrote."""


def run_study(
    study: Path, settings: RunSettings, execution: Execution | None = None,
    stages: tuple[str, ...] = STAGES, console: Console | None = None,
) -> Path:  # fmt: skip
    """Run stages of a study and return the run's folder.

    A killed run, started again with the same settings, goes on where it was and ends with the same results.
    Only one process at a time may work in a run's folder.
    """
    run = Run(study, settings, execution or Execution())
    check(run, stages)
    _refuse_gaps(run, stages)
    rank, world = rank_of_start()
    if world > 1 and stages != ("train",):
        raise NigraError(
            "torchrun shares a training among processes; give `nigra train` to it, other stages alone."
        )
    if rank > 0:  # the first process keeps the folder, the others share its trainings
        limit_threads(run.execution.threads or max(cores() // world, 1))
        train_all(run, Steps())
        return run.folder
    run.folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(run.folder / ".lock", timeout=0), alone(run.folder):
            _stages(run, stages, console)
    except Timeout as error:
        raise NigraError(f"{run.folder} is in use by another nigra; wait for it or choose another name.") from error
    return run.folder


def check(run: Run, stages: tuple[str, ...]) -> None:
    """Refuse before anything is written, not after hours of training, what the stages could not do.

    Raises NigraError: no cohort, too few controls, no such device, a model that cannot be trained, no fitting
    atlas, a calibration that the controls do not allow, questions that the participants do not answer, plantings
    that the cohort has no place for.
    """
    fits = all_fits(run)
    _ = run.device
    refuse_untrainable(run, fits)
    _refuse_too_few(run)
    refuse_conformal(run)
    if "evaluate" in stages:
        rehearse(run, atlas_of(run))
        if run.settings.planted:
            Plan(run, run.settings.planted).check_settings()


def _refuse_gaps(run: Run, stages: tuple[str, ...]) -> None:
    """A stage called before the one it reads from is told so, and leaves no folder of a run that never was."""
    if "evaluate" in stages and "score" not in stages:
        for model in models_of(run):
            for method in methods_of(run, model):
                for draw in run.draws:
                    read_scores(run, method, draw)
    if stages == ("report",) and not (run.folder / "regions.tsv").exists():
        raise NigraError(f"{run.folder} is not evaluated; run `nigra evaluate` with these settings first.")


def _refuse_too_few(run: Run) -> None:
    """A detector that would be fitted on fewer controls than it needs is told before the training, not after it."""
    fewest = min(len(part.train) for draw in run.draws for part in run.parts(draw))
    for method in run.settings.methods:
        needed = 2 if method.detector.kind == ERROR else method.detector.build().fewest_subjects
        if fewest < needed:
            raise NigraError(
                f"{method.detector.label} needs {needed} controls, but a part of a draw has {fewest} to fit "
                "on; add controls, test fewer, take more folds, or leave it out of detectors and baselines."
            )


def _stages(run: Run, stages: tuple[str, ...], console: Console | None) -> None:
    for path in run.folder.glob("**/.writing-*"):  # left by a killed process; the lock says that nobody writes
        path.unlink()
    if "evaluate" in stages:
        forget_failures(run)
    run.begin()
    steps = Steps(console, count_steps(run, stages))
    actions = {"train": train_all, "score": _score, "evaluate": evaluate_and_plant, "report": report_and_answer}
    for stage in STAGES:
        if stage in stages:
            actions[stage](run, steps)


def forget_failures(run: Run) -> None:
    """Remove what tasks said of failures and of what they left out: here everything is done, or nothing is said."""
    for name in ("finished.json", "left_out.json"):
        (run.folder / name).unlink(missing_ok=True)
    for path in (run.folder / "tasks").glob("*.json"):
        if key_in(path, "state") in ("failed", "skipped"):
            path.unlink()


def _score(run: Run, steps: Steps) -> None:
    """Scores and the thresholds on them are one stage to users."""
    score_all(run, steps)
    calibrate_all(run, steps)


def count_steps(run: Run, stages: tuple[str, ...]) -> int:
    """How many steps the stages have."""
    evaluate, report = finish_steps(run)
    each = {
        "train": len(all_fits(run)), "score": len(models_of(run)) * len(run.draws) + 1,
        "evaluate": evaluate, "report": report,
    }  # fmt: skip
    return sum(each[stage] for stage in stages)


def plan(study: Path, settings: RunSettings) -> list[tuple[str, int, int]]:
    """What a run would do: stage, steps in all, steps already done. Nothing is trained or scored.

    ``plant`` counts volumes, where the settings ask for planted anomalies.
    """
    run = Run(study, settings)
    fits = all_fits(run)
    pairs = [(model, draw) for model in models_of(run) for draw in run.draws]
    trained = [is_trained(run, fit) for fit in fits]
    scored = [all(is_scored(run, method, draw) for method in methods_of(run, model)) for model, draw in pairs]
    return [
        ("train", len(fits), sum(trained)),
        ("score", len(pairs), sum(scored)),
        *([("plant", *_plantings(run, all(scored)))] if settings.planted else []),
        ("evaluate", 1, int((run.folder / "evaluation.tsv").exists())),
        ("report", 1, int((run.folder / "report.html").exists())),
    ]


def _plantings(run: Run, scored: bool) -> tuple[int, int]:
    """Planted volumes in all, over models, and those scored before; places are known once everything is scored."""
    assert run.settings.planted is not None
    planted = Plan(run, run.settings.planted)
    if scored:
        each = to_do(run.study, run.settings, planted.settings)
        return sum(total for _, total, _ in each), sum(done for _, _, done in each)
    strengths = sum(len(effect.strengths) for effect in planted.settings.effects)
    return len(models_of(run)) * len(planted.targets) * strengths, 0
