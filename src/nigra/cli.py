"""The command line: parse, call, print. Imports happen inside the commands, so that ``--help`` is quick."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nigra import __version__
from nigra.errors import SHORT_OF_MEMORY, Interrupted, NigraError, is_short_of_memory, refused
from nigra.flags import add_flags, flags_given

DISCLAIMER = "Research use only, not a medical device."
EXIT_CODES = """exit codes:
  0  done
  1  doctor found faults; a launched run has tasks that failed
  2  the input breaks a rule; one sentence on stderr says which and what to do
  75  a training was stopped by a signal; the same command goes on where it stopped
  130  interrupted; the same command goes on where it stopped"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parsed = build_parser().parse_args(arguments)
    try:
        return int(parsed.command(parsed) or 0)
    except NigraError as error:
        print(f"nigra: {error}", file=sys.stderr)
        return 2
    except Interrupted as error:
        print(f"nigra: {error}", file=sys.stderr)
        return Interrupted.exit_code
    except KeyboardInterrupt:
        print("nigra: interrupted; the same command goes on where it stopped.", file=sys.stderr)
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    except OSError as error:
        print(f"nigra: {refused(error)}", file=sys.stderr)
        return 2
    except (MemoryError, RuntimeError) as error:
        if not is_short_of_memory(error):
            raise
        print(f"nigra: {SHORT_OF_MEMORY}", file=sys.stderr)
        return 2


