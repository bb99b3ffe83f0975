import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb

from nigra.errors import NigraError
from nigra.figures.cohort_picture import cohort_picture, draw_patients
from nigra.figures.style import MISSING

NAMES = {1: "putamen left", 300: "putamen right"}


@pytest.fixture
def labels():
    """Two nuclei in slice 4: label 1 at small x (left), 300 at large x (right), nearer the front."""
    labels = np.zeros((11, 13, 9), dtype=np.int32)
    labels[2:5, 3:6, 4], labels[7:10, 8:11, 4] = 1, 300
    return labels


@pytest.fixture
def background(labels):
    return np.ones(labels.shape)


def rows(group, ids, left=1.0, right=3.0, fold=0):
    values = {"putamen left": left, "putamen right": right}
    return pd.DataFrame(
        [(name, group, fold, region, value) for name in ids for region, value in values.items()],
        columns=["participant_id", "group", "fold", "region", "percent"],
    )  # fmt: skip


def thumbnails(figure):
    """Name under each thumbnail -> its picture, in drawing order."""
    return {axes.texts[0].get_text(): axes.images[0].get_array() for axes in figure.axes if axes.images}


def words(figure):
    return [text.get_text() for text in figure.texts]


def colour(picture, row, column):
    height, width, _ = picture.shape
    return picture[int(row * height), int(column * width)]


def test_a_region_has_the_colour_of_its_percentage_on_its_own_side(labels, background, affine):
    figure = cohort_picture(rows("control", ["sub-1"]), labels, NAMES, background, affine, scale_max=4)
    picture = thumbnails(figure)["1"]
    scale = mpl.colormaps["viridis"]
    # voxel centres (3, 4) and (8, 9) of 11 x 13, front up
    np.testing.assert_allclose(colour(picture, 1 - 4.5 / 13, 3.5 / 11), scale(1 / 4)[:3], atol=1e-6)
    np.testing.assert_allclose(colour(picture, 1 - 9.5 / 13, 8.5 / 11), scale(3 / 4)[:3], atol=1e-6)


def test_scale_is_shared_and_draws_are_averaged(labels, background, affine):
    table = pd.concat([rows("control", ["sub-1"], 1, 1), rows("control", ["sub-1"], 3, 3, fold=1),
                       rows("patient", ["sub-9"], 2, 8)])  # fmt: skip
    pictures = thumbnails(cohort_picture(table, labels, NAMES, background, affine, scale_max=8))
    control, patient = pictures["1"], pictures["9"]
    np.testing.assert_allclose(colour(control, 0.65, 0.32), colour(patient, 0.65, 0.32))  # both 2 %
    assert not np.allclose(colour(control, 0.27, 0.77), colour(patient, 0.27, 0.77))


def test_controls_stand_above_a_seeded_choice_of_patients(labels, background, affine):
    patients = [f"sub-P{i:02d}" for i in range(40)]
    table = pd.concat([rows("patient", patients), rows("control", ["sub-b", "sub-a"])])
    figure = cohort_picture(table, labels, NAMES, background, affine, patients_shown=15, seed=5)
    expected = sorted(np.random.default_rng(5).choice(patients, 15, replace=False))
    assert list(thumbnails(figure)) == ["a", "b", *(name[4:] for name in expected)]
    assert "Controls, held out (n = 2)" in words(figure)
    assert "Patients (n = 40, 15 drawn at random with seed 5)" in words(figure)
    tops = [axes.get_position().y0 for axes in figure.axes if axes.images]
    assert min(tops[:2]) > max(tops[2:])
    assert draw_patients(patients, 15, 5) != draw_patients(patients, 15, 6)
    assert draw_patients(patients[:15], 15, 5) == patients[:15]


def test_level_and_sides_are_printed(labels, background, affine):
    figure = cohort_picture(rows("control", ["sub-1"]), labels, NAMES, background, affine)
    assert "axial slice, z = \N{MINUS SIGN}0.25 mm" in words(figure)
    texts = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert texts.count("L") == texts.count("R") == 1
    bar = next(axes for axes in figure.axes if axes.get_xlabel())
    assert bar.get_xlabel() == "abnormal voxels in region (%)"


@pytest.mark.parametrize("controls", [1, 60])
def test_any_number_of_controls_and_no_patient(labels, background, affine, controls):
    table = rows("control", [f"sub-{i:02d}" for i in range(controls)])
    assert len(thumbnails(cohort_picture(table, labels, NAMES, background, affine))) == controls


def test_a_region_without_scores_is_grey_and_explained(labels, background, affine):
    figure = cohort_picture(rows("control", ["sub-1"], left=np.nan), labels, NAMES, background, affine)
    np.testing.assert_allclose(colour(thumbnails(figure)["1"], 1 - 4.5 / 13, 3.5 / 11), to_rgb(MISSING))
    assert "light grey: no scored voxel" in words(figure)
    whole = cohort_picture(rows("control", ["sub-1"]), labels, NAMES, background, affine)
    assert "light grey: no scored voxel" not in words(whole)


def test_what_cannot_be_drawn_is_one_sentence(labels, background, affine):
    with pytest.raises(NigraError, match="needs test controls"):
        cohort_picture(rows("patient", ["sub-1"]), labels, NAMES, background, affine)
    with pytest.raises(NigraError, match="no region of the atlas at this level"):
        cohort_picture(rows("control", ["sub-1"]), labels, NAMES, background, affine, level_mm=8.75)
