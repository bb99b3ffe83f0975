"""Commands that make a run: its stages, by this process, by several or by a cluster, and the demonstration."""

import argparse
from pathlib import Path
from typing import Any

from nigra.cli.command import DISCLAIMER, command
from nigra.flags import add_flags, flags_given


def add_run(commands: Any) -> None:
    """``nigra run`` and its stages alone."""
    from nigra.launch.settings import LaunchSettings
    from nigra.study.execution import Execution

    stages = {
        "run": "train, score, calibrate, evaluate and report, taking up what is already done",
        "train": "train the models of a run",
        "score": "score the subjects of a run and set its thresholds",
        "evaluate": "make the region table and compare the groups of a run",
        "report": "draw the figures of a run and write report.html",
    }
    for name, text in stages.items():
        parser = command(commands, name, _run, text)
        parser.set_defaults(stage=name)
        parser.add_argument("study", type=Path, metavar="STUDY", help="study folder made by `nigra prepare`")
        which = parser.add_mutually_exclusive_group()
        which.add_argument("--config", type=Path, metavar="FILE", help="study file, YAML (see `nigra settings`)")
        if name != "run":
            help_ = "a run of the study, as it was set up (default without a file: the study's only one)"
            which.add_argument("--run", metavar="NAME", help=help_)
        parser.add_argument("--dry-run", action="store_true", help="say what would be done, do nothing")
        parser.add_argument(
            "--resume", action="store_true", help="take up what is done; so it is without this flag too"
        )
        add_flags(parser, Execution)
        if name in ("run", "train", "score"):
            add_flags(parser.add_argument_group("where its tasks are done"), LaunchSettings)


def _run(parsed: argparse.Namespace) -> int:
    from rich.console import Console

    from nigra.config import read_settings, read_stage
    from nigra.study.execution import Execution
    from nigra.study.pipeline import STAGES, check, plan, run_study
    from nigra.study.run import Run

    if parsed.stage == "run":
        settings = read_settings(parsed.config)
    else:
        settings = read_stage(parsed.study, parsed.config, parsed.run)
        if parsed.config is None and (parsed.study / "runs" / settings.name).is_dir():
            print(f"run {settings.name}")
    execution = flags_given(parsed, Execution)
    stages = STAGES if parsed.stage == "run" else (parsed.stage,)
    if parsed.dry_run:
        check(Run(parsed.study, settings, execution), stages)
        for stage, total, done in plan(parsed.study, settings):
            if ("evaluate" if stage == "plant" else stage) in stages:
                print(f"{stage}: {total} to do, {done} of them done before")
        return 0
    if getattr(parsed, "launcher", "none") != "none":
        return _launch(parsed, settings, execution)
    folder = run_study(parsed.study, settings, execution, stages, Console())
    if "report" in stages:
        print(f"report: {(folder / 'report.html').resolve()}\n{DISCLAIMER}")
    return 0


def _launch(parsed: argparse.Namespace, settings: Any, execution: Any) -> int:
    from rich.console import Console

    from nigra.config import read_slurm
    from nigra.launch.runner import launch
    from nigra.launch.settings import LaunchSettings
    from nigra.study.run import Run

    run, how = Run(parsed.study, settings, execution), flags_given(parsed, LaunchSettings)
    outcome = launch(run, how, parsed.stage, read_slurm(how.slurm), Console())
    if parsed.stage == "run" and outcome.finished:
        print(f"report: {(run.folder / 'report.html').resolve()}\n{DISCLAIMER}")
    return outcome.exit_code


def add_task(commands: Any) -> None:
    """``nigra task``."""
    from nigra.study.execution import Execution

    parser = command(commands, "task", _task, "do one task of a run, as the launchers do")
    parser.add_argument("study", type=Path, metavar="STUDY", help="study folder with a launched run")
    parser.add_argument("task", metavar="TASK", help="name of the task, as in the run's tasks.tsv")
    parser.add_argument("--run", default="run", metavar="NAME", help="name of the run (default: run)")
    add_flags(parser, Execution, ("overwrite",))


def _task(parsed: argparse.Namespace) -> int:
    from rich.console import Console

    from nigra.config import read_run
    from nigra.launch.worker import work
    from nigra.study.execution import Execution
    from nigra.study.run import Run

    settings = read_run(parsed.study, parsed.run, "give the command with its launcher")
    run = Run(parsed.study, settings, flags_given(parsed, Execution))
    return work(run, parsed.task, Console())


def add_demo(commands: Any) -> None:
    """``nigra demo``."""
    parser = command(commands, "demo", _demo, "make a synthetic cohort and run a whole small study on it, in OUT")
    parser.add_argument("out", type=Path, metavar="OUT", help="study folder to write")
    parser.add_argument("--resolution", type=float, default=4.0, help="voxel size in mm (default: 4)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the synthetic cohort (default: 0)")


def _demo(parsed: argparse.Namespace) -> None:
    from rich.console import Console

    from nigra.demo import run_demo

    folder = run_demo(parsed.out, parsed.resolution, parsed.seed, Console())
    print(f"report: {(folder / 'report.html').resolve()}\n{DISCLAIMER}")
