"""Names, JSON after each benchmark, progress; the benchmarks themselves are stand-ins here."""

import json
import types
from pathlib import Path

import pytest

from nigra.bench import NAMES, run
from nigra.bench.run import chosen, run_bench
from nigra.errors import NigraError
from tests.bench.conftest import fast, growing


@pytest.fixture
def stand_ins(monkeypatch) -> list[tuple[str, bool]]:
    called: list[tuple[str, bool]] = []

    def module(name: str) -> types.SimpleNamespace:
        def measure(quick, tick) -> list:
            called.append((name, quick))
            tick(1.0, "")
            if name.endswith("cost"):
                raise KeyboardInterrupt
            return [fast(), growing()]

        return types.SimpleNamespace(measure=measure)

    monkeypatch.setattr(run, "import_module", module)
    return called


def test_one_benchmark_is_measured_and_written(stand_ins, tmp_path: Path) -> None:
    content = run_bench("loo", quick=True, path=tmp_path / "a.json")
    assert stand_ins == [("nigra.bench.loo", True)]
    assert json.loads((tmp_path / "a.json").read_text()) == json.loads(json.dumps(content))
    assert [comparison["name"] for comparison in content["comparisons"]] == ["fast-1", "cost-things"]
    assert {comparison["benchmark"] for comparison in content["comparisons"]} == {"loo"}
    assert (content["command"], content["quick"]) == ("nigra bench loo --quick", True)


def test_all_goes_through_the_names_and_an_interruption_keeps_what_was_measured(stand_ins, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run_bench("all", path=tmp_path / "a.json")
    assert [name for name, _ in stand_ins] == [f"nigra.bench.{name}" for name in NAMES]
    kept = json.loads((tmp_path / "a.json").read_text())["comparisons"]
    assert list(dict.fromkeys(comparison["benchmark"] for comparison in kept)) == list(NAMES[:-1])


def test_a_file_keeps_what_was_measured_before_of_other_benchmarks(stand_ins, tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "a.json"
    monkeypatch.setattr(run, "NAMES", ("ocsvm", "loo"))  # so that all does not end with the interruption
    monkeypatch.setattr(run, "describe", lambda: {"processor": "first"})
    run_bench("embedding", path=path)
    before = json.loads(path.read_text())
    monkeypatch.setattr(run, "describe", lambda: {"processor": "second"})
    run_bench("all", path=path)
    held = json.loads(path.read_text())
    assert [each["benchmark"] for each in held["comparisons"]] == ["ocsvm"] * 2 + ["loo"] * 2 + ["embedding"] * 2
    assert (held["command"], held["machine"]) == ("nigra bench all", {"processor": "second"})
    of_the_first = {"created": before["created"], "machine": {"processor": "first"}}
    assert [each.get("measured") for each in held["comparisons"]] == [None] * 4 + [of_the_first] * 2
    monkeypatch.setattr(run, "describe", lambda: {"processor": "third"})
    run_bench("loo", path=path)
    held = json.loads(path.read_text())
    assert (held["command"], held["machine"]) == ("nigra bench all", {"processor": "second"})
    machines = [
        each["measured"]["machine"]["processor"] if "measured" in each else "" for each in held["comparisons"]
    ]
    assert machines == ["", "", "third", "third", "first", "first"]
    content = run_bench("all", quick=True, path=path)  # toy sizes are not mixed with measured ones
    assert json.loads(path.read_text()) == json.loads(json.dumps(content))


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("ocvsm", "did you mean ocsvm\\?"),
        ("al", "did you mean all\\?"),
        ("xyz", "choose one of ocsvm, .*, cost, embedding, paper, all"),
    ],
)
def test_an_unknown_name_is_one_sentence(name: str, sentence: str, stand_ins) -> None:
    with pytest.raises(NigraError, match=f"there is no benchmark '{name}'; {sentence}"):
        run_bench(name)
    assert stand_ins == []
    assert chosen("all") == NAMES
