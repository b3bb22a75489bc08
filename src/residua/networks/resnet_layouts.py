"""Names of weights in other packages' residual networks, and ours. Free of torch.

torchvision's names are ours, and so are those of timm's networks but the pre-activation ones.
A layout does not say where a bottleneck strides: that is for the spec to say.
"""

from __future__ import annotations

import re

_TIMM = r"stages\.(?P<stage>\d+)\.blocks\.(?P<block>\d+)\."
_HF = r"(?:resnet\.)?encoder\.stages\.(?P<stage>\d+)\.layers\.(?P<block>\d+)\."

RULES = (
    # timm, resnetv2_*
    (r"stem\.conv\.(?P<end>.+)", "conv1.{end}"),
    (r"head\.fc\.(?P<end>.+)", "fc.{end}"),
    (_TIMM + r"norm(?P<n>\d)\.(?P<end>.+)", "layer{stage}.{block}.bn{n}.{end}"),
    (_TIMM + r"downsample\.conv\.(?P<end>.+)", "layer{stage}.{block}.downsample.0.{end}"),
    (_TIMM + r"(?P<end>.+)", "layer{stage}.{block}.{end}"),
    # Hugging Face's transformers, ResNetForImageClassification
    (r"(?:resnet\.)?embedder\.embedder\.convolution\.(?P<end>.+)", "conv1.{end}"),
    (r"(?:resnet\.)?embedder\.embedder\.normalization\.(?P<end>.+)", "bn1.{end}"),
    (_HF + r"shortcut\.convolution\.(?P<end>.+)", "layer{stage}.{block}.downsample.0.{end}"),
    (_HF + r"shortcut\.normalization\.(?P<end>.+)", "layer{stage}.{block}.downsample.1.{end}"),
    (_HF + r"layer\.(?P<k>\d)\.convolution\.(?P<end>.+)", "layer{stage}.{block}.conv{k}.{end}"),
    (_HF + r"layer\.(?P<k>\d)\.normalization\.(?P<end>.+)", "layer{stage}.{block}.bn{k}.{end}"),
    (r"classifier\.1\.(?P<end>.+)", "fc.{end}"),
)

FROM_ZERO = ("stage", "k")
"""What they count from 0 and we from 1."""


def our_key(key: str) -> str:
    """Our name for ``key``; ``key`` itself where no rule knows it."""
    for pattern, ours in RULES:
        if match := re.fullmatch(pattern, key):
            parts = match.groupdict()
            shifted = {name: int(parts[name]) + 1 for name in FROM_ZERO if name in parts}
            return ours.format(**{**parts, **shifted})
    return key
