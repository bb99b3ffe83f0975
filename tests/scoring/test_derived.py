"""What is derived is tried against the model; what does not hold is not used."""

import numpy as np
import pytest
import torch

from nigra.errors import NigraError
from nigra.models.autoencoder import Autoencoder
from nigra.models.published import build
from nigra.scoring.derived import derive, exact_products
from nigra.scoring.scorer import Scorer
from nigra.units import Patches, Source


@pytest.fixture
def source(mask: np.ndarray, rng: np.random.Generator) -> Source:
    return Source.plain(rng.random((2, 2, *mask.shape)).astype(np.float32), mask)


def test_both_ways_are_derived_from_a_published_model() -> None:
    derived = derive(build("mlcn2021-sae").eval(), Patches(15), "cpu")
    assert derived.code_shape == (16, 2, 2)
    assert derived.encoder is not None
    assert derived.cone is not None
    assert derived.cone.multiply_adds < 39_000


class Doubled(Autoencoder):
    """Has an encode of its own, which its layers alone do not show."""

    def encode(self, units: torch.Tensor) -> torch.Tensor:
        return 2 * super().encode(units)


def test_a_model_that_is_more_than_its_layers_is_noticed(source: Source) -> None:
    parts = build("isbi2023-ae", seed=1)
    model = Doubled(parts.encoder, parts.decoder, "mse")
    scorer, plain = Scorer(model, Patches(15)), Scorer(model, Patches(15), dense=False)
    assert "dense codes differ from the model's own by" in scorer.way
    np.testing.assert_allclose(scorer.codes(source, 0), plain.codes(source, 0), atol=1e-6)


def test_patches_of_a_size_the_model_cannot_take_are_refused() -> None:
    with pytest.raises(NigraError, match="cannot take patches of 5 x 5"):
        Scorer(build("mlcn2021-sae"), Patches(5))
    with pytest.raises(NigraError, match="choose a size it rebuilds"):
        Scorer(build("isbi2023-sae"), Patches(17))


def test_exact_products_are_a_local_matter() -> None:
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matmul.allow_tf32, cudnn.allow_tf32
    try:
        matmul.allow_tf32 = cudnn.allow_tf32 = True
        with exact_products():
            assert (matmul.allow_tf32, cudnn.allow_tf32) == (False, False)
        assert (matmul.allow_tf32, cudnn.allow_tf32) == (True, True)
    finally:
        matmul.allow_tf32, cudnn.allow_tf32 = before
