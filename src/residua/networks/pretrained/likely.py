"""Which networks of the catalog a state dict belongs to."""

from __future__ import annotations

from dataclasses import replace

import torch

from residua.errors import UsageError
from residua.networks.catalog import FACTS, SPECS, build
from residua.networks.pretrained.fit import State, fit_state

_TRIED = 6
"""Networks of the nearest number of parameters that are built (without values) and compared."""

_BUFFERS = ("running_mean", "running_var", "num_batches_tracked")


def likely_networks(state: State, *, rank: int) -> tuple[str, ...]:
    """Names of networks whose keys and shapes ``state`` has, in the order of the catalog.

    Another classifier and other input channels are no difference. Several names are networks of
    the same keys and shapes.
    """
    shapes = {key: value.to("meta") for key, value in state.items()}
    distance = _distances(shapes)
    nearest = sorted(SPECS, key=lambda name: distance[name])[:_TRIED]
    auxiliary = [name for name, spec in SPECS.items() if spec.has_auxiliary]  # perhaps left out
    for name in dict.fromkeys([*nearest, *auxiliary]):
        if _fits(name, shapes, rank):
            twins = (each for each in SPECS if _parameters(each) == _parameters(name))
            return tuple(each for each in twins if each == name or _fits(each, shapes, rank))
    return ()


def _distances(state: State) -> dict[str, int]:
    """By how many parameters each network would miss, with one linear layer as its classifier."""
    count = sum(value.numel() for key, value in state.items() if not key.endswith(_BUFFERS))
    heads = {
        (value.shape[0], value[0].numel())
        for key, value in state.items()
        if value.ndim == 2 or key == "head.fc.weight"
    }
    found: dict[str, int] = {}
    for name, spec in SPECS.items():
        extra = [(features + 1) * (n - spec.num_classes) for n, features in heads]
        found[name] = min(abs(_parameters(name) + more - count) for more in (*extra, 0))
    return found


def _parameters(name: str) -> int:
    return FACTS[name].parameters


def _fits(name: str, state: State, rank: int) -> bool:
    try:
        with torch.device("meta"):
            network = build(replace(SPECS[name], rank=rank))
    except UsageError:  # it has no such rank
        return False
    return fit_state(network, dict(state), adapt=True).fits
