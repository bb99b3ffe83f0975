"""Landmarks: equal shares by subject, repeatable, all codes where there are few."""

import numpy as np

from nigra.latent.landmarks import choose, note


def test_every_subject_gets_the_same_share_whatever_its_codes() -> None:
    subjects = np.repeat(["a", "b", "c"], [500, 40, 60])
    rows = choose(600, 90, seed=3, subjects=list(subjects))
    assert len(rows) == len(set(rows)) == 90
    assert list(np.unique(subjects[rows], return_counts=True)[1]) == [30, 30, 30]
    uneven = choose(600, 150, seed=3, subjects=list(subjects))
    assert list(np.unique(subjects[uneven], return_counts=True)[1]) == [55, 40, 55]


def test_the_draw_follows_the_seed_and_is_sorted() -> None:
    assert np.array_equal(choose(1000, 50, 1), choose(1000, 50, 1))
    assert not np.array_equal(choose(1000, 50, 1), choose(1000, 50, 2))
    assert (np.diff(choose(1000, 50, 1)) > 0).all()
    assert np.array_equal(choose(7, 50), np.arange(7))


def test_a_note_only_where_some_were_left_out() -> None:
    assert note(7, 7) == ""
    assert "10 landmarks of 40" in note(10, 40)
