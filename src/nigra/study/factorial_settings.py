"""A factorial: models that differ in declared factors alone, each trained with the same seeds."""

from collections.abc import Mapping
from itertools import product
from typing import Any

from pydantic import Field, field_validator, model_validator

from nigra.study.evaluation_settings import Settings

MOST = 500
"""Models of a factorial; more are a mistake in a study file rather than a plan."""


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
        return {name: swept(name, factor) for name, factor in given.items()}

    @model_validator(mode="after")
    def _levels_are_names(self) -> "FactorialSettings":
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seed {max(self.seeds, key=self.seeds.count)} is given twice; give each once")
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
                name = "_".join([*map(_as_name, levels), f"seed-{seed}"])
                found.append({**changes, "name": name, "seed": seed, "levels": own})
        return found


def swept(name: Any, factor: Any) -> Any:
    """Levels of a factor of numbers; any other factor as it is, its levels' names as text.

    >>> swept("alpha", {"sweep": "siamese.alpha", "values": [0, 0.005]})
    {'0': {'siamese': {'alpha': 0}}, '0.005': {'siamese': {'alpha': 0.005}}}
    """
    if not isinstance(factor, Mapping) or "sweep" not in factor:
        return {str(level): change for level, change in factor.items()} if isinstance(factor, Mapping) else factor
    if set(factor) != {"sweep", "values"} or not isinstance(factor["values"], list):
        raise ValueError(f"factor {name}: write sweep, the name of a setting, and values, a list")
    return {str(value): _nested(str(factor["sweep"]).split("."), value) for value in factor["values"]}


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


def _as_name(level: str) -> str:
    """A level as part of a folder's name."""
    return "".join(c if c.isalnum() or c in ".-" else "-" for c in level) or "-"
