"""``latent.html``: codes and brain, linked, in one file that opens without Python and asks nobody for anything.

It holds a declared subsample of the codes, rounded to 16 bits of their range, and of the brain only the mean of all
controls. Unless told otherwise it names nobody: subjects are numbered anew, and age, sex and site stay at home.
"""

import base64
import gzip
import hashlib
import json
import re
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Int
from markupsafe import Markup
from numpy import ndarray

from nigra.cohort.store import CONTROL, Cohort
from nigra.errors import NigraError
from nigra.files import read_json, write_text
from nigra.regions import Atlas
from nigra.report.latent_folder import PLACE, Column, LatentFolder, encode, latent_folders
from nigra.report.page import fill
from nigra.report.sources import is_synthetic
from nigra.report.vendored import unpacked

FEWEST = 10
"""Controls whose mean is shown; the mean of fewer would show single persons, and only the mask is drawn."""

PERSONAL = ("participant_id", "age", "sex", "site")

SCRIPTS = ("linked.js", "details.js", "scatter.js", "latent_page.js")


@dataclass(frozen=True)
class PageSettings:
    """What the page may hold.

    ``points`` codes at most, over all latent spaces; ``megabytes`` (10^6 bytes) of file at most; ``seed`` of the
    subsample and of the new numbers of subjects; ``personal`` keeps participant ids, age, sex and site.
    """

    points: int = 200_000
    megabytes: float = 15.0
    seed: int = 0
    personal: bool = False


@dataclass
class Pack:
    """Arrays as one block of bytes, and where in it each lies."""

    parts: list[bytes] = field(default_factory=list)
    length: int = 0

    def add(self, values: ndarray) -> dict[str, Any]:
        """Append an array; returns its place for the page's JSON."""
        data = np.ascontiguousarray(values)
        padding = -self.length % 4  # typed arrays begin at multiples of their width
        place = {"type": data.dtype.name, "at": self.length + padding, "shape": list(data.shape)}
        self.parts += [bytes(padding), data.tobytes()]
        self.length += padding + data.nbytes
        return place

    def rounded(self, values: ndarray) -> dict[str, Any]:
        """Append numbers as 16 bits between their lowest and highest; 65535 stands for a missing one."""
        known = values[np.isfinite(values)]
        low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 0.0)
        span = (high - low) or 1.0
        scaled = np.where(np.isfinite(values), np.round((values - low) / span * 65534), 65535)
        return self.add(scaled.astype(np.uint16)) | {"low": low, "step": span / 65534}

    def text(self) -> str:
        """All of it, gzipped, as base64; equal arrays give equal text."""
        return base64.b64encode(gzip.compress(b"".join(self.parts), 6, mtime=0)).decode()


