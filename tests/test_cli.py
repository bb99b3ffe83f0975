"""The command line: help for everything, one line for a user's mistake, exit codes that mean something."""

import argparse
import errno
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from nigra import __version__, cli
from nigra.cli import tools
from nigra.cohort.store import StoreWriter
from nigra.errors import NigraError
from nigra.flags import flags_given
from nigra.preparation.settings import Execution, PrepareSettings

COMMANDS = (
    "demo",
    "phantom",
    "doctor",
    "prepare",
    "run",
    "train",
    "score",
    "evaluate",
    "report",
    "task",
    "simulate",
    "latent",
    "explore",
    "settings",
    "bench",
)


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A store of 8 controls and 3 patients, as `nigra prepare` leaves it."""
    shape = (18, 19, 7)
    table = pd.DataFrame(
        {
            "participant_id": [f"sub-{n:02d}" for n in range(11)],
            "group": ["control"] * 8 + ["patient"] * 3,
            "age": np.arange(11) + 50.0,
            "sex": ["M", "F"] * 5 + ["M"],
            "site": "Lyon",
        }
    )
    writer = StoreWriter(tmp_path / "cohort", table, ("FA",), "S", np.ones(shape, dtype=bool), np.eye(4))
    for row in range(11):
        writer.write(row, np.full((1, *shape), row, dtype=np.float32))
    writer.close({})
    return tmp_path


def subparsers() -> dict[str, argparse.ArgumentParser]:
    action = next(a for a in cli.build_parser()._actions if isinstance(a, argparse._SubParsersAction))
    return action.choices


def told(capsys: pytest.CaptureFixture, *arguments: str) -> str:
    """The one sentence a mistake is answered with."""
    assert cli.main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = captured.err.strip().splitlines()  # a progress bar that is given up ends with an empty line
    assert len(lines) == 1
    assert lines[0].startswith("nigra: ")
    return lines[0].removeprefix("nigra: ")


def files(folder: Path) -> Iterator[str]:
    return (str(path.relative_to(folder)) for path in sorted(folder.rglob("*")))


def test_these_are_all_the_commands() -> None:
    assert set(subparsers()) == set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_exits_0_and_says_what_the_command_is_for(command: str, capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main([command, "--help"])
    assert caught.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    assert text.startswith(f"usage: nigra {command}")
    assert "Research use only, not a medical device." in text
    assert "exit codes:" in text


def test_help_names_the_defaults_of_all_flags_that_have_one(capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit):
        cli.main(["prepare", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    shown = {"--resolution FLOAT": "(default: 2.0)", "--n4-iterations": "(default: 40 40 30)", "--jobs INT": "1)"}
    for flag, default in shown.items():
        start = text.index(f"{flag}", text.index("what changes the result"))
        assert default in text[start : start + 220]
    fields = PrepareSettings.model_fields | Execution.model_fields
    for name in fields.keys() - {"work", "participant_labels"}:
        assert f"--{name.replace('_', '-')}" in text


def test_an_unknown_command_or_flag_exits_2(capsys: pytest.CaptureFixture) -> None:
    for arguments in (["trane"], ["run", "STUDY", "--confg", "a"], []):
        with pytest.raises(SystemExit) as caught:
            cli.main(arguments)
        assert caught.value.code == 2
    assert "invalid choice: 'trane'" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["run", "train", "score", "evaluate", "report"])
def test_an_unprepared_folder_is_told_to_prepare_and_left_alone(command, tmp_path: Path, capsys) -> None:
    sentence = told(capsys, command, str(tmp_path / "study"))
    assert sentence.endswith(f"has no prepared cohort; run `nigra prepare SOURCE {tmp_path / 'study'}` first.")
    assert not (tmp_path / "study").exists()


def test_a_stage_before_its_time_is_told_and_leaves_no_run(study: Path, capsys) -> None:
    labels = np.zeros((18, 19, 7), np.int16)
    labels[4:8] = 3
    nib.save(nib.Nifti1Image(labels, np.eye(4)), study / "space-S_dseg.nii.gz")
    (study / "space-S_dseg.tsv").write_text("index\tname\n3\tputamen\n")
    (study / "study.yaml").write_text("{name: early, atlas: {name: file, dseg: space-S_dseg.nii.gz}}")
    before = list(files(study))
    with_file = (str(study), "--config", str(study / "study.yaml"))
    assert "is not scored with these settings; run `nigra score`" in told(capsys, "evaluate", *with_file)
    assert "runs/early is not evaluated; run `nigra evaluate`" in told(capsys, "report", *with_file)
    assert list(files(study)) == before


def test_a_stage_without_a_file_takes_up_the_only_run(study: Path, capsys) -> None:
    def kept(name: str) -> None:
        folder = study / "runs" / name
        folder.mkdir(parents=True)
        (folder / "settings.yaml").write_text(f"name: {name}\nmodels: [{{preset: mlcn2021-ae}}]\n")

    kept("mine")
    for command in ("train", "score"):
        assert cli.main([command, str(study), "--dry-run"]) == 0
        assert capsys.readouterr().out.startswith("run mine\n")
    assert "runs/mine/mlcn2021-ae" in told(capsys, "simulate", str(study))
    assert "an atlas lies in the space" in told(capsys, "latent", str(study))  # the run is known by then
    kept("other")
    assert cli.main(["train", str(study), "--run", "other", "--dry-run"]) == 0
    assert capsys.readouterr().out.startswith("run other\n")
    assert cli.main(["train", str(study), "--dry-run"]) == 0
    assert capsys.readouterr().out.startswith("train: 80 to do")  # the defaults, a new run
    assert "runs/run is no run" in told(capsys, "latent", str(study))
    assert "runs/third is no run; run `nigra run" in told(capsys, "evaluate", str(study), "--run", "third")
    with pytest.raises(SystemExit):
        cli.main(["train", str(study), "--run", "other", "--config", "study.yaml"])


def test_mistakes_in_a_study_file_are_one_line(study: Path, tmp_path: Path, capsys) -> None:
    (tmp_path / "study.yaml").write_text("splits: {drawz: 3}")
    sentence = told(capsys, "run", str(study), "--config", str(tmp_path / "study.yaml"))
    assert sentence == f"{tmp_path / 'study.yaml'}: splits.drawz is unknown; did you mean draws?"
    assert "does not exist" in told(capsys, "run", str(study), "--config", str(tmp_path / "no.yaml"))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("prepare", "SOURCE", "STUDY", "--resolution", "0.1"), r"--resolution: .* greater than or equal to 0\.5"),
        (("prepare", "SOURCE", "STUDY", "--interpolation", "4"), r"--interpolation: .* \(found 4\)"),
        (("prepare", "SOURCE", "STUDY", "--jobs", "0"), r"--jobs: .* \(found 0\)"),
        (("run", "STUDY", "--threads", "-1"), r"--threads: .* \(found -1\)"),
        (("prepare", "no/such/source", "STUDY"), "no/such/source"),
        (("doctor", "no/such/source"), "no/such/source"),
        (("bench", "ocvsm"), r"there is no benchmark 'ocvsm'; did you mean ocsvm\?"),
        (("bench", "loo", "--threads", "0"), r"--threads: .* \(found 0\)"),
    ],
)
def test_a_value_out_of_range_or_a_missing_source_is_one_line(
    arguments, sentence, tmp_path, capsys, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert re.search(sentence, told(capsys, *arguments))
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_says_what_would_be_done_and_does_nothing(study: Path, capsys) -> None:
    assert "an atlas lies in the space of the maps" in told(capsys, "run", str(study), "--dry-run")
    labels = np.zeros((18, 19, 7), np.int16)
    labels[4:8] = 3
    nib.save(nib.Nifti1Image(labels, np.eye(4)), study / "space-S_dseg.nii.gz")
    (study / "space-S_dseg.tsv").write_text("index\tname\n3\tputamen\n")
    file = study / "study.yaml"
    file.write_text("atlas: {name: file, dseg: space-S_dseg.nii.gz}")
    before = list(files(study))
    assert cli.main(["run", str(study), "--config", str(file), "--dry-run"]) == 0
    lines = capsys.readouterr().out.splitlines()
    # 2 models x 10 draws, each on all training controls and without each of 3 folds
    assert lines == [
        "train: 80 to do, 0 of them done before",
        "score: 30 to do, 0 of them done before",
        "evaluate: 1 to do, 0 of them done before",
        "report: 1 to do, 0 of them done before",
    ]
    assert cli.main(["score", str(study), "--config", str(file), "--dry-run"]) == 0
    assert capsys.readouterr().out.splitlines() == lines[1:2]
    assert list(files(study)) == before
    effect = "{kind: multiply, name: damage, strengths: [0.1, 0.2]}"
    planted = f"planted: {{shapes: [{{kind: sphere, sizes: [8]}}], effects: [{effect}], subjects: 1}}"
    file.write_text(f"{file.read_text()}\n{planted}")
    assert cli.main(["run", str(study), "--config", str(file), "--dry-run"]) == 0
    # 2 models and the maps themselves, 10 draws, 2 strengths
    assert capsys.readouterr().out.splitlines() == [
        *lines[:2],
        "plant: 60 to do, 0 of them done before",
        *lines[2:],
    ]


def test_too_few_controls_are_refused_before_anything_is_written(study: Path, tmp_path: Path, capsys) -> None:
    (tmp_path / "study.yaml").write_text("groups: {control: {age_below: 52}, patient: {group: patient}}")
    before = list(files(study))
    assert "of 2 controls is 1 to test and 1 to train" in told(
        capsys, "run", str(study), "--config", str(tmp_path / "study.yaml")
    )
    assert list(files(study)) == before


def test_a_users_mistake_is_one_line_and_our_bug_keeps_its_traceback(monkeypatch, capsys) -> None:
    def mistake(parsed: argparse.Namespace) -> None:
        raise NigraError("sub-03: a scan has finite values, but found NaN; export it again.")

    def bug(parsed: argparse.Namespace) -> None:
        raise ZeroDivisionError

    def full(parsed: argparse.Namespace) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "a.npy")

    def stop(parsed: argparse.Namespace) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(tools, "_settings", mistake)
    assert told(capsys, "settings") == "sub-03: a scan has finite values, but found NaN; export it again."
    monkeypatch.setattr(tools, "_settings", stop)
    assert cli.main(["settings"]) == 130
    assert "the same command goes on where it stopped" in capsys.readouterr().err
    monkeypatch.setattr(tools, "_settings", full)
    assert told(capsys, "settings").startswith("a.npy: the system refuses to read or write (No space left")
    monkeypatch.setattr(tools, "_settings", bug)
    with pytest.raises(ZeroDivisionError):
        cli.main(["settings"])


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], PrepareSettings()),
        (["--no-registration"], PrepareSettings(registration=False)),
        (["--channels", "FA", "MD", "--resolution", "1.5"], PrepareSettings(channels=("FA", "MD"), resolution=1.5)),
        (["--n4-iterations"], PrepareSettings(n4_iterations=())),
        (["--affine-levels-mm", "6", "3"], PrepareSettings(affine_levels_mm=(6.0, 3.0))),
    ],
)
def test_flags_become_settings(arguments: list[str], expected: PrepareSettings) -> None:
    parsed = cli.build_parser().parse_args(["prepare", "SOURCE", "STUDY", *arguments])
    assert flags_given(parsed, PrepareSettings) == expected


def test_bids_app_words_are_kept() -> None:
    parsed = cli.build_parser().parse_args(
        ["prepare", "SOURCE", "STUDY", "--participant-label", "01", "sub-02", "-w", "work"]
    )
    assert parsed.participant_labels == ["01", "sub-02"]
    assert flags_given(parsed, Execution).work == Path("work")


def test_settings_prints_every_setting(capsys: pytest.CaptureFixture) -> None:
    from nigra.config import describe

    assert cli.main(["settings"]) == 0
    assert capsys.readouterr().out == describe() + "\n"


@pytest.mark.parametrize(("arguments", "code"), [(["--version"], 0), (["run", "no/study"], 2)])
def test_python_m_nigra_is_the_command(arguments: list[str], code: int, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "nigra", *arguments], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == code
    if code == 0:
        assert done.stdout == f"nigra {__version__}\n"
    else:
        assert done.stderr == "nigra: no/study has no prepared cohort; run `nigra prepare SOURCE no/study` first.\n"
