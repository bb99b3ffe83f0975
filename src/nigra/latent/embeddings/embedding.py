"""The contract of every embedding: fitted on codes of training controls, and extended to new codes where it can be.

scikit-learn's words: ``fit``, ``transform``, fitted attributes end in ``_``. An embedding knows whose codes it was
fitted on and refuses to project them as new (DESIGN, law 4). It is saved as tensors and JSON, never pickled, and
what comes back projects bit for bit as before.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from sklearn.base import BaseEstimator

from nigra.errors import NigraError
from nigra.latent.embeddings import saved
from nigra.latent.graph import Neighbours
from nigra.provenance import refuse_fitted
from nigra.training import Tick

_BLOCK = 20_000
"""New codes projected at a time."""


class Embedding(ABC, BaseEstimator):
    """A picture of a latent space.

    A child says how to fit (``_fit``, sets ``embedding_``) and, where its method allows, how to place new codes
    (``_transform``). Parameters are those of its ``__init__``, all plain numbers; every fitted array it needs to go
    on is named in ``tensors``.

    Fitted: ``embedding_`` (n, dimensions) float32, ``fitted_on_`` subjects' ids, ``n_features_in_`` d, ``note_``
    what a reader should know about this fit.
    """

    name: ClassVar[str]
    """As in settings, tables and files."""

    drawn: ClassVar[bool] = False
    """Whether another seed gives another picture."""

    tensors: ClassVar[tuple[str, ...]] = ("embedding_",)
    """Fitted arrays that are saved."""

    embedding_: Float[ndarray, "n dimensions"]
    note_: str = ""

    def __init__(self, dimensions: int = 2, seed: int = 0) -> None:
        self.dimensions = dimensions
        self.seed = seed

    @property
    def neighbours_needed(self) -> int:
        """Neighbours per code that a shared graph must have for ``fit``; 0: it needs none."""
        return 0

    @property
    def fewest_codes(self) -> int:
        """Codes needed to fit."""
        return max(self.neighbours_needed, self.dimensions) + 2

    def fit(
        self, codes: Float[ndarray, "n d"], subjects: Sequence[str] = (), graph: Neighbours | None = None,
        tick: Tick | None = None,
    ) -> "Embedding":  # fmt: skip
        """Learn the picture of these codes, which are left as they are.

        Args:
            codes: finite values.
            subjects: whose code each is; they are refused as new ones later.
            graph: the neighbours of these very codes, where several methods share them; None: found here.
            tick: told the fraction done.

        Raises NigraError: too few codes, a value that is not finite, or a graph of other codes.
        """
        values = _checked(codes)
        if len(subjects) and len(subjects) != len(values):
            raise NigraError(f"{len(values)} codes came with {len(subjects)} subjects' ids; give one id per code.")
        if len(values) < self.fewest_codes:
            raise NigraError(
                f"{self.name} needs {self.fewest_codes} codes or more, but got {len(values)}; sample more codes."
            )
        if graph is not None and graph.codes.shape != values.shape:
            raise NigraError(
                f"the graph was built on codes of shape {graph.codes.shape}, not on these of shape {values.shape}; "
                "build it anew."
            )
        if graph is None and self.neighbours_needed:
            graph = Neighbours(values, self.neighbours_needed, self.seed)
        self.n_features_in_ = values.shape[1]
        self.fitted_on_ = tuple(dict.fromkeys(map(str, subjects)))
        self._fit(values, graph, tick)
        self.embedding_ = np.ascontiguousarray(self.embedding_, np.float32)
        return self

    def transform(
        self, codes: Float[ndarray, "new d"], subjects: Sequence[str] = (), tick: Tick | None = None
    ) -> Float[ndarray, "new dimensions"]:
        """Places of new codes in the picture, which itself stays as it is.

        Args:
            codes: finite values.
            subjects: whose they are, so that those it was fitted on are refused; empty: not asked.
            tick: told the fraction done.

        Raises NigraError: not fitted, codes of another model, or subjects it was fitted on.
        """
        if not hasattr(self, "n_features_in_"):
            raise NigraError(f"this {self.name} is not fitted yet; call fit with training controls' codes first.")
        values = _checked(codes)
        if values.shape[1] != self.n_features_in_:
            raise NigraError(
                f"codes have {values.shape[1]} features, the embedding was fitted on {self.n_features_in_}; "
                "project codes of the same model."
            )
        refuse_fitted(f"{self.name} embedding", self.fitted_on_, map(str, subjects))
        places = np.empty((len(values), self.dimensions), np.float32)
        for begin in range(0, len(values), _BLOCK):
            at = slice(begin, min(begin + _BLOCK, len(values)))
            places[at] = self._transform(values[at])
            if tick:
                tick(at.stop / len(values), f"{at.stop}/{len(values)} codes")
        return places

    def save(self, path: Path) -> None:
        """Write parameters and fitted arrays to one safetensors file."""
        words = {
            "method": self.name, "parameters": self.get_params(), "fitted_on": list(self.fitted_on_),
            "features": self.n_features_in_, "note": self.note_,
        }  # fmt: skip
        saved.write(path, {name: getattr(self, name) for name in self.tensors}, words)

    @classmethod
    def restored(cls, arrays: dict[str, np.ndarray], words: dict[str, str]) -> "Embedding":
        """The embedding that wrote these; ``nigra.latent.embeddings.load`` reads them from a file."""
        embedding = cls(**json.loads(words["parameters"]))
        for name in cls.tensors:
            setattr(embedding, name, arrays[name])
        embedding.n_features_in_ = json.loads(words["features"])
        embedding.fitted_on_ = tuple(json.loads(words["fitted_on"]))
        embedding.note_ = words["note"]
        return embedding

    @abstractmethod
    def _fit(self, codes: Float[ndarray, "n d"], graph: Any, tick: Tick | None) -> None:
        """Set ``embedding_`` and whatever else is fitted; ``graph`` is None where no neighbours are needed."""

    @abstractmethod
    def _transform(self, codes: Float[ndarray, "new d"]) -> Float[ndarray, "new dimensions"]:
        """Places of checked float32 codes."""


def _checked(codes: Float[ndarray, "n d"]) -> Float[ndarray, "n d"]:
    """Codes as float32 in one piece."""
    values = np.ascontiguousarray(codes, np.float32)
    if not np.isfinite(values).all():
        raise NigraError("codes have values that are not finite; leave those rows out before embedding.")
    return values


def fixed_signs(points: Float[ndarray, "n dimensions"]) -> Float[ndarray, " dimensions"]:
    """1 or -1 per axis, so that its largest value is positive: eigenvectors have no sign of their own."""
    largest = np.take_along_axis(points, np.abs(points).argmax(axis=0)[None], axis=0)[0]
    return np.where(largest < 0, -1.0, 1.0)
