"""Signals in the middle of an epoch: the state is left behind, and the same command ends with the same bits."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

from nigra.errors import Interrupted
from nigra.training import loop, train
from nigra.training.signals import SIGNALS, listening
from tests.training.child import SETTINGS, noisy
from tests.training.training_fixture import make_source, patches, weights

ROOT = Path(__file__).parents[2]


def log_of(folder: Path) -> list[dict[str, object]]:
    lines = [json.loads(line) for line in (folder / "training.jsonl").read_text().splitlines()]
    return [{**line, "seconds": 0} for line in lines]


def position(folder: Path) -> tuple[int, int]:
    with safe_open(folder / "checkpoint.safetensors", framework="pt") as stream:
        metadata = stream.metadata()
    return int(metadata["epoch"]), int(metadata["position"])


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[np.ndarray, list[dict[str, object]]]:
    """Weights and log of a training that was never stopped."""
    folder = tmp_path_factory.mktemp("whole")
    return weights(train(noisy(), patches(make_source()), SETTINGS, folder)), log_of(folder)


def goes_on_to(whole: tuple[np.ndarray, list[dict[str, object]]], folder: Path) -> None:
    resumed = train(noisy(), patches(make_source()), SETTINGS, folder)
    np.testing.assert_array_equal(weights(resumed), whole[0])
    assert log_of(folder) == whole[1]
    assert len(whole[1]) == SETTINGS.epochs


@pytest.mark.parametrize("number", SIGNALS)
def test_stops_between_two_legs_and_goes_on_the_same(
    whole: tuple[np.ndarray, list[dict[str, object]]], tmp_path: Path, number: int
) -> None:
    ticks: list[float] = []

    def tick(done: float, text: str) -> None:
        ticks.append(done)
        if len(ticks) == 5:  # three legs an epoch, so this is before the second leg of the second one
            os.kill(os.getpid(), number)

    with pytest.raises(Interrupted, match=r"SIG(TERM|USR1) came in epoch 2 of 3; the same command goes on"):
        train(noisy(), patches(make_source()), SETTINGS, tmp_path, tick=tick)
    assert len(ticks) == 5
    assert position(tmp_path) == (1, 2 * loop.LEG * SETTINGS.batch)
    goes_on_to(whole, tmp_path)


def test_dead_without_a_word_and_goes_on_the_same(
    whole: tuple[np.ndarray, list[dict[str, object]]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is lost are the steps since the last checkpoint, here the one at the beginning of the leg."""
    monkeypatch.setattr(loop, "SAVE_SECONDS", 0.0)

    def dies(done: float, text: str) -> None:
        if done > 0.5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(noisy(), patches(make_source()), SETTINGS, tmp_path, tick=dies)
    assert position(tmp_path) == (1, 2 * loop.LEG * SETTINGS.batch)
    goes_on_to(whole, tmp_path)


def test_noise_matters(whole: tuple[np.ndarray, list[dict[str, object]]], tmp_path: Path) -> None:
    """Negative control: legs with other noise do not end with the same bits."""
    model = noisy()
    begin = model.begin_epoch
    model.begin_epoch = lambda done, seed: begin(done, seed + 1)  # type: ignore[method-assign]
    other = train(model, patches(make_source()), SETTINGS, tmp_path)
    assert not np.array_equal(weights(other), whole[0])


@pytest.mark.parametrize(
    "name",
    ["SIGKILL", pytest.param("SIGTERM", marks=pytest.mark.slow), pytest.param("SIGUSR1", marks=pytest.mark.slow)],
)
def test_another_process_killed_in_the_middle(
    whole: tuple[np.ndarray, list[dict[str, object]]], tmp_path: Path, name: str
) -> None:
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.training.child", tmp_path, "noisy"],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}, text=True,
        stdout=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == "in the middle\n"
        child.send_signal(signal.Signals[name])
        said, _ = child.communicate(timeout=60)
    finally:
        child.kill()
    assert child.returncode == (-signal.SIGKILL if name == "SIGKILL" else 75)
    assert (f"{name} came in epoch 2" in said) == (name != "SIGKILL")
    assert position(tmp_path)[1] > 0
    goes_on_to(whole, tmp_path)


def test_a_signal_is_noted_once_and_then_acts_as_before() -> None:
    seen: list[int] = []
    before = {number: signal.signal(number, lambda number, frame: seen.append(number)) for number in SIGNALS}
    try:
        with listening() as note:
            assert note.signal is None
            os.kill(os.getpid(), signal.SIGTERM)
            assert (note.signal, seen) == ("SIGTERM", [])
            os.kill(os.getpid(), signal.SIGTERM)
            assert seen == [signal.SIGTERM]
        os.kill(os.getpid(), signal.SIGTERM)
        assert len(seen) == 2
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_outside_the_main_thread_nothing_is_touched() -> None:
    found: list[object] = []

    def work() -> None:
        with listening() as note:
            found.append((note.signal, signal.getsignal(signal.SIGTERM)))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [(None, signal.getsignal(signal.SIGTERM))]
