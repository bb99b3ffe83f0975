"""The divergence against its integral and torch's own; drawing, warm-up, free bits, heads."""

import numpy as np
import pytest
import torch
from torch import nn

from nigra.models.blocks import soft_clip
from nigra.models.composition import Composition, build
from nigra.models.variational import Variational, VariationalSettings, kl_per_dimension, with_heads


def test_divergence_is_torchs_and_is_0_for_the_standard_normal(rng: np.random.Generator) -> None:
    mean, log_variance = (torch.from_numpy(rng.normal(size=(5, 3, 2, 2)).astype(np.float32)) for _ in range(2))
    normal = torch.distributions.Normal(mean, torch.exp(0.5 * log_variance))
    expected = torch.distributions.kl_divergence(normal, torch.distributions.Normal(0.0, 1.0))
    found = kl_per_dimension(mean, log_variance)
    torch.testing.assert_close(found, expected.flatten(1).mean(dim=0))
    assert found.shape == (12,)
    assert float(kl_per_dimension(torch.zeros(2, 3, 1, 1), torch.zeros(2, 3, 1, 1)).abs().max()) == 0


def term(**settings: float) -> Variational:
    return Variational(VariationalSettings(**settings), nn.Identity())


def test_the_cost_of_beta_warm_up_and_free_bits() -> None:
    divergence = torch.tensor([0.1, 2.0, 0.4])
    assert float(term(beta=3).cost(divergence)) == pytest.approx(7.5)
    assert float(term(free_bits=0.5).cost(divergence)) == pytest.approx(0.5 + 2.0 + 0.5)
    warming = term(beta=2, warm_up=0.5)
    for done, share in ((0.0, 0.0), (0.25, 0.5), (0.5, 1.0), (0.9, 1.0)):
        warming.begin_epoch(done, 0)
        assert float(warming.cost(divergence)) == pytest.approx(share * 5.0)
    warming.begin_epoch(0.0, 0)
    assert float(warming.eval().cost(divergence)) == pytest.approx(5.0)  # or epochs would not compare


def test_codes_are_drawn_in_training_and_means_in_evaluation() -> None:
    variational = term()
    mean, log_variance = torch.full((4000, 2, 1, 1), 3.0), torch.full((4000, 2, 1, 1), -2.0)
    variational.begin_epoch(0.0, 5)
    codes = variational.draw(mean, log_variance)
    assert float(codes.mean()) == pytest.approx(3, abs=0.02)
    assert float(codes.std()) == pytest.approx(np.exp(-1), rel=0.03)
    variational.begin_epoch(0.0, 5)
    assert torch.equal(variational.draw(mean, log_variance), codes)
    variational.begin_epoch(0.0, 6)
    assert not torch.equal(variational.draw(mean, log_variance), codes)
    assert torch.equal(variational.eval().draw(mean, log_variance), mean)


def test_variances_are_bounded_with_a_gradient_left() -> None:
    given = torch.tensor([[-1e4], [-3.0], [1e4]]).reshape(3, 1, 1, 1).requires_grad_()
    found = term().log_variance(given)
    np.testing.assert_allclose(found.detach().flatten().numpy(), [-20, -3, 10], atol=1e-4)
    torch.exp(found).sum().backward()
    assert torch.isfinite(given.grad).all()


def test_heads_reuse_a_plain_last_convolution_and_else_add_one() -> None:
    plain = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 3, (2, 5)))
    encoder, head = with_heads(plain, 3, 2)
    assert encoder is plain
    assert (head.in_channels, head.out_channels, head.kernel_size) == (4, 3, (2, 5))
    bent = nn.Sequential(nn.Conv3d(1, 4, 3), nn.ReLU())
    encoder, head = with_heads(bent, 4, 3)
    assert list(encoder[:-1]) == list(bent)
    assert (type(encoder[-1]), type(head)) == (nn.Conv3d, nn.Conv3d)
    assert encoder[-1].kernel_size == head.kernel_size == (1, 1, 1)


def test_a_model_reports_its_divergence_and_rebuilds_from_means() -> None:
    model = build(Composition(variational=VariationalSettings()), 2, (15, 15), seed=1)
    units = torch.rand(6, 2, 15, 15)
    with torch.no_grad():
        features = model.encoder[:-1](units)
        mean, log_variance = model.encoder[-1](features), model.variational.log_variance(features)
        assert torch.equal(model.encode(units), mean)
        assert torch.equal(model(units), model.decoder(mean))
        torch.testing.assert_close(model.kl_per_dimension(units), kl_per_dimension(mean, log_variance))
        assert not torch.equal(model.observe(units).rebuilt, model(units))
        assert torch.equal(model.eval().observe(units).rebuilt, model(units))
        terms = model.terms(units)
    expected = terms["reconstruction"] + kl_per_dimension(mean, log_variance).sum() / (2 * 15 * 15)
    torch.testing.assert_close(terms["loss"], expected)
    torch.testing.assert_close(terms["kl"], model.kl_per_dimension(units).sum())


def test_with_gaussian_noise_and_beta_1_the_loss_is_the_evidence_bound() -> None:
    """Oracle: torch.distributions, summed over a unit; the loss is that per value, less a constant."""
    composition = Composition(reconstruction={"kind": "gaussian"}, variational={"beta": 1})
    model = build(composition, 2, (15, 15), seed=1).eval()
    units = torch.rand(5, 2, 15, 15)
    with torch.no_grad():
        observed = model.observe(units)
        sd = torch.exp(0.5 * soft_clip(model.reconstruction.log_variance, -12.0, 2.0))[:, None, None]
        noise = torch.distributions.Normal(observed.rebuilt, sd)
        posterior = torch.distributions.Normal(observed.code, torch.exp(0.5 * observed.log_variance))
        divergence = torch.distributions.kl_divergence(posterior, torch.distributions.Normal(0.0, 1.0))
        bound = noise.log_prob(units).flatten(1).sum(1) - divergence.flatten(1).sum(1)
        loss = float(model.terms(units)["loss"])
    assert loss == pytest.approx(-float(bound.mean()) / 450 - 0.5 * np.log(2 * np.pi), rel=1e-4)


def test_a_strong_divergence_empties_the_code_and_a_weak_one_does_not() -> None:
    units = torch.rand(24, 1, 15, 15, generator=torch.Generator().manual_seed(0))
    left = {}
    for beta in (0.001, 1e3):
        model = build(Composition(variational=VariationalSettings(beta=beta)), 1, (15, 15), seed=0)
        optimiser = torch.optim.Adam(model.parameters(), lr=3e-3)
        for epoch in range(40):
            model.begin_epoch(epoch / 40, epoch)
            loss = model.terms(units)["loss"]
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        left[beta] = float(model.kl_per_dimension(units).sum())
    assert left[1e3] < 0.5
    assert left[0.001] > 10 * left[1e3]
