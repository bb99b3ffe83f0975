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
    """A picture the report looks for: ``stem`` in the run folder, one file or one per model (``stem-MODEL``).

    ``instead`` is taken where there is no ``stem``; an ``optional`` one is not missed where there is none.
    """

    section: str
    stem: str
    title: str
    alt: str
    instead: str = ""
    optional: bool = False


DECLARED = (
    Declared("cohort-picture", "figures/cohort", "Cohort picture",
             "One brain slice per subject, controls above patients, regions coloured by their percentage of "
             "abnormal voxels on one scale.", instead="figure1"),
    Declared("architecture", "figures/models", "Architectures",
             "Each model drawn as a row of boxes, one per tensor, with its size printed below."),
    Declared("training", "figures/training", "Training curves",
             "Loss terms against epoch, one thin line per model and draw."),
    Declared("examples", "figures/reconstructions", "Example reconstructions",
             "Rows of subjects; columns input, reconstruction, error and score at one axial level."),
    Declared("examples", "figures/scores", "Score maps",
             "Rows of subjects; columns axial levels; score in colour with the threshold outlined."),
    Declared("calibration", "figures/false-positives", "False-positive check",
             "Percentage of abnormal voxels of each test control per draw, against the expected line."),
    Declared("panel", "figures/panel", "Where and in whom the promise holds",
             "Percentage of abnormal voxels of test controls by tissue, age, sex and region, against the promise.",
             optional=True),
    Declared("comparison", "figures/comparison", "Methods on the whole brain",
             "One row per method, its AUC with interval, against chance.", optional=True),
    Declared("comparison", "figures/differences", "Differences between methods",
             "One row per pair of methods, difference of AUC with interval, against no difference.", optional=True),
    Declared("confounds", "figures/confounds", "Confounds",
             "AUC of the score and of each covariate alone; association of the score with each covariate in "
             "controls.", optional=True),
    Declared("disease", "figures/stage", "Score by stage",
             "One panel per region, a dot per subject, by Hoehn and Yahr stage.", optional=True),
)  # fmt: skip


def find_pictures(run: Path) -> tuple[dict[str, list[Picture]], list[str]]:
    """Embedded pictures by section of the report, and the declared stems of which no file exists."""
    found: dict[str, list[Picture]] = {}
    absent = []
    for declared in DECLARED:
        names = names_of(run / declared.stem) or (names_of(run / declared.instead) if declared.instead else {})
        if not names and not declared.optional:
            absent.append(declared.stem)
        for name, model in names.items():
            title = f"{declared.title}: {model}" if model else declared.title
            found.setdefault(declared.section, []).append(Picture(embed(name), title, declared.alt))
    return found, absent


def names_of(stem: Path) -> dict[Path, str]:
    """Pictures called ``stem`` or ``stem-MODEL``, without ending, and the model."""
    paths = {path.with_suffix("") for end in ("png", "svg") for path in stem.parent.glob(f"{stem.name}*.{end}")}
    ours = sorted(path for path in paths if path == stem or path.name.startswith(f"{stem.name}-"))
    return {path: path.name.removeprefix(stem.name).removeprefix("-") for path in ours}


def embed(path: Path) -> str:
    """The SVG when it is small, else the PNG, as a data URI; ``path`` is without ending."""
    png, svg = path.with_name(f"{path.name}.png"), path.with_name(f"{path.name}.svg")
    chosen = svg if svg.exists() and (svg.stat().st_size <= SVG_LIMIT or not png.exists()) else png
    kind = "svg+xml" if chosen.suffix == ".svg" else "png"
    return f"data:image/{kind};base64,{b64encode(chosen.read_bytes()).decode()}"
