"""Two processes under torchrun take the steps of one: the same losses, the same weights but for rounding."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import distributed

from nigra.errors import NigraError
from nigra.models.composition import Composition, build
from nigra.models.published import build as published
from nigra.training import train
from nigra.training.parallel import Ranks, joined, shared
from tests.training.child import SETTINGS
from tests.training.training_fixture import make_source, patches, weights

ROOT = Path(__file__).parents[2]


def torchrun(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Start the child as torchrun would, on a free port of this machine."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder.mkdir(exist_ok=True)
    return subprocess.run(
        [
            sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2",
            "--master-addr=127.0.0.1", f"--master-port={port}", "-m", "tests.training.child", folder, *arguments,
        ],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}, timeout=240, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def log_of(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "training.jsonl").read_text().splitlines()]


def test_two_processes_learn_what_one_learns(tmp_path: Path) -> None:
    alone = train(published("mlcn2021-sae", seed=3), patches(make_source(), 2), SETTINGS, tmp_path / "one")
    done = torchrun(tmp_path / "two", "mlcn2021-sae")
    assert done.returncode == 0, done.stdout
    assert "Warning" not in done.stdout, done.stdout
    one, two = log_of(tmp_path / "one"), log_of(tmp_path / "two")
    assert len(one) == len(two) == SETTINGS.epochs
    for a, b in zip(one, two, strict=True):
        assert list(a) == list(b)
        for name in ("loss", "reconstruction", "similarity", "validation_loss"):
            assert b[name] == pytest.approx(a[name], rel=1e-6)
    assert one[-1]["loss"] < 0.9 * one[0]["loss"]
    of = [np.load(tmp_path / "two" / f"weights-{rank}.npy") for rank in range(2)]
    np.testing.assert_array_equal(of[0], of[1])
    np.testing.assert_allclose(of[0], weights(alone), atol=1e-5)
    started = weights(published("mlcn2021-sae", seed=3))
    assert np.abs(weights(alone) - started).max() > 1e-2  # what agrees has moved


@pytest.mark.slow
def test_a_signal_to_one_process_stops_all_and_they_go_on_the_same(tmp_path: Path) -> None:
    assert torchrun(tmp_path / "whole", "mlcn2021-sae").returncode == 0
    stopped = torchrun(tmp_path / "stopped", "mlcn2021-sae", "stop")
    assert stopped.returncode != 0
    assert "SIGUSR1 came in epoch 2 of 3" in stopped.stdout  # process 1, which had it
    assert "a signal came in epoch 2 of 3" in stopped.stdout  # process 0, which was told
    assert len(log_of(tmp_path / "stopped")) == 1
    assert torchrun(tmp_path / "stopped", "mlcn2021-sae").returncode == 0
    for one, two in zip(log_of(tmp_path / "whole"), log_of(tmp_path / "stopped"), strict=True):
        assert two["loss"] == pytest.approx(one["loss"], rel=1e-6)
    of = [np.load(tmp_path / name / "weights-0.npy") for name in ("whole", "stopped")]
    np.testing.assert_array_equal(*of)


def test_batch_norm_on_cpus_is_refused_in_a_sentence() -> None:
    with pytest.raises(NigraError, match="BatchNorm, whose statistics 2 processes on CPUs would not share"):
        shared(published("isbi2023-sae"), "cpu", Ranks(1, 2))


@pytest.mark.parametrize("world", [1, 2, 3, 7])
@pytest.mark.parametrize("count", [1, 2, 8, 225])
def test_parts_are_the_batch_once(world: int, count: int) -> None:
    parts = [Ranks(rank, world).part(100, 100 + count) for rank in range(world)]
    assert [sample for low, high in parts for sample in range(low, high)] == list(range(100, 100 + count))
    sizes = [high - low for low, high in parts]
    assert max(sizes) - min(sizes) <= 1
    assert all(low < 100 + count for low, _ in parts)  # an empty part still has a sample to take at weight 0


def test_weights_of_unequal_parts_give_the_mean_over_all(rng: np.random.Generator) -> None:
    values, world = rng.normal(size=7), 3
    averaged = 0.0
    for rank in range(world):
        low, high = Ranks(rank, world).part(0, 7)
        weight = Ranks(rank, world).weight(torch.zeros(()), (high - low) / 7)
        assert weight is not None
        averaged += float(weight) * values[low:high].mean() / world
    assert averaged == pytest.approx(values.mean(), rel=1e-6)
    assert Ranks().weight(torch.zeros(()), 1.0) is None


@pytest.mark.parametrize(
    "part",
    [
        {"siamese": {"kind": "vicreg", "alpha": 0.1}},
        {"siamese": {"kind": "contrastive", "alpha": 0.1}},
        {"variational": {"free_bits": 0.1}},
    ],
)
def test_terms_of_the_whole_batch_are_refused(part: dict[str, object]) -> None:
    model = build(Composition.model_validate(part), 2, (15, 15), seed=0)
    with pytest.raises(NigraError, match=r"all samples of a batch.*4 processes would not see together"):
        shared(model, "cpu", Ranks(0, 4))
    learner, terms = shared(model, "cpu", Ranks())  # alone it may
    assert (learner, terms) == (model, model.terms)


def test_without_torchrun_one_process_is_all() -> None:
    with joined("cpu") as (ranks, device):
        assert (ranks, device) == (Ranks(0, 1), "cpu")
    assert not distributed.is_initialized()
    assert ranks.first
    assert ranks.any(True, False) == [True, False]
    assert ranks.told(True)
    ranks.refuse_difference(3, 4)
