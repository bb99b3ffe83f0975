"""Commands beside a study: what can be set, and how fast things are."""

import argparse
from pathlib import Path
from typing import Any

from nigra.cli.command import command
from nigra.errors import NigraError


def add_settings(commands: Any) -> None:
    """``nigra settings``."""
    text = "print every setting of a study file, with defaults and meaning"
    parser = command(commands, "settings", _settings, text)
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


def add_bench(commands: Any) -> None:
    """``nigra bench``."""
    from nigra.bench import LONG, NAMES, PAPER

    text = "time nigra against other software, in turns in one process; the ratio comes first"
    parser = command(commands, "bench", _bench, text)
    names = f"{', '.join(NAMES)}; all; or {LONG}, which takes long, or {PAPER}, which needs a GPU"
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
