"""What the settings of a term have in common: a kind, and parameters that belong to some kinds alone."""

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, model_validator


class KindSettings(BaseModel):
    """Settings with a ``kind``; a child adds the field and lists in ``own`` what each kind has, with defaults.

    Such a parameter is None until it is given, and giving it to a kind that has none is refused: nothing that a
    study file says is ignored.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    own: ClassVar[dict[str, dict[str, Any]]] = {}

    @model_validator(mode="after")
    def _settings_belong_to_the_kind(self) -> "KindSettings":
        kind: str = getattr(self, "kind")  # noqa: B009  a child's field
        known = self.own.get(kind, {})
        for name in dict.fromkeys(name for names in self.own.values() for name in names):
            if name not in known and getattr(self, name) is not None:
                meant = f"it has {', '.join(known)}" if known else "it has none of its own"
                raise ValueError(f"{name} is no setting of {kind}; {meant}")
        return self

    @property
    def values(self) -> dict[str, Any]:
        """The parameters of the kind at hand: as given, else their defaults."""
        defaults = self.own.get(getattr(self, "kind"), {})  # noqa: B009
        given = {name: getattr(self, name) for name in defaults}
        return {name: defaults[name] if value is None else value for name, value in given.items()}
