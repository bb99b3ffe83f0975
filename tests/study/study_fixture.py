"""A small prepared study on disk: eleven controls and four patients, two channels, an atlas of three regions."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd

from nigra.cohort.store import StoreWriter
from nigra.study.settings import RunSettings

SHAPE = (18, 20, 7)
SPACE = "MNI152NLin2009aSym"
PATIENTS = [f"sub-P{i}" for i in range(4)]
CONTROLS = [f"sub-C{i:02d}" for i in range(11)]


def brain() -> np.ndarray:
    x, y, z = np.indices(SHAPE)
    return ((x - 9) / 8) ** 2 + ((y - 10) / 9) ** 2 + ((z - 3) / 3.5) ** 2 <= 1


def planted() -> np.ndarray:
    """The region in which patients differ."""
    region = np.zeros(SHAPE, bool)
    region[7:12, 8:13, 2:5] = True
    return region


def make_study(folder: Path, controls: list[str] = CONTROLS, patients: list[str] = PATIENTS) -> Path:
    """Write the store and the atlas; patients have a lower first channel in the planted region."""
    rng = np.random.default_rng(1)
    affine = np.diag([4.0, 4.0, 4.0, 1.0])
    affine[:3, 3] = [-36, -40, -12]
    ids = controls + patients
    participants = pd.DataFrame(
        {
            "participant_id": ids,
            "group": ["control"] * len(controls) + ["patient"] * len(patients),
            "age": rng.integers(40, 80, len(ids)),
            "sex": (["M", "F"] * len(ids))[: len(ids)],
        }
    )
    writer = StoreWriter(folder / "cohort", participants, ("FA", "MD"), SPACE, brain(), affine)
    x, y, z = np.indices(SHAPE)
    anatomy = 0.5 + 0.3 * np.sin(x / 3) * np.cos(y / 4 + z / 3)
    for row, name in enumerate(ids):
        volume = np.stack([anatomy, 1 - anatomy]) + 0.03 * rng.normal(size=(2, *SHAPE))
        if name in patients:
            volume[0, planted()] -= 0.4
        writer.write(row, volume.astype(np.float32))
    writer.close({})
    labels = np.where(brain(), 300, 0).astype(np.int16)  # above 255, where a byte would wrap
    labels[..., :3] = np.where(labels[..., :3] > 0, 7, 0)
    labels[planted()] = 299
    nib.save(nib.Nifti1Image(labels, affine), folder / f"space-{SPACE}_dseg.nii.gz")
    (folder / f"space-{SPACE}_dseg.tsv").write_text(
        "index\tname\n7\tlow\n300\thigh\n299\tputamen left\n12\tempty\n"
    )
    return folder


def quick_settings(**changes: object) -> RunSettings:
    """Both published models, as little training as makes sense."""
    plain = {
        "name": "quick",
        "splits": {"draws": 2, "test_fraction": 0.27},
        "models": [
            {"preset": "mlcn2021-ae", "unit": {"slices": "all"}, "epochs": 12, "batch": 8, "learning_rate": 0.003},
            {"preset": "isbi2023-sae", "epochs": 2, "units_per_subject": 30, "batch": 16, "keep": "last"},
        ],
        "calibration": {"folds": 2},
        "atlas": {"name": "file", "dseg": f"space-{SPACE}_dseg.nii.gz"},
        "evaluation": {"bootstrap": 100, "permutations": 200},
        "figures": {"examples": 1},
        "baselines": [],
    }
    return RunSettings.model_validate({**plain, **changes})
