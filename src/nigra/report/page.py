"""A page of its own: a template filled in, with style and script inside, that loads nothing."""

from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup


def fill(template: str, contents: Mapping[str, Any]) -> str:
    """The page that ``template`` makes of its contents; a name that it asks for and does not get is an error.

    Style and script are those of the report unless the contents bring their own.
    """
    environment = Environment(
        loader=PackageLoader("nigra.report", "."), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    own = {"style": asset("report.css"), "script": asset("report.js")}
    return environment.get_template(template).render({**own, **contents})


def asset(name: str) -> Markup:
    """A style or script of this package, to stand in a page as it is."""
    return Markup(files("nigra.report").joinpath(name).read_text("utf-8"))
