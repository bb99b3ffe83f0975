"""Settings of the loop: who watches is chosen by subject."""

import pytest

from nigra.errors import NigraError
from nigra.training import TrainingSettings, validation_split


def test_validation_is_by_subject() -> None:
    ids = [f"sub-{i}" for i in range(20)]
    learn, watch = validation_split(ids, TrainingSettings(validation_fraction=0.25))
    assert len(watch) == 5
    assert sorted(learn + watch) == sorted(ids)
    assert validation_split(ids, TrainingSettings()) == (ids, [])
    with pytest.raises(NigraError, match="leaves 1 to learn from"):
        validation_split(ids[:3], TrainingSettings(validation_fraction=0.1))
    with pytest.raises(NigraError, match="validation_fraction is 0"):
        validation_split(ids, TrainingSettings(keep="best-on-validation"))
