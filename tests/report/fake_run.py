"""A small finished run on disk, as the study stage leaves it, for the tests of the report."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from nigra.files import write_json, write_text, write_tsv
from nigra.provenance import record

MODELS = ("mlcn2021-ae", "mlcn2021-sae")
REGIONS = ("whole brain", "SN left", "SN right", "putamen left", "frontal lobe left", "STN left")
OPTIMISTIC = "optimistic: cut-off chosen on the test subjects"
SETTINGS = {"models": list(MODELS), "training": {"epochs": 30, "seed": 7}, "split": {"draws": 2, "seed": 0}}


def write_run(
    study: Path, controls: int = 12, patients: int = 8, synthetic: bool = True, hostile: str = "", seed: int = 0
) -> Path:
    """Write STUDY with one run called ``main``; ``hostile`` is an excluded subject's id. Returns the run."""
    rng = np.random.default_rng(seed)
    run = study / "runs" / "main"
    people = participants(rng, controls, patients)
    name = "nigra phantom: synthetic maps" if synthetic else "Cohort of the clinic"
    write_json(
        study / "dataset_description.json", {"Name": name, "BIDSVersion": "1.10.0", "DatasetType": "derivative"}
    )
    write_tsv(study / "participants.tsv", people)
    write_tsv(study / "intake.tsv", intake(people, hostile or "sub-X001"))
    write_text(run / "settings.yaml", yaml.safe_dump(SETTINGS, sort_keys=False))
    write_json(run / "provenance.json", record("run", SETTINGS, {"cohort/volumes.npy": "ab" * 32}))
    draws = splits(people)
    write_json(run / "splits.json", {"draws": draws})
    regions = region_rows(rng, people, draws)
    write_tsv(run / "regions.tsv", regions)
    write_tsv(run / "evaluation.tsv", evaluation_rows(controls, patients))
    write_tsv(run / "calibration.tsv", calibration_rows(regions))
    for model in MODELS:
        for draw in draws:
            write_text(run / model / f"draw-{draw['draw']:02d}" / "training.jsonl", history(rng, model))
    return run


def participants(rng: np.random.Generator, controls: int, patients: int) -> pd.DataFrame:
    """Controls and patients with age and sex; the last control has no age."""
    ids = [f"sub-C{i:03d}" for i in range(controls)] + [f"sub-P{i:03d}" for i in range(patients)]
    groups = ["control"] * controls + ["patient"] * patients
    age = rng.uniform(45, 80, len(ids)).round(1)
    age[controls - 1] = np.nan
    return pd.DataFrame({"participant_id": ids, "age": age, "sex": ["F", "M"] * (len(ids) // 2), "group": groups})


def intake(people: pd.DataFrame, excluded: str) -> pd.DataFrame:
    """Everybody kept, and one subject that was not."""
    table = pd.DataFrame({"participant_id": people["participant_id"], "kept": "yes", "reason": ""})
    reason = f"{excluded}, {excluded}_FA.nii.gz: FA lies in [0, 1], but found 1.7; export it again."
    return pd.concat([table, pd.DataFrame([{"participant_id": excluded, "kept": "no", "reason": reason}])])


def splits(people: pd.DataFrame) -> list[dict[str, object]]:
    """Two draws; a quarter of the controls and all patients are tested."""
    groups = people.groupby("group")["participant_id"].apply(list)
    controls, patients = groups.get("control", []), groups.get("patient", [])
    tested = len(controls) // 4
    return [
        {"draw": d, "train": controls[: d * tested] + controls[(d + 1) * tested :],
         "test": controls[d * tested : (d + 1) * tested] + patients}
        for d in range(2)
    ]  # fmt: skip


def region_rows(rng: np.random.Generator, people: pd.DataFrame, draws: list[dict]) -> pd.DataFrame:
    """Test rows of both models; patients have more in SN and putamen; STN left is empty."""
    groups = people.set_index("participant_id")["group"]
    rows = []
    for model in MODELS:
        for draw in draws:
            for name in draw["test"]:
                for region in REGIONS:
                    more = 6 if groups[name] == "patient" and region[:2] in ("SN", "pu") else 0
                    voxels = {"whole brain": 20000, "SN left": 7, "STN left": 0}.get(region, 400)
                    abnormal = round(voxels * (rng.gamma(4, 0.5) + more) / 100)
                    percent = 100 * abnormal / voxels if voxels else np.nan
                    rows.append(
                        (model, name, groups[name], draw["draw"], "test", region, voxels, abnormal, percent)
                    )
    columns = "model participant_id group fold set region voxels abnormal percent"
    return pd.DataFrame(rows, columns=columns.split())


def evaluation_rows(controls: int, patients: int) -> pd.DataFrame:
    """The SAE stands out in SN, the AE nowhere; the whole brain's interval contains chance."""
    rows = []
    for model in MODELS:
        for region in REGIONS:
            found = model == MODELS[1] and region.startswith("SN")
            auc = (0.91, 0.03, 0.80, 0.98) if found else (0.56, 0.05, 0.41, 0.70)
            p = 0.0004 if found else 0.31
            numbers = (2, controls // 4, patients)
            rows.append((model, region, "auc", *auc, *numbers, 0.5, 0.66, p, 3 * p, ""))
            chosen = ("g-mean, cut-off chosen on test", 0.63, 0.05, 0.55, 0.74, *numbers, 0.55, 0.65, p, 3 * p)
            rows.append((model, region, *chosen, OPTIMISTIC))
            fixed = (
                "g-mean, cut-off from held-out controls",
                0.52,
                0.06,
                0.40,
                0.64,
                *numbers,
                0.47,
                0.6,
                p,
                3 * p,
            )
            rows.append((model, region, *fixed, ""))
    columns = "model region measure estimate sd low high draws controls patients null_median null_95 p q note"
    table = pd.DataFrame(rows, columns=columns.split())
    return table.assign(null_99=table["null_95"] + 0.04)


def calibration_rows(regions: pd.DataFrame) -> pd.DataFrame:
    """The observed rate is that of the region rows."""
    rows = regions[(regions["region"] == "whole brain") & (regions["group"] == "control")]
    table = rows.groupby(["model", "fold"], as_index=False).agg(
        observed_percent=("percent", "mean"), test_controls=("participant_id", "nunique")
    )
    return table.assign(controls="held-out", quantile=0.98, threshold=0.1234, expected_percent=2.0)


def history(rng: np.random.Generator, model: str) -> str:
    """A falling loss; the SAE also logs its cosine."""
    lines = []
    for epoch in range(1, 31):
        reconstruction = 0.05 * (0.2 + np.exp(-epoch / 8)) * rng.uniform(0.97, 1.03)
        line = {"epoch": epoch, "seconds": 1.0, "loss": reconstruction, "reconstruction": reconstruction}
        if model.endswith("-sae"):
            line["similarity"] = 1 - 0.5 * np.exp(-epoch / 10)
        lines.append(json.dumps(line))
    return "\n".join(lines) + "\n"
