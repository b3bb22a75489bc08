"""Files of weights to names and tensors. Nothing is unpickled but tensors."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file

from residua.errors import WeightsError

WRAPPERS = ("state_dict", "model_state_dict", "model")
"""Keys under which training scripts keep the state dict."""


def read_file(path: Path) -> dict[str, Any]:
    """The state dict of a file, on the CPU.

    Raises:
        WeightsError: The file is no safetensors and no torch file of tensors alone.
    """
    return _read_safetensors(path) if path.suffix == ".safetensors" else _read_torch(path)


def read_metadata(path: Path) -> dict[str, str]:
    """The texts that a safetensors file says about itself; none of other files."""
    if path.suffix != ".safetensors":
        return {}
    try:
        with safe_open(path, framework="pt") as file:
            return dict(file.metadata() or {})
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"not a safetensors file: {error}", where=path) from error


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
