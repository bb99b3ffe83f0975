"""Every composition the config can express builds, trains a step, scores without chance and saves, or is refused.

The full product of the kinds of all terms, each with one of the units in turn; every architecture with every unit.
"""

import itertools
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from nigra.errors import NigraError
from nigra.models.architecture import ArchitectureSettings
from nigra.models.composition import Composition, build, describe
from nigra.models.reconstruction import ReconstructionSettings
from nigra.models.saved import Trained, load, save
from nigra.models.siamese import SiameseSettings
from nigra.preparation.scaling import IntensityScaling
from nigra.training import Task, TrainingSettings, train
from nigra.units import Patches, Source

STACKS = {
    "stack-spatial": {"widths": (4, 6), "code_size": 3},
    "stack-last-map": {"widths": (4, 6), "strides": (1, 2), "activation": "gelu", "output": "linear"},
    "stack-dense": {"widths": (4, 6), "code": "dense", "code_size": 5, "batch_norm": False},
    "stack-valid-pool": {"widths": (4, 6), "padding": "valid", "down": "pool", "strides": (1, 2)},
}
ARCHITECTURES = {name: {"kind": name} for name in ("mlcn2021-slice", "mlcn2021-patch", "isbi2023-patch")} | {
    name: {"kind": "stack", **given} for name, given in STACKS.items()
}
UNITS = [(1, (15, 15)), (2, (17, 21)), (3, (7, 7, 7)), (2, (15, 15)), (3, (18, 19))]
"""Channels and shapes: patches, slices odd and even, cubes."""

TAKES = {"mlcn2021-slice": [(17, 21), (18, 19)], "mlcn2021-patch": [(15, 15)], "isbi2023-patch": [(15, 15)]}
"""The shapes that published networks take; stacks take all of these."""

RECONSTRUCTIONS = [{"kind": kind} for kind in ("mse", "l1", "charbonnier", "ssim", "mse+ssim", "gaussian")]
SIAMESE = [
    None,
    *({"kind": kind, "alpha": 0.5} for kind in SiameseSettings.model_fields["kind"].annotation.__args__),
]
VARIATIONAL = [None, {"beta": 0.1, "warm_up": 0.5, "free_bits": 0.01}]
CORRUPTION = [None, {"sd": 0.1}]


@dataclass(frozen=True)
class Case:
    """A composition as a study file has it, and a unit."""

    terms: dict[str, dict | None]
    channels: int
    shape: tuple[int, ...]

    def trained_one_step(self) -> torch.nn.Module:
        model = build(Composition(**self.terms), self.channels, self.shape, seed=2)
        model.begin_epoch(0.5, 1)
        generator = torch.Generator().manual_seed(0)
        units = torch.rand(4, self.channels, *self.shape, generator=generator)
        terms = model.train().terms(units)
        assert all(torch.isfinite(value) for value in terms.values()), terms
        terms["loss"].backward()
        silent = [
            name for name, p in model.named_parameters() if p.grad is None or not torch.isfinite(p.grad).all()
        ]
        assert silent == []
        still = [name for name, p in model.named_parameters() if not p.grad.any()]
        assert [name for name in still if not self.may_be_still(name)] == []
        torch.optim.SGD(model.parameters(), 1e-3).step()
        return model

    def may_be_still(self, name: str) -> bool:
        """A bias before BatchNorm has a gradient of 0 up to rounding, a ReLU may be off for all of 4 units."""
        return name.endswith("bias") or self.terms["reconstruction"].get("weight") == 0


def cases() -> list[Case]:
    """The product of all terms, with units in turn."""
    found, turn = [], {name: itertools.cycle(units_of(name)) for name in ARCHITECTURES}
    for name, *terms in itertools.product(ARCHITECTURES, RECONSTRUCTIONS, SIAMESE, VARIATIONAL, CORRUPTION):
        keys = ("reconstruction", "siamese", "variational", "corruption")
        found.append(
            Case({"architecture": ARCHITECTURES[name], **dict(zip(keys, terms, strict=True))}, *next(turn[name]))
        )
    return found


def units_of(name: str) -> list[tuple[int, tuple[int, ...]]]:
    return [unit for unit in UNITS if name not in TAKES or unit[1] in TAKES[name]]


def refused(case: Case) -> bool:
    return (case.terms["siamese"] or {}).get("kind") == "wasserstein" and case.terms["variational"] is None


def test_the_product_leaves_no_kind_out() -> None:
    everything = cases()
    assert len(everything) == 7 * 6 * 7 * 2 * 2
    for settings, name in ((ArchitectureSettings, "architecture"), (ReconstructionSettings, "reconstruction"),
                           (SiameseSettings, "siamese")):  # fmt: skip
        kinds = set(settings.model_fields["kind"].annotation.__args__)
        assert {case.terms[name]["kind"] for case in everything if case.terms[name]} == kinds
    assert {(c.channels, c.shape) for c in everything if c.terms["architecture"]["kind"] == "stack"} == set(UNITS)


ALL = [(architecture, each["kind"]) for architecture in ARCHITECTURES for each in RECONSTRUCTIONS]
LARGE = [pair for pair in ALL if pair[0] == "mlcn2021-slice" and pair[1] != "l1"]
"""A million weights, which take as long as all others together."""


