"""Every row of the catalog cut down to what is special about it, so that computing costs little.

A new family adds a case to `thin`.
"""

from dataclasses import replace

import torch
from torch import Tensor

from residua.networks.catalog import Spec, get_spec, list_models
from residua.networks.network import Network
from residua.networks.specs.resnet import ResNetSpec


def thin(name: str, **changes: object) -> Spec:
    """The network ``name`` with one thin block a stage and four classes."""
    spec = get_spec(name)
    match spec:
        case ResNetSpec():
            spec = replace(
                spec, widths=tuple(w // 4 for w in spec.widths), depths=(1,) * len(spec.depths)
            )
    if not spec.has_residuals:
        changes.pop("drop_path_rate", None)
    return replace(spec, **{"num_classes": 4, **changes})


def unique_thin_names() -> list[str]:
    """One name for each thin network; sizes are all that sets the others apart."""
    names = list_models()
    content = {replace(thin(name), name="", reference=""): name for name in reversed(names)}
    return sorted(content.values(), key=names.index)


def inputs(network: Network, batch: int = 2, sizes: tuple[int, ...] | None = None) -> Tensor:
    """Noise that the network can take; by default of an odd size and not square."""
    spec, least = network.spec, max(17, network.min_size)
    generator = torch.Generator().manual_seed(0)
    sizes = sizes or (least + 2, least)
    return torch.randn(batch, spec.in_chans, *sizes[: spec.rank], generator=generator)
