"""A state dict made to fit a network: renamed, completed, adapted, and what does not fit named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from residua.networks.network import Network

State = dict[str, Tensor]

PREFIXES = ("module.", "_orig_mod.", "network.")
"""What DistributedDataParallel, torch.compile and `FeatureExtractor` put before every key."""

AUXILIARY = ("aux1", "aux2")
"""Classifiers for training alone that a file may have and a network may lack."""


@dataclass(kw_only=True)
class Fit:
    """``state`` on its way into a network.

    Attributes:
        state: In the network's names and shapes, as far as it can be.
        own: The network's state dict: what is wanted.
        fresh: Keys of the network that shall keep their initialisation.
        dropped: Keys of the state dict that have no place.
        adapted: Keys that were fitted to other input channels.
        channels: Input channels before and after, where they were.
    """

    state: State
    own: Mapping[str, Tensor]
    fresh: list[str] = field(default_factory=list[str])
    dropped: list[str] = field(default_factory=list[str])
    adapted: list[str] = field(default_factory=list[str])
    channels: tuple[int, int] | None = None

    @property
    def missing(self) -> list[str]:
        left_out = set(self.fresh)
        return [key for key in self.own if key not in self.state and key not in left_out]

    @property
    def unexpected(self) -> list[str]:
        return [key for key in self.state if key not in self.own]

    @property
    def differing(self) -> list[str]:
        """Keys of another shape."""
        both = (key for key in self.own if key in self.state)
        return [key for key in both if self.state[key].shape != self.own[key].shape]

    @property
    def fits(self) -> bool:
        return not (self.missing or self.unexpected or self.differing)

    def free(self, keys: list[str]) -> None:
        """Leaves ``keys`` as the network initialised them; what else the state has of them goes."""
        for key in keys:
            if self.state.pop(key, None) is not None and key not in self.own:
                self.dropped.append(key)
            if key in self.own and not key.endswith("num_batches_tracked"):
                self.fresh.append(key)


def fit_state(
    network: Network,
    state: State,
    *,
    adapt: bool = False,
    optional: tuple[str, ...] = (),
    keep_classifier: bool = True,
) -> Fit:
    """What `residua.networks.weights.load_state` would load; ``network`` is left as it is.

    Args:
        adapt: Leave classifiers of another size fresh, fit the first convolution.
        optional: Prefixes of keys that are not to be used, and may be absent.
        keep_classifier: Otherwise it is left fresh even where its shape is right.
    """
    fit = Fit(state=_rename(network, state), own=network.state_dict())
    _free_optional(fit, optional)
    _free_auxiliary(network, fit)
    if adapt:
        _free_classifiers(network, fit, keep=keep_classifier)
        _adapt_input(network, fit)
    counters = (key for key in fit.own if key.endswith("num_batches_tracked"))
    for key in counters:  # which old files lack
        fit.state.setdefault(key, fit.own[key])
    return fit


def _rename(network: Network, state: State) -> State:
    for prefix in PREFIXES:
        if all(key.startswith(prefix) for key in state):
            state = {key.removeprefix(prefix): value for key, value in state.items()}
    own = network.state_dict()
    named: State = {}
    for theirs, value in state.items():
        key = network.translate_key(theirs)
        linear = key in own and own[key].ndim == 2 and value.ndim > 2
        named[key] = value.flatten(1) if linear else value  # a convolution as a linear layer
    return named


def _free_optional(fit: Fit, prefixes: tuple[str, ...]) -> None:
    keys = {**fit.own, **fit.state}
    fit.free([key for key in keys if prefixes and key.startswith(prefixes)])


def _free_auxiliary(network: Network, fit: Fit) -> None:
    """Auxiliary classifiers may be absent from the file, or from the network, as a whole."""
    for name in dict.fromkeys((*AUXILIARY, *network.auxiliary_names)):
        prefix = f"{name}."
        given = [key for key in fit.state if key.startswith(prefix)]
        wanted = [key for key in fit.own if key.startswith(prefix)]
        if not given or not wanted:
            fit.free(given + wanted)


def _free_classifiers(network: Network, fit: Fit, *, keep: bool) -> None:
    """Takes classifiers out that do not fit: of the whole one all keys, of auxiliary ones the last
    layer's."""
    prefix = f"{network.classifier_name}."
    wanted = {key: value.shape for key, value in fit.own.items() if key.startswith(prefix)}
    given = {key: value.shape for key, value in fit.state.items() if key.startswith(prefix)}
    if wanted != given or not keep:
        fit.free(list({**wanted, **given}))
    for name in network.auxiliary_names:
        last = [key for key in _last_linear(network, name) if key in fit.state]
        if not keep or any(fit.state[key].shape != fit.own[key].shape for key in last):
            fit.free(last)


def _last_linear(network: Network, name: str) -> list[str]:
    """Keys of the layer of an auxiliary classifier that has one output for each class."""
    found = [
        f"{name}.{inner}." if inner else f"{name}."
        for inner, module in network.get_submodule(name).named_modules()
        if isinstance(module, nn.Linear)
    ]
    return [key for key in network.state_dict() if key.startswith(found[-1])] if found else []


def _adapt_input(network: Network, fit: Fit) -> None:
    """Fits the first convolution to the network's channels so that equal channels respond alike."""
    key = f"{network.input_name}.weight"
    weight, shape = fit.state.get(key), fit.own[key].shape
    if weight is None or weight.ndim != len(shape) or weight.shape[1] == shape[1]:
        return
    given, channels = weight.shape[1], shape[1]
    if weight.is_meta:  # without values, on which torch would need its compiler
        fit.state[key] = weight.new_empty(shape)
    elif channels == 1:
        fit.state[key] = weight.sum(1, keepdim=True)
    else:
        repeated = weight[:, torch.arange(channels, device=weight.device) % given]
        fit.state[key] = repeated * (given / channels)
    fit.adapted.append(key)
    fit.channels = (given, channels)
