"""Clinical columns as people write them."""

import numpy as np
import pandas as pd
import pytest

from nigra.errors import NigraError
from nigra.statistics.clinical import affected_sides, numbers, stages


def test_stages_are_numbers_and_101_is_missing():
    np.testing.assert_array_equal(stages(pd.Series([1, 2.5, 101, None, 0])), [1, 2.5, np.nan, np.nan, 0])
    np.testing.assert_array_equal(stages(pd.Series(["1", "101", None])), [1, np.nan, np.nan])
    assert np.isnan(stages(pd.Series([pd.NA, 1], dtype="Int64"))).tolist() == [True, False]


def test_sides_in_words():
    found = affected_sides(pd.Series(["L", "right", " Left ", "symmetric", None]))
    np.testing.assert_array_equal(found, [1, 0, 1, np.nan, np.nan])


@pytest.mark.parametrize(("read", "value", "message"), [
    (stages, 7, "NHY: a Hoehn and Yahr stage is 0 to 5, .* found 7; correct"),
    (numbers, "many", "NHY: a clinical value is a number, but found 'many'"),
    (affected_sides, 1, "side is left, right or symmetric, but found 1;"),
])  # fmt: skip
def test_what_cannot_be_read_is_one_sentence(read, value, message):
    with pytest.raises(NigraError, match=message):
        read(pd.Series([value], name="NHY"))
