"""The scorer: one result whatever the way, codes on request, refusals in words, nothing altered, nothing kept."""

import tracemalloc
from copy import deepcopy
from typing import Literal

import numpy as np
import pytest
import torch
from torch import nn

from nigra.errors import NigraError
from nigra.models.autoencoder import Autoencoder
from nigra.models.published import PRESETS, build
from nigra.scoring.errors import ScoreSettings, reconstruct
from nigra.scoring.scorer import Scorer
from nigra.units import Hemispheres, Patches, Slices, Source, Unit


@pytest.fixture
def source(mask: np.ndarray, rng: np.random.Generator) -> Source:
    return Source.plain(rng.random((2, 2, *mask.shape)).astype(np.float32), mask)


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_scores_the_same_dense_or_not(name: str, rng: np.random.Generator) -> None:
    mask = np.ones((17, 19, 4), bool)
    mask[:3, :, 1:] = False
    source = Source.plain(rng.random((2, 2, *mask.shape)).astype(np.float32), mask)
    unit = PRESETS[name].unit
    model = build(name, 2, unit.unit_shape(source.shape), seed=1)
    fast, plain = Scorer(model, unit), Scorer(model, unit, dense=False)
    codes = isinstance(unit, Patches)
    found, expected = fast.score(source, 1, codes=codes), plain.score(source, 1, codes=codes)
    np.testing.assert_allclose(found.error, expected.error, atol=1e-6)
    np.testing.assert_allclose(found.residual, expected.residual, atol=1e-6)
    assert np.nanstd(found.error) > 1e-3
    if codes:
        np.testing.assert_allclose(found.codes, expected.codes, atol=1e-6)
        np.testing.assert_array_equal(fast.codes(source, 1), found.codes)
        assert fast.code_length == found.codes.shape[1]
        assert fast.code_refusal is None
        assert plain.way == "unit by unit: as asked"
    else:
        assert found.codes is None


def test_residuals_keep_the_sign_and_give_the_error(source: Source) -> None:
    for settings in (ScoreSettings(), ScoreSettings(overlap="average")):
        for unit, name in ((Patches(15), "mlcn2021-sae"),):
            found = Scorer(build(name, seed=1), unit, settings).score(source, 0)
            inside = source.mask
            assert (found.residual[:, inside] < 0).any()
            assert (found.residual[:, inside] > 0).any()
            joint = np.sqrt((found.residual**2).sum(axis=0))[inside]
            if settings.overlap == "centre":
                np.testing.assert_allclose(found.error[inside], joint, atol=1e-6)
            else:  # the mean of errors is at least the error of the mean
                assert (found.error[inside] >= joint - 1e-6).all()
                assert np.isnan(found.error[~inside]).all()
                assert np.isnan(found.residual[:, ~inside]).all()


def test_average_errors_still_come_with_dense_codes(source: Source) -> None:
    model = build("isbi2023-sae", seed=1)
    scorer = Scorer(model, Patches(15), ScoreSettings(overlap="average", stride=3))
    assert scorer.way == "unit by unit: overlap: average needs whole reconstructions"
    found = scorer.score(source, 0, codes=True)
    np.testing.assert_allclose(found.codes, Scorer(model, Patches(15), dense=False).codes(source, 0), atol=1e-6)


def test_a_part_of_the_mask_gets_the_values_of_the_whole(source: Source) -> None:
    part = source.mask.copy()
    part[..., ::2] = False
    scorer = Scorer(build("mlcn2021-sae", seed=2), Patches(15))
    whole, some = scorer.score(source, 0, codes=True), scorer.score(source, 0, part, codes=True)
    np.testing.assert_allclose(some.error[part], whole.error[part], atol=1e-6)
    np.testing.assert_allclose(some.codes, whole.codes[part[source.mask]], atol=1e-6)
    assert np.isnan(some.error[~part]).all()
    assert np.isnan(some.residual[:, ~part]).all()


