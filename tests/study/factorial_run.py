"""A finished factorial run on disk, as the stages leave it: {slice, patch} x {ae, sae}, three folds, two seeds."""

import json
from collections.abc import Mapping
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from nigra.files import write_array, write_json, write_text, write_tsv

FACTORS = {"unit": ["slice", "patch"], "siamese": ["none", "cosine"]}
CONTROLS = [f"sub-C{i:02d}" for i in range(18)]
PATIENTS = [f"sub-P{i:02d}" for i in range(10)]
GAIN = 0.12
"""What patches add to the share found at each strength, of which the tables hold the mean of .3 and .9 times it."""

Levels = dict[str, dict[str, str]]


def models(factors: Mapping[str, list[str]] = FACTORS, seeds: int = 2) -> tuple[Levels, dict[str, int]]:
    """Levels and seeds by model label."""
    levels: Levels = {}
    seed_of: dict[str, int] = {}
    for cell in product(*factors.values()):
        for seed in range(seeds):
            label = "-".join([*cell, f"seed{seed}"])
            levels[label], seed_of[label] = dict(zip(factors, cell, strict=True)), seed
    return levels, seed_of


def write_factorial_run(
    study: Path, factors: Mapping[str, list[str]] = FACTORS, folds: int = 3, seeds: int = 2, synthetic: bool = True
) -> tuple[Path, Levels, dict[str, int]]:
    """Write STUDY/runs/main; one patch model collapsed, one slice model failed. Returns run and models."""
    rng, run = np.random.default_rng(3), study / "runs" / "main"
    levels, seed_of = models(factors, seeds)
    name = "nigra phantom: synthetic maps" if synthetic else "Cohort of the clinic"
    write_json(study / "dataset_description.json", {"Name": name, "BIDSVersion": "1.10.0"})
    write_text(run / "settings.yaml", "title: What siamese and patches do\nname: main\n")
    tests = [CONTROLS[fold::folds] for fold in range(folds)]
    draws = [
        {"draw": k, "train": sorted(set(CONTROLS) - set(t)), "test": t + PATIENTS} for k, t in enumerate(tests)
    ]
    write_json(run / "splits.json", {"draws": draws})
    failed = list(levels)[1], folds - 1
    fold_shift, person = rng.normal(0, 0.05, folds), rng.normal(0, 0.08, len(CONTROLS))
    lesions, regions, latent = [], [], []
    for label, own in levels.items():
        gain = GAIN * (own.get("unit") == "patch")
        for fold, tested in enumerate(tests):
            if (label, fold) == failed:
                continue
            base = 0.3 + gain + fold_shift[fold] + rng.normal(0, 0.01)
            write_model(run, label, fold, own, draws[fold]["train"], rng)
            for who, strength in product(tested, (0.0, 0.1, 0.3)):
                found = strength * 3 * (base + person[CONTROLS.index(who)]) if strength else 0.02
                for detector in ("error", "z"):
                    lesions.append((label, detector, "sphere", "6 mm", "darker", strength, who, fold,
                                    0.5 + found / 2, found + rng.normal(0, 0.01)))  # fmt: skip
            for who in draws[fold]["test"]:
                score = rng.normal(0, 1) + (0.8 + gain) * (who in PATIENTS)
                group = "patient" if who in PATIENTS else "control"
                regions.append((label, "error", who, group, fold, "test", "whole brain", 1000, score))
            for measure, value in (("place R2", 0.5 + 2 * gain), ("subject AUC", 0.7 - gain), ("other", 1.0)):
                latent.append((label, fold, measure, value + rng.normal(0, 0.02)))
    for (fold, tested), strength in product(enumerate(tests), (0.0, 0.1, 0.3)):
        for who in tested:
            lesions.append(
                ("intensities", "z", "sphere", "6 mm", "darker", strength, who, fold, 0.9, 0.4 + strength)
            )
    names = "model detector shape size effect strength participant_id draw auroc sensitivity_matched"
    write_tsv(run / "simulation" / "lesions.tsv", pd.DataFrame(lesions, columns=names.split()))
    names = "model detector participant_id group fold set region voxels score"
    write_tsv(run / "regions.tsv", pd.DataFrame(regions, columns=names.split()))
    write_tsv(run / "latent" / "latent.tsv", pd.DataFrame(latent, columns=["model", "draw", "measure", "estimate"]))
    write_tasks(run, *failed)
    return run, levels, seed_of


def write_model(
    run: Path, label: str, fold: int, own: Mapping[str, str], train: list[str], rng: np.random.Generator
) -> None:
    """``model.json``, the training log and the scores of a model; the second patch model of fold 0 collapsed."""
    patch = own.get("unit") == "patch"
    folder, collapsed = run / label / f"draw-{fold:02d}", label == "patch-none-seed1" and fold == 0
    health = {
        "collapsed": collapsed, "why": ["every unit has the same code."] if collapsed else [],
        "alike": 0.5 + 0.3 * (own.get("siamese") == "cosine") + rng.normal(0, 0.01),
        "effective_rank": (16 if patch else 40) + rng.normal(0, 1), "error": 0.6 + rng.normal(0, 0.01), "kl": None,
    }  # fmt: skip
    settings = {"epochs": 4, "batch": 10, "learning_rate": 1e-3, "units_per_subject": None if patch else 20}
    write_json(folder / "model.json", {
        "composition": {"siamese": None if own.get("siamese") == "none" else {"kind": "cosine"}}, "locations": 50,
        "parameters": 12034 if patch else 1_070_000, "channels": 2, "shape": [15, 15] if patch else [121, 145],
        "capacity": {"code_length": 64 if patch else 5120, "compression": 7.03 if patch else 6.85},
        "trained_on": train, "validation": [], "health": health, "provenance": {"settings": settings},
    })  # fmt: skip
    log = [{"epoch": k + 1, "seconds": 2.5, "loss": 0.1} for k in range(4)]
    write_text(folder / "training.jsonl", "".join(json.dumps(line) + "\n" for line in log))
    scores = np.zeros((3, 10), dtype=np.float32)
    scores[:, : 0 if patch else 2] = np.nan
    write_array(folder / "error" / "scores.npy", scores)


def write_tasks(run: Path, label: str, fold: int) -> None:
    """Statuses of a failed training and of the scoring that needs it, and of one that went well."""
    for task, state, reason in (
        (f"train_{label}_draw-{fold:02d}", "failed", "the loss became nan in epoch 2; lower learning_rate."),
        (f"score_{label}_draw-{fold:02d}", "skipped", f"needs train_{label}_draw-{fold:02d}"),
        ("train_other", "done", ""),
    ):
        content = {"task": task, "state": state, "reason": reason, "attempts": 1, "seconds": 3.0}
        write_json(run / "tasks" / f"{task}.json", content)
