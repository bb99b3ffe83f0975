"""A small scored study with two models and a latent folder for each, written as `nigra latent` writes it."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
from safetensors.numpy import save_file

from nigra.cohort.store import open_cohort
from nigra.files import write_tsv
from nigra.regions import load_atlas
from nigra.study.execution import Execution
from nigra.study.pipeline import run_study
from nigra.study.settings import RunSettings
from tests.study.study_fixture import SPACE, make_study, quick_settings

MODELS = ("sae", "ae")
PLACES = 120
ONE = Execution(threads=1, device="cpu")


def settings(name: str = "quick") -> RunSettings:
    """Two patch models, one draw, as little training as makes sense."""
    quick = {"epochs": 1, "units_per_subject": 20, "batch": 16, "keep": "last"}
    return quick_settings(
        name=name,
        splits={"draws": 1, "test_fraction": 0.27},
        models=[
            {"preset": "isbi2023-sae", "name": "sae", **quick},
            {"preset": "isbi2023-ae", "name": "ae", **quick},
        ],
    )


def make_explorable(folder: Path) -> Path:
    """A study, its run ``quick`` trained and scored, a latent folder per model."""
    make_study(folder)
    run_study(folder, settings(), ONE, ("train", "score"))
    for seed, model in enumerate(MODELS):
        write_latent(folder, "quick", model, places=PLACES, seed=seed)
    return folder


def write_latent(study: Path, run: str, model: str, places: int, seed: int = 0, repeats: int = 1) -> Path:
    """Codes of every subject at the same ``places`` voxels, ``repeats`` times; place and subject show in them."""
    cohort, rng = open_cohort(study), np.random.default_rng(seed)
    atlas = load_atlas(study / f"space-{SPACE}_dseg.nii.gz", None, SPACE, cohort.mask.shape, cohort.affine)
    inside = np.argwhere(cohort.mask)
    chosen = np.tile(inside[np.linspace(0, len(inside) - 1, places).astype(int)], (repeats, 1))
    people = cohort.participants
    row, at = np.divmod(np.arange(len(people) * len(chosen)), len(chosen))
    voxels = chosen[at]
    mm = voxels @ cohort.affine[:3, :3].T + cohort.affine[:3, 3]
    table = people.iloc[row][["participant_id", "group", "age", "sex"]].reset_index(drop=True)
    table["set"] = np.where(table["group"] == "patient", "test", "train")
    for axis, name in enumerate("xyz"):
        table[name], table[f"{name}_mm"] = voxels[:, axis], mm[:, axis]
    labels = atlas.labels[tuple(voxels.T)]
    table["region"] = pd.Series(labels).map(atlas.names)
    table["score:error"] = rng.gamma(2.0, 1e-3, len(table)).astype(np.float32)
    codes = np.stack([np.sin(mm[:, axis] / 9 + wave) for axis in range(3) for wave in range(3)], 1)
    codes = (codes + 0.05 * rng.normal(size=codes.shape)).astype(np.float32)
    folder = study / "runs" / run / "latent" / model / "draw-00"
    (folder / "embeddings").mkdir(parents=True, exist_ok=True)
    np.save(folder / "codes.npy", codes)
    centred = codes - codes.mean(0)
    points = (centred @ np.linalg.svd(centred[:5000], full_matrices=False)[2][:3].T).astype(np.float32)
    about = {"settings": json.dumps({"components": 2}), "seed": str(seed), "fitted_on": json.dumps(["sub-C00"])}
    for name, dimensions in (("pca", 2), ("umap", 3)):
        save_file(
            {"points": np.ascontiguousarray(points[:, :dimensions])},
            folder / "embeddings" / f"{name}.safetensors",
            {"method": name, **about},
        )
    rows = [("pca", "trustworthiness", 0.91, 0.89, 0.93, 0.5, ""), ("pca", "continuity", 0.88, 0.86, 0.9, 0.5, "")]
    columns = ["embedding", "measure", "estimate", "low", "high", "null", "note"]
    write_tsv(folder / "embeddings.tsv", pd.DataFrame(rows, columns=columns))
    table.to_parquet(folder / "codes.parquet", index=False)
    return folder
