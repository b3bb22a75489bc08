"""State dicts from elsewhere into a network: read safely, renamed, checked, adapted.

Nothing is unpickled but tensors: safetensors, or torch files through ``weights_only=True``.
"""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from residua.errors import CheckpointError, UsageError, WeightsError
from residua.networks.network import Network

State = dict[str, Tensor]

WRAPPERS = ("state_dict", "model_state_dict", "model")
"""Keys under which training scripts keep the state dict."""

PREFIXES = ("module.", "_orig_mod.", "network.")
"""What DistributedDataParallel, torch.compile and `FeatureExtractor` put before every key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadResult:
    """What became of a state dict that was loaded.

    Attributes:
        where: The file or folder.
        fresh: Keys of the network that kept their initialisation (the classifier).
        dropped: Keys of the state dict that have no place (the classifier of a headless network).
        adapted: Keys that were fitted to another number of input channels.
    """

    where: str
    fresh: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    adapted: tuple[str, ...] = ()

    def warn(self) -> None:
        """A Python warning that names what did not load as it was; silent if all did."""
        parts = (
            ("left as initialised", self.fresh),
            ("not used", self.dropped),
            ("adapted to the input channels", self.adapted),
        )
        if text := "; ".join(f"{what}: {', '.join(keys)}" for what, keys in parts if keys):
            warnings.warn(f"weights from {self.where}: {text}", stacklevel=3)


def load_weights(network: Network, source: Path | str, *, adapt: bool = False) -> LoadResult:
    """Loads a file (.safetensors, .pth, .pt, .bin) or a folder with ``model.safetensors``.

    See `load_state` for ``adapt``.

    Raises:
        UsageError: ``source`` is no local path.
        CheckpointError: Nothing is there.
        WeightsError: The file is not a state dict, or not one of this network.
    """
    return load_state(network, read_state(source), where=str(source), adapt=adapt)


def load_state(
    network: Network, state: Mapping[str, Any], *, where: str, adapt: bool = False
) -> LoadResult:
    """Loads ``state`` into ``network``, from torchvision's or timm's layout.

    Args:
        network: Receives the weights, in place, in its own dtype and on its own device.
        state: Names to tensors.
        where: Where ``state`` comes from, for messages.
        adapt: Leave the classifier fresh where its shape differs, and fit the first convolution to
            another number of channels: summed for 1, else repeated and rescaled.

    Raises:
        WeightsError: Keys or shapes differ; the network is left as it was.
    """
    own = network.state_dict()
    state = _rename(network, _tensors(state, where), own)
    fresh, dropped, adapted = (), (), ()
    if adapt:
        fresh, dropped = _free_classifier(network, state, own)
        adapted = _adapt_input(network, state, own)
    _check(network, {k: v for k, v in own.items() if k not in fresh}, state, where)
    network.load_state_dict({**own, **state})
    return LoadResult(where=where, fresh=fresh, dropped=dropped, adapted=adapted)


def read_state(source: Path | str) -> dict[str, Any]:
    """The state dict of a file or folder, on the CPU; see `load_weights` for errors."""
    path = Path(source)
    if not path.exists():
        _refuse_absent(str(source))
    if path.is_dir():
        path = path / "model.safetensors"
        if not path.is_file():
            raise CheckpointError("no weights in the folder", expected=path)
    return _read_safetensors(path) if path.suffix == ".safetensors" else _read_torch(path)


def _refuse_absent(source: str) -> None:
    if source.startswith(("hf-hub:", "torchvision/", "timm/", "http://", "https://")):
        raise UsageError(
            f"weights '{source}' are not on this machine",
            expected="a local file (.safetensors, .pth, .pt) or folder",
            fix="Download them first, then give their path",
        )
    raise CheckpointError("no such file or folder of weights", received=source)


def _read_safetensors(path: Path) -> dict[str, Any]:
    try:
        return dict(load_file(path))
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"not a safetensors file: {error}", where=path) from error


def _read_torch(path: Path) -> dict[str, Any]:
    _check_torch_file(path)
    try:
        with warnings.catch_warnings(action="ignore"):  # torch's about pickle protocols
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise WeightsError(
            "the file holds pickled objects, which could run code when loaded",
            expected="tensors only",
            where=path,
            fix="Where you trust it, save network.state_dict() alone, best as safetensors",
        ) from error
    except (RuntimeError, EOFError, OSError, KeyError, ValueError) as error:
        raise WeightsError(
            "not a file of weights", expected="safetensors or a torch state dict", where=path
        ) from error
    for key in WRAPPERS:
        if isinstance(content, dict) and isinstance(content.get(key), Mapping):
            return dict(content[key])
    return content


def _check_torch_file(path: Path) -> None:
    """torch takes whatever is no zip archive for a pickle, a text file too."""
    with path.open("rb") as file:
        start = file.read(2)
    if start[:1] != pickle.PROTO and start != b"PK":
        raise WeightsError(
            "not a file of weights", expected="safetensors or a torch state dict", where=path
        )


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


def _rename(network: Network, state: State, own: State) -> State:
    """``state`` in the network's layout; batch counters that old files lack are its own."""
    for prefix in PREFIXES:
        if all(key.startswith(prefix) for key in state):
            state = {key.removeprefix(prefix): value for key, value in state.items()}
    state = {network.translate_key(key): value for key, value in state.items()}
    weight = f"{network.classifier_name}.weight"
    if weight in state:  # timm's 1x1 convolutions as classifiers
        state[weight] = state[weight].flatten(1)
    counters = {k: v for k, v in own.items() if k.endswith("num_batches_tracked")}
    return counters | state


