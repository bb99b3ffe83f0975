"""The demonstration: a synthetic cohort and a whole small study on it, in one folder."""

from importlib.resources import files
from pathlib import Path

from rich.console import Console

from nigra.config import read_settings
from nigra.files import write_text
from nigra.phantom.dataset import write_phantom
from nigra.preparation.prepare import prepare
from nigra.preparation.settings import Execution, PrepareSettings
from nigra.study.pipeline import run_study


def run_demo(out: Path, resolution: float = 4.0, seed: int = 0, console: Console | None = None) -> Path:
    """Write the phantom to ``OUT/sourcedata/phantom``, prepare it into ``OUT`` and run ``OUT/study.yaml``.

    Returns the run's folder. A demonstration that was killed is finished by calling this again.
    """
    source = out / "sourcedata" / "phantom"
    write_phantom(source, seed=seed, resolution=resolution)
    prepare(source, out, PrepareSettings(registration=False), Execution(jobs=2))
    config = out / "study.yaml"
    write_text(config, files("nigra").joinpath("demo.yaml").read_text(encoding="utf-8"))
    return run_study(out, read_settings(config), console=console)
