"""Names and shapes of weights in other packages, and ours: written once, read both ways.

A rule is a pair of templates. ``{s}`` is a number, ``{s+1}`` the same number counted from 1,
``{end}`` the rest; what stands in brackets may be absent when it is read. The first rule that
matches a key renames it; a key that no rule matches keeps its name. Free of torch.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple


class Rule(NamedTuple):
    """``theirs`` is ``ours``.

    Attributes:
        spatial: Kernel of the convolution that is the weight of our linear layer there.
    """

    theirs: str
    ours: str
    spatial: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Layout:
    """How a package names the weights of a family; without rules as we do."""

    rules: tuple[Rule, ...] = ()

    def ours(self, key: str) -> str:
        """Our name for ``key`` of theirs."""
        for rule in self.rules:
            if found := _renamed(key, rule.theirs, rule.ours):
                return found
        return key

    def theirs(self, key: str) -> tuple[str, tuple[int, int] | None]:
        """Their name for ``key`` of ours, and the kernel where a linear weight of ours is a
        convolution there."""
        for rule in self.rules:
            if found := _renamed(key, rule.ours, rule.theirs):
                return found, rule.spatial if key.endswith("weight") else None
        return key, None


SAME = Layout()

_TIMM = "stages.{s}.blocks.{b}."
TIMM_RESNETV2 = Layout(
    (
        Rule("stem.conv.{end}", "conv1.{end}"),
        Rule("head.fc.{end}", "fc.{end}", (1, 1)),
        Rule(_TIMM + "norm{n}.{end}", "layer{s+1}.{b}.bn{n}.{end}"),
        Rule(_TIMM + "downsample.conv.{end}", "layer{s+1}.{b}.downsample.0.{end}"),
        Rule(_TIMM + "{end}", "layer{s+1}.{b}.{end}"),
    )
)
"""timm's ``resnetv2_*``; its other residual networks have torchvision's names, as ours do."""

_HF = "[resnet.]encoder.stages.{s}.layers.{b}."
TRANSFORMERS_RESNET = Layout(
    (
        Rule("[resnet.]embedder.embedder.convolution.{end}", "conv1.{end}"),
        Rule("[resnet.]embedder.embedder.normalization.{end}", "bn1.{end}"),
        Rule(_HF + "shortcut.convolution.{end}", "layer{s+1}.{b}.downsample.0.{end}"),
        Rule(_HF + "shortcut.normalization.{end}", "layer{s+1}.{b}.downsample.1.{end}"),
        Rule(_HF + "layer.{k}.convolution.{end}", "layer{s+1}.{b}.conv{k+1}.{end}"),
        Rule(_HF + "layer.{k}.normalization.{end}", "layer{s+1}.{b}.bn{k+1}.{end}"),
        Rule("classifier.1.{end}", "fc.{end}"),
    )
)
"""Hugging Face's ``ResNetForImageClassification``."""

TIMM_VGG = Layout(
    (
        Rule("pre_logits.fc1.{end}", "classifier.0.{end}", (7, 7)),
        Rule("pre_logits.fc2.{end}", "classifier.3.{end}", (1, 1)),
        Rule("head.fc.{end}", "classifier.6.{end}"),
    )
)
"""timm's VGG, whose hidden layers are convolutions over the 7x7 map."""

READ: dict[str, tuple[Layout, ...]] = {
    "resnet": (TIMM_RESNETV2, TRANSFORMERS_RESNET),
    "vgg": (TIMM_VGG,),
}
"""By family: layouts that files come in beside ours. They do not say where a bottleneck strides:
that is for the spec to say."""


def our_key(family: str, key: str) -> str:
    """Our name for ``key`` of a file; ``key`` itself where no rule of the family knows it."""
    for layout in READ.get(family, ()):
        if (found := layout.ours(key)) != key:
            return found
    return key


def _renamed(key: str, source: str, target: str) -> str | None:
    """``key`` as ``target`` says, where it is what ``source`` says."""
    if (match := _pattern(source).fullmatch(key)) is None:
        return None
    numbers = {name: value for name, value in match.groupdict().items() if value is not None}
    shifts = dict.fromkeys(re.findall(r"{(\w+)\+1}", source), -1)

    def write(field: re.Match[str]) -> str:
        name, plus = field[1], field[2]
        shift = shifts.get(name, 0) + (1 if plus else 0)
        return str(int(numbers[name]) + shift) if shift else numbers[name]

    return re.sub(r"{(\w+)(\+1)?}", write, target.replace("[", "").replace("]", ""))


@cache
def _pattern(template: str) -> re.Pattern[str]:
    parts = re.split(r"({\w+(?:\+1)?}|[\[\]])", template)
    return re.compile("".join(map(_part, parts)))


def _part(text: str) -> str:
    if text in ("[", "]"):
        return "(?:" if text == "[" else ")?"
    if text == "{end}":
        return "(?P<end>.+)"
    if text.startswith("{"):
        return rf"(?P<{text.strip('{}').removesuffix('+1')}>\d+)"
    return re.escape(text)
