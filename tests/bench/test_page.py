"""The page states every comparison of the JSON, and the page that ships is that of the JSON that ships."""

import json
import re
from pathlib import Path

import pytest

from nigra.bench.page import NOTHING, page
from nigra.bench.words import number, times

DOCS = Path(__file__).parents[2] / "docs"


def assert_states(text: str, content: dict) -> None:
    """Every title, ratio, rate and missed goal stands on the page."""
    for comparison in content["comparisons"]:
        assert comparison["title"] in text
        if comparison["curve"]:
            continue
        assert number(comparison["ours"]["rate"]) in text
        for peer in comparison["peers"]:
            assert f"| {peer['name']} | {times(peer)} |" in text
        if not content["quick"]:
            assert all(sentence in text for sentence in comparison["missed"])


def test_every_comparison_is_stated(content) -> None:
    text = page(content)
    assert_states(text, content)
    ratio, goal = "80 times (40 to 100)", "at least 60 times slow: reached"
    assert f"| A fast thing | slow | {ratio} | 200 things | 2.5 | 2.0e-06 | {goal} |" in text
    assert "|  | absent | not measured (not installed: pip it) | 200 things | – |  |  |" in text
    assert "All 1 goals are reached." in text
    assert "nigra bench all --json docs/benchmarks.json" in text
    assert "A Processor, 2 cores, 2 threads" in text
    assert "Tiny sizes" not in text


def test_a_comparison_that_is_not_stated_would_be_noticed(content) -> None:
    text = page(content | {"comparisons": content["comparisons"][1:]})
    with pytest.raises(AssertionError):
        assert_states(text, content)


def test_a_missed_goal_stands_in_words(content) -> None:
    content["comparisons"][0]["missed"] = ["50 times slow, goal 60"]
    text = page(content)
    assert "at least 60 times slow: **not reached** |" in text
    assert "Not reached, 1 of 1 goals:\n\n- A fast thing: 50 times slow, goal 60." in text


def test_what_was_measured_another_day_says_so(content) -> None:
    other = {**content["machine"], "processor": "Another", "cores": 64}
    content["comparisons"][0]["measured"] = {"created": "2031-01-31T00:00:00+00:00", "machine": other}
    text = page(content)
    assert "- measured on 2031-01-31, Another, 64 cores, 2 threads, nigra 9.9, load average 0.5 after it" in text
    assert "measured on" not in page(content | {"comparisons": content["comparisons"][1:]})


def test_tiny_sizes_are_no_result(content) -> None:
    text = page(content | {"quick": True})
    assert "measure nothing" in text
    assert "reached" not in text


def test_without_a_curve_there_is_no_picture(content) -> None:
    assert "images/benchmark-cost.svg" in page(content)
    assert "benchmark-cost" not in page(content | {"comparisons": content["comparisons"][:1]})


def test_nothing_is_told_of_a_gpu_that_was_not_there(content) -> None:
    gpu = page(content).split("## On a GPU")[1]
    assert "Not measured" in gpu
    assert re.findall(r"\d+(?:\.\d+)? (?:s|ms|h|min)\b", gpu) == []


def test_the_page_that_ships_is_that_of_its_json() -> None:
    if not (DOCS / "benchmarks.json").exists():
        assert (DOCS / "benchmarks.md").read_text(encoding="utf-8") == NOTHING
        return
    content = json.loads((DOCS / "benchmarks.json").read_text(encoding="utf-8"))
    text = (DOCS / "benchmarks.md").read_text(encoding="utf-8")
    assert text == page(content)
    assert_states(text, content)
