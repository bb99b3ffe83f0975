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


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("ocvsm", "did you mean ocsvm\\?"),
        ("al", "did you mean all\\?"),
        ("xyz", "choose one of ocsvm, .*, cost, paper, all"),
    ],
)
def test_an_unknown_name_is_one_sentence(name: str, sentence: str, stand_ins) -> None:
    with pytest.raises(NigraError, match=f"there is no benchmark '{name}'; {sentence}"):
        run_bench(name)
    assert stand_ins == []
    assert chosen("all") == NAMES
