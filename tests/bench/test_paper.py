"""Nothing is measured at paper scale, and it says so."""

import pytest

from nigra.bench.paper import paper
from nigra.errors import NigraError


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_it_refuses_in_one_sentence(device: str, monkeypatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(NigraError, match=f"paper scale needs a GPU, and {device} is none here"):
        paper(device)


def test_a_gpu_alone_makes_no_measurement(monkeypatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    with pytest.raises(NigraError, match="is not measured by this version"):
        paper()
