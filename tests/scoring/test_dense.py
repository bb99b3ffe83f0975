"""The dense encoder's parts; that its codes are the patches' own is law 2, in tests/laws/test_dense.py."""

import numpy as np
import pytest
import torch
from torch import nn

from nigra.models.published import build
from nigra.scoring.dense import SLICES_AT_ONCE, DenseEncoder, dense_maps, parts_of
from nigra.scoring.layers import NotExactError
from nigra.units import Patches, Source


def test_a_code_is_read_with_all_strides_before_it() -> None:
    torch.manual_seed(0)
    encoder = nn.Sequential(nn.Conv2d(1, 2, 3, stride=(2, 1)), nn.MaxPool2d(2), nn.Conv2d(2, 5, 2)).eval()
    dense = DenseEncoder(encoder, 1, 15)
    assert dense.stride == (4, 2)
    assert (dense.features, dense.height, dense.width) == (5, 2, 5)


def test_one_map_holds_the_codes_of_all_patches_of_a_picture() -> None:
    encoder = build("mlcn2021-sae", 1, seed=2).encoder.eval()
    dense, picture = DenseEncoder(encoder, 1, 15), torch.rand(2, 1, 20, 23)
    with torch.no_grad():
        values = dense.map(picture)
        columns, area = values.shape[3], values.shape[2] * values.shape[3]
        places = [(n, y, x) for n in (0, 1) for y in range(6) for x in range(9)]
        found = dense.read(values, torch.tensor([n * area + y * columns + x for n, y, x in places]))
        patches = torch.stack([picture[n, :, y : y + 15, x : x + 15] for n, y, x in places])
        expected = encoder(patches).flatten(1)
        on_device = dense._read_on_device(values, torch.tensor([n * area + y * columns + x for n, y, x in places]))
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)
    assert torch.equal(on_device, found)  # what a GPU does, in torch
    assert expected.std() > 1e-3


def test_several_slices_at_once_give_the_codes_of_one_at_a_time(
    mask: np.ndarray, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A GPU takes more slices per pass."""
    source = Source.plain(rng.random((1, 2, *mask.shape)).astype(np.float32), mask)
    dense, found = DenseEncoder(build("isbi2023-sae", seed=1).encoder.eval(), 2, 15), {}
    for at_once in (1, 4, 16):
        monkeypatch.setitem(SLICES_AT_ONCE, "cpu", at_once)
        found[at_once] = np.full((mask.sum(), 16), np.nan, np.float32)
        with torch.no_grad():
            batches = list(dense_maps(dense, Patches(15), source, 0, parts_of(mask, Patches(15))))
        for where, values, first in batches:
            dense.read_into(found[at_once], where, values, first)
        assert len(batches) == -(-int(mask.any(axis=(0, 1)).sum()) // at_once)
    np.testing.assert_allclose(found[4], found[1], atol=1e-6)
    np.testing.assert_allclose(found[16], found[1], atol=1e-6)


def test_batchnorm_in_training_mode_is_refused() -> None:
    encoder = build("isbi2023-sae", seed=1).encoder
    with pytest.raises(NotExactError, match=r"encoder layer 0.norm \(BatchNorm2d\) is in training mode"):
        DenseEncoder(encoder.train(), 2, 15)
    DenseEncoder(encoder.eval(), 2, 15)


def test_the_encoder_and_what_it_is_given_stay_as_they_are() -> None:
    encoder = nn.Sequential(nn.ReLU(), nn.MaxPool2d(1), nn.Conv2d(2, 3, 3), nn.ReLU()).eval()
    picture = torch.randn(1, 2, 9, 9).contiguous(memory_format=torch.channels_last)
    before = picture.clone()
    with torch.no_grad():
        DenseEncoder(encoder, 2, 5).map(picture)
    assert torch.equal(picture, before)
    assert not any(layer.inplace for layer in encoder if isinstance(layer, nn.ReLU))
