"""What cannot be trained is refused by name, before anything is trained or written."""

from pathlib import Path

import numpy as np
import pytest

from nigra.errors import NigraError
from nigra.study.execution import Execution
from nigra.study.pipeline import check, run_study
from nigra.study.run import Run
from nigra.study.settings import RunSettings
from tests.study.study_fixture import make_study, quick_settings

STACK = {"kind": "stack", "widths": [4, 4], "padding": "same"}
BASE = {"name": "m", "architecture": STACK, "epochs": 1}
TRAIN = ("train", "score")


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_study(tmp_path_factory.mktemp("study"))


def run_of(study: Path, model: dict, **changes: object) -> Run:
    return Run(study, quick_settings(models=[{**BASE, **model}], **changes), Execution(threads=1, device="cpu"))


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        ({"unit": {"kind": "slice"}, "architecture": {"kind": "mlcn2021-patch"}},
         "units are 18 x 20; this published model takes 15 x 15 patches"),
        ({"unit": {"kind": "hemisphere"}, "architecture": {"kind": "mlcn2021-slice"}}, "use at least 17 x 17"),
        ({"unit": {"size": 21}}, "its units are 21 voxels wide, but the volumes have 18 x 20 x 7 voxels"),
        ({"unit": {"kind": "cube", "size": 21}}, "its units are 21 voxels wide"),
        ({"unit": {"kind": "slice", "stack": 9}}, "it stacks 9 slices, but the volumes have 7 in this plane"),
        ({"architecture": {**STACK, "code": "dense", "code_size": 10**8}}, "parameters, more than the 500,000,000"),
        ({"subjects": 50}, "draw-00: subjects is 50, but 8 controls are there"),
        ({"subjects": 3, "validation_fraction": 0.1}, "validation_fraction 0.1 of 3 training controls leaves 1"),
        ({"keep": "best-on-validation", "validation_fraction": 0}, "keep is best-on-validation, but"),
        ({"voxels_per_subject": 100}, "voxels_per_subject is 100, less than half of one unit .15 x 15 voxels."),
        ({"batch_voxels": 112}, "batch_voxels is 112, less than half of one unit"),
        ({"unit": {"kind": "slice"}, "siamese": {}, "pairs": {"place": "mirrored"}}, "have no mirrored place"),
        ({"unit": {"kind": "slice", "slices": 1}, "siamese": {}, "pairs": {"place": "neighbouring"}}, "two loc"),
        ({"unit": {"kind": "slice", "slices": 1}, "siamese": {}, "pairs": {"place": "random", "subject": "same"}},
         "pairs within a subject need two places"),
        ({"unit": {"size": 1}, "reconstruction": {"kind": "ssim"}}, "ssim needs at least 3 voxels"),
    ],
)  # fmt: skip
def test_a_model_that_cannot_be_trained_is_one_sentence_with_its_name(
    study: Path, model: dict, sentence: str
) -> None:
    with pytest.raises(NigraError, match=f"^model m: .*{sentence}"):
        check(run_of(study, model), TRAIN)


@pytest.mark.parametrize(
    "model",
    [
        {"unit": {"size": 19}},
        {"unit": {"kind": "slice", "stack": 7}},
        {"voxels_per_subject": 113, "batch_voxels": 113},
        {"subjects": 4, "validation_fraction": 0.1},
        {"unit": {"kind": "hemisphere"}, "siamese": {}, "pairs": {"place": "mirrored", "subject": "same"}},
        {"unit": {"kind": "slice", "slices": 2}, "siamese": {}, "pairs": {"place": "neighbouring"}},
    ],
)
def test_one_that_just_fits_is_not_refused(study: Path, model: dict) -> None:
    check(run_of(study, model, calibration={"controls": "training"}), TRAIN)


def test_a_mask_without_a_voxel_is_told(study: Path) -> None:
    run = run_of(study, {})
    run.cohort.mask[...] = False
    with pytest.raises(NigraError, match=r"model m: the mask has no place for its units; .*mask\.nii\.gz"):
        check(run, TRAIN)


def test_nothing_is_written_when_the_last_cell_cannot_be_built(study: Path) -> None:
    levels = {"patch": {"unit": {"size": 15}}, "slice": {"unit": {"kind": "slice"}}}
    base = {"architecture": {"kind": "mlcn2021-patch"}, "epochs": 1}
    plain = quick_settings(name="none").model_dump(exclude={"models"})
    settings = RunSettings.model_validate({**plain, "factorial": {"base": base, "factors": {"unit": levels}}})
    assert [model.label for model in settings.models] == ["patch_seed-0", "slice_seed-0"]
    with pytest.raises(NigraError, match=r"^model slice_seed-0: units are 18 x 20"):
        run_study(study, settings, Execution(threads=1))
    assert not (study / "runs" / "none").exists()


def test_plantings_without_a_place_are_told_before_the_training(study: Path) -> None:
    effect = {"kind": "multiply", "strengths": [0.1], "channels": {"T1w": 1}}
    with pytest.raises(NigraError, match="T1w"):
        check(run_of(study, {}, planted={"effects": [effect]}), (*TRAIN, "evaluate"))
    assert np.isfinite(run_of(study, {}).cohort.volumes).all()
