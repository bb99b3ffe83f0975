"""Training: published optimiser, same seed same result, resumed or not; nothing of the input is changed."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open

import nigra.training.feed
from nigra.errors import NigraError
from nigra.models.published import build
from nigra.training import Feed, Task, TrainingSettings, run_epoch, train
from nigra.units import Slices, Source
from tests.training.training_fixture import SHAPE, make_source, patches, weights

SETTINGS = TrainingSettings(epochs=4, batch=16, units_per_subject=20, seed=3)


@pytest.fixture
def source() -> Source:
    return make_source()


@pytest.mark.parametrize("name", ["mlcn2021-sae", "isbi2023-ae"])
def test_training_learns(source: Source, tmp_path: Path, name: str) -> None:
    settings = SETTINGS.model_copy(update={"epochs": 6, "units_per_subject": 60, "learning_rate": 3e-3})
    train(build(name, seed=3), patches(source), settings, tmp_path)
    log = [json.loads(line) for line in (tmp_path / "training.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in log] == list(range(1, 7))
    assert log[-1]["reconstruction"] < 0.8 * log[0]["reconstruction"]
    assert ("similarity" in log[0]) == name.endswith("-sae")


def test_slices_train_too(source: Source, tmp_path: Path) -> None:
    task = Task(source, Slices("axial", None), np.arange(5), np.arange(0))
    settings = TrainingSettings(epochs=6, batch=8, units_per_subject=None)
    train(build("mlcn2021-ae", 2, SHAPE[:2]), task, settings, tmp_path)
    log = [json.loads(line) for line in (tmp_path / "training.jsonl").read_text().splitlines()]
    assert log[-1]["loss"] < log[0]["loss"]


def test_same_seed_same_weights_other_seed_others(source: Source, tmp_path: Path) -> None:
    one = train(build("mlcn2021-sae"), patches(source), SETTINGS, tmp_path / "1")
    two = train(build("mlcn2021-sae"), patches(source), SETTINGS, tmp_path / "2")
    other = train(build("mlcn2021-sae"), patches(source), SETTINGS.model_copy(update={"seed": 4}), tmp_path / "3")
    np.testing.assert_array_equal(weights(one), weights(two))
    assert not np.array_equal(weights(one), weights(other))


@pytest.mark.parametrize("keep", ["last", "best-on-validation"])
@pytest.mark.parametrize("stop_after", [1, 3])
def test_killed_and_resumed_is_the_same_bit_for_bit(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keep: str, stop_after: int
) -> None:
    """Law 9: a kill in the middle of an epoch, after some batches were already learnt."""
    settings = SETTINGS.model_copy(update={"keep": keep, "validation_fraction": 0.4})
    whole = train(build("isbi2023-sae"), patches(source, 2), settings, tmp_path / "whole")
    draw, calls = nigra.training.feed.draw_epoch, []

    def dies(*arguments: object) -> object:
        calls.append(1)
        if len(calls) > 1 + 2 * stop_after:  # the watch draws first; each epoch once to learn, once to watch
            raise KeyboardInterrupt
        return draw(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(nigra.training.feed, "draw_epoch", dies)
    with pytest.raises(KeyboardInterrupt):
        train(build("isbi2023-sae"), patches(source, 2), settings, tmp_path / "killed")
    monkeypatch.setattr(nigra.training.feed, "draw_epoch", draw)
    resumed = train(build("isbi2023-sae", seed=99), patches(source, 2), settings, tmp_path / "killed")
    np.testing.assert_array_equal(weights(resumed), weights(whole))
    logs = [(tmp_path / name / "training.jsonl").read_text().splitlines() for name in ("whole", "killed")]
    for one, two in zip(*logs, strict=True):
        assert {**json.loads(one), "seconds": 0} == {**json.loads(two), "seconds": 0}


def test_best_on_validation_keeps_the_epoch_of_the_lowest_loss(source: Source, tmp_path: Path) -> None:
    """Oracle: the kept model's own validation loss, computed anew, is the lowest one of the log."""
    settings = TrainingSettings(
        epochs=6,
        batch=8,
        units_per_subject=30,
        learning_rate=0.05,
        validation_fraction=0.4,
        keep="best-on-validation",
    )
    task = patches(source, 2)
    model = train(build("isbi2023-ae"), task, settings, tmp_path)
    losses = [
        json.loads(line)["validation_loss"] for line in (tmp_path / "training.jsonl").read_text().splitlines()
    ]
    feed = Feed(task, settings, members=1)
    drawn = feed.draw(np.random.default_rng([settings.seed, 3]), task.validation_rows)
    with torch.no_grad():
        again = run_epoch(model.terms, feed, drawn)
    assert again["loss"] == pytest.approx(min(losses), rel=1e-6)
    assert min(losses) < max(losses)


def test_input_is_untouched(source: Source, tmp_path: Path) -> None:
    before = source.volumes.copy()
    source.volumes.setflags(write=False)
    train(build("mlcn2021-sae"), patches(source), SETTINGS.model_copy(update={"epochs": 1}), tmp_path)
    np.testing.assert_array_equal(source.volumes, before)


def test_a_checkpoint_is_tensors_only(source: Source, tmp_path: Path) -> None:
    train(build("mlcn2021-sae"), patches(source), SETTINGS.model_copy(update={"epochs": 1}), tmp_path)
    with safe_open(tmp_path / "checkpoint.safetensors", framework="pt") as stream:
        assert stream.metadata()["epoch"] == "1"
        assert any(name.startswith("optimiser.") for name in stream.keys())  # noqa: SIM118


def test_a_checkpoint_of_other_settings_is_refused(source: Source, tmp_path: Path) -> None:
    train(build("mlcn2021-sae"), patches(source), SETTINGS.model_copy(update={"epochs": 1}), tmp_path)
    with pytest.raises(NigraError, match="other settings"):
        train(build("mlcn2021-sae"), patches(source), SETTINGS, tmp_path)
    train(build("mlcn2021-sae"), patches(source), SETTINGS, tmp_path, resume=False)


def test_a_loss_that_is_not_a_number_stops(source: Source, tmp_path: Path) -> None:
    source.volumes[0] = np.nan
    with pytest.raises(NigraError, match="learning_rate"):
        train(build("mlcn2021-sae"), patches(source), SETTINGS, tmp_path)


def test_progress_rises_to_the_end(source: Source, tmp_path: Path) -> None:
    seen: list[float] = []
    train(build("mlcn2021-sae"), patches(source), SETTINGS, tmp_path, tick=lambda done, text: seen.append(done))
    assert seen == sorted(seen)
    assert 0.7 < seen[-1] < 1
