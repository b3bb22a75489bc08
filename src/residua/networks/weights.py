"""State dicts from elsewhere into a network, and back: the one place to import this from.

`open_weights` finds a file by its string (``torchvision/resnet50.IMAGENET1K_V2``,
``timm/resnet50.a1_in1k``, ``hf-hub:owner/name``, a path), `load_weights` loads it, and
`residua.networks.pretrained.export.export_state` goes the other way.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from residua.errors import WeightsError
from residua.networks.network import Network
from residua.networks.pretrained.card import WeightsCard
from residua.networks.pretrained.fit import Fit, State, fit_state
from residua.networks.pretrained.likely import likely_networks
from residua.networks.pretrained.source import Weights, check_network, open_weights

__all__ = [
    "LoadResult",
    "Weights",
    "WeightsCard",
    "load_opened",
    "load_state",
    "load_weights",
    "open_weights",
    "read_state",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadResult:
    """What became of a state dict that was loaded.

    Attributes:
        where: The file, folder or string.
        fresh: Keys of the network that kept their initialisation (the classifier).
        dropped: Keys of the state dict that have no place (the classifier of a headless network).
        adapted: Keys that were fitted to another number of input channels.
        channels: Input channels before and after, where they were fitted.
    """

    where: str
    fresh: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    adapted: tuple[str, ...] = ()
    channels: tuple[int, int] | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        """What did not load as it was, one short text a kind; empty if all did."""
        parts = (
            ("new", self.fresh),
            ("not used", self.dropped),
            (self._fitted(), self.adapted),
        )
        return tuple(f"{what}: {_grouped(keys)}" for what, keys in parts if keys)

    def warn(self) -> None:
        """A Python warning that names what did not load as it was; silent if all did."""
        if self.notes:
            warnings.warn(f"weights from {self.where}: {'; '.join(self.notes)}", stacklevel=3)

    def _fitted(self) -> str:
        before, after = self.channels or (0, 0)
        how = "summed" if after == 1 else "repeated and rescaled"
        return f"fitted to the channels ({before} to {after}, {how})"


def load_weights(network: Network, source: Path | str, *, adapt: bool = False) -> LoadResult:
    """Finds weights by a string or path (see `open_weights`) and loads them.

    See `load_state` for ``adapt``.

    Raises:
        UsageError: The string names an unknown tag or network.
        CheckpointError: Nothing is there.
        WeightsError: They cannot be fetched, are damaged, or are not of this network.
    """
    return load_opened(network, open_weights(source, network=network.spec.name), adapt=adapt)


def load_opened(
    network: Network, weights: Weights, *, adapt: bool = False, keep_classifier: bool = True
) -> LoadResult:
    """Loads what `open_weights` found.

    Raises:
        WeightsError: They belong to another network, or do not fit.
    """
    card = weights.card
    check_network(card.network, expected=network.spec.name, source=card.source)
    return load_state(
        network,
        weights.read(),
        where=card.source,
        adapt=adapt,
        optional=card.optional,
        keep_classifier=keep_classifier,
    )


def load_state(
    network: Network,
    state: Mapping[str, Any],
    *,
    where: str,
    adapt: bool = False,
    optional: tuple[str, ...] = (),
    keep_classifier: bool = True,
) -> LoadResult:
    """Loads ``state`` into ``network``, from our, torchvision's or timm's layout.

    Auxiliary classifiers may be absent from the state or from the network.

    Args:
        network: Receives the weights, in place, in its own dtype and on its own device.
        state: Names to tensors.
        where: Where ``state`` comes from, for messages.
        adapt: Leave classifiers fresh where their shape differs, and fit the first convolution to
            another number of channels: summed for 1, else repeated and rescaled.
        optional: Prefixes of keys that are not to be used, and may be absent.
        keep_classifier: Otherwise ``adapt`` leaves classifiers fresh even where they would fit.

    Raises:
        WeightsError: Keys or shapes differ; the network is left as it was.
    """
    tensors = _tensors(state, where)
    fit = fit_state(
        network, tensors, adapt=adapt, optional=optional, keep_classifier=keep_classifier
    )
    if not fit.fits:
        raise _mismatch(network, fit, tensors, where)
    network.load_state_dict({**fit.own, **fit.state})
    return LoadResult(
        where=where,
        fresh=tuple(fit.fresh),
        dropped=tuple(fit.dropped),
        adapted=tuple(fit.adapted),
        channels=fit.channels,
    )


def read_state(source: Path | str) -> Mapping[str, Any]:
    """The state dict of what `open_weights` finds, on the CPU, in the names of the file."""
    return open_weights(source).read()


def _tensors(state: Any, where: str) -> State:
    if not isinstance(state, Mapping) or not state:
        raise WeightsError(
            "no state dict", expected="names to tensors", received=type(state).__name__, where=where
        )
    if bad := [str(key) for key, value in state.items() if not isinstance(value, Tensor)]:
        raise WeightsError(
            "no state dict: not all values are tensors",
            expected="names to tensors",
            received=f"{_first(bad)} of other types",
            where=where,
        )
    return {str(key): value for key, value in state.items()}


def _mismatch(network: Network, fit: Fit, state: State, where: str) -> WeightsError:
    missing, unexpected = fit.missing, fit.unexpected
    differ = [
        f"{key} {list(fit.state[key].shape)} instead of {list(fit.own[key].shape)}"
        for key in fit.differing
    ]
    kinds = ((missing, "missing"), (unexpected, "unexpected"), (differ, "of another shape"))
    faults = "; ".join(f"{len(keys)} {kind}: {_first(keys)}" for keys, kind in kinds if keys)
    head = f"{network.classifier_name}."
    only_head = not missing and not unexpected and all(text.startswith(head) for text in differ)
    return WeightsError(
        f"the weights do not fit network '{network.spec.name}' ({faults})",
        expected=f"{len(fit.own)} keys",
        received=len(state),
        where=where,
        fix="Load with adapt=True for a fresh classifier" if only_head else _advice(network, state),
    )


def _advice(network: Network, state: State) -> str:
    names = likely_networks(state, rank=network.spec.rank)
    if not names or network.spec.name in names:
        return ""
    return f"They fit {' or '.join(names)}: use that network (--network {names[0]})"


def _first(names: Sequence[str], count: int = 5) -> str:
    return ", ".join(names[:count]) + (", ..." if len(names) > count else "")


def _grouped(keys: Sequence[str], most: int = 6) -> str:
    """``fc.weight, fc.bias``; of many keys the modules and how many: ``aux1 (9 keys)``."""
    if len(keys) <= most:
        return ", ".join(keys)
    modules = [key.partition(".")[0] for key in keys]
    return ", ".join(f"{name} ({modules.count(name)} keys)" for name in dict.fromkeys(modules))