def test_an_empty_mask_has_no_scores(source: Source) -> None:
    empty = np.zeros_like(source.mask)
    for dense in (True, False):
        found = Scorer(build("mlcn2021-sae"), Patches(15), dense=dense).score(source, 0, empty, codes=True)
        assert np.isnan(found.error).all()
        assert found.codes.shape == (0, 64)


def test_hemispheres_are_scored_one_by_one(rng: np.random.Generator) -> None:
    """Oracle: each half through the model by hand; the shared column is the mean of both."""
    source = Source.plain(rng.random((2, 2, 35, 17, 4)).astype(np.float32))
    unit = Hemispheres("axial", None)
    assert unit.unit_shape(source.shape) == (18, 17)
    model = build("mlcn2021-ae", 2, (18, 17), seed=1).eval()
    found = Scorer(model, unit).score(source, 1)
    for z in range(4):
        left = source.volumes[1, :, :18, :, z]
        right = source.volumes[1, :, :16:-1, :, z]
        given = torch.from_numpy(np.stack([left, right]))
        with torch.no_grad():
            errors = ((given - model(given)) ** 2).sum(dim=1).sqrt().numpy()
        np.testing.assert_allclose(found.error[:17, :, z], errors[0, :17], atol=1e-6)
        np.testing.assert_allclose(found.error[:17:-1, :, z], errors[1, :17], atol=1e-6)
        np.testing.assert_allclose(found.error[17, :, z], errors[:, 17].mean(axis=0), atol=1e-6)


@pytest.mark.parametrize("overlap", ["centre", "average"])
def test_stacks_are_scored_one_by_one(rng: np.random.Generator, overlap: Literal["centre", "average"]) -> None:
    """Oracle: each stack through the model by hand; a slice by its own stack, or the mean of all that show it."""
    source = Source.plain(rng.random((1, 2, 17, 19, 5)).astype(np.float32))
    unit, model = Slices("axial", None, 3), build("mlcn2021-ae", 6, (17, 19), seed=1).eval()
    found = Scorer(model, unit, ScoreSettings(overlap=overlap)).score(source, 0)
    rebuilt = reconstruct(model, unit, source, 0, ScoreSettings(overlap=overlap))
    residuals: dict[int, list[np.ndarray]] = {z: [] for z in range(5)}
    for z in range(5):
        shown = [min(max(z + shift, 0), 4) for shift in (-1, 0, 1)]
        given = torch.from_numpy(np.concatenate([source.volumes[0, ..., place] for place in shown]))[None]
        with torch.no_grad():
            residual = (given - model(given)).numpy().reshape(3, 2, 17, 19)
        for number, place in enumerate((z - 1, z, z + 1)):
            if place in residuals and (number == 1 or overlap == "average"):
                residuals[place].append(residual[number])
    for z in range(5):
        assert len(residuals[z]) == (1 if overlap == "centre" else 2 if z in (0, 4) else 3)
        errors = [np.sqrt((residual**2).sum(axis=0)) for residual in residuals[z]]
        np.testing.assert_allclose(found.error[..., z], np.mean(errors, axis=0), atol=1e-6)
        mean = np.mean(residuals[z], axis=0)
        np.testing.assert_allclose(found.residual[..., z], mean, atol=1e-6)
        np.testing.assert_allclose(rebuilt[..., z], source.volumes[0, ..., z] - mean, atol=1e-6)


@pytest.mark.parametrize(
    ("unit", "channels", "shape", "what"),
    [(Slices("axial", 3), 2, (17, 19), "slice"), (Slices("axial", 3, 3), 6, (17, 19), "stack of slices"),
     (Hemispheres("coronal", 3), 2, (17, 20), "hemisphere")],
)  # fmt: skip
def test_what_is_no_voxel_s_own_has_no_code_per_voxel(
    unit: Unit, channels: int, shape: tuple[int, int], what: str, rng: np.random.Generator
) -> None:
    volume = (17, 19, 5) if isinstance(unit, Slices) else (33, 5, 20)
    source = Source.plain(rng.random((1, 2, *volume)).astype(np.float32))
    scorer = Scorer(build("mlcn2021-ae", channels, shape, seed=1), unit)
    assert scorer.way == f"{what} by {what}"
    assert np.isfinite(scorer.score(source, 0).error).any()
    with pytest.raises(NigraError, match=f"the code of a {what} describes the whole {what}"):
        scorer.codes(source, 0)