def build_parser() -> argparse.ArgumentParser:
    """The parser with all commands."""
    parser = argparse.ArgumentParser(
        prog="nigra",
        description="Learns the healthy brain from controls' MRI and maps where a subject departs from it. "
        + DISCLAIMER,
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"nigra {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_demo(commands)
    _add_phantom(commands)
    _add_doctor(commands)
    _add_prepare(commands)
    _add_run(commands)
    _add_task(commands)
    _add_simulate(commands)
    _add_latent(commands)
    _add_explore(commands)
    _add_settings(commands)
    _add_bench(commands)
    return parser


def _command(commands: Any, name: str, call: Any, text: str) -> argparse.ArgumentParser:
    parser = commands.add_parser(
        name, help=text, description=f"{text[0].upper()}{text[1:]}. {DISCLAIMER}", epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.set_defaults(command=call)
    return parser


# --- commands ----------------------------------------------------------------------------------------------------


def _add_phantom(commands: Any) -> None:
    text = "write a synthetic cohort of FA and MD maps with planted changes"
    parser = _command(commands, "phantom", _phantom, text)
    parser.add_argument("out", type=Path, metavar="OUT", help="folder to write, a BIDS derivative dataset")
    parser.add_argument("--controls", type=int, default=24, help="number of controls (default: 24)")
    parser.add_argument("--patients", type=int, default=16, help="number of patients (default: 16)")
    parser.add_argument("--seed", type=int, default=0, help="seed of everything drawn (default: 0)")
    parser.add_argument("--resolution", type=float, default=2.0, help="voxel size in mm (default: 2)")


def _phantom(parsed: argparse.Namespace) -> None:
    from nigra.phantom.dataset import write_phantom

    write_phantom(parsed.out, parsed.controls, parsed.patients, parsed.seed, parsed.resolution)
    print(f"{parsed.out}: {parsed.controls} controls and {parsed.patients} patients, synthetic.")


def _add_selection(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "source", type=Path, metavar="SOURCE",
        help="BIDS (derivative) folder, or TSV manifest: participant_id session_id group age sex site "
        "<channel paths> mask space",
    )  # fmt: skip
    parser.add_argument(
        "--participant-label", nargs="+", default=(), metavar="LABEL", dest="participant_labels",
        help="only these participants, with or without sub-",
    )  # fmt: skip


def _add_doctor(commands: Any) -> None:
    text = "check every scan of SOURCE and say what is wrong, change nothing"
    parser = _command(commands, "doctor", _doctor, text)
    _add_selection(parser)
    parser.add_argument("--out", type=Path, help="write the table of subjects there (.tsv, or a folder)")
    parser.add_argument("--registration", action=argparse.BooleanOptionalAction, default=None,
                        help="check as for scans to be registered, or as for maps already in one space "
                        "(default: as SOURCE looks: registration for T1w alone)")  # fmt: skip
    parser.add_argument("--channels", nargs="+", metavar="NAME", help="channels to check (default: all found)")
    parser.add_argument("--jobs", type=int, default=1, help="subjects checked at the same time (default: 1)")


def _doctor(parsed: argparse.Namespace) -> int:
    from rich.console import Console

    from nigra.preparation.gate import doctor
    from nigra.study.progress import Steps

    channels = tuple(parsed.channels) if parsed.channels else None
    steps = Steps(Console(stderr=True))
    with steps.step("check") as tick:
        result = doctor(
            parsed.source, parsed.out, parsed.registration, tuple(parsed.participant_labels), channels,
            jobs=parsed.jobs, progress=lambda done, total: tick(done / total, f"{done}/{total} subjects"),
        )  # fmt: skip
    for fault in result.faults:
        print(f"- {fault}")
    kept, found = len(result.kept), len(result.table)
    print(f"{kept} of {found} subjects can be prepared.")
    return 1 if result.faults else 0


def _add_prepare(commands: Any) -> None:
    from nigra.preparation.settings import Execution, PrepareSettings

    text = "bring the scans of SOURCE into one space, as the cohort of STUDY"
    parser = _command(commands, "prepare", _prepare, text)
    _add_selection(parser)
    parser.add_argument("study", type=Path, metavar="STUDY", help="study folder to write")
    add_flags(parser.add_argument_group("what changes the result"), PrepareSettings)
    group = parser.add_argument_group("how it is executed")
    group.add_argument("-w", "--work-dir", type=Path, dest="work", default=argparse.SUPPRESS,
                       help="keep intermediate images there")  # fmt: skip
    add_flags(group, Execution, ("work", "participant_labels"))


def _prepare(parsed: argparse.Namespace) -> None:
    from nigra.preparation.prepare import prepare
    from nigra.preparation.settings import Execution, PrepareSettings

    parsed.participant_labels = tuple(parsed.participant_labels)
    execution = flags_given(parsed, Execution)
    quality = prepare(parsed.source, parsed.study, flags_given(parsed, PrepareSettings), execution)
    if execution.dry_run:
        print(f"{len(quality)} subjects would be prepared into {parsed.study}; nothing was written.")
        return
    done = int((quality["status"] != "failed").sum())
    print(f"{done} of {len(quality)} subjects prepared into {parsed.study}.")
    print("Who was left out and why: intake.tsv. How well each was prepared: quality.tsv and figures/.")
    if quality["dice"].notna().any():
        print(f"Overlap with the template's brain (Dice): mean {quality['dice'].mean():.3f}, "
              f"lowest {quality['dice'].min():.3f}.")  # fmt: skip


def _add_run(commands: Any) -> None:
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
        parser = _command(commands, name, _run, text)
        parser.set_defaults(stage=name)
        parser.add_argument("study", type=Path, metavar="STUDY", help="study folder made by `nigra prepare`")
        parser.add_argument("--config", type=Path, metavar="FILE", help="study file, YAML (see `nigra settings`)")
        parser.add_argument("--dry-run", action="store_true", help="say what would be done, do nothing")
        parser.add_argument(
            "--resume", action="store_true", help="take up what is done; so it is without this flag too"
        )
        add_flags(parser, Execution)
        if name in ("run", "train", "score"):
            add_flags(parser.add_argument_group("where its tasks are done"), LaunchSettings)


def _run(parsed: argparse.Namespace) -> int:
    from rich.console import Console

    from nigra.config import read_settings
    from nigra.study.execution import Execution
    from nigra.study.pipeline import STAGES, check, plan, run_study
    from nigra.study.run import Run

    settings, execution = read_settings(parsed.config), flags_given(parsed, Execution)
    stages = STAGES if parsed.stage == "run" else (parsed.stage,)
    if parsed.dry_run:
        check(Run(parsed.study, settings, execution), stages)
        for stage, total, done in plan(parsed.study, settings):
            if stage in stages:
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


def _add_task(commands: Any) -> None:
    from nigra.study.execution import Execution

    parser = _command(commands, "task", _task, "do one task of a run, as the launchers do")
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


def _add_simulate(commands: Any) -> None:
    from nigra.study.execution import Execution

    text = "plant known anomalies into held-out controls of a scored run and count what each method finds"
    parser = _command(commands, "simulate", _simulate, text)
    parser.add_argument("study", type=Path, metavar="STUDY", help="study folder with a scored run")
    help_ = "what to plant, YAML (see `nigra settings simulate`)"
    parser.add_argument("--config", type=Path, metavar="FILE", help=help_)
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, do nothing")
    add_flags(parser, Execution, ("maps",))


def _simulate(parsed: argparse.Namespace) -> None:
    from rich.console import Console

    from nigra.config import read_run, read_simulation
    from nigra.study.execution import Execution
    from nigra.study.simulate import simulate, to_do

    settings, execution = read_simulation(parsed.config), flags_given(parsed, Execution)
    run = read_run(parsed.study, settings.run, f"run `nigra score {parsed.study}`")
    if parsed.dry_run:
        for model, total, done in to_do(parsed.study, run, settings):
            print(f"{model}: {total} planted volumes to score, {done} of them done before")
        return
    folder = simulate(parsed.study, run, settings, execution, Console())
    print(f"page: {(folder / 'simulation.html').resolve()}\n{DISCLAIMER}")


def _add_latent(commands: Any) -> None:
    from nigra.study.execution import Execution

    text = "look into the latent spaces of a trained run: codes with their places, numbers, embeddings"
    parser = _command(commands, "latent", _latent, text)
    parser.add_argument("study", type=Path, metavar="STUDY", help="study folder with a trained run")
    help_ = "what to look at, YAML (see `nigra settings latent`)"
    parser.add_argument("--config", type=Path, metavar="FILE", help=help_)
    parser.add_argument("--run", metavar="NAME", help="the run (default: as the file says)")
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, do nothing")
    add_flags(parser, Execution, ("maps",))


def _latent(parsed: argparse.Namespace) -> None:
    from rich.console import Console

    from nigra.config import read_latent, read_run
    from nigra.study.execution import Execution
    from nigra.study.latent import latent, to_do

    settings, execution = read_latent(parsed.config, parsed.run), flags_given(parsed, Execution)
    run = read_run(parsed.study, settings.run, f"run `nigra train {parsed.study}`")
    if parsed.dry_run:
        for space, done, embedded in to_do(parsed.study, run, settings):
            print(f"{space}: {_done(done)}; embeddings: {_done(embedded)}")
        return
    folder = latent(parsed.study, run, settings, execution, Console())
    print(f"numbers: {(folder / 'latent.tsv').resolve()}\n{DISCLAIMER}")


def _done(done: bool) -> str:
    return "done before" if done else "to do"


def _add_explore(commands: Any) -> None:
    text = "open a local web page over a study: its codes and the brain, linked"
    parser = _command(commands, "explore", _explore, text)
    parser.add_argument(
        "study", type=Path, metavar="STUDY", help="study folder with a run that `nigra latent` has seen"
    )
    parser.add_argument("--run", metavar="NAME", help="run shown first (default: the newest with a latent space)")
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 takes any free one (default: 0)")
    parser.add_argument("--no-browser", action="store_true", help="print the address, open nothing")


def _explore(parsed: argparse.Namespace) -> None:
    from nigra.config import read_settings
    from nigra.explorer.server import explore

    explore(parsed.study, read_settings, parsed.run, parsed.port, not parsed.no_browser)


def _add_settings(commands: Any) -> None:
    text = "print every setting of a study file, with defaults and meaning"
    parser = _command(commands, "settings", _settings, text)
    parser.add_argument(
        "what", nargs="?", choices=("run", "simulate", "latent", "slurm"), default="run",
        help="the file of `nigra run`, `nigra simulate`, `nigra latent`, or of --slurm (default: run)",
    )  # fmt: skip


def _settings(parsed: argparse.Namespace) -> None:
    from pydantic import BaseModel

    from nigra.config import describe
    from nigra.latent.settings import LatentSettings
    from nigra.launch.settings import SlurmSettings
    from nigra.simulation.settings import SimulationSettings
    from nigra.study.settings import RunSettings

    files: dict[str, type[BaseModel]] = {
        "run": RunSettings, "simulate": SimulationSettings, "latent": LatentSettings, "slurm": SlurmSettings,
    }  # fmt: skip
    print(describe(files[parsed.what]))


def _add_demo(commands: Any) -> None:
    parser = _command(commands, "demo", _demo, "make a synthetic cohort and run a whole small study on it, in OUT")
    parser.add_argument("out", type=Path, metavar="OUT", help="study folder to write")
    parser.add_argument("--resolution", type=float, default=4.0, help="voxel size in mm (default: 4)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the synthetic cohort (default: 0)")


def _demo(parsed: argparse.Namespace) -> None:
    from rich.console import Console

    from nigra.demo import run_demo

    folder = run_demo(parsed.out, parsed.resolution, parsed.seed, Console())
    print(f"report: {(folder / 'report.html').resolve()}\n{DISCLAIMER}")


def _add_bench(commands: Any) -> None:
    from nigra.bench import NAMES, PAPER

    text = "time nigra against other software, in turns in one process; the ratio comes first"
    parser = _command(commands, "bench", _bench, text)
    names = f"{', '.join(NAMES)}; all; or {PAPER}, which needs a GPU"
    parser.add_argument("name", metavar="NAME", help=f"what to measure: {names}")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what was found there")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to see that it works; no result")
    parser.add_argument("--threads", type=int, metavar="INT", help="CPU threads of both sides (default: all cores)")


def _bench(parsed: argparse.Namespace) -> None:
    from nigra.bench.run import chosen

    names = chosen(parsed.name)  # a wrong name is told before anything slow is imported
    if parsed.threads is not None and parsed.threads < 1:
        raise NigraError(f"--threads: at least one thread is needed (found {parsed.threads}).")
    if parsed.json and parsed.json.is_dir():
        raise NigraError(f"--json: {parsed.json} is a folder; give the name of a file to write.")
    if parsed.json and not parsed.json.resolve().parent.is_dir():
        raise NigraError(f"--json: {parsed.json.parent} is no folder; make it first.")
    from rich.console import Console

    from nigra.bench.machine import cores
    from nigra.bench.run import run_bench
    from nigra.bench.words import lines
    from nigra.study.progress import Steps
    from nigra.training import limit_threads

    if parsed.threads and parsed.threads > cores():
        raise NigraError(
            f"--threads: this machine has {cores()} cores (found {parsed.threads}); give at most that."
        )
    limit_threads(parsed.threads or cores())
    steps = Steps(Console(stderr=True), total=len(names))
    content = run_bench(parsed.name, parsed.quick, parsed.json, steps)
    print("\n".join(lines(content)))
