"""A model that outputs noise, from the score to the tables of a run: nothing may be found by it."""

from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from nigra.files import read_tsv
from nigra.study import score
from nigra.study.execution import Execution
from nigra.study.pipeline import run_study
from nigra.study.settings import RunSettings
from tests.study.study_fixture import make_study, quick_settings

NOISE = [f"noise-{k}" for k in range(8)]
AUCS = ("auc", "auc, one score per subject")


def settings() -> RunSettings:
    """Eight methods whose scores will be noise, beside a voxelwise z."""
    detectors = [{"kind": "raw", "name": name} for name in NOISE]
    return quick_settings(
        splits={"draws": 2, "test_fraction": 0.4}, models=[], detectors=detectors, baselines=["z"],
        evaluation={"bootstrap": 300, "permutations": 500}, calibration={"folds": 3},
    )  # fmt: skip


def test_a_model_that_outputs_noise_finds_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """8 models x 4 regions, 12 of 30 controls tested against 20 patients who do have a change, which z finds."""
    controls, patients = ([f"sub-{group}{k:02d}" for k in range(n)] for group, n in (("C", 30), ("P", 20)))
    study = make_study(tmp_path, controls, patients)
    plain = score.scores_of

    def noisy(detector, found, method, name):  # type: ignore[no-untyped-def]
        scores = plain(detector, found, method, name)
        if method.detector.label not in NOISE:
            return scores
        seed = int.from_bytes(sha256(f"{method.label} {name}".encode()).digest()[:8], "little")
        return np.random.default_rng(seed).normal(size=len(scores)).astype(np.float32)

    monkeypatch.setattr(score, "scores_of", noisy)
    run_study(study, settings(), Execution(threads=1, device="cpu"), ("train", "score", "evaluate"))
    table = read_tsv(study / "runs" / "quick" / "evaluation.tsv")
    auc = table[table["measure"].isin(AUCS) & table["estimate"].notna()]
    noise, z = auc[auc["detector"] != "z"], auc[(auc["detector"] == "z") & (auc["region"] == "putamen left")]
    assert len(noise) == len(NOISE) * 4 * len(AUCS)
    # of 32 at .95 fewer than 27 have p = .006
    holds = (noise["low"] <= 0.5) & (noise["high"] >= 0.5)
    assert (holds.groupby(noise["measure"]).sum() >= 27).all()
    found = (noise[["q", "p_max"]] < 0.05).groupby(noise["detector"]).any()
    assert (found.sum() <= 2).all()  # of 8 methods at .05 more have p = .006
    # negative control: the same table of the same run sees what is there
    assert (z["low"] > 0.9).all()
    assert (z[["q", "p_max"]] < 0.05).all(axis=None)
