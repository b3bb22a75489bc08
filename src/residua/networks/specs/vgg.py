"""The VGG family: what a member is, and the table of all members. Free of torch.

A row is a network; `residua.networks.vgg.VGG` builds every one of them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from residua.networks.specs.base import Facts, NetworkSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class VGGSpec(NetworkSpec):
    """Blocks of 3x3 convolutions, each with a 2x2 max pool behind it, and three linear layers.

    Attributes:
        depths: Convolutions a block.
        widths: Channels a block.
        hidden: Outputs of the first two linear layers.
        batch_norm: Batch normalisation between each convolution and its ReLU.
        dropout: Rate behind both hidden linear layers; ``drop_rate`` takes its place where that is
            not 0.
    """

    family: ClassVar[str] = "vgg"

    depths: tuple[int, ...]
    widths: tuple[int, ...] = (64, 128, 256, 512, 512)
    hidden: int = 4096
    batch_norm: bool = False
    dropout: float = 0.5

    def __post_init__(self) -> None:
        NetworkSpec.__post_init__(self)  # super() does not work in a dataclass with slots
        self.require(len(self.depths) >= 1, "depths", "at least one block")
        self.require(len(self.depths) == len(self.widths), "depths", "as many depths as widths")
        self.require(min(self.depths) >= 1, "depths", "at least one convolution a block")
        self.require(min(self.widths) >= 1, "widths", "at least one channel a block")
        self.require(self.hidden >= 1, "hidden", "at least 1")
        self.require(0 <= self.dropout < 1, "dropout", "in [0, 1)")

    @property
    def lr_factor(self) -> float:
        return 0.1

    @property
    def outline(self) -> str:
        """``3x3 2-2-3-3-3, batch norm``"""
        text = f"3x3 {'-'.join(map(str, self.depths))}"
        return f"{text}, batch norm" if self.batch_norm else text


SIMONYAN = (
    "Simonyan & Zisserman, 2015, Very Deep Convolutional Networks for Large-Scale Image "
    "Recognition, arXiv:1409.1556"
)
IOFFE = "batch normalisation: Ioffe & Szegedy, 2015, arXiv:1502.03167, section 3.2"

A = VGGSpec(name="vgg11", reference=f"{SIMONYAN}, table 1, column A", depths=(1, 1, 2, 2, 2))
B = replace(A, name="vgg13", reference=f"{SIMONYAN}, table 1, column B", depths=(2, 2, 2, 2, 2))
D = replace(A, name="vgg16", reference=f"{SIMONYAN}, table 1, column D", depths=(2, 2, 3, 3, 3))
E = replace(A, name="vgg19", reference=f"{SIMONYAN}, table 1, column E", depths=(2, 2, 4, 4, 4))


def _normed(spec: VGGSpec) -> VGGSpec:
    reference = f"{spec.reference}; {IOFFE}"
    return replace(spec, name=f"{spec.name}_bn", batch_norm=True, reference=reference)


VGGS: tuple[VGGSpec, ...] = (A, B, D, E, *map(_normed, (A, B, D, E)))


def _imagenet(parameters: int, top1: float) -> Facts:
    elsewhere = ("torchvision", "timm")
    return Facts(parameters=parameters, top1=top1, source="torchvision V1", elsewhere=elsewhere)


VGG_FACTS: dict[str, Facts] = {
    "vgg11": _imagenet(132_863_336, 69.02),
    "vgg13": _imagenet(133_047_848, 69.93),
    "vgg16": _imagenet(138_357_544, 71.59),
    "vgg19": _imagenet(143_667_240, 72.38),
    "vgg11_bn": _imagenet(132_868_840, 70.37),
    "vgg13_bn": _imagenet(133_053_736, 71.59),
    "vgg16_bn": _imagenet(138_365_992, 73.36),
    "vgg19_bn": _imagenet(143_678_248, 74.22),
}
"""What is known of each row."""
