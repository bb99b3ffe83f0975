"""The explorer's answers: small JSON for descriptions, bare float32 (little endian) for everything long."""

import json
from importlib.resources import files
from typing import Any

import numpy as np
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from nigra.errors import NigraError
from nigra.explorer.described import described_run, described_study, described_voxel
from nigra.explorer.guard import Guard
from nigra.explorer.opened import OpenRun, Study
from nigra.explorer.overlaid import lay_over
from nigra.explorer.volumes import nifti, patches, volume
from nigra.report.latent_folder import PLACE, LatentFolder
from nigra.report.vendored import packed, vendored

PAGE = ("index.html", "explorer.css", "main.js", "api.js", "brain.js", "exports.js")
"""The page's own files, beside those of others (``report.vendored``)."""

SHARED = ("linked.js", "scatter.js", "details.js", "plotly.css")
"""Files it shares with latent.html."""

TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript"}

BINARY = "application/octet-stream"

MOST_PATCHES = 64


def create_app(study: Study, token: str, first: str) -> Guard:
    """The app behind its guard.

    Args:
        study: what is explored.
        token: what every request under ``/api`` has to carry.
        first: the run shown first.

    Raises:
        NigraError: a vendored file is not the published one.
    """
    answers = Answers(study, first)
    names = ("study", "run", "voxel", "points", "column", "volume", "patches")
    routes = [Route(f"/api/{name}", getattr(answers, name)) for name in names]
    handlers: dict[Any, Any] = {NigraError: _told, OSError: _unreadable, HTTPException: _absent}
    app = Starlette(routes=[*_files(), *routes], exception_handlers=handlers)
    return Guard(app, token)


def _files() -> list[Route]:
    """The page and its scripts, read once and found by name: a path can name nothing else."""
    own = files("nigra.explorer").joinpath("static")
    found = {name: own.joinpath(name).read_bytes() for name in PAGE}
    found |= {name: files("nigra.report").joinpath(name).read_bytes() for name in SHARED}
    others = {name: packed(name) for name in vendored()}

    def page(request: Request) -> Response:
        return Response(found["index.html"], media_type=TYPES["html"])

    def static(request: Request) -> Response:
        name = request.path_params["name"]
        kind, zipped = TYPES.get(name.rsplit(".", 1)[-1]), name in others
        content = others.get(name) or found.get(name)
        if content is None:
            raise HTTPException(404)
        return Response(content, media_type=kind, headers={"Content-Encoding": "gzip"} if zipped else None)

    return [Route("/", page), Route("/static/{name}", static)]


class Asked:
    """What the page asks for, by name; a missing or wrong value is one sentence."""

    def __init__(self, request: Request) -> None:
        self.values = request.query_params

    def text(self, name: str, default: str | None = None) -> str:
        """A word."""
        value = self.values.get(name, default)
        if value is None:
            raise NigraError(f"the page asked without {name}; reload it.")
        return value

    def number(self, name: str, default: int | None = None) -> int:
        """A whole number, from 0."""
        value = self.text(name, None if default is None else str(default))
        if not (value.isascii() and value.isdecimal() and len(value) < 10):
            raise NigraError(f"{name} is a whole number, but found {value[:20]!r}.")
        return int(value)


class Answers:
    """One method per address under ``/api``; each reads, none writes."""

    def __init__(self, study: Study, first: str) -> None:
        self._study, self._first = study, first

    def _run(self, asked: Asked) -> OpenRun:
        return self._study.run(asked.text("run"))

    def _space(self, asked: Asked) -> LatentFolder:
        return self._run(asked).space(asked.text("model"), asked.number("draw"))

    def study(self, request: Request) -> Response:
        """The study and its runs."""
        return JSONResponse(described_study(self._study, self._first))

    def run(self, request: Request) -> Response:
        """A run: ``run``."""
        return JSONResponse(described_run(self._run(Asked(request))))

    def voxel(self, request: Request) -> Response:
        """A voxel: ``run, model, draw, detector, i, j, k``."""
        asked = Asked(request)
        voxel = (asked.number("i"), asked.number("j"), asked.number("k"))
        names = asked.text("model"), asked.number("draw"), asked.text("detector")
        return JSONResponse(described_voxel(self._run(asked), *names, voxel))

    def points(self, request: Request) -> Response:
        """An embedding: ``run, model, draw, embedding``; (n, 2 or 3).

        With ``onto_model, onto_draw, onto_embedding`` it is laid over that one, and says how well the two meet.
        """
        asked = Asked(request)
        space, embedding = self._space(asked), asked.text("embedding")
        if not asked.text("onto_model", ""):
            return _floats(space.points(embedding))
        reference = self._run(asked).space(asked.text("onto_model"), asked.number("onto_draw"))
        found = lay_over(space, embedding, reference, asked.text("onto_embedding"))
        fit = {"residual": found.residual, "null": found.null, "shared": found.shared}
        return _floats(found.points, {"X-Fit": json.dumps(fit)})

    def column(self, request: Request) -> Response:
        """A column of the code table: ``run, model, draw, name``; (n,), NaN where missing."""
        asked = Asked(request)
        return _floats(self._space(asked).column(asked.text("name")).values)

    def volume(self, request: Request) -> Response:
        """A NIfTI: ``run, kind`` and, by kind, ``model, draw, subject, detector, channel``."""
        asked, run = Asked(request), self._run(Asked(request))
        names = asked.text("model", ""), asked.number("draw", 0), asked.text("detector", "")
        values = volume(run, asked.text("kind"), asked.text("subject", ""), *names, asked.number("channel", 0))
        return Response(nifti(values, run.run.cohort.affine), media_type=BINARY)

    def patches(self, request: Request) -> Response:
        """Patches around codes: ``run, model, draw, rows`` (of the code table, by commas), ``channel``."""
        asked = Asked(request)
        table = self._space(asked).table
        rows = [int(each) for each in asked.text("rows").split(",")[:MOST_PATCHES] if each.isdecimal()]
        if not rows or max(rows) >= len(table):
            raise NigraError(f"the code table has {len(table)} rows; the page asked for others.")
        shown = table.iloc[rows].dropna(subset=list(PLACE))
        voxels = [(int(x), int(y), int(z)) for x, y, z in shown[["x", "y", "z"]].to_numpy()]
        names = shown["participant_id"].tolist()
        return _floats(patches(self._run(asked), asked.text("model"), names, voxels, asked.number("channel", 0)))


def _floats(values: np.ndarray, headers: dict[str, str] | None = None) -> Response:
    """Float32 in C order, its shape in a header."""
    data = np.ascontiguousarray(values, "<f4")
    shape = {"X-Shape": ",".join(map(str, data.shape))}
    return Response(data.tobytes(), media_type=BINARY, headers=shape | (headers or {}))


def _told(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, status_code=422)


def _unreadable(request: Request, error: Exception) -> Response:
    reason = getattr(error, "strerror", None) or error
    return JSONResponse({"error": f"a file of the study cannot be read ({reason}); see to it."}, status_code=422)


def _absent(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": "there is no such page."}, status_code=getattr(error, "status_code", 404))
