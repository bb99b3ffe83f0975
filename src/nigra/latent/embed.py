"""A latent folder's embeddings: fitted on training controls, everybody else projected, each with its numbers.

Reads ``codes.npy`` and ``codes.parquet``; writes ``embeddings/NAME.safetensors`` (tensor ``points``, a row per
code; ``projected``, 1 where the code took no part in the fit), ``embeddings/fitted/NAME.safetensors`` (projects new
codes) and ``embeddings.tsv`` (embedding, measure, estimate, low, high, null, note).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from numpy import ndarray

from nigra.errors import NigraError
from nigra.files import write_tsv
from nigra.latent import landmarks
from nigra.latent.embedding_settings import EmbeddingName, EmbeddingSettings
from nigra.latent.embeddings import Embedding, build, saved
from nigra.latent.graph import Neighbours
from nigra.latent.quality import COLUMNS, quality
from nigra.latent.stability import stability
from nigra.training import Tick

TABLE_COLUMNS = ("embedding", *COLUMNS)


@dataclass(frozen=True)
class Picture:
    """All codes in one embedding: ``points`` (n, dimensions) float32, which of them were ``projected``, the fit."""

    points: Float[ndarray, "n dimensions"]
    projected: Bool[ndarray, " n"]
    embedding: Embedding
    note: str


def embed_folder(folder: Path, settings: EmbeddingSettings, tick: Tick | None = None) -> pd.DataFrame:
    """Make every embedding of ``settings`` for a latent folder, write files and return the table.

    A method that the folder has too few codes for leaves one row with its sentence, and the others go on.

    Args:
        folder: with ``codes.npy`` (n, d) and ``codes.parquet`` (participant_id and set are read).
        settings: methods and numbers.
        tick: told the fraction done.

    Raises NigraError: files of different length, or no training controls to fit on.
    """
    codes = np.load(folder / "codes.npy", mmap_mode="r")
    table = pd.read_parquet(folder / "codes.parquet", columns=["participant_id", "set"])
    if len(table) != len(codes):
        raise NigraError(
            f"{folder}: codes.npy has {len(codes)} rows and codes.parquet {len(table)}; sample the codes again."
        )
    whole = np.isfinite(codes).all(axis=1)
    train = (table["set"] == "train").to_numpy() if settings.fitted_on == "train" else np.ones(len(table), bool)
    values, subjects = np.asarray(codes[whole], np.float32), table["participant_id"].astype(str).to_numpy()[whole]
    session = Session(values, subjects, train[whole], settings)
    rows = []
    for at, name in enumerate(settings.methods):
        within = part(tick, at, len(settings.methods), name)
        try:
            picture = session.picture(name, part(within, 0, 2))
            rows.append(session.numbers(name, picture, part(within, 1, 2)).assign(embedding=name))
        except NigraError as error:
            empty = pd.DataFrame([{"embedding": name, "measure": "not made", "note": str(error)}])
            rows.append(empty)
            continue
        _write(folder, name, picture, whole, settings)
    found = pd.concat(rows, ignore_index=True) if rows else pd.DataFrame()
    found = found.reindex(columns=list(TABLE_COLUMNS))
    numbers = ["estimate", "low", "high", "null"]
    found[numbers] = found[numbers].astype(float)
    write_tsv(folder / "embeddings.tsv", found)
    return found


class Session:
    """Codes embedded by several methods that share landmarks and one graph of neighbours.

    Args:
        codes: finite values.
        subjects: whose code each is.
        train: which codes methods may be fitted on.
        settings: see ``EmbeddingSettings``.

    Raises NigraError when no code may be fitted on.
    """

    def __init__(
        self, codes: Float[ndarray, "n d"], subjects: Sequence[str] | ndarray, train: Bool[ndarray, " n"],
        settings: EmbeddingSettings,
    ) -> None:  # fmt: skip
        if not train.any():
            raise NigraError(
                "no code is of a training control, so nothing can be fitted; sample training controls too."
            )
        self.codes, self.subjects, self.train, self.settings = codes, np.asarray(subjects), train, settings
        trained = np.flatnonzero(train)
        kept = landmarks.choose(len(trained), settings.landmarks, settings.seed, list(self.subjects[trained]))
        self.rows = trained[kept]
        self._graph: Neighbours | None = None

    def graph(self) -> Neighbours:
        """Neighbours of the landmarks, as many as the most demanding method asks for, found once."""
        if self._graph is None:
            fitted = self.codes[self.rows]
            wanted = [build(name, self.settings) for name in self.settings.methods]
            needed = [each.neighbours_needed for each in wanted if each.fewest_codes <= len(fitted)]
            self._graph = Neighbours(
                fitted, max([*needed, 1]), self.settings.seed, self.settings.exact_up_to,
                threads=-1 if self.settings.parallel else 1,
            )  # fmt: skip
        return self._graph

    def picture(self, name: EmbeddingName, tick: Tick | None = None) -> Picture:
        """The method fitted on the landmarks, and every other code projected.

        Raises NigraError: too few codes, or a test subject among the fitted ones.
        """
        embedding = build(name, self.settings)
        fitted = self.rows
        graph = self.graph() if embedding.fewest_codes <= len(fitted) and embedding.neighbours_needed else None
        embedding.fit(self.codes[fitted], list(self.subjects[fitted]), graph, part(tick, 0, 2))
        points = np.empty((len(self.codes), self.settings.dimensions), np.float32)
        points[fitted] = embedding.embedding_
        projected = np.ones(len(points), bool)
        projected[fitted] = False
        for rows, asked in ((projected & self.train, False), (projected & ~self.train, True)):
            if rows.any():  # codes of training controls that are no landmarks are known to be of fitted subjects
                whose = list(self.subjects[rows]) if asked else []
                points[rows] = embedding.transform(self.codes[rows], whose, part(tick, 1, 2))
        said = (
            "fitted on all codes, patients included" if self.settings.fitted_on == "all" else "",
            landmarks.note(len(fitted), int(self.train.sum())),
            "" if self.settings.exact_up_to >= len(fitted) else "neighbours by descent",
            embedding.note_,
        )
        return Picture(points, projected, embedding, "; ".join(text for text in said if text))

    def numbers(self, name: EmbeddingName, picture: Picture, tick: Tick | None = None) -> pd.DataFrame:
        """Quality of the whole picture and of its projected part, and the method's stability."""
        s = self.settings
        k = min(s.judged_neighbours, max((len(self.codes) - 1) // 2, 1))
        arguments = (self.codes, picture.points, list(self.subjects), k, s.queries)
        rest = (s.pairs, s.bootstrap, s.exact_up_to, s.seed)
        tables = [quality(*arguments, None, *rest, part(tick, 0, 3))]
        if picture.projected.any():
            found = quality(*arguments, np.flatnonzero(picture.projected), *rest, part(tick, 1, 3))
            tables.append(found.assign(measure="projected: " + found["measure"]))
        if s.stability_codes:
            trained = self.codes[self.rows], list(self.subjects[self.rows])
            tables.append(stability(*trained, name, s, part(tick, 2, 3)))
        table = pd.concat([each for each in tables if len(each)], ignore_index=True)
        table["note"] = [f"{note}; {picture.note}".rstrip("; ") for note in table["note"]]
        return table


def read_points(folder: Path, name: str) -> Float[ndarray, "n dimensions"]:
    """The places of a latent folder's codes in one of its embeddings; NaN for a code that was not finite."""
    arrays, _ = saved.read(folder / "embeddings" / f"{name}.safetensors")
    return arrays["points"]


def part(tick: Tick | None, at: int, count: int, name: str = "") -> Tick:
    """The progress of step ``at`` of ``count`` equal ones, as a share of the whole."""
    before = f"{name}: " if name else ""
    return lambda done, text: tick((at + done) / count, before + text) if tick else None


def _write(
    folder: Path, name: str, picture: Picture, whole: Bool[ndarray, " codes"], settings: EmbeddingSettings
) -> None:
    """Places of all codes, NaN where a code was not finite; and the fit."""
    points = np.full((len(whole), picture.points.shape[1]), np.nan, np.float32)
    points[whole] = picture.points
    projected = np.zeros(len(whole), np.uint8)
    projected[whole] = picture.projected
    words = {
        "method": name, "settings": settings.model_dump(mode="json"), "seed": str(settings.seed),
        "fitted_on": settings.fitted_on, "note": picture.note,
    }  # fmt: skip
    picture.embedding.save(folder / "embeddings" / "fitted" / f"{name}.safetensors")
    saved.write(folder / "embeddings" / f"{name}.safetensors", {"points": points, "projected": projected}, words)
