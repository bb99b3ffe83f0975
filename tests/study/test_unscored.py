"""What is left out of the comparison when some draws could not be scored, and what stays."""

from pathlib import Path

import pytest

from nigra.errors import NigraError
from nigra.study import unscored
from nigra.study.execution import Execution
from nigra.study.run import Run
from nigra.study.settings import RunSettings
from nigra.study.unscored import without_unscored
from tests.study.study_fixture import make_study, quick_settings

DETECTORS = [{"kind": "error"}, {"kind": "z", "name": "maps", "reads": "intensities"}]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    settings = quick_settings(
        detectors=DETECTORS, baselines=["z", "regional-mean"], evaluation={"reference": "isbi2023-sae"}
    )
    return Run(make_study(tmp_path), settings, Execution(threads=1))


def unscored_draws(monkeypatch: pytest.MonkeyPatch, *missing: tuple[str, int]) -> None:
    monkeypatch.setattr(
        unscored, "is_scored", lambda run, method, draw: (method.model_label, draw.draw) not in missing
    )


def labels(settings: RunSettings) -> list[str]:
    return [method.label for method in settings.methods]


def test_nothing_is_left_out_when_all_is_scored(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    unscored_draws(monkeypatch)
    assert without_unscored(run) == (run.settings, [])


def test_a_model_with_an_unscored_draw_goes_and_is_told(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    unscored_draws(monkeypatch, ("isbi2023-sae", 1))
    settings, sentences = without_unscored(run)
    assert sentences == ["isbi2023-sae is left out: draw 1 could not be scored; tasks.tsv says why."]
    assert labels(settings) == [label for label in labels(run.settings) if not label.startswith("isbi2023-sae")]
    assert settings.evaluation.reference == ""
    assert settings.baselines == ["z", "regional-mean"]
    assert settings.splits == run.settings.splits


def test_detectors_on_the_maps_go_together(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    unscored_draws(monkeypatch, ("intensities", 0), ("intensities", 1))
    settings, sentences = without_unscored(run)
    assert "draw 0, 1" in sentences[0]
    assert labels(settings) == ["mlcn2021-ae", "isbi2023-sae"]
    assert settings.baselines == ["regional-mean"]
    assert settings.evaluation.reference == "isbi2023-sae"


def test_nothing_left_is_told(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    unscored_draws(monkeypatch, ("intensities", 0), ("mlcn2021-ae", 0), ("isbi2023-sae", 1))
    with pytest.raises(NigraError, match="nothing can be evaluated"):
        without_unscored(run)
