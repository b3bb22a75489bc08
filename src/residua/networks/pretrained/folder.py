"""What a folder says about the weights in it: ours, timm's and transformers' descriptions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from residua.errors import CheckpointError, CorruptCheckpointError, WeightsError
from residua.files import checksum
from residua.networks.pretrained.card import Inputs, Origin, WeightsCard

WEIGHTS = ("model.safetensors", "pytorch_model.bin")
"""Files of weights, the better one first."""

CHECKPOINT, CONFIG = "checkpoint.json", "config.json"
"""How residua and how others describe what lies beside them."""


def card_of_folder(folder: Path, weights: Path, *, source: str, url: str = "") -> WeightsCard:
    """What ``checkpoint.json`` or ``config.json`` in ``folder`` says about the file ``weights``.

    Raises:
        CorruptCheckpointError: The weights are not those that checkpoint.json describes.
        WeightsError: A description is damaged.
    """
    sha256 = checksum(weights)
    if (folder / CHECKPOINT).is_file():
        return _ours(_read(folder / CHECKPOINT), weights, source=source, sha256=sha256, url=url)
    if (folder / CONFIG).is_file():
        config = _read(folder / CONFIG)
        try:
            return _others(config, source=source, sha256=sha256, url=url)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise WeightsError(
                f"a damaged description of weights ({type(error).__name__}: {error})",
                where=folder / CONFIG,
            ) from error
    return WeightsCard(source=source, sha256=sha256, url=url)


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise WeightsError(f"a damaged description of weights ({error})", where=path) from error
    if not isinstance(content, dict):
        raise WeightsError("a damaged description of weights", expected="an object", where=path)
    return content


def _ours(
    content: Mapping[str, Any], weights: Path, *, source: str, sha256: str, url: str
) -> WeightsCard:
    try:
        if content["files"][weights.name] != sha256:
            raise CorruptCheckpointError(f"{weights} does not match its checksum")
        return WeightsCard(
            source=source,
            network=content["network"]["name"],
            sha256=sha256,
            url=url,
            inputs=Inputs.from_json(content["preprocess"]),
            classes=tuple(content["schema"]["classes"]),
            before=tuple(map(Origin.from_json, content.get("origin", []))),
        )
    except (KeyError, TypeError) as error:
        raise CheckpointError(f"a checkpoint without {error}", where=weights.parent) from error


def _others(config: Mapping[str, Any], *, source: str, sha256: str, url: str) -> WeightsCard:
    said = config.get("pretrained_cfg") or {}
    labels = said.get("label_names") or config.get("label_names")
    labels = labels or list((config.get("id2label") or {}).values())
    return WeightsCard(
        source=source,
        network=config.get("architecture"),
        licence=said.get("license") or config.get("license") or "",
        sha256=sha256,
        url=url,
        inputs=_inputs(said) if "mean" in said else None,
        classes=tuple(map(str, labels)),
    )


def _inputs(said: Mapping[str, Any]) -> Inputs:
    _, height, width = said["input_size"]
    kind = said.get("interpolation", "bicubic")
    return Inputs.from_crop_share(
        (int(height), int(width)),
        float(said.get("crop_pct") or 0.875),
        interpolation=kind if kind in ("nearest", "bilinear", "bicubic") else "bicubic",
        mean=tuple(map(float, said["mean"])),
        std=tuple(map(float, said["std"])),
    )
