"""Alpha, halves of a batch, what is reported; alpha 0 is the auto-encoder bit for bit."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from nigra.errors import NigraError
from nigra.models import similarity
from nigra.models.composition import Composition, build
from nigra.models.siamese import Siamese, SiameseSettings

KINDS = ("cosine", "squared", "vicreg", "barlow", "contrastive", "wasserstein")


def made(kind: str, alpha: float, **others: object) -> Siamese:
    variational = {"beta": 1e-3} if kind == "wasserstein" else None
    siamese = SiameseSettings(kind=kind, alpha=alpha)
    model = build(Composition(siamese=siamese, variational=variational, **others), 2, (15, 15), seed=4)
    assert isinstance(model, Siamese)
    return model


@pytest.mark.parametrize("kind", KINDS)
def test_the_loss_is_that_of_both_members_and_alpha_times_the_term(kind: str) -> None:
    model = made(kind, 0.3).eval()
    units = torch.rand(10, 2, 15, 15)
    with torch.no_grad():
        terms, own = model.terms(units), model.autoencoder.terms(units)
        assert set(terms) == {*own, "siamese", "similarity"}
        torch.testing.assert_close(terms["loss"], 2 * own["loss"] + 0.3 * terms["siamese"])
        first, second = model.codes(units[:5]), model.codes(units[5:])
        if kind != "wasserstein":
            expected = getattr(similarity, kind)(first, second, **model.siamese.values)
            torch.testing.assert_close(terms["siamese"], expected)
        cosines = functional.cosine_similarity(first, second).mean()
        torch.testing.assert_close(terms["similarity"], cosines)


@pytest.mark.parametrize("kind", KINDS)
def test_training_on_the_term_makes_partners_alike(kind: str) -> None:
    """Partners share a pattern; the term falls below its start, and below what alpha 0 leaves."""
    generator = torch.Generator().manual_seed(1)
    shared = torch.rand(24, 2, 15, 15, generator=generator)
    units = torch.cat([0.5 * shared + 0.5 * torch.rand(24, 2, 15, 15, generator=generator) for _ in range(2)])
    ends = {}
    for alpha in (0.0, 10.0):
        model = made(kind, alpha)
        optimiser = torch.optim.Adam(model.parameters(), lr=3e-3)
        start = float(model.eval().terms(units)["siamese"].detach())
        model.train()
        for _ in range(30):
            loss = model.terms(units)["loss"]
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        ends[alpha] = float(model.eval().terms(units)["siamese"].detach())
    assert ends[10.0] < start
    assert ends[10.0] < ends[0.0]


@pytest.mark.parametrize("kind", ["cosine", "vicreg", "contrastive"])
@pytest.mark.parametrize("architecture", ["mlcn2021-patch", "isbi2023-patch"])
def test_alpha_0_learns_the_weights_of_a_plain_loop_bit_for_bit(kind: str, architecture: str) -> None:
    """The plain loop knows nothing of siamese models: the sum of both members' mean squared errors, by hand."""
    settings = {"architecture": {"kind": architecture}}
    siamese = made(kind, 0.0, **settings)
    plain = build(Composition(**settings), 2, (15, 15), seed=4)
    pulled = made(kind, 0.5, **settings)
    for model in (siamese, plain, pulled):
        optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
        generator = torch.Generator().manual_seed(0)
        for _ in range(5):
            units = torch.rand(20, 2, 15, 15, generator=generator)
            if model is plain:
                first, second = torch.chunk(plain(units), 2)
                loss = functional.mse_loss(first, units[:10]) + functional.mse_loss(second, units[10:])
            else:
                loss = model.terms(units)["loss"]
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    states = [list(model.state_dict().values()) for model in (siamese, plain, pulled)]
    assert all(torch.equal(a, b) for a, b in zip(states[0], states[1], strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(states[0], states[2], strict=True))  # negative control


def test_alpha_0_reports_the_term_without_a_gradient() -> None:
    terms = made("contrastive", 0.0).terms(torch.rand(8, 2, 15, 15))
    assert not terms["siamese"].requires_grad
    assert float(terms["siamese"]) > 0
    assert terms["loss"].requires_grad
    assert made("contrastive", 0.1).terms(torch.rand(8, 2, 15, 15))["siamese"].requires_grad


def test_places_reach_the_contrastive_term() -> None:
    model, units = made("contrastive", 1.0).eval(), torch.rand(8, 2, 15, 15)
    with torch.no_grad():
        apart, same = model.terms(units, torch.arange(4)), model.terms(units, torch.zeros(4, dtype=torch.int64))
    assert float(same["siamese"]) == pytest.approx(0, abs=1e-6)
    torch.testing.assert_close(apart["siamese"], model.terms(units)["siamese"].detach())
    assert float(apart["siamese"]) > 0.1


def test_which_terms_need_the_whole_batch() -> None:
    assert [kind for kind in KINDS if made(kind, 0.1).needs_batch] == ["vicreg", "barlow", "contrastive"]
    assert not made("vicreg", 0.0).needs_batch


def test_a_huge_alpha_without_reconstruction_collapses_the_code() -> None:
    """What health is to flag: every unit gets one code; with the variance floor of vicreg it does not."""
    units = torch.rand(24, 2, 15, 15, generator=torch.Generator().manual_seed(2))
    spread = {}
    for kind in ("squared", "vicreg"):
        model = made(kind, 1000.0, reconstruction={"weight": 0})
        optimiser = torch.optim.Adam(model.parameters(), lr=3e-3)
        for _ in range(50):
            loss = model.terms(units)["loss"]
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        with torch.no_grad():
            spread[kind] = float(model.codes(units).std(dim=0).max())
    assert spread["squared"] < 0.02
    assert spread["vicreg"] > 10 * spread["squared"]


def test_a_code_too_long_for_a_matrix_of_products_is_refused() -> None:
    with pytest.raises(NigraError, match="the code has 9000 values; barlow multiplies"):
        SiameseSettings(kind="barlow").refuse(9000)
    SiameseSettings(kind="cosine").refuse(9000)


def test_a_number_stands_for_the_published_term() -> None:
    model = Siamese(build(Composition(), 2, (15, 15)), 0.25)
    assert (model.alpha, model.siamese.kind, model.members) == (0.25, "cosine", 2)
    np.testing.assert_array_equal(
        model.encoder[0].convolution.weight.detach(), model.autoencoder.encoder[0].convolution.weight.detach()
    )