def _free_classifier(
    network: Network, state: State, own: State
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Takes a classifier that does not fit out of ``state``: keys left fresh, keys dropped."""
    prefix = f"{network.classifier_name}."
    wanted = {key: value.shape for key, value in own.items() if key.startswith(prefix)}
    given = {key: value.shape for key, value in state.items() if key.startswith(prefix)}
    if wanted == given:
        return (), ()
    for key in given:
        del state[key]
    return tuple(wanted), tuple(key for key in given if key not in wanted)


def _adapt_input(network: Network, state: State, own: State) -> tuple[str, ...]:
    """Fits the first convolution to the network's channels so that equal channels respond alike."""
    key = f"{network.input_name}.weight"
    weight, shape = state.get(key), own[key].shape
    if weight is None or weight.ndim != len(shape) or weight.shape[1] == shape[1]:
        return ()
    given, channels = weight.shape[1], shape[1]
    if channels == 1:
        state[key] = weight.sum(1, keepdim=True)
    else:
        state[key] = weight[:, torch.arange(channels) % given] * (given / channels)
    return (key,)


def _check(network: Network, own: State, state: State, where: str) -> None:
    missing = [key for key in own if key not in state]
    unexpected = [key for key in state if key not in network.state_dict()]
    differ = [
        f"{key} {list(state[key].shape)} instead of {list(own[key].shape)}"
        for key in own
        if key in state and state[key].shape != own[key].shape
    ]
    if not (missing or unexpected or differ):
        return
    kinds = ((missing, "missing"), (unexpected, "unexpected"), (differ, "of another shape"))
    faults = "; ".join(f"{len(keys)} {kind}: {_first(keys)}" for keys, kind in kinds if keys)
    head = f"{network.classifier_name}."
    only_head = not missing and not unexpected and all(text.startswith(head) for text in differ)
    raise WeightsError(
        f"the weights do not fit network '{network.spec.name}' ({faults})",
        expected=f"{len(own)} keys",
        received=len(state),
        where=where,
        fix="Load with adapt=True for a fresh classifier" if only_head else "",
    )


def _first(names: Sequence[str], count: int = 5) -> str:
    return ", ".join(names[:count]) + (", ..." if len(names) > count else "")
