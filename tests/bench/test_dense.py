"""Dense benchmarks at a quick size: both sides give the same, whole subjects and memory are measured."""

import numpy as np
import pytest
import torch

from nigra.bench import dense, samples


def test_everything_is_measured() -> None:
    told: list[float] = []
    found = {c.name: c for c in dense.measure(quick=True, tick=lambda done, text: told.append(done))}
    against = [c for c in found.values() if c.peers]
    assert len(against) == 6
    for comparison in against:
        assert comparison.largest_difference is not None
        assert comparison.largest_difference <= 1e-6
        assert comparison.ours.rate > 0
        assert comparison.peers[0].rate > 0
        assert "batches of" in comparison.peers[0].note
    assert found["dense-mlcn2021-sae-codes"].goals.ratio == {dense.PEER: 40}
    assert found["dense-mlcn2021-sae-codes-a-row-each"].goals.ratio == {}
    assert found["dense-mlcn2021-sae-central-errors"].goals.ratio == {dense.PEER: 10}
    assert found["dense-subject-isbi2023-sae-1.5mm"].goals.rate == pytest.approx(1 / 6)
    assert found["dense-subject-isbi2023-sae-2mm"].goals.rate == pytest.approx(1 / 3)
    assert found["dense-subject-mlcn2021-sae-2mm"].sizes["d"] == 64
    assert found["dense-memory"].largest_difference is not None
    assert 0 <= found["dense-memory"].largest_difference < 32
    assert told[-1] == 1.0
    assert told == sorted(told)


@pytest.mark.parametrize("what", ["codes", "central errors"])
def test_patch_by_patch_is_the_model_itself_whatever_the_batch(what) -> None:
    (model, unit), source = dense.model_of("isbi2023-sae"), samples.volumes(1, dense.SMALL)
    locations = unit.locate(source.mask)[400:407]
    found = dense.patch_by_patch(model, unit, source, locations, what, batch=3)
    units = unit.cut(source, np.zeros(7, dtype=np.int64), locations)
    with torch.no_grad():
        given = torch.from_numpy(units)
        rebuilt, codes = model(given).numpy(), model.codes(given).numpy()
    centre = np.sqrt(((units - rebuilt)[:, :, 7, 7] ** 2).sum(axis=1, keepdims=True))
    assert found == pytest.approx(codes if what == "codes" else centre, abs=1e-6)
    assert found.std() > 1e-4


def test_the_memory_of_this_process_grows_with_what_it_holds() -> None:
    before = dense.private_memory()
    if np.isnan(before):
        pytest.skip("this system does not say")
    held = np.ones(2**24, np.float32)
    assert dense.private_memory() - before == pytest.approx(64, abs=8)
    assert held[0] == 1
