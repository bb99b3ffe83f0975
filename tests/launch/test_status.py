"""A task's status is read as it was written, and half a status is none."""

from pathlib import Path

from nigra.launch.status import Status, one_line, read_status, write_status


def test_there_and_back(tmp_path: Path) -> None:
    status = Status(task="train_a", state="failed", reason="a\u202fb", seconds=1.5, attempts=3, job="7_1")
    write_status(tmp_path, status)
    assert read_status(tmp_path, "train_a") == status
    assert read_status(tmp_path, "train_b") is None


def test_a_damaged_status_is_none(tmp_path: Path) -> None:
    write_status(tmp_path, Status(task="train_a", state="done"))
    path = tmp_path / "tasks/train_a.json"
    path.write_text(path.read_text()[:10])
    assert read_status(tmp_path, "train_a") is None


def test_a_reason_is_one_short_line() -> None:
    assert one_line("first\n second") == "first second"
    assert one_line("x" * 500) == "x" * 397 + "..."
