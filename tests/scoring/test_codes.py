"""The code store: float16 on disk, announced first, gone afterwards, flat in memory."""

import shutil
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from nigra.errors import NigraError
from nigra.scoring.codes import CodeStore, size_bytes


def test_codes_come_back_as_float16(tmp_path: Path, rng: np.random.Generator) -> None:
    codes = rng.standard_normal((3, 50, 7)).astype(np.float32)
    codes[1, 4] = np.nan
    with CodeStore(tmp_path / "codes.npy", 3, 50, 7) as store:
        for row in (2, 0, 1):
            store.write(row, codes[row])
        np.testing.assert_array_equal(store.codes, codes.astype(np.float16))
        assert store.codes.dtype == np.float16
        assert not store.codes.flags.writeable


def test_nothing_is_left_unless_kept(tmp_path: Path) -> None:
    ones = np.ones((5, 2), np.float32)
    with CodeStore(tmp_path / "codes.npy", 1, 5, 2) as store:
        store.write(0, ones)
        assert len(list(tmp_path.iterdir())) == 1
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(NigraError, match="closed"):
        store.write(0, ones)
    with pytest.raises(ValueError, match="mine"), CodeStore(tmp_path / "codes.npy", 1, 5, 2):
        raise ValueError("mine")
    assert list(tmp_path.iterdir()) == []
    with CodeStore(tmp_path / "codes.npy", 1, 5, 2) as store:
        store.write(0, 2 * ones)
        assert store.keep() == tmp_path / "codes.npy"
    assert [path.name for path in tmp_path.iterdir()] == ["codes.npy"]
    np.testing.assert_array_equal(np.load(tmp_path / "codes.npy"), 2 * ones[None])


def test_a_store_with_a_subject_missing_is_not_kept(tmp_path: Path) -> None:
    with CodeStore(tmp_path / "codes.npy", 2, 5, 2) as store:
        store.write(1, np.ones((5, 2), np.float32))
        with pytest.raises(NigraError, match="1 of 2 subjects"):
            store.keep()


def test_the_size_is_announced_before_anything_is_written(tmp_path: Path) -> None:
    store = CodeStore(tmp_path / "new" / "codes.npy", 41, 625, 64)
    assert store.announcement == f"codes of 41 subjects: 3.3 MB, float16, in {tmp_path / 'new'}"
    assert list(tmp_path.iterdir()) == []
    with store:
        (file,) = (tmp_path / "new").iterdir()
        assert file.stat().st_size == size_bytes(41, 625, 64) + 128


def test_too_little_room_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=size_bytes(4, 100, 10) - 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(NigraError, match=r"4 subjects need 8 kB, but .* has 8 kB free; make room"):
        CodeStore(tmp_path / "codes.npy", 4, 100, 10)
    assert list(tmp_path.iterdir()) == []
    CodeStore(tmp_path / "codes.npy", 4, 99, 10)  # negative control: these fit


@pytest.mark.parametrize(
    ("row", "codes", "why"),
    [(2, np.zeros((5, 2), np.float32), "row 2"), (0, np.zeros((5, 3), np.float32), "do not fit"),
     (0, np.full((5, 2), 7e4, np.float32), "65504")],
)  # fmt: skip
def test_codes_that_do_not_fit_are_refused(tmp_path: Path, row: int, codes: np.ndarray, why: str) -> None:
    with CodeStore(tmp_path / "codes.npy", 2, 5, 2) as store, pytest.raises(NigraError, match=why):
        store.write(row, codes)


def test_memory_does_not_grow_with_subjects(tmp_path: Path) -> None:
    codes = np.ones((4000, 16), np.float32)
    with CodeStore(tmp_path / "codes.npy", 40, *codes.shape) as store:
        store.write(0, codes)
        tracemalloc.start()
        for row in range(40):
            store.write(row, codes)
        kept, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert kept < 20_000
    assert 100_000 < peak < 4 * codes.nbytes
