"""Which task can be done next, and what one's failure means for the others: no processes, no files."""

from collections import Counter
from collections.abc import Collection, Sequence

from nigra.launch.status import ENDED, State
from nigra.study.tasks import Task, Tasks


class Schedule:
    """The states of a run's tasks; those ``done`` before are so from the beginning."""

    def __init__(self, tasks: Sequence[Task], done: Collection[str] = ()) -> None:
        self.tasks = {task.name: task for task in tasks}
        self.states: dict[str, State] = {name: "done" if name in done else "waiting" for name in self.tasks}
        self.reasons: dict[str, str] = {}
        self.before = frozenset(done)

    @classmethod
    def of(cls, tasks: Tasks, kinds: Collection[str]) -> "Schedule":
        """The tasks of some kinds. One that comes after others to be done is not done, whatever is there."""
        chosen = [task for task in tasks.all if task.kind in kinds]
        names, done = {task.name for task in chosen}, set[str]()
        for task in chosen:
            earlier = names.intersection(task.needs + task.after)
            if earlier <= done and tasks.is_done(task):
                done.add(task.name)
        schedule = cls(chosen, done)
        for task in chosen:
            lacking = [need for need in task.needs if need not in names and not tasks.is_done(tasks[need])]
            if lacking and task.name not in done:
                schedule.mark(task.name, "skipped", f"needs {lacking[0]}, which is not done")
        return schedule

    def mark(self, name: str, state: State, reason: str = "") -> list[str]:
        """Note a task's state; returns the tasks whose state changed: it, and those skipped as they need it."""
        changed = [] if (self.states[name], self.reasons.get(name, "")) == (state, reason) else [name]
        self.states[name], self.reasons[name] = state, reason
        if state in ("failed", "skipped"):
            for task in self.tasks.values():
                if name in task.needs and self.states[task.name] not in ENDED:
                    changed += self.mark(task.name, "skipped", f"needs {name}, which {_verb(state)}")
        return changed

    def ready(self) -> list[Task]:
        """Waiting tasks whose needs are done and whose predecessors have ended, first come first."""
        return [
            task for task in self.tasks.values()
            if self.states[task.name] == "waiting"
            and all(self.states.get(need, "done") == "done" for need in task.needs)
            and all(self.states.get(each, "done") in ENDED for each in task.after)
        ]  # fmt: skip

    @property
    def ended(self) -> bool:
        """Whether nothing is left to wait for."""
        return all(state in ENDED for state in self.states.values())

    @property
    def failed(self) -> list[str]:
        """Names of the tasks that failed or were skipped."""
        return [name for name, state in self.states.items() if state in ("failed", "skipped")]

    def counts(self, kind: str = "") -> Counter[str]:
        """How many tasks, of one kind or of all, are in each state."""
        return Counter(self.states[name] for name, task in self.tasks.items() if kind in ("", task.kind))


def _verb(state: State) -> str:
    return "failed" if state == "failed" else "was skipped"
