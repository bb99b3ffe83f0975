"""Docstrings as Markdown: doctests and columns set in plain text become code blocks (an extension of griffe)."""

import re
from typing import Any

import griffe


class Preformatted(griffe.Extension):
    """Fences what Markdown would take for quotations, headings or running text."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Rewrite the docstring of everything that has one."""
        if obj.docstring:
            obj.docstring.value = fenced(obj.docstring.value)


def fenced(text: str) -> str:
    """Put fences around the paragraphs of a docstring that are code or aligned columns.

    >>> fenced("Two columns.\\n\\na    1\\nb    2")
    'Two columns.\\n\\n```text\\na    1\\nb    2\\n```'
    """
    return "\n\n".join(_paragraph(part) for part in re.sub(r"::(?=\n\n)", ":", text).split("\n\n"))


def _paragraph(text: str) -> str:
    lines = text.split("\n")
    if lines[0].startswith(">>>"):
        return f"```pycon\n{text}\n```"
    columns = sum(bool(re.search(r"\S {3,}\S", line)) for line in lines) > 1
    return f"```text\n{text}\n```" if columns or lines[0].startswith("====") else text
