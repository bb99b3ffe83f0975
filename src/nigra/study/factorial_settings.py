"""A factorial: models that differ in declared factors alone, each trained with the same seeds."""

from collections.abc import Iterable, Mapping
from itertools import product
from typing import Any

from pydantic import Field, field_validator, model_validator

from nigra.statistics.cells import COLUMNS_TAKEN
from nigra.study.evaluation_settings import Settings

MOST = 500
"""Models of a factorial; more are a mistake in a study file rather than a plan."""

OWN = ("name", "seed", "levels")
"""Settings of a model that the factorial itself fills in."""

MISSING = ("", "n/a", "N/A", "NA", "<NA>", "NaN", "nan", "None", "NULL", "null")
"""What a table reads as a missing value, so no name of a level."""


class FactorialSettings(Settings):
    """Factors with their levels; every combination of levels is a cell, and one model per seed."""

    base: dict[str, Any] = Field({}, description="settings of a model that all cells share")
    factors: dict[str, dict[str, dict[str, Any]]] = Field(
        ..., min_length=1, description="by factor, by level: the settings of a model that the level changes; the "
        "first level is what others are compared with. Of a factor of numbers, `sweep` is a setting "
        "(siamese.alpha) and `values` are its levels"
    )  # fmt: skip
    seeds: list[int] = Field([0], min_length=1, description="seeds of weights and batches, the same in every cell")

    @field_validator("factors", mode="before")
    @classmethod
    def _sweeps_in_full(cls, given: Any) -> Any:
        """``{sweep: siamese.alpha, values: [0, 0.005]}`` as levels with settings."""
        if not isinstance(given, Mapping):
            return given
        return {str(name): swept(name, factor) for name, factor in given.items()}

    @model_validator(mode="after")
    def _levels_are_names(self) -> "FactorialSettings":
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seed {max(self.seeds, key=self.seeds.count)} is given twice; give each once")
        for name, levels in self.factors.items():
            _refuse_names(name, levels)
        for where, change in (("base", self.base), *((n, c) for f in self.factors.values() for n, c in f.items())):
            own = [name for name in OWN if name in change]
            if own:
                raise ValueError(f"{where}: the factorial itself says {own[0]} of each model; leave it out")
        few = [name for name, levels in self.factors.items() if len(levels) < 2]
        if few:
            raise ValueError(f"factor {few[0]} needs two levels or more")
        count = len(self.seeds)
        for levels in self.factors.values():
            count *= len(levels)
        if count > MOST:
            raise ValueError(f"the factors make {count} models, but at most {MOST} are trained; take fewer levels")
        return self

    def models(self) -> list[dict[str, Any]]:
        """Plain settings of the model of every cell and seed, in the order of the factors."""
        found = []
        for levels in product(*self.factors.values()):
            changes: dict[str, Any] = dict(self.base)
            for factor, level in zip(self.factors.values(), levels, strict=True):
                changes = merged(changes, factor[level])
            own = dict(zip(self.factors, levels, strict=True))
            for seed in self.seeds:
                found.append({**changes, "name": _as_name(levels, seed), "seed": seed, "levels": own})
        return found


def swept(name: Any, factor: Any) -> Any:
    """Levels of a factor of numbers; any other factor as it is, its levels' names as text.

    >>> swept("alpha", {"sweep": "siamese.alpha", "values": [0, 0.005]})
    {'0': {'siamese': {'alpha': 0}}, '0.005': {'siamese': {'alpha': 0.005}}}
    """
    if not isinstance(factor, Mapping):
        return factor
    if "sweep" not in factor:
        unclear = [level for level in factor if level is None or isinstance(level, bool)]
        if unclear:
            raise ValueError(
                f"factor {name}: YAML reads on, off, yes, no and null as {unclear[0]}; write the level in quotes"
            )
        return {str(level): change for level, change in factor.items()}
    path = str(factor["sweep"] or "").split(".")
    if set(factor) != {"sweep", "values"} or not isinstance(factor["values"], list) or not all(path):
        raise ValueError(f"factor {name}: write sweep, the name of a setting, and values, a list")
    texts = ["none" if value is None else str(value) for value in factor["values"]]
    if len(set(texts)) < len(texts):
        raise ValueError(f"factor {name}: {max(texts, key=texts.count)} is given twice; give each value once")
    return {text: _nested(path, value) for text, value in zip(texts, factor["values"], strict=True)}


def merged(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of both, those of ``other`` where both speak; a part of another kind replaces a part whole.

    >>> merged({"epochs": 3, "siamese": {"alpha": 1, "kind": "cosine"}}, {"siamese": {"alpha": 0}})
    {'epochs': 3, 'siamese': {'alpha': 0, 'kind': 'cosine'}}
    """
    found = dict(one)
    for name, value in other.items():
        old = found.get(name)
        if (
            isinstance(old, Mapping)
            and isinstance(value, Mapping)
            and value.get("kind", old.get("kind")) == old.get("kind")
        ):
            found[name] = merged(old, value)
        else:
            found[name] = value
    return found


def _nested(path: list[str], value: Any) -> dict[str, Any]:
    return {path[0]: _nested(path[1:], value) if len(path) > 1 else value}


def _refuse_names(factor: str, levels: Mapping[str, Any]) -> None:
    """Names that the tables of a factorial could not hold, or would read as something else."""
    if factor in COLUMNS_TAKEN:
        raise ValueError(f"a factor is called {factor}, which the tables call something else; choose another name")
    for name in (factor, *levels):
        if name in MISSING or name != name.strip() or not name.isprintable():
            raise ValueError(
                f"{name!r} is no name of a factor or level, as tables could not hold it; choose another"
            )


def _as_name(levels: Iterable[str], seed: int) -> str:
    """The name of a model, and so of its folder.

    >>> _as_name(["x/y", "0.005"], 1), _as_name(["[4, 8]", "ä"], 0)
    ('x-y_0.005_seed-1', 'cell-4--8-_-_seed-0')
    """
    words = ["".join(c if c.isascii() and (c.isalnum() or c in ".-") else "-" for c in each) for each in levels]
    name = "_".join([*words, f"seed-{seed}"])
    return name if name[0].isalnum() else f"cell{name}"