def build_latent_page(
    run: Path, cohort: Cohort, atlas: Atlas | None = None, settings: PageSettings | None = None, title: str = ""
) -> Path:
    """Write ``latent.html`` into the run's latent folder; returns its path.

    Args:
        run: folder of the run, ``STUDY/runs/NAME``.
        cohort: its cohort, groups as the run has them.
        atlas: its atlas on the cohort's grid, to name the region of a voxel.
        settings: how much the page may hold.
        title: what stands on top; empty takes the run's name.

    Raises:
        NigraError: no latent space with an embedding, or the page does not fit the size.
    """
    settings = settings or PageSettings()
    spaces = [space for space in latent_folders(run) if space.embeddings]
    if not spaces:
        raise NigraError(f"{run} has no latent space with an embedding; run `nigra latent` first.")
    each = min(max(settings.points // len(spaces), 1), max(len(space.table) for space in spaces))
    for _ in range(8):
        page = _page(spaces, cohort, atlas, settings, each, title or f"Latent spaces of run {run.name}")
        size = len(page.encode()) / 1e6
        if size <= settings.megabytes:
            write_text(run / "latent" / "latent.html", page)
            return run / "latent" / "latent.html"
        empty = len(unpacked("plotly-strict.min.js")) / 1e6
        each = int(each * min(0.9, 0.95 * (settings.megabytes - empty) / max(size - empty, 0.1)))
        if each < 1:
            break
    raise NigraError(f"a page of {settings.megabytes:g} MB cannot hold the codes; allow more, or fewer models.")


def kept_rows(
    table_keys: Int[ndarray, " n"], subjects: Int[ndarray, " n"], count: int, seed: int
) -> Int[ndarray, " kept"]:
    """Rows of about ``count`` codes: as many of each subject, at the same places as far as they have them."""
    n_subjects = int(subjects.max()) + 1
    rng = np.random.default_rng(seed)
    _, place = np.unique(table_keys, return_inverse=True)
    turn = rng.permutation(int(place.max()) + 1)[place]
    order = np.lexsort((turn, subjects))
    first = np.searchsorted(subjects[order], np.arange(n_subjects))
    rank = np.arange(len(order)) - first[subjects[order]]
    return np.sort(order[rank < max(count // n_subjects, 1)])


def _page(
    spaces: list[LatentFolder], cohort: Cohort, atlas: Atlas | None, settings: PageSettings, count: int, title: str
) -> str:
    pack = Pack()
    content = {
        "shape": list(cohort.mask.shape), "affine": cohort.affine.tolist(),
        "background": pack.add(background(cohort)),
        "labels": None if atlas is None else pack.add(atlas.labels.astype(np.int32)),
        "regions": {} if atlas is None else {str(label): name for label, name in atlas.names.items()},
        "spaces": [_space(pack, space, cohort, settings, count) for space in spaces],
    }  # fmt: skip
    assets = files("nigra.report")
    style = "".join(assets.joinpath(name).read_text("utf-8") for name in ("plotly.css", "latent_page.css"))
    scripts = [
        unpacked("plotly-strict.min.js").decode(),
        joined([assets.joinpath(n).read_text("utf-8") for n in SCRIPTS]),
    ]
    safe = [re.sub("</(script)", r"<\\/\1", script, flags=re.IGNORECASE) for script in scripts]
    contents = {
        "title": title, "style": Markup(style), "scripts": [Markup(each) for each in safe],
        "data": Markup(pack.text()),
        "content": Markup(json.dumps(content, allow_nan=False).replace("<", "\\u003c")),
        "policy": policy([style], safe), "controls": len(cohort.group(CONTROL)), "fewest": FEWEST,
        "synthetic": _synthetic(spaces[0].path.parents[4]), "personal": settings.personal,
    }  # fmt: skip
    return fill("latent_page.html", contents)


def _synthetic(study: Path) -> bool:
    path = study / "dataset_description.json"
    return path.exists() and is_synthetic(read_json(path))


def joined(modules: list[str]) -> str:
    """JavaScript modules as one script: what they import from each other is there already."""
    plain = [re.sub(r"^import\s[^;]*;\n", "", text, flags=re.MULTILINE) for text in modules]
    body = "\n".join(re.sub(r"^export ", "", text, flags=re.MULTILINE) for text in plain)
    return f'"use strict";\n(() => {{\n{body}\n}})();\n'


def policy(styles: list[str], scripts: list[str]) -> str:
    """A content-security policy that allows these very texts and nothing else: no request, no eval, no frame."""

    def hashes(texts: list[str]) -> str:
        digests = (base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in texts)
        return " ".join(f"'sha256-{digest}'" for digest in digests)

    return (
        f"default-src 'none'; script-src {hashes(scripts)}; style-src {hashes(styles)}; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )


def background(cohort: Cohort) -> ndarray:
    """The mean of the controls' first channel as uint8 (x, y, z), 0 outside the mask; the mask if they are few."""
    rows = cohort.rows(cohort.group(CONTROL))
    if len(rows) < FEWEST:
        return np.where(cohort.mask, 90, 0).astype(np.uint8)
    total = np.zeros(cohort.mask.shape, np.float64)
    for row in rows:
        total += cohort.volumes[row, 0]
    mean = total / len(rows)
    low, high = np.quantile(mean[cohort.mask], [0.01, 0.99])
    scaled = np.clip((mean - low) / ((high - low) or 1.0), 0, 1)
    return np.where(cohort.mask, 20 + 235 * scaled, 0).astype(np.uint8)


def _space(pack: Pack, space: LatentFolder, cohort: Cohort, settings: PageSettings, count: int) -> dict[str, Any]:
    """One latent space: its subsample in the pack, its description for the page."""
    table, shape = space.table, cohort.mask.shape
    x, y, z = (table[name].to_numpy(float) for name in PLACE)
    key = x + shape[0] * (y + shape[1] * z)
    places = np.where(np.isfinite(key), key, -1).astype(np.int32)
    person = encode("participant_id", table["participant_id"])
    has_place: Bool[ndarray, " n"] = places >= 0
    along = np.where(has_place, places, np.arange(len(table)) + int(np.prod(shape)))
    rows = kept_rows(along.astype(np.int64), person.values.astype(np.int64), count, settings.seed)
    names = [name for name in space.columns if settings.personal or name not in PERSONAL]
    columns = [Column(c.name, c.values[rows], c.categories) for c in map(space.column, names)]
    if not settings.personal:
        columns.append(numbered(person, space.column("group"), rows, settings.seed))
    measures = space.measures
    return {
        "label": space.label, "total": len(table), "shown": len(rows),
        "places": pack.add(places[rows]),
        "columns": [
            {"name": c.name, "categories": c.categories, "values": pack.rounded(c.values)} for c in columns
        ],
        "embeddings": [
            {"name": name, "points": [pack.rounded(axis) for axis in space.points(name)[rows].T]}
            for name in space.embeddings
        ],
        "measures": json.loads(measures.to_json(orient="records")) if len(measures) else [],
    }  # fmt: skip


def numbered(person: Column, group: Column, rows: Int[ndarray, " kept"], seed: int) -> Column:
    """Subjects as ``control 1``, ``patient 3``: numbered anew in a drawn order, so that no id can be read off."""
    owner, kind = person.values.astype(int), group.values.astype(int)
    people = np.unique(owner, return_index=True)
    order = np.random.default_rng(seed).permutation(len(people[0]))
    names, counts = np.empty(len(order), object), dict[str, int]()
    for number in order:
        what = (group.categories or ())[kind[people[1][number]]]
        counts[what] = counts.get(what, 0) + 1
        names[people[0][number]] = f"{what} {counts[what]:0{len(str(len(order)))}d}"
    categories, codes = np.unique(names.astype(str), return_inverse=True)
    return Column("subject", codes[owner[rows]].astype(np.float32), tuple(categories.tolist()))