@pytest.mark.parametrize(
    ("architecture", "reconstruction"), [pytest.param(*p, marks=[pytest.mark.slow] * (p in LARGE)) for p in ALL]
)
def test_every_composition_learns_and_scores_or_is_refused(architecture: str, reconstruction: str) -> None:
    chosen = [
        case for case in cases()
        if case.terms["architecture"] == ARCHITECTURES[architecture]
        and case.terms["reconstruction"]["kind"] == reconstruction
    ]  # fmt: skip
    learnt = 0
    for case in chosen:
        if refused(case):
            with pytest.raises(ValueError, match="wasserstein compares distributions"):
                Composition(**case.terms)
            continue
        model = case.trained_one_step().eval()
        units = torch.rand(3, case.channels, *case.shape)
        with torch.no_grad():
            rebuilt, codes = model(units), model.codes(units)
            assert rebuilt.shape == units.shape
            assert torch.equal(rebuilt, model(units))
            assert torch.equal(rebuilt, model.decoder(model.encoder(units)))
            assert torch.equal(model.terms(units[:2])["loss"], model.terms(units[:2])["loss"])
        assert codes.shape == (3, codes[0].numel())
        assert float(rebuilt.std()) > 0
        learnt += 1
    assert learnt == 26


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize("unit", UNITS, ids=str)
def test_every_architecture_takes_a_unit_or_says_why_not(name: str, unit: tuple[int, tuple[int, ...]]) -> None:
    case = Case({"architecture": ARCHITECTURES[name], "reconstruction": {}}, *unit)
    if unit in units_of(name):
        assert (
            describe(Composition(**case.terms), *unit)["code_length"]
            == case.trained_one_step().codes(torch.rand(2, unit[0], *unit[1])).shape[1]
        )
    else:
        with pytest.raises(NigraError, match=r"(at least 17 x 17|takes 15 x 15 patches)\.$"):
            build(Composition(**case.terms), *unit)


@pytest.mark.parametrize("number", range(24))
def test_saved_and_loaded_is_the_same(number: int, tmp_path: Path) -> None:
    """Every 49th composition, so that each kind of each term comes up."""
    case = [case for case in cases() if not refused(case)][number * 45 :: 24 * 45][0]
    composition = Composition(**case.terms)
    model = case.trained_one_step().eval()
    scaling = IntensityScaling(np.zeros(case.channels), np.ones(case.channels), False, ())
    description = {
        "composition": composition.model_dump(mode="json"), "channels": case.channels, "shape": list(case.shape)
    }  # fmt: skip
    save(tmp_path, Trained(model, scaling, ()), description)
    units = torch.rand(4, case.channels, *case.shape)
    with torch.no_grad():
        back = load(tmp_path).model
        assert torch.equal(back(units), model(units))
        assert {k: float(v) for k, v in back.terms(units).items()} == {
            k: float(v) for k, v in model.terms(units).items()
        }


def test_a_model_without_reconstruction_trains_its_encoder_alone() -> None:
    """The composition that is to collapse: its decoder learns nothing, and has a gradient of 0, not none."""
    case = Case({"architecture": ARCHITECTURES["mlcn2021-patch"], "reconstruction": {"weight": 0},
                 "siamese": {"alpha": 1000.0}}, 2, (15, 15))  # fmt: skip
    model = build(Composition(**case.terms), 2, (15, 15))
    model.terms(torch.rand(6, 2, 15, 15))["loss"].backward()
    assert all(p.grad is not None and not p.grad.any() for p in model.decoder.parameters())
    assert all(p.grad.any() for p in model.encoder.parameters())


@pytest.mark.parametrize("kind", ["wasserstein", "contrastive"])
def test_noise_is_the_same_whether_a_training_was_interrupted_or_not(kind: str, tmp_path: Path) -> None:
    """Drawn codes and corrupted inputs: law 3 with everything that draws switched on."""
    volumes = np.random.default_rng(0).random((4, 1, 11, 13, 9)).astype(np.float32)
    task = Task(Source.plain(volumes), Patches(7), np.arange(4), np.arange(0))
    settings = TrainingSettings(epochs=3, batch=8, units_per_subject=10)
    composition = Composition(
        architecture=ARCHITECTURES["stack-spatial"], siamese={"kind": kind}, variational={"warm_up": 0.9},
        corruption={"sd": 0.1},
    )  # fmt: skip

    def killed_in_the_third_epoch(done: float, text: str) -> None:
        if done >= 2 / 3:
            raise KeyboardInterrupt

    def trained(folder: str, tick=None) -> torch.nn.Module:
        return train(build(composition, 1, (7, 7)), task, settings, tmp_path / folder, tick=tick)

    whole = trained("whole").state_dict()
    with pytest.raises(KeyboardInterrupt):
        trained("killed", killed_in_the_third_epoch)
    resumed = trained("killed").state_dict()
    assert all(torch.equal(value, resumed[name]) for name, value in whole.items())
    log = [json.loads(line) for line in (tmp_path / "killed" / "training.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in log] == [1, 2, 3]
    assert all(line["kl"] > 0 and line["similarity"] > -1 for line in log)
