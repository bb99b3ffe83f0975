"""Subjects as sequences: distances by hand, layout against principal components, whole places only."""

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import pdist, squareform

from nigra.errors import NigraError
from nigra.latent.procrustes import align
from nigra.latent.subjects import sequences, subject_view


def study(
    rng: np.random.Generator, people: int = 12, places: int = 9, d: int = 4
) -> tuple[np.ndarray, pd.DataFrame]:
    """Codes that are place + person + noise, in random row order."""
    at = rng.integers(0, 50, size=(places, 3))
    table = pd.DataFrame(
        [(f"sub-{s:02d}", *at[p], s, p) for s in range(people) for p in range(places)],
        columns=["participant_id", "x", "y", "z", "s", "p"],
    )
    codes = 5 * rng.normal(size=(places, d))[table["p"]] + rng.normal(size=(people, d))[table["s"]]
    order = rng.permutation(len(table))
    return codes[order].astype(np.float32), table.iloc[order].reset_index(drop=True)


def test_distances_are_those_of_the_sequences(rng) -> None:
    codes, table = study(rng)
    view = subject_view(codes, table)
    ordered = codes[np.lexsort((table["p"], table["s"]))].reshape(12, -1)
    np.testing.assert_allclose(view.distances, squareform(pdist(ordered)) / np.sqrt(9), atol=1e-5)
    assert view.locations == 9
    assert view.subjects[3] == "sub-03"
    full = subject_view(codes, table, dimensions=4)
    np.testing.assert_allclose(squareform(pdist(full.points)), view.distances, atol=1e-3)
    assert full.shares.sum() == pytest.approx(1, abs=1e-6)


def test_a_person_is_found_whatever_the_place(rng) -> None:
    codes, table = study(rng, d=2)
    persons = np.array([codes[table["s"] == s].mean(axis=0) for s in range(12)])
    view = subject_view(codes, table)
    assert align(view.points, persons).residual < 1e-6
    shuffled = subject_view(codes[rng.permutation(len(codes))], table)  # negative control
    assert align(shuffled.points, persons).residual > 0.5


def test_only_places_that_all_have_count(rng) -> None:
    codes, table = study(rng)
    gone = (table["s"] == 2) & (table["p"] == 5)
    subjects, values = sequences(codes[~gone], table[~gone].reset_index(drop=True))
    assert values.shape == (12, 8, 4)
    assert len(subjects) == 12
    with pytest.raises(NigraError, match="share no location"):
        sequences(codes, table.assign(x=np.arange(len(table))))
    with pytest.raises(NigraError, match="two codes at one place"):
        sequences(codes, table.assign(x=0, y=0, z=0))
    with pytest.raises(NigraError, match="same codes"):
        subject_view(np.ones_like(codes), table)
