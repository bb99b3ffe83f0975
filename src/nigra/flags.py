"""Settings as flags of a command line: one per field, with its description and default, checked by its class."""

import argparse
import types
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin

from nigra.errors import NigraError

if TYPE_CHECKING:
    from pydantic import BaseModel


def add_flags(
    parser: argparse._ActionsContainer, model: "type[BaseModel]", leave_out: tuple[str, ...] = ()
) -> None:
    """One flag per field of a settings class, with its description and default; values are checked by the class."""
    for name, field in model.model_fields.items():
        if name in leave_out:
            continue
        flag, default = f"--{name.replace('_', '-')}", field.default
        text = f"{field.description} (default: {_shown(default)})".replace("%", "%%")
        options: dict[str, Any] = {"default": argparse.SUPPRESS, "help": text, "dest": name}
        kind = _kind(field.annotation)
        if kind is bool:
            parser.add_argument(flag, action=argparse.BooleanOptionalAction, **options)
        elif get_origin(kind) is Literal:
            parser.add_argument(flag, choices=get_args(kind), **options)
        elif get_origin(kind) is tuple:
            item = get_args(kind)[0]
            parser.add_argument(flag, nargs="*", type=item, metavar=name.split("_")[-1].upper()[:6], **options)
        else:
            parser.add_argument(flag, type=kind, metavar=kind.__name__.upper(), **options)


def flags_given(parsed: argparse.Namespace, model: "type[BaseModel]") -> Any:
    """The settings the flags describe; a value out of range is one sentence."""
    from pydantic import ValidationError

    given = {name: value for name, value in vars(parsed).items() if name in model.model_fields}
    try:
        return model.model_validate(given)
    except ValidationError as error:
        detail = error.errors()[0]
        flag = "--" + str(detail["loc"][0]).replace("_", "-") if detail["loc"] else "settings"
        message = detail["msg"].removeprefix("Value error, ")
        raise NigraError(f"{flag}: {message} (found {detail['input']!r}).") from error


def _kind(annotation: Any) -> Any:
    """The type of a field without its ``| None``."""
    if get_origin(annotation) in (Union, types.UnionType):
        return next(part for part in get_args(annotation) if part is not type(None))
    return annotation


def _shown(default: Any) -> str:
    if default is None:
        return "none"
    return " ".join(map(str, default)) if isinstance(default, tuple) else str(default)
