"""Weights of ours in torchvision's and timm's names and shapes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from safetensors.torch import save
from torch import Tensor

from residua.errors import UsageError, WeightsError
from residua.files import write_atomically
from residua.networks.catalog import FACTS
from residua.networks.network import Network
from residua.networks.pretrained.card import WeightsCard
from residua.networks.pretrained.layouts import SAME, TIMM_RESNETV2, TIMM_VGG, Layout
from residua.networks.specs.base import NetworkSpec
from residua.networks.specs.resnet import ResNetSpec
from residua.networks.specs.vgg import VGGSpec

Package = Literal["torchvision", "timm"]


def export_state(network: Network, layout: Package) -> dict[str, Tensor]:
    """The state dict of ``network`` as the same network of another package has it.

    It loads there with ``strict=True``, given the same number of classes and input channels.

    Args:
        network: One that the package has too, as its `Facts.elsewhere` says.
        layout: The package.

    Raises:
        UsageError: The package does not have this network.
        WeightsError: A layer has another shape than the package's network allows.
    """
    rules = layout_of(network.spec, layout)
    state: dict[str, Tensor] = {}
    for key, value in network.state_dict().items():
        name, spatial = rules.theirs(key)
        state[name] = value if spatial is None else _as_convolution(key, value, spatial)
    return state


def layout_of(spec: NetworkSpec, package: Package) -> Layout:
    """How ``package`` names the weights of ``spec``.

    Raises:
        UsageError: It does not have this network.
    """
    facts = FACTS.get(spec.name)
    if facts is None or package not in facts.elsewhere or spec.rank != 2:
        where = " and ".join(facts.elsewhere) if facts is not None and spec.rank == 2 else ""
        raise UsageError(
            f"{package} has no network '{spec.name}'" + (" for signals" if spec.rank == 1 else ""),
            fix=f"Export it for {where}" if where else "The run's own checkpoint is safetensors",
        )
    if package == "timm" and isinstance(spec, VGGSpec):
        return TIMM_VGG
    if package == "timm" and isinstance(spec, ResNetSpec) and spec.preact:
        return TIMM_RESNETV2
    return SAME


def write_weights(path: Path, state: Mapping[str, Tensor], card: WeightsCard) -> None:
    """Writes a safetensors file that says what it is: network, licence, classes, inputs, origin.

    `residua.networks.weights.open_weights` reads all of it back.

    Raises:
        DiskFullError: If it does not fit; nothing is left of it.
    """
    said = {
        "format": "pt",
        "source": card.source,
        "network": card.network or "",
        "licence": card.licence,
        "classes": json.dumps(card.classes),
        "origin": json.dumps([origin.to_json() for origin in card.before]),
    }
    if card.inputs is not None:
        said["inputs"] = json.dumps(card.inputs.to_json())
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    write_atomically(path, save(plain, metadata=said))


def _as_convolution(key: str, value: Tensor, spatial: tuple[int, int]) -> Tensor:
    """A linear layer's weight ``[o, i]`` as a convolution's ``[o, c, kh, kw]``."""
    if value.shape[1] % (spatial[0] * spatial[1]):
        raise WeightsError(
            f"{key} cannot become a convolution",
            expected=f"inputs that are a multiple of {spatial[0]}x{spatial[1]}",
            received=value.shape[1],
        )
    return value.unflatten(1, (-1, *spatial))
