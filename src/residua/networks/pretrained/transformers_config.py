"""What transformers writes beside weights: config.json and preprocessor_config.json."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from residua.networks.pretrained.card import Inputs

_RESNETS = {
    ("basic", (2, 2, 2, 2), (64, 128, 256, 512)): "resnet18",
    ("basic", (3, 4, 6, 3), (64, 128, 256, 512)): "resnet34",
    ("bottleneck", (3, 4, 6, 3), (256, 512, 1024, 2048)): "resnet50",
    ("bottleneck", (3, 4, 23, 3), (256, 512, 1024, 2048)): "resnet101",
    ("bottleneck", (3, 8, 36, 3), (256, 512, 1024, 2048)): "resnet152",
}
"""By layer_type, depths and hidden_sizes."""

_FILTERS = {0: "nearest", 2: "bilinear", 3: "bicubic"}
"""Pillow's numbers."""

_CROPPED_BELOW = 384
"""From this size on a crop_pct is ignored (ConvNextImageProcessor)."""


def network_of(config: Mapping[str, Any]) -> str | None:
    """The network in the catalog; what transformers calls it where that is another one.

    Raises:
        KeyError, TypeError: Values are missing or of another kind.
    """
    if "transformers_version" not in config or "model_type" not in config:
        return None
    if config["model_type"] != "resnet":
        return str(config["model_type"])
    shape = str(config["layer_type"]), tuple(config["depths"]), tuple(config["hidden_sizes"])
    name = _RESNETS.get(shape)
    early = config.get("downsample_in_bottleneck", False)  # stride in the 1x1, as in the paper
    return f"{name}_v1" if name and early else name


def inputs_of(said: Mapping[str, Any]) -> Inputs:
    """What preprocessor_config.json says: resized, cut, put in range, normalised.

    Raises:
        KeyError, TypeError, ValueError: Values are missing or of another kind.
    """
    size = _sides(said["size"])
    resize = size
    if said.get("crop_size") and said.get("do_center_crop", True):
        size = _sides(said["crop_size"])
    elif said.get("crop_pct") and min(size) < _CROPPED_BELOW:
        height, width = (int(side / said["crop_pct"]) for side in size)
        resize = height, width
    mean, std = (0.0,) * 3, (1.0,) * 3
    if said.get("do_normalize", True):
        # transformers takes them off values from 0 to 1, unless it says otherwise
        largest = 255 * said.get("rescale_factor", 1 / 255) if said.get("do_rescale", True) else 255
        mean = tuple(float(value) / largest for value in said["image_mean"])
        std = tuple(float(value) / largest for value in said["image_std"])
    return Inputs(
        size=size,
        resize=resize,
        interpolation=_FILTERS.get(said.get("resample", 3), "bicubic"),
        mean=mean,
        std=std,
    )


def _sides(said: Any) -> tuple[int, int]:
    """``224``, ``{"shortest_edge": 224}`` or ``{"height": 224, "width": 224}``."""
    if isinstance(said, Mapping):
        edge = said.get("shortest_edge")
        height, width = (said["height"], said["width"]) if edge is None else (edge, edge)
        return int(height), int(width)
    return int(said), int(said)
