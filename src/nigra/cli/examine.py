"""Commands that examine a run: planted anomalies, latent spaces, the explorer."""

import argparse
from pathlib import Path
from typing import Any

from nigra.cli.command import DISCLAIMER, command
from nigra.flags import add_flags, flags_given


def _examines(commands: Any, name: str, call: Any, text: str, what: str, study: str) -> None:
    """A command that reads a run and writes a folder into it."""
    from nigra.study.execution import Execution

    parser = command(commands, name, call, text)
    parser.add_argument("study", type=Path, metavar="STUDY", help=study)
    parser.add_argument("--config", type=Path, metavar="FILE", help=f"{what}, YAML (see `nigra settings {name}`)")
    help_ = "the run (default: as the file says; else the only one of the study)"
    parser.add_argument("--run", metavar="NAME", help=help_)
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, do nothing")
    add_flags(parser, Execution, ("maps",))


def add_simulate(commands: Any) -> None:
    """``nigra simulate``."""
    text = "plant known anomalies into held-out controls of a scored run and count what each method finds"
    _examines(commands, "simulate", _simulate, text, "what to plant", "study folder with a scored run")


def _simulate(parsed: argparse.Namespace) -> None:
    from rich.console import Console

    from nigra.config import read_run, read_simulation
    from nigra.study.execution import Execution
    from nigra.study.simulate import simulate, to_do

    settings = read_simulation(parsed.config, parsed.study, parsed.run)
    run = read_run(parsed.study, settings.run, f"run `nigra score {parsed.study}`")
    if parsed.dry_run:
        for model, total, done in to_do(parsed.study, run, settings):
            print(f"{model}: {total} planted volumes to score, {done} of them done before")
        return
    folder = simulate(parsed.study, run, settings, flags_given(parsed, Execution), Console())
    print(f"page: {(folder / 'simulation.html').resolve()}\n{DISCLAIMER}")


def add_latent(commands: Any) -> None:
    """``nigra latent``."""
    text = "look into the latent spaces of a trained run: codes with their places, numbers, embeddings"
    _examines(commands, "latent", _latent, text, "what to look at", "study folder with a trained run")


def _latent(parsed: argparse.Namespace) -> None:
    from rich.console import Console

    from nigra.config import read_latent, read_run
    from nigra.study.execution import Execution
    from nigra.study.latent import latent, to_do

    settings = read_latent(parsed.config, parsed.study, parsed.run)
    run = read_run(parsed.study, settings.run, f"run `nigra train {parsed.study}`")
    if parsed.dry_run:
        for space, done, embedded in to_do(parsed.study, run, settings):
            print(f"{space}: {_done(done)}; embeddings: {_done(embedded)}")
        return
    folder = latent(parsed.study, run, settings, flags_given(parsed, Execution), Console())
    print(f"numbers: {(folder / 'latent.tsv').resolve()}\n{DISCLAIMER}")


def _done(done: bool) -> str:
    return "done before" if done else "to do"


def add_explore(commands: Any) -> None:
    """``nigra explore``."""
    text = "open a local web page over a study: its codes and the brain, linked"
    parser = command(commands, "explore", _explore, text)
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
