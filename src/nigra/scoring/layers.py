"""What is known of a network's layers: which act pixel by pixel, and how to refuse the others in a sentence."""

from collections.abc import Iterator

from torch import nn

POINTWISE = (
    nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.SELU, nn.CELU, nn.GELU, nn.SiLU, nn.Mish,
    nn.Sigmoid, nn.Tanh, nn.Softplus, nn.Hardtanh,
)  # fmt: skip
"""Activations: one value in, one value out, without parameters."""

ABSENT = (nn.Identity, nn.Dropout, nn.Dropout2d, nn.Dropout3d)
"""Layers that do nothing in evaluation mode."""


class NotExactError(Exception):
    """A layer for which the fast way would give other values; its text is the sentence for the log."""


def layers_of(module: nn.Module, place: str = "") -> Iterator[tuple[str, nn.Module]]:
    """Names and layers of a network in their order, nested ``nn.Sequential`` unrolled.

    >>> [name for name, _ in layers_of(nn.Sequential(nn.ReLU(), nn.Sequential(nn.Tanh())))]
    ['0', '1.0']
    """
    if type(module) is nn.Sequential:
        for name, child in module.named_children():
            yield from layers_of(child, f"{place}{name}.")
    else:
        yield place.rstrip("."), module


def is_one_of(layer: nn.Module, types: tuple[type[nn.Module], ...]) -> bool:
    """Whether a layer is exactly of these types; a subclass or a hook may compute anything else."""
    return type(layer) in types and not layer._forward_hooks and not layer._forward_pre_hooks


def refusal(part: str, name: str, layer: nn.Module, why: str) -> NotExactError:
    """The sentence that names a layer and the reason.

    >>> print(refusal("encoder", "0", nn.GroupNorm(1, 2), "looks at the whole patch"))
    encoder layer 0 (GroupNorm) looks at the whole patch
    """
    return NotExactError(f"{part} layer {name or '0'} ({type(layer).__name__}) {why}")


def require_evaluation(part: str, name: str, layer: nn.Module) -> None:
    """Refuse a layer whose values depend on the other units of a batch, or on chance.

    Raises:
        NotExactError: dropout in training mode, BatchNorm in training mode or without running statistics.
    """
    if isinstance(layer, nn.Dropout | nn.Dropout2d | nn.Dropout3d) and layer.training:
        raise refusal(part, name, layer, "is in training mode and drops values at random")
    norm = isinstance(layer, nn.BatchNorm2d | nn.BatchNorm3d)
    if norm and layer.training:
        raise refusal(part, name, layer, "is in training mode and takes its statistics from the batch")
    if norm and layer.running_mean is None:
        raise refusal(part, name, layer, "has no running statistics and takes those of the batch")


def channels_of(encoder: nn.Module, decoder: nn.Module) -> int:
    """Channels of a unit: what the first layer with a say in it takes, or the last one gives; 1 where none has.

    >>> channels_of(nn.MaxPool2d(2), nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 2, 3), nn.Sigmoid()))
    2
    """
    given = [(layer, "in_channels") for layer in encoder.modules()]
    rebuilt = [(layer, "out_channels") for layer in reversed(list(decoder.modules()))]
    for layer, name in given + rebuilt:
        count = getattr(layer, name, getattr(layer, "num_features", None))
        if isinstance(count, int):
            return count
    return 1


def set_inplace(network: nn.Module, inplace: bool) -> None:
    """Let the activations that can overwrite what they are given do so, or not."""
    for layer in network.modules():
        if hasattr(layer, "inplace"):
            layer.__dict__["inplace"] = inplace  # mypy knows no such attribute of a Module
