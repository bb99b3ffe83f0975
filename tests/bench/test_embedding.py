"""The embedding benchmark at a quick size: landmarks, quality and memory are told."""

import numpy as np
import pytest

from nigra.bench import embedding


@pytest.mark.slow  # UMAP compiles anew in every process
def test_it_places_and_judges_every_code() -> None:
    told: list[float] = []
    (found,) = embedding.measure(quick=True, tick=lambda done, _: told.append(done))
    assert found.ours.work == 1_500
    assert found.ours.note.startswith("fitted on 500 landmarks of 1500 codes")
    assert 0.7 < float(found.sizes["trustworthiness"]) < 1
    assert 0.1 < float(found.sizes["peak memory, GB"]) < 20
    assert 0 <= float(found.sizes["of these quality"]) < float(found.sizes["seconds"])
    assert told == sorted(told)


def test_the_codes_have_a_shape() -> None:
    codes = embedding.million(4_000)
    assert codes.dtype == np.float32
    assert codes.shape == (4_000, 16)
    assert not np.array_equal(codes, embedding.million(4_000, seed=1))
    shares = np.linalg.eigvalsh(np.cov(codes.T))
    assert shares[-1] > 2 * shares[0]
