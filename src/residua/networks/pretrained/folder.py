"""What a folder says about the weights in it: ours, timm's and transformers' descriptions."""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from residua.errors import CheckpointError, CorruptCheckpointError, WeightsError
from residua.files import checksum
from residua.networks.pretrained import transformers_config
from residua.networks.pretrained.card import Inputs, Origin, WeightsCard

WEIGHTS = ("model.safetensors", "pytorch_model.bin")
"""Files of weights, the better one first."""

CHECKPOINT, CONFIG = "checkpoint.json", "config.json"
"""How residua and how others describe what lies beside them."""

PREPROCESSOR = "preprocessor_config.json"
"""How transformers describes the input; timm's config.json says it itself."""


def card_of_folder(folder: Path, weights: Path, *, source: str, url: str = "") -> WeightsCard:
    """What ``checkpoint.json`` or ``config.json`` in ``folder`` says about the file ``weights``.

    Raises:
        CorruptCheckpointError: The weights are not those that checkpoint.json describes.
        WeightsError: A description is damaged.
    """
    sha256 = checksum(weights)
    if (folder / CHECKPOINT).is_file():
        return _ours(_read(folder / CHECKPOINT), weights, source=source, sha256=sha256, url=url)
    card = WeightsCard(source=source, sha256=sha256, url=url)
    if (folder / CONFIG).is_file():
        with _naming_damage(folder / CONFIG):
            card = _others(_read(folder / CONFIG), card)
    if card.inputs is None and (folder / PREPROCESSOR).is_file():
        with _naming_damage(folder / PREPROCESSOR):
            said = _read(folder / PREPROCESSOR)
            card = replace(card, inputs=transformers_config.inputs_of(said))
    return card


def described_network(description: Path) -> str | None:
    """The network that a `CHECKPOINT` or `CONFIG` is about; None where it does not say.

    Raises:
        WeightsError: It is damaged.
    """
    content = _read(description)
    with _naming_damage(description):
        ours = description.name == CHECKPOINT
        return content.get("network", {}).get("name") if ours else _network(content)


def needs_preprocessor(description: Path) -> bool:
    """Whether a description that is not damaged leaves open what the input is."""
    return description.name == CONFIG and not _read(description).get("pretrained_cfg")


@contextmanager
def _naming_damage(path: Path) -> Generator[None]:
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, ZeroDivisionError) as error:
        raise WeightsError(
            f"a damaged description of weights ({type(error).__name__}: {error})", where=path
        ) from error


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
            inputs=_our_inputs(content["preprocess"]),
            classes=tuple(content["schema"]["classes"]),
            before=tuple(map(Origin.from_json, content.get("origin", []))),
        )
    except (KeyError, TypeError) as error:
        raise CheckpointError(f"a checkpoint without {error}", where=weights.parent) from error


def _our_inputs(preprocess: Mapping[str, Any]) -> Inputs | None:
    is_image = preprocess.get("modality", "image") == "image"
    return Inputs.from_json(preprocess) if is_image else None


def _network(config: Mapping[str, Any]) -> str | None:
    return config.get("architecture") or transformers_config.network_of(config)


def _others(config: Mapping[str, Any], card: WeightsCard) -> WeightsCard:
    said = config.get("pretrained_cfg") or {}
    labels = said.get("label_names") or config.get("label_names")
    labels = labels or list((config.get("id2label") or {}).values())
    return replace(
        card,
        network=_network(config),
        licence=said.get("license") or config.get("license") or "",
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
