"""The watch: pairs against random ones, averages against brute force, models made to collapse."""

from pathlib import Path

import numpy as np
import pytest
import torch

from nigra.models.composition import Composition, build
from nigra.models.published import build as published
from nigra.models.siamese import Model
from nigra.training import Feed, Task, TrainingSettings, train
from nigra.training.watch import Watch, random_partners
from nigra.units import Cubes, Slices
from nigra.units.pairs import PairSettings
from tests.training.training_fixture import SHAPE, make_source, patches

SETTINGS = TrainingSettings(epochs=6, batch=16, units_per_subject=60, learning_rate=3e-3, seed=3)
MANY = SETTINGS.model_copy(update={"units_per_subject": 1500})


def watch(task: Task) -> Watch:
    return Watch(Feed(task, MANY, members=2), seed=1)


def composed(**parts: object) -> Model:
    return build(Composition.model_validate(parts), 2, (15, 15), seed=0)


def test_random_partners_are_others_of_the_same_relation(rng: np.random.Generator) -> None:
    first, second = rng.integers(0, 4, (2, 200))
    partners = random_partners(rng, first, second)
    assert (partners != np.arange(200)).all()
    assert ((first == second[partners]) == (first == second)).all()
    assert 0.1 < (first == second).mean() < 0.5  # so both relations were met
    assert len(set(partners.tolist())) > 80


def test_random_partners_where_no_other_pair_will_do(rng: np.random.Generator) -> None:
    assert random_partners(rng, np.array([0, 1]), np.array([1, 0])).tolist() == [1, 0]


def test_averages_against_brute_force() -> None:
    task = patches(make_source())
    feed = Feed(task, MANY, members=2)
    found = Watch(feed, seed=1)
    drawn = feed.draw(np.random.default_rng([1, 5]), task.train_rows, -(-512 // 6))
    first = found.first.numpy().astype(np.float64)
    expected = 0.0
    for index, unit in enumerate(first):
        at, others = feed.locations[drawn.where[index]][None], np.setdiff1d(np.arange(6), drawn.first[index])
        np.testing.assert_allclose(unit, task.unit.cut(task.source, drawn.first[index : index + 1], at)[0])
        expected += (
            (np.mean([task.unit.cut(task.source, np.array([o]), at)[0] for o in others], 0) - unit) ** 2
        ).sum()
    assert len(first) == 512
    assert found.image_error == pytest.approx(expected, rel=1e-5)
    assert found.unit_error == pytest.approx(((first - first.mean(axis=0)) ** 2).sum(), rel=1e-5)
    assert found.image_error < 0.2 * found.unit_error  # six subjects share their anatomy


@pytest.mark.parametrize("unit", [Slices("coronal", None, stack=3), Cubes(5)])
def test_every_unit_can_be_watched(unit: Slices | Cubes) -> None:
    source = make_source()
    architecture = {"kind": "stack", "widths": (4,), "strides": (1,), "kernel": 3, "padding": "same"}
    composition = Composition.model_validate({"architecture": architecture})
    model = build(composition, unit.unit_channels(2), unit.unit_shape(SHAPE), seed=0).eval()
    found = watch(Task(source, unit, np.arange(6), np.arange(0))).look(model)
    assert found.code_sd > 0
    assert found.unit_error > 0
    assert found.pairs == (64 if isinstance(unit, Slices) else 512)


def test_looking_changes_nothing_and_is_repeatable() -> None:
    look, model = watch(patches(make_source())), published("mlcn2021-sae").eval()
    before = torch.random.get_rng_state()
    assert look.look(model) == look.look(model)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_pairs_of_the_same_place_are_alike_and_random_ones_are_not() -> None:
    """The rule of the control gives chance, within what 512 fair coins give in all but 1 of 1000 trials."""
    source, model = make_source(noise=0.02), published("mlcn2021-sae", seed=1).eval()
    same = watch(patches(source)).look(model)
    random = watch(patches(source, pairs=PairSettings(place="random"))).look(model)
    inside = watch(patches(source, pairs=PairSettings(place="random", subject="same"))).look(model)
    near = watch(patches(source, pairs=PairSettings(place="neighbouring", distance=2.0))).look(model)
    assert same.pairs == 512
    assert same.alike > 0.95
    assert 0.6 < near.alike <= same.alike
    for control in (random, inside):
        assert abs(control.alike - 0.5) < 3.3 * 0.5 / np.sqrt(512)
        assert abs(control.similarity - control.random_similarity) < 0.1 * (
            same.similarity - same.random_similarity
        )


def test_a_published_model_shortly_trained_is_well(tmp_path: Path) -> None:
    task = patches(make_source())
    found = watch(task).look(train(published("mlcn2021-sae", seed=3), task, SETTINGS, tmp_path))
    assert found.why == []
    assert found.unit_error < 0.5
    assert found.effective_rank > 1.8


@pytest.mark.parametrize("kind", ["cosine", "squared"])
def test_a_siamese_term_alone_collapses_the_code(tmp_path: Path, kind: str) -> None:
    """Huge alpha, no reconstruction: partners are as alike as can be, and so is everything else."""
    task = patches(make_source())
    model = composed(reconstruction={"weight": 0}, siamese={"kind": kind, "alpha": 1000.0})
    found = watch(task).look(train(model, task, SETTINGS, tmp_path))
    assert found.collapsed
    assert found.unit_error > 1
    if kind == "cosine":
        assert found.similarity > 0.999
    else:
        assert found.code_sd < 0.01


def test_a_variational_term_alone_leaves_a_code_that_says_nothing(tmp_path: Path) -> None:
    task = patches(make_source())
    model = composed(variational={"beta": 1000.0})
    found = watch(task).look(train(model, task, SETTINGS, tmp_path))
    assert found.active_units == 0
    assert any("KL below 0.01 nats" in sentence for sentence in found.why)
    weak = composed(variational={"beta": 1e-4})
    assert watch(task).look(train(weak, task, SETTINGS, tmp_path / "weak")).active_units > 3


def test_constant_codes_are_flagged() -> None:
    model = published("mlcn2021-sae").eval()
    with torch.no_grad():
        for parameter in model.encoder.parameters():
            parameter.zero_()
    found = watch(patches(make_source())).look(model)
    assert (found.effective_rank, found.active_units, found.alike) == (0, 0, 0.5)
    assert found.why[0] == "every unit has the same code."


def test_kl_of_a_variational_model_is_the_mean_over_units() -> None:
    model = composed(variational={"beta": 1.0}).eval()
    look = watch(patches(make_source()))
    found = look.look(model)
    whole = model.kl_per_dimension(look.first)
    assert whole is not None
    np.testing.assert_allclose(found.dimension_kl, whole.numpy(), rtol=1e-4)
    assert found.kl == pytest.approx(float(whole.sum()), rel=1e-4)
    assert found.active_units == int((whole > 0.01).sum())
