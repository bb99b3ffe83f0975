"""Every page stands alone: its own style and script, nothing from elsewhere, what it holds escaped."""

import re

import pytest
from jinja2 import UndefinedError
from markupsafe import Markup

from nigra.report.page import asset, fill

CONTENTS = {
    "title": "A & <b>B</b>", "run": "one", "created": "1 May 2026", "version": "0.1", "synthetic": True,
    "sections": [("brief", "In brief"), ("more", "And <more>")], "warnings": ["Look < twice."], "kind": "report",
}  # fmt: skip


def test_a_page_has_style_script_and_sections_and_what_it_holds_is_escaped() -> None:
    page = fill("page.html", CONTENTS)
    assert asset("report.css") in page
    assert asset("report.js") in page
    assert "<h1>A &amp; &lt;b&gt;B&lt;/b&gt;</h1>" in page
    assert '<li><a href="#more">And &lt;more&gt;</a></li>' in page
    assert "Look &lt; twice." in page


def test_a_page_says_what_it_may_not_be_used_for_before_and_after_its_contents() -> None:
    page = fill("page.html", CONTENTS)
    head, foot = page.split("<footer>")
    assert "not a medical device" in head.split("</header>")[0]
    assert "not a medical device" in foot


def test_a_page_asks_for_nothing_from_elsewhere() -> None:
    page = fill("page.html", CONTENTS)
    assert "default-src 'none'" in page
    assert re.findall(r"(?:src|href)=[\"'](?!#|data:)", page) == []
    assert re.findall(r"url\((?![\"']?data:)", page) == []


def test_contents_may_bring_their_own_style() -> None:
    page = fill("page.html", {**CONTENTS, "style": Markup("b{color:red}")})
    assert "<style>b{color:red}</style>" in page
    assert asset("report.css") not in page


def test_a_name_that_is_asked_for_and_not_given_is_an_error() -> None:
    with pytest.raises(UndefinedError, match="created"):
        fill("page.html", {key: value for key, value in CONTENTS.items() if key != "created"})
