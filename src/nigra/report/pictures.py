"""Pictures of a run, carried inside the report as data so that the file stands alone."""

from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path

SVG_LIMIT = 400_000
"""Bytes above which the PNG is taken: a drawing full of voxels gains nothing from being a vector file."""


@dataclass(frozen=True)
class Picture:
    """An embedded picture; ``alt`` describes it to those who cannot see it."""

    source: str
    title: str
    alt: str


@dataclass(frozen=True)
class Declared:
    """A picture the report looks for: ``stem`` in the run folder, one file or one per model (``stem-MODEL``)."""

    section: str
    stem: str
    title: str
    alt: str


DECLARED = (
    Declared("cohort-picture", "figure1", "Cohort picture",
             "One brain slice per subject, controls above patients, regions coloured by their percentage of "
             "abnormal voxels on one scale."),
    Declared("architecture", "figures/architecture", "Architectures",
             "Each model drawn as a row of boxes, one per tensor, with its size printed below."),
    Declared("training", "figures/training_curves", "Training curves",
             "Loss terms against epoch, one thin line per model and draw."),
    Declared("examples", "figures/reconstructions", "Example reconstructions",
             "Rows of subjects; columns input, reconstruction, error and score at one axial level."),
    Declared("examples", "figures/score_maps", "Score maps",
             "Rows of subjects; columns axial levels; score in colour with the threshold outlined."),
    Declared("calibration", "figures/false_positive_check", "False-positive check",
             "Percentage of abnormal voxels of each test control per draw, against the expected line."),
)  # fmt: skip


def find_pictures(run: Path) -> tuple[dict[str, list[Picture]], list[str]]:
    """Embedded pictures by section of the report, and the declared stems of which no file exists."""
    found: dict[str, list[Picture]] = {}
    absent = []
    for declared in DECLARED:
        folder, stem = (run / declared.stem).parent, Path(declared.stem).name
        names = {path.stem for end in ("png", "svg") for path in folder.glob(f"{stem}*.{end}")}
        names = {name for name in names if name == stem or name.startswith(f"{stem}-")}
        if not names:
            absent.append(declared.stem)
        for name in sorted(names):
            model = name.removeprefix(stem).lstrip("-")
            title = f"{declared.title}: {model}" if model else declared.title
            found.setdefault(declared.section, []).append(Picture(embed(folder, name), title, declared.alt))
    return found, absent


def embed(folder: Path, name: str) -> str:
    """The SVG when it is small, else the PNG, as a data URI."""
    png, svg = folder / f"{name}.png", folder / f"{name}.svg"
    chosen = svg if svg.exists() and (svg.stat().st_size <= SVG_LIMIT or not png.exists()) else png
    kind = "svg+xml" if chosen.suffix == ".svg" else "png"
    return f"data:image/{kind};base64,{b64encode(chosen.read_bytes()).decode()}"
