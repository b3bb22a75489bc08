"""The AlexNet family: what a member is, and the table of all members. Free of torch.

A row is a network; `residua.networks.alexnet.AlexNet` builds every one of them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from residua.networks.specs.base import Facts, NetworkSpec

ONE_TOWER = (1, 1, 1, 1, 1)
TWO_TOWERS = (1, 2, 1, 2, 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class AlexNetSpec(NetworkSpec):
    """Five convolutions and three linear layers.

    Attributes:
        widths: Channels of the convolutions: 11x11 stride 4, 5x5, and three of 3x3.
        groups: Groups of each convolution. Two are the two GPUs of 2012, which exchanged their maps
            before the third convolution alone.
        hidden: Outputs of the first two linear layers.
        response_norm: Local response normalisation after the first two convolutions.
        dropout: Rate at both places; ``drop_rate`` takes its place where that is not 0.
        dropout_at: The inputs of the hidden linear layers (torchvision) or their outputs (2012).
        init: torch: what torch's layers start with; normal: weights from N(0, 0.01), biases 1 in
            the second, fourth and fifth convolution and the hidden linear layers, else 0 (2012).
    """

    family: ClassVar[str] = "alexnet"

    widths: tuple[int, ...]
    groups: tuple[int, ...] = ONE_TOWER
    hidden: int = 4096
    response_norm: bool = False
    dropout: float = 0.5
    dropout_at: Literal["inputs", "outputs"] = "inputs"
    init: Literal["torch", "normal"] = "torch"

    def __post_init__(self) -> None:
        NetworkSpec.__post_init__(self)  # super() does not work in a dataclass with slots
        self.require(len(self.widths) == 5 and min(self.widths) >= 1, "widths", "5 positive sizes")
        self.require(len(self.groups) == 5 and min(self.groups) >= 1, "groups", "5 positive counts")
        channels = zip((self.in_chans, *self.widths), self.widths, self.groups, strict=False)
        divided = all(a % group == b % group == 0 for a, b, group in channels)
        self.require(divided, "groups", "divisors of the channels before and after")
        self.require(self.hidden >= 1, "hidden", "at least 1")
        self.require(0 <= self.dropout < 1, "dropout", "in [0, 1)")

    @property
    def lr_factor(self) -> float:
        return 0.1

    @property
    def outline(self) -> str:
        """``96-256-384-384-256, two towers, LRN``"""
        parts = ["-".join(map(str, self.widths))]
        if max(self.groups) > 1:
            parts.append("two towers" if self.groups == TWO_TOWERS else "groups")
        if self.response_norm:
            parts.append("LRN")
        return ", ".join(parts)


KRIZHEVSKY_12 = (
    "Krizhevsky et al., 2012, ImageNet Classification with Deep Convolutional Neural Networks, "
    "NIPS 2012"
)
KRIZHEVSKY_14 = (
    "Krizhevsky, 2014, One weird trick for parallelizing convolutional neural networks, "
    "arXiv:1404.5997, section 5"
)

PAPER = AlexNetSpec(
    name="alexnet_2012",
    reference=f"{KRIZHEVSKY_12}, sections 3 to 5",
    widths=(96, 256, 384, 384, 256),
    groups=TWO_TOWERS,
    response_norm=True,
    dropout_at="outputs",
    init="normal",
)

ALEXNETS: tuple[AlexNetSpec, ...] = (
    AlexNetSpec(name="alexnet", reference=KRIZHEVSKY_14, widths=(64, 192, 384, 256, 256)),
    PAPER,
    replace(PAPER, name="alexnet_2012_1tower", groups=ONE_TOWER),
)

ALEXNET_FACTS: dict[str, Facts] = {
    "alexnet": Facts(
        parameters=61_100_840, top1=56.52, source="torchvision V1", elsewhere=("torchvision",)
    ),
    "alexnet_2012": Facts(
        parameters=60_965_224, top1=57.1, source="BVLC Caffe, bvlc_alexnet, centre crop"
    ),
    "alexnet_2012_1tower": Facts(parameters=62_378_344),
}
"""What is known of each row."""
