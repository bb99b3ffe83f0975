"""A factorial from its settings to its answer: what collapses is told, a kill on the way changes no table."""

import os
import signal
from pathlib import Path

import pytest
import yaml

from nigra.files import read_tsv
from nigra.study.execution import Execution
from nigra.study.pipeline import run_study
from nigra.study.settings import RunSettings
from tests.launch.launch_fixture import small_settings
from tests.launch.test_local import launched, started, wait_for
from tests.study.study_fixture import make_study

NAMES = ("values", "cells", "factorial", "collapsed")
STACK = {"kind": "stack", "widths": [4], "code": "dense", "code_size": 3, "padding": "valid"}


def settings() -> RunSettings:
    """Two folds of a sound model and one that a huge alpha without reconstruction collapses; planted spheres."""
    plain = small_settings().model_dump(mode="json", exclude={"models"})
    factorial = {
        "base": {"unit": {"kind": "patch", "size": 5}, "architecture": STACK, "siamese": {"kind": "squared"},
                 "epochs": 6, "batch": 16, "units_per_subject": 60, "learning_rate": 0.01},
        "factors": {
            "siamese": {
                "none": {"siamese": {"alpha": 0}},
                "alone": {"siamese": {"alpha": 1000}, "reconstruction": {"weight": 0}},
            }
        },
    }  # fmt: skip
    planted = {
        "shapes": [{"kind": "sphere", "sizes": [12]}],
        "effects": [{"kind": "multiply", "name": "damage", "strengths": [0.4]}], "subjects": 2, "lesions": 1,
    }  # fmt: skip
    read = yaml.safe_load(yaml.safe_dump({**plain, "splits": {"method": "k-fold", "draws": 2}, "planted": planted}))
    return RunSettings.model_validate({**read, "factorial": factorial})


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run's folder, made by one process without interruption."""
    study = make_study(tmp_path_factory.mktemp("whole"))
    return run_study(study, settings(), Execution(threads=1, device="cpu"))


def tables(run: Path) -> list[bytes]:
    return [(run / "factorial" / f"{name}.tsv").read_bytes() for name in NAMES]


def test_a_collapsed_model_is_told_everywhere_and_does_not_quietly_win(whole: Path) -> None:
    health = read_tsv(whole / "health.tsv", ("why",)).set_index("model")
    assert set(health.loc["none_seed-0", "collapsed"]) == {"no"}
    assert set(health.loc["alone_seed-0", "collapsed"]) == {"yes"}
    collapsed = read_tsv(whole / "factorial/collapsed.tsv", ("why",))
    assert list(zip(collapsed["model"], collapsed["fold"], strict=True)) == [
        ("alone_seed-0", 0),
        ("alone_seed-0", 1),
    ]
    found = read_tsv(whole / "factorial/factorial.tsv", ("note",))
    assert set(found["outcome"]) >= {"planted_sensitivity", "planted_auroc", "group_auc", "effective_rank"}
    assert set(found["collapsed"]) == {2}
    assert found["estimate_healthy"].isna().all()
    page = (whole / "factorial/factorial.html").read_text(encoding="utf-8")
    assert "2 trainings collapsed: alone_seed-0 (fold 0), alone_seed-0 (fold 1)" in page
    assert "Without collapsed models nothing is left to compare" in page
    report = (whole / "report.html").read_text(encoding="utf-8")
    assert "Caution: 2 of 2 trainings of this model collapsed" in report


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="looks into /proc, which Linux has")
@pytest.mark.parametrize("kind", ["train", "score", "plant"])
def test_kill_9_of_the_launcher_and_the_same_command_gives_the_same_answer(
    kind: str, tmp_path: Path, whole: Path
) -> None:
    study = make_study(tmp_path)
    process = started(study, settings(), "run")
    wait_for(lambda: any((study / "runs/quick/tasks").glob(f"{kind}_*.json")), 300)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (study / "runs/quick/factorial").exists()
    outcome, text = launched(study, settings())
    assert outcome.failed == [], text
    assert tables(study / "runs/quick") == tables(whole)
