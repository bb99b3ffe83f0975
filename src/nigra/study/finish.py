"""What comes after the last score of a run: tables, planted anomalies where they are asked for, report, answer."""

from dataclasses import replace

from nigra.errors import NigraError
from nigra.files import write_json
from nigra.study.analyses import STEPS
from nigra.study.evaluate import evaluate_all
from nigra.study.factorial import answer_factorial, is_factorial
from nigra.study.health import write_health
from nigra.study.planted import Plan
from nigra.study.progress import Steps
from nigra.study.report import report_all
from nigra.study.run import Run
from nigra.study.score import models_of
from nigra.study.settings import ModelSettings, RunSettings
from nigra.study.simulate import simulate_all


def evaluate_and_plant(run: Run, steps: Steps) -> None:
    """Group tables of what was scored; then, where the settings plant, dose-response of the same methods."""
    evaluate_all(run, steps)
    if run.settings.planted:
        plan = Plan(run, run.settings.planted)
        plan.check()
        simulate_all(plan, steps)


def report_and_answer(run: Run, steps: Steps, models: list[ModelSettings] | None = None) -> None:
    """The report; for a factorial also its answer, told for all ``models``, those that failed too."""
    write_health(run)
    report_all(run, steps)
    cells = [model for model in models or run.settings.models if model.levels]
    levels = {model.label: model.levels for model in cells}
    if is_factorial(levels):
        with steps.step("factorial"):
            try:
                answer_factorial(run.folder, levels, {model.label: model.seed for model in cells})
            except NigraError as error:
                steps.say(f"No answer of the factorial: {error}")


def finish(run: Run, settings: RunSettings, steps: Steps, left_out: list[str] | None = None) -> None:
    """All of it, by ``settings`` without what could not be scored; the report says what was ``left_out``."""
    scored = replace(run, settings=settings)
    write_json(run.folder / "left_out.json", left_out or [])
    evaluate_and_plant(scored, steps)
    report_and_answer(scored, steps, run.settings.models)


def finish_steps(run: Run) -> tuple[int, int]:
    """Steps of ``evaluate_and_plant`` and of ``report_and_answer``."""
    planted = run.settings.planted
    plantings = len(models_of(run)) * len(run.draws[: planted.draws]) + 3 if planted else 0
    return 3 + STEPS + plantings, 1 + is_factorial({model.label: model.levels for model in run.settings.models})
