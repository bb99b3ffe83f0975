"""What the terminal shows of a result: ratio, rates, difference, goal, machine."""

from nigra.bench.words import lines, number, verdict


def test_lines_say_everything(content) -> None:
    assert lines(content) == [
        "A fast thing",
        "  things: 100; d: 16",
        "  80 times (40 to 100)             slow: 200 against 2.5 things a second",
        "  not measured (not installed: pip it) absent",
        "  largest difference 2.0e-06: values",
        "  goal: at least 60 times slow: reached",
        "",
        "Cost against things: the thing, doing it",
        "  fixed: d = 16; largest: 4",
        "  2 things a second",
        "  nigra: time grows as things to the power 1.00",
        "  slow: time grows as things to the power 2.00",
        "  no goal set",
        "",
        "A Processor, 2 cores, 2 threads, load average 0.25 at the start, Linux x86_64, GPU none",
        "nigra 9.9, torch 8.8",
    ]


def test_a_missed_goal_is_told_and_quick_sizes_are_not_judged(content) -> None:
    comparison = content["comparisons"][0] | {"missed": ["50 times slow, goal 60"]}
    assert verdict(comparison, quick=False) == "goal: at least 60 times slow: NOT reached: 50 times slow, goal 60"
    assert verdict(comparison, quick=True) == "goal: at least 60 times slow: not judged at quick sizes"


def test_numbers_keep_three_figures() -> None:
    assert [number(value) for value in (999, 999.6, 1234, 12345678)] == ["999", "1e+03", "1 230", "12 300 000"]
