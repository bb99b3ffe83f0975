"""What may begin, and what a failure takes with it."""

from pathlib import Path
from typing import Any, cast

import pytest

from nigra.launch.schedule import Schedule
from nigra.study.tasks import Task, Tasks


def task(name: str, needs: tuple[str, ...] = (), after: tuple[str, ...] = ()) -> Task:
    kind = cast("Any", {"t": "train", "s": "score", "p": "plant", "f": "finish"}[name[0]])
    return Task(name, kind, (), (Path(name),), needs, after)


@pytest.fixture
def chain() -> list[Task]:
    """One model of two trainings, one of a single training; plantings come after all scorings."""
    return [
        task("t1"), task("t2"), task("t3"), task("s1", ("t1", "t2")), task("s2", ("t3",)),
        task("p1", ("s1",), ("s1", "s2")), task("p2", ("s2",), ("s1", "s2")),
        task("f", after=("s1", "s2", "p1", "p2")),
    ]  # fmt: skip


def ready(schedule: Schedule) -> list[str]:
    return [each.name for each in schedule.ready()]


def test_first_come_first_and_nothing_before_its_needs(chain: list[Task]) -> None:
    schedule, order = Schedule(chain), []
    while not schedule.ended:
        name = ready(schedule)[0]
        schedule.mark(name, "running")
        assert name not in ready(schedule)
        order.append(name)
        schedule.mark(name, "done")
    assert order == ["t1", "t2", "t3", "s1", "s2", "p1", "p2", "f"]
    assert schedule.failed == []


def test_a_failure_skips_what_needs_it_and_nothing_else(chain: list[Task]) -> None:
    schedule = Schedule(chain)
    assert schedule.mark("t1", "failed", "broken") == ["t1", "s1", "p1"]
    assert schedule.reasons["s1"] == "needs t1, which failed"
    assert schedule.reasons["p1"] == "needs s1, which was skipped"
    assert ready(schedule) == ["t2", "t3"]
    for name in ("t2", "t3", "s2", "p2"):
        assert name in ready(schedule)
        schedule.mark(name, "done")
    assert ready(schedule) == ["f"], "tables are made of what is there"
    assert schedule.counts("score") == {"skipped": 1, "done": 1}


def test_plantings_wait_for_every_scoring_to_end(chain: list[Task]) -> None:
    schedule = Schedule(chain, {"t1", "t2", "t3", "s1"})
    assert ready(schedule) == ["s2"]
    schedule.mark("s2", "failed", "broken")
    assert ready(schedule) == ["p1"]


class _Made(Tasks):
    """Stands for the tasks of a run of which some are done."""

    def __init__(self, tasks: list[Task], done: set[str]) -> None:
        self.all, self.done = tasks, done
        self._named = {each.name: each for each in tasks}

    def is_done(self, each: Task) -> bool:
        return each.name in self.done


def made(tasks: list[Task], *done: str) -> Tasks:
    return _Made(tasks, set(done))


def test_what_depends_on_work_to_be_done_again_is_not_done(chain: list[Task]) -> None:
    schedule = Schedule.of(made(chain, "t2", "t3", "s1", "s2", "p2", "f"), ("train", "score", "plant", "finish"))
    assert schedule.before == {"t2", "t3", "s2"}
    assert ready(schedule) == ["t1"]


def test_a_command_for_one_kind_skips_what_the_others_left_undone(chain: list[Task]) -> None:
    schedule = Schedule.of(made(chain, "t3"), ("score",))
    assert schedule.states == {"s1": "skipped", "s2": "waiting"}
    assert schedule.reasons["s1"] == "needs t1, which is not done"
