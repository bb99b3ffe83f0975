"""The gather benchmark: every side that can be asked cuts the same pairs, and an absent peer says so."""

import importlib.util

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from nigra.bench import gather
from nigra.bench.interleave import missed
from nigra.units.pairs import Epoch


@pytest.fixture
def work(tmp_path) -> gather.Work:  # type: ignore[no-untyped-def]
    return gather.work_of(gather.write_volumes(tmp_path, *gather.QUICK), 300)


def test_the_peers_that_can_be_asked_cut_the_same_pairs(work: gather.Work) -> None:
    """Oracle: plain slices of the volume, pair by pair."""
    rows, where = work.asked(0)
    assert len(rows) == 2 * gather.BATCH
    masked = work.source.volumes * work.source.mask
    expected = np.array(
        [masked[row, :, x - 7 : x + 8, y - 7 : y + 8, z] for row, (x, y, z) in zip(rows, where, strict=True)]
    )
    assert expected.std() > 0.1
    np.testing.assert_array_equal(gather.UNIT.cut(work.source, rows, where), expected)
    np.testing.assert_array_equal(gather.by_index(work, rows, where), expected)
    both = next(iter(DataLoader(gather.Pairs(work), gather.BATCH)))
    np.testing.assert_array_equal(torch.cat([both[:, 0], both[:, 1]]).numpy(), expected)


def test_a_pair_at_the_border_repeats_the_nearest_voxel(work: gather.Work) -> None:
    corner = np.array([[0, 25, 3]])
    epoch = Epoch(np.array([2]), np.array([0]), np.array([0]), np.array([0]))
    pair = gather.Pairs(gather.Work(gather.Source.plain(work.source.volumes), epoch, corner))[0].numpy()
    expected = gather.UNIT.cut(gather.Source.plain(work.source.volumes), np.array([2, 0]), corner.repeat(2, axis=0))
    np.testing.assert_array_equal(pair, expected)
    assert pair[0, 0, 0, 0] == pair[0, 0, 7, 0] != pair[0, 0, 8, 0]


def test_quick_run_finds_the_same_patches(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name in ("torchio", "monai") else find(name, *rest)
    )
    seen: list[float] = []
    (found,) = gather.measure(quick=True, tick=lambda done, text: seen.append(done))
    assert found.largest_difference == 0
    assert seen == sorted(seen)
    assert seen[-1] == 1
    rates = {peer.name: (peer.rate, peer.note) for peer in found.peers}
    assert rates["torch DataLoader"][0] > 0
    for name in ("TorchIO Queue", "MONAI PatchDataset"):
        assert rates[name] == (0, "not installed: pip install nigra[benchmark]")
    assert "not measured against TorchIO Queue" in missed(found)


@pytest.mark.slow  # importing them takes long
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("library", "peer"), [("torchio", "torchio_queue"), ("monai", "monai_patches")])
def test_peers_with_patches_of_their_own_give_as_many_as_asked(work: gather.Work, library: str, peer: str) -> None:
    pytest.importorskip(library)
    call = getattr(gather, peer)(work, 60)
    assert call() == 60
