"""The folder of a latent space as pages read it: the code table, its columns as plain numbers, the embeddings.

``runs/NAME/latent/MODEL/draw-NN`` holds ``codes.parquet`` (one row per code), ``embeddings/NAME.safetensors``
(``points`` (n, 2 or 3) in the order of the rows) and ``embeddings.tsv`` (how far each can be trusted).
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float
from numpy import ndarray
from safetensors import SafetensorError
from safetensors.numpy import load_file

from nigra.errors import NigraError
from nigra.files import read_tsv

SCORE = "score:"
"""In front of a detector's label: the column of its scores."""

PLACE = ("x", "y", "z")
"""Columns of a code's voxel."""

_SHOWN = ("region", "tissue", "group", "set", "participant_id", "age", "sex", "site", "x_mm", "y_mm", "z_mm")
_NEEDED = ("participant_id", "group", *PLACE)


@dataclass(frozen=True)
class Column:
    """A column as float32 (n,), NaN where missing: numbers, or places in ``categories``."""

    name: str
    values: Float[ndarray, " n"]
    categories: tuple[str, ...] | None = None


@dataclass(frozen=True)
class LatentFolder:
    """One model's draw."""

    path: Path
    model: str
    draw: int

    @property
    def label(self) -> str:
        """What readers see."""
        return f"{self.model}, draw-{self.draw:02d}"

    def _within(self, path: Path) -> Path:
        """A file of the folder, if it is not a link that leads out of the run."""
        if not path.resolve().is_relative_to(self.path.parents[2].resolve()):
            raise NigraError(f"{path} leads out of the run; put the file itself there.")
        return path

    @cached_property
    def table(self) -> pd.DataFrame:
        """The code table.

        Raises:
            NigraError: unreadable, or without the columns every page needs.
        """
        path = self._within(self.path / "codes.parquet")
        try:
            table = pd.read_parquet(path)
        except (OSError, ValueError) as error:
            raise NigraError(f"{path} is damaged ({error}); run `nigra latent --overwrite`.") from error
        missing = [name for name in _NEEDED if name not in table]
        if missing:
            raise NigraError(f"{path} has no column {', '.join(missing)}; run `nigra latent --overwrite`.")
        return table

    @property
    def columns(self) -> list[str]:
        """Columns one can colour by, in the order readers look for them."""
        scores = [name for name in map(str, self.table) if name.startswith(SCORE)]
        return [name for name in (*_SHOWN, *scores) if name in self.table and self.table[name].notna().any()]

    def column(self, name: str) -> Column:
        """A column by name; one that the table does not have is refused."""
        if name not in self.table:
            raise NigraError(f"{self.label} has no column {name}; it has {', '.join(map(str, self.table))}.")
        return encode(name, self.table[name])

    @property
    def embeddings(self) -> list[str]:
        """Names of the embeddings."""
        return sorted(path.stem for path in (self.path / "embeddings").glob("*.safetensors"))

    def points(self, name: str) -> Float[ndarray, "n dimensions"]:
        """Points of an embedding, one per code.

        Raises:
            NigraError: no such embedding, a damaged one, or one of another number of codes.
        """
        if name not in self.embeddings:
            known = ", ".join(self.embeddings) or "none; run `nigra latent`"
            raise NigraError(f"{self.label} has no embedding {name}; it has {known}.")
        path = self._within(self.path / "embeddings" / f"{name}.safetensors")
        try:
            points = load_file(path)["points"].astype(np.float32)
        except (OSError, SafetensorError, KeyError) as error:
            raise NigraError(f"{path} is damaged ({error}); run `nigra latent --overwrite`.") from error
        if points.ndim != 2 or points.shape[0] != len(self.table) or points.shape[1] not in (2, 3):
            raise NigraError(
                f"{path}: an embedding has 2 or 3 numbers for each of {len(self.table)} codes, but found shape "
                f"{points.shape}; run `nigra latent --overwrite`."
            )
        return points

    @property
    def measures(self) -> pd.DataFrame:
        """How far each embedding can be trusted; no rows where it was not measured."""
        path = self._within(self.path / "embeddings.tsv")
        return read_tsv(path, ("embedding", "measure", "note")) if path.exists() else pd.DataFrame()


def encode(name: str, values: pd.Series) -> Column:
    """A table's column as numbers; an empty name is a missing one.

    >>> encode("sex", pd.Series(["M", None, "F"])).values.tolist(), encode("age", pd.Series([61.5])).categories
    ([1.0, nan, 0.0], None)
    """
    numeric = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
    if numeric and name not in ("participant_id", "site", "fold"):
        return Column(name, values.to_numpy(np.float32, na_value=np.nan))
    text = values.astype("string")
    codes, categories = pd.factorize(text.mask(text == ""), sort=True)
    found = np.where(codes < 0, np.nan, codes).astype(np.float32)
    return Column(name, found, tuple(str(each) for each in categories))


def latent_folders(run: Path) -> list[LatentFolder]:
    """Every latent space of a run, by model and draw; links that lead out of the run are left out."""
    found = []
    for path in sorted((run / "latent").glob("*/draw-*")):
        number = path.name.removeprefix("draw-")
        inside = path.resolve().is_relative_to(run.resolve())
        if inside and number.isdecimal() and (path / "codes.parquet").is_file():
            found.append(LatentFolder(path, path.parent.name, int(number)))
    return found
