"""The examples run as they stand."""

import runpy
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


def test_first_steps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(EXAMPLES / "first_steps.py"))["main"](tmp_path)
    lines = capsys.readouterr().out
    assert "cohort: 10 subjects, channels FA, MD" in lines
    assert "12034 parameters, trained on 6 controls" in lines
    assert "abnormal voxels of test controls" in lines
