"""Code tables: what a design promises, the same for the same seed, written and read back, large ones too."""

import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nigra.errors import NigraError
from nigra.latent.codes import (
    AROUND,
    PLACES,
    REGION,
    SUBJECT,
    CodeTable,
    Locations,
    code_rows,
    draw_codes,
    even_places,
    read_codes,
    write_codes,
)
from nigra.latent.settings import SampleSettings

PEOPLE = pd.DataFrame({
    "participant_id": ["c1", "c2", "p1"], "group": ["control", "control", "patient"],
    "set": ["train", "test", "test"], "age": [60.0, np.nan, 71.0],
})  # fmt: skip


@pytest.fixture
def locations(mask: np.ndarray, affine: np.ndarray) -> Locations:
    voxel = np.argwhere(mask).astype(float)
    region = np.where(voxel[:, 0] < 2, "small", np.where(voxel[:, 1] < 7, "front", "")).astype(object)
    return Locations.of(voxel, affine, region)


def test_places_in_mm_are_those_of_the_affine(locations: Locations, affine: np.ndarray) -> None:
    np.testing.assert_allclose(locations.mm[5], (affine @ [*locations.voxel[5], 1])[:3])


def test_a_slice_has_the_coordinate_it_has(affine: np.ndarray) -> None:
    voxel = np.array([[np.nan, np.nan, 2.0], [np.nan, np.nan, 3.0]])
    found = Locations.of(voxel, affine)
    np.testing.assert_array_equal(found.mm[:, 2], [-12.25 + 6, -12.25 + 9])
    assert np.isnan(found.mm[:, :2]).all()
    oblique = affine.copy()
    oblique[2, 0] = 0.5
    assert np.isnan(Locations.of(voxel, oblique).mm).all(), "z in mm needs x here"


def test_every_design_keeps_its_promise(locations: Locations) -> None:
    settings = SampleSettings(places=40, per_subject=30, per_region=25, around=[{"centre": [0, 0, 0], "radius": 4}])
    drawn = draw_codes(locations, 3, settings, 7)
    key = drawn.subject * len(locations) + drawn.location
    assert (np.diff(key) > 0).all(), "sorted, each once"
    of = {name: drawn.design == name for name in (PLACES, SUBJECT, REGION, AROUND)}
    own = [set(drawn.location[of[PLACES] & (drawn.subject == s)]) for s in range(3)]
    assert own[0] == own[1] == own[2]
    assert len(own[0]) == 40
    near = np.flatnonzero(np.linalg.norm(locations.mm, axis=1) <= 4)
    assert len(near) > 3
    assert set(near) == own[0] & set(near) | set(drawn.location[of[AROUND] & (drawn.subject == 1)])
    assert 0 < of[SUBJECT].sum() <= 90
    assert set(locations.region[drawn.location[of[REGION]]]) <= {"small", "front"}


def test_regions_get_their_even_share_and_small_ones_all_they_have(rng: np.random.Generator) -> None:
    region = np.array(["big"] * 500 + ["mid"] * 40 + ["tiny"] * 3 + [""] * 100, dtype=object)
    chosen = even_places(region, 63, rng)
    names, counts = np.unique(region[chosen].astype(str), return_counts=True)
    assert dict(zip(names, counts, strict=True)) == {"": 20, "big": 20, "mid": 20, "tiny": 3}
    assert len(even_places(region, 5000, rng)) == len(region)


def test_the_same_seed_draws_the_same(locations: Locations) -> None:
    settings = SampleSettings(places=20, per_subject=10, per_region=5)
    first, again, other = (draw_codes(locations, 3, settings, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.location, again.location)
    assert not np.array_equal(first.location, other.location)


def test_a_ball_outside_the_mask_is_refused(locations: Locations) -> None:
    with pytest.raises(NigraError, match="inside the mask"):
        draw_codes(locations, 2, SampleSettings(around=[{"centre": [500, 0, 0]}]), 0)


def table_of(locations: Locations) -> CodeTable:
    drawn = draw_codes(locations, 3, SampleSettings(places=12, per_subject=9), 4)
    codes = np.stack([drawn.subject, drawn.location], axis=1).astype(np.float32)
    return CodeTable(code_rows(locations, drawn, PEOPLE), codes)


def test_rows_say_whose_and_where(locations: Locations) -> None:
    own = table_of(locations)
    for row, (subject, location) in zip(own.table.to_dict("records"), own.codes.astype(int), strict=True):
        assert row["participant_id"] == PEOPLE["participant_id"][subject]
        assert row["set"] == PEOPLE["set"][subject]
        assert [row["x"], row["y"], row["z"]] == locations.voxel[location].tolist()
        assert row["z_mm"] == pytest.approx(locations.mm[location, 2])
        assert row["region"] == locations.region[location]
    assert own.table["x"].dtype == np.int32


def test_the_block_has_the_same_places_in_the_order_asked_for(locations: Locations) -> None:
    block, where = table_of(locations).block(["p1", "c1"])
    assert block.shape == (2, 12, 2)
    assert set(block[0, :, 0]) == {2}
    assert set(block[1, :, 0]) == {0}
    np.testing.assert_array_equal(block[0, :, 1], block[1, :, 1])
    np.testing.assert_array_equal(where["x"], locations.voxel[block[0, :, 1].astype(int), 0])
    with pytest.raises(NigraError, match="lacks"):
        table_of(locations).block(["p1", "nobody"])


def test_a_table_is_read_back_as_written(locations: Locations, tmp_path: Path) -> None:
    own = table_of(locations)
    write_codes(tmp_path, own.table, own.codes)
    again = read_codes(tmp_path)
    np.testing.assert_array_equal(again.codes, own.codes)
    pd.testing.assert_frame_equal(again.table, own.table)
    np.save(tmp_path / "codes.npy", own.codes[1:])
    with pytest.raises(NigraError, match="run `nigra latent --overwrite`"):
        read_codes(tmp_path)
    (tmp_path / "codes.npy").unlink()
    with pytest.raises(NigraError, match="run `nigra latent` first"):
        read_codes(tmp_path)


@pytest.mark.slow
def test_a_million_codes_are_no_trouble(tmp_path: Path, affine: np.ndarray) -> None:
    voxel = np.argwhere(np.ones((60, 60, 30), bool)).astype(float)
    region = np.array([f"region {int(x) // 5}" for x in voxel[:, 0]], dtype=object)
    people = pd.DataFrame({"participant_id": [f"s{k}" for k in range(40)], "group": "control", "set": "test"})
    start = time.perf_counter()
    locations = Locations.of(voxel, affine, region)
    drawn = draw_codes(locations, 40, SampleSettings(places=5000, per_subject=22_000, per_region=100), 0)
    assert len(drawn) > 1_000_000
    write_codes(tmp_path, code_rows(locations, drawn, people), np.ones((len(drawn), 16), np.float32))
    again = read_codes(tmp_path)
    assert len(again.table) == len(again.codes) == len(drawn)
    assert again.block(["s3"])[0].shape == (1, 5000, 16)
    assert time.perf_counter() - start < 60
