"""Paper scale runs at a toy size, counts arithmetic as by hand, and refuses where it would take weeks."""

import pytest
import torch

from nigra.bench.paper import measure, operations
from nigra.errors import NigraError
from nigra.models.published import build


def test_a_toy_size_trains_and_scores_both_models_with_a_detector() -> None:
    train, score = measure(quick=True)
    assert train.ours.seconds[0] > 0
    assert min(train.ours.work, score.ours.work) > 1e6
    assert score.sizes["detectors"] == "error and one-class-svm"
    assert score.sizes["models"] == "mlcn2021-ae and mlcn2021-sae"


def test_multiply_adds_are_those_counted_by_hand() -> None:
    """mlcn2021-sae: kernel x channels in x channels out at every pixel made (valid) or read (transposed)."""
    encoder = 13 * 13 * 9 * 2 * 16 + 4 * 4 * 9 * 16 * 16 + 2 * 2 * 9 * 16 * 16
    decoder = 2 * 2 * 9 * 16 * 16 + 4 * 4 * 9 * 16 * 16 + 12 * 12 * 9 * 16 * 16 + 14 * 14 * 4 * 16 * 2
    assert operations(build("mlcn2021-sae"), 2, (15, 15)) == encoder + decoder


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_without_a_gpu_it_says_what_it_needs() -> None:
    with pytest.raises(NigraError, match="paper scale needs a GPU"):
        measure()