def test_slices_have_no_code_per_voxel(rng: np.random.Generator) -> None:
    source = Source.plain(rng.random((1, 2, 17, 19, 5)).astype(np.float32))
    scorer = Scorer(build("mlcn2021-ae", 2, (17, 19), seed=1), Slices("axial", 3))
    assert scorer.way == "slice by slice"
    assert scorer.code_length is None
    assert "describes the whole slice" in scorer.code_refusal
    for asked in (lambda: scorer.score(source, 0, codes=True), lambda: scorer.codes(source, 0)):
        with pytest.raises(NigraError, match="codes were asked for, but the code of a slice"):
            asked()


def test_a_decoder_that_cannot_be_pruned_is_used_whole(source: Source) -> None:
    torch.manual_seed(1)
    encoder = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(inplace=True))
    decoder = nn.Sequential(nn.ReLU(inplace=True), nn.ConvTranspose2d(3, 2, 3), nn.GroupNorm(1, 2))
    model = Autoencoder(encoder, decoder, "mse")
    scorer, plain = Scorer(model, Patches(5)), Scorer(model, Patches(5), dense=False)
    assert scorer.way == (
        "dense codes, whole patches decoded: decoder layer 2 (GroupNorm) is neither affine nor pointwise"
    )
    found, expected = scorer.score(source, 0, codes=True), plain.score(source, 0, codes=True)
    # a small variance under GroupNorm multiplies the last digit, by which convolutions differ between processors
    np.testing.assert_allclose(found.error, expected.error, atol=1e-6, rtol=1e-5)
    np.testing.assert_allclose(found.codes, expected.codes, atol=1e-6)


def test_model_and_volumes_stay_as_they_are(source: Source) -> None:
    model = build("isbi2023-sae", seed=1).train()
    before, volumes = deepcopy(model.state_dict()), source.volumes.copy()
    first = Scorer(model, Patches(15)).score(source, 0)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert model.training
    assert all(parameter.requires_grad for parameter in model.parameters())
    np.testing.assert_array_equal(source.volumes, volumes)
    again = Scorer(model.eval(), Patches(15)).score(source, 0)
    np.testing.assert_array_equal(first.error, again.error)


def test_progress_ends_at_one(source: Source) -> None:
    for dense in (True, False):
        told: list[float] = []
        scorer = Scorer(build("isbi2023-sae"), Patches(15), dense=dense)
        scorer.score(source, 0, tick=lambda done, text, told=told: told.append(done))
        assert told == sorted(told)
        assert told[-1] == 1.0


def test_thirty_subjects_leave_nothing_behind(mask: np.ndarray, rng: np.random.Generator) -> None:
    source = Source.plain(rng.random((30, 2, *mask.shape)).astype(np.float32), mask)
    scorer = Scorer(build("isbi2023-sae"), Patches(15))
    scorer.score(source, 0, codes=True)
    tracemalloc.start()
    for row in range(30):
        scorer.score(source, row, codes=True)
    kept, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak > 3 * mask.size * 4  # negative control: one subject's error and residuals are seen
    assert kept < mask.size * 4  # less than one score map after thirty


def test_codes_fill_a_given_array_and_masks_may_change(source: Source) -> None:
    scorer, part = Scorer(build("mlcn2021-sae", seed=2), Patches(15, "coronal")), source.mask.copy()
    part[::2] = False
    whole = scorer.codes(source, 0)
    out = np.full_like(whole, np.nan)
    assert scorer.codes(source, 1, out=out) is out
    assert np.abs(out - whole).max() > 1e-3  # another subject
    np.testing.assert_allclose(scorer.codes(source, 1, part), out[part[source.mask]], atol=1e-6)
    np.testing.assert_array_equal(scorer.codes(source, 1), out)
