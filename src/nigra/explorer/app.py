"""The explorer's answers: small JSON for descriptions, bare float32 (little endian) for everything long."""

from importlib.resources import files
from typing import Any

import numpy as np
from fastapi import FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from nigra import __version__
from nigra.errors import NigraError
from nigra.explorer.described import described_run, described_study, described_voxel
from nigra.explorer.guard import Guard
from nigra.explorer.opened import Study
from nigra.explorer.volumes import Kind, nifti, patches, volume
from nigra.report.vendored import packed, vendored

PAGE = ("index.html", "explorer.css", "main.js", "api.js", "scatter.js", "brain.js", "details.js", "exports.js")
"""The page's own files, beside those of others (``report.vendored``) and ``linked.js``, shared with latent.html."""

_TYPES = {"html": "text/html; charset=utf-8", "css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8"}

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
    app = FastAPI(title="nigra", version=__version__, docs_url=None, redoc_url=None, openapi_url=None)
    _add_files(app)
    _add_descriptions(app, study, first)
    _add_arrays(app, study)

    @app.exception_handler(NigraError)
    async def told(request: Request, error: NigraError) -> JSONResponse:
        return JSONResponse({"error": str(error)}, status_code=422)

    @app.exception_handler(RequestValidationError)
    async def unclear(request: Request, error: RequestValidationError) -> JSONResponse:
        places = ", ".join(str(each["loc"][-1]) for each in error.errors())
        return JSONResponse({"error": f"the page asked with a missing or wrong {places}."}, status_code=422)

    @app.exception_handler(OSError)
    async def unreadable(request: Request, error: OSError) -> JSONResponse:
        sentence = f"a file of the study cannot be read ({error.strerror or error}); see to it and reload."
        return JSONResponse({"error": sentence}, status_code=422)

    return Guard(app, token)


def _add_files(app: FastAPI) -> None:
    """The page and its scripts, read once and by name: a path can name nothing else."""
    own = files("nigra.explorer").joinpath("static")
    found = {name: own.joinpath(name).read_bytes() for name in PAGE}
    found["linked.js"] = files("nigra.report").joinpath("linked.js").read_bytes()
    others = {name: packed(name) for name in vendored()}

    @app.get("/")
    def page() -> Response:
        return Response(found["index.html"], media_type=_TYPES["html"])

    @app.get("/static/{name}")
    def static(name: str) -> Response:
        kind = _TYPES.get(name.rsplit(".", 1)[-1], "text/plain")
        if name in others:
            return Response(others[name], media_type=kind, headers={"Content-Encoding": "gzip"})
        if name in found:
            return Response(found[name], media_type=kind)
        return JSONResponse({"error": "there is no such file."}, status_code=404)


def _add_descriptions(app: FastAPI, study: Study, first: str) -> None:
    @app.get("/api/study")
    def about_study() -> dict[str, Any]:
        return described_study(study, first)

    @app.get("/api/run")
    def about_run(run: str) -> dict[str, Any]:
        return described_run(study.run(run))

    @app.get("/api/voxel")
    def about_voxel(run: str, model: str, draw: int, detector: str, i: int, j: int, k: int) -> dict[str, Any]:
        return described_voxel(study.run(run), model, draw, detector, (i, j, k))


def _add_arrays(app: FastAPI, study: Study) -> None:
    @app.get("/api/points")
    def points(run: str, model: str, draw: int, embedding: str) -> Response:
        return _floats(study.run(run).space(model, draw).points(embedding)[0])

    @app.get("/api/column")
    def column(run: str, model: str, draw: int, name: str) -> Response:
        return _floats(study.run(run).space(model, draw).column(name).values)

    @app.get("/api/volume")
    def image(
        run: str, kind: Kind, model: str = "", draw: int = 0, subject: str = "", detector: str = "", channel: int = 0
    ) -> Response:
        opened = study.run(run)
        values = volume(opened, kind, subject, model, draw, detector, channel)
        return Response(nifti(values, opened.run.cohort.affine), media_type="application/octet-stream")

    @app.get("/api/patches")
    def cut(run: str, model: str, draw: int, rows: str, channel: int = Query(0)) -> Response:
        opened = study.run(run)
        table = opened.space(model, draw).table
        numbers = [int(each) for each in rows.split(",")[:MOST_PATCHES] if each.isdecimal()]
        if not numbers or max(numbers) >= len(table):
            raise NigraError(f"the code table has {len(table)} rows; the page asked for others.")
        shown = table.iloc[numbers]
        voxels = [(int(x), int(y), int(z)) for x, y, z in shown[["x", "y", "z"]].to_numpy()]
        return _floats(patches(opened, model, shown["participant_id"].tolist(), voxels, channel))


def _floats(values: np.ndarray) -> Response:
    """Float32 in C order, its shape in a header."""
    data = np.ascontiguousarray(values, "<f4")
    shape = ",".join(map(str, data.shape))
    return Response(data.tobytes(), media_type="application/octet-stream", headers={"X-Shape": shape})
