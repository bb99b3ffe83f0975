"""Turns, rates and ratios against a clock that the calls themselves turn."""

import json
from dataclasses import replace

import pytest

from nigra.bench import interleave as module
from nigra.bench.interleave import Goals, Side, as_json, interleave, missed, missing, part, ratio
from tests.bench.conftest import fast


class Clock:
    """Time that passes only where a call says so."""

    def __init__(self) -> None:
        self.now, self.told = 0.0, []

    def call(self, name: str, *seconds: float):
        left = list(seconds)

        def run() -> None:
            self.told.append(name)
            self.now += left.pop(0)

        return run


@pytest.fixture
def clock(monkeypatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module.time, "perf_counter", lambda: clock.now)
    return clock


def test_sides_take_turns_and_the_first_turn_is_not_timed(clock) -> None:
    ticks: list[float] = []
    ours, (peer,) = interleave(
        100, clock.call("a", 50, 1, 2, 4), {"b": clock.call("b", 99, 10, 10, 40)}, rounds=3,
        peer_work={"b": 10}, notes={"b": "batches of 8"}, tick=lambda done, text: ticks.append(done),
    )  # fmt: skip
    assert clock.told == ["a", "b"] * 4
    assert ours == Side("nigra", 50.0, [1, 2, 4], "", 100)
    assert peer == Side("b", 1.0, [10, 10, 40], "batches of 8", 10)
    assert ratio(ours, peer) == (100.0, 50.0, 100.0)
    assert ticks == [n / 8 for n in range(1, 9)]


def test_the_ratio_is_that_of_the_rounds_so_drift_cancels(clock) -> None:
    """The machine slows down tenfold; the ratio of medians would be told by the slowdown's place."""
    ours, (peer,) = interleave(1, clock.call("a", 0, 1, 10, 1), {"b": clock.call("b", 0, 3, 30, 30)}, rounds=3)
    assert ratio(ours, peer) == (3.0, 3.0, 30.0)
    assert peer.seconds[1] / ours.seconds[0] == 30  # negative control: across rounds it is not 3


def test_a_peer_that_is_missing_has_no_ratio() -> None:
    assert ratio(Side("nigra", 1.0, [1.0]), missing("absent", "why")) is None
    assert missing("absent", "why").note == "why"


@pytest.mark.parametrize(
    ("goals", "sentences"),
    [
        (Goals({"slow": 60}, difference=1e-5), []),
        (Goals({"slow": 90}), ["80 times slow, goal 90"]),
        (Goals({"absent": 2}), ["not measured against absent"]),
        (Goals({"nobody": 2}), ["not measured against nobody"]),
        (Goals(rate=200), []),
        (Goals(rate=201), ["200 things a second, goal 201"]),
        (Goals(difference=1e-6), ["difference 2e-06, goal 1e-06"]),
    ],
)
def test_missed_goals_are_told(goals: Goals, sentences: list[str]) -> None:
    assert missed(replace(fast(), goals=goals)) == sentences


@pytest.mark.parametrize("difference", [None, float("nan")])
def test_an_unknown_difference_is_a_missed_goal(difference) -> None:
    assert len(missed(replace(fast(), largest_difference=difference))) == 1


def test_json_there_and_back_with_the_ratio() -> None:
    content = json.loads(json.dumps(as_json(fast()), allow_nan=False))
    assert [peer["ratio"] for peer in content["peers"]] == [{"median": 80.0, "low": 40.0, "high": 100.0}, None]
    assert content["ours"]["seconds"] == [0.5, 0.5, 1.0]
    assert (content["missed"], content["curve"]) == ([], None)


def test_progress_of_a_part_is_a_share_of_the_whole() -> None:
    told: list[tuple[float, str]] = []
    part(lambda done, text: told.append((done, text)), 1, 4)(0.5, "x")
    part(None, 0, 1)(1.0, "nobody listens")
    assert told == [(0.375, "x")]
