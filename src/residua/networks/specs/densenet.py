"""The DenseNet family: what a member is, and the table of all members. Free of torch.

A row is a network; `residua.networks.densenet.DenseNet` builds every one of them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from residua.networks.specs.base import Facts, NetworkSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class DenseNetSpec(NetworkSpec):
    """A densely connected network (Huang et al., 2017).

    Attributes:
        depths: Layers a dense block; a transition that halves the resolution lies between blocks.
        growth: Channels that each layer adds (k).
        stem: imagenet: 7x7 stride 2 and a 3x3 max pool stride 2; cifar: 3x3 stride 1, no norm.
        stem_width: Channels after the stem.
        bottleneck: A 1x1 convolution to bottleneck * growth channels comes before each 3x3 one
            (DenseNet-B); 0 leaves it out.
        compression: Channels after a transition over those before it, rounded down (theta; below 1
            it is DenseNet-C).
        dropout: After each convolution but the stem's (section 4.2: 0.2 without augmentation).
    """

    family: ClassVar[str] = "densenet"

    depths: tuple[int, ...]
    growth: int
    stem: Literal["imagenet", "cifar"] = "imagenet"
    stem_width: int = 64
    bottleneck: int = 4
    compression: float = 0.5
    dropout: float = 0.0

    def __post_init__(self) -> None:
        NetworkSpec.__post_init__(self)  # super() does not work in a dataclass with slots
        self.require(len(self.depths) >= 1, "depths", "at least one dense block")
        self.require(min(self.depths) >= 1, "depths", "at least one layer a dense block")
        self.require(self.growth >= 1, "growth", "at least 1")
        self.require(self.stem_width >= 1, "stem_width", "at least 1")
        self.require(self.bottleneck >= 0, "bottleneck", "0 or more")
        self.require(0 < self.compression <= 1, "compression", "in (0, 1]")
        self.require(0 <= self.dropout < 1, "dropout", "in [0, 1)")
        self.require(min(self.widths) >= 1, "compression", "at least one channel everywhere")

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels after each dense block."""
        widths: list[int] = []
        inputs = self.stem_width
        for depth in self.depths:
            widths.append(inputs + depth * self.growth if inputs else 0)
            inputs = self.compressed(widths[-1])
        return tuple(widths)

    def compressed(self, channels: int) -> int:
        """Channels after a transition from ``channels``."""
        return int(channels * self.compression)

    @property
    def usual_size(self) -> int:
        return 224 if self.stem == "imagenet" else 32

    @property
    def outline(self) -> str:
        """``6-12-24-16, k=32, BC``"""
        kind = ("B" if self.bottleneck else "") + ("C" if self.compression < 1 else "")
        parts = ["-".join(map(str, self.depths)), f"k={self.growth}", kind]
        return ", ".join(filter(None, parts))


HUANG = "Huang et al., 2017, Densely Connected Convolutional Networks, arXiv:1608.06993"

IMAGENET = DenseNetSpec(
    name="", depths=(6, 12, 24, 16), growth=32, reference=f"{HUANG}, section 3, table 1"
)
BC = DenseNetSpec(
    name="",
    depths=(16, 16, 16),
    growth=12,
    stem="cifar",
    stem_width=24,
    num_classes=10,
    reference=f"{HUANG}, section 3, table 2",
)
PLAIN = replace(BC, stem_width=16, bottleneck=0, compression=1.0)

DENSENETS: tuple[DenseNetSpec, ...] = (
    # For ImageNet, with bottlenecks and compression, as torchvision has it.
    replace(IMAGENET, name="densenet121"),
    replace(IMAGENET, name="densenet161", depths=(6, 12, 36, 24), growth=48, stem_width=96),
    replace(IMAGENET, name="densenet169", depths=(6, 12, 32, 32)),
    replace(IMAGENET, name="densenet201", depths=(6, 12, 48, 32)),
    # For CIFAR: depth and growth rate. Without bottlenecks and compression ...
    replace(PLAIN, name="densenet_40_12", depths=(12, 12, 12)),
    replace(PLAIN, name="densenet_100_12", depths=(32, 32, 32)),
    replace(PLAIN, name="densenet_100_24", depths=(32, 32, 32), growth=24),
    # ... and with both, the stem twice as wide as a layer.
    replace(BC, name="densenet_bc_100_12"),
    replace(BC, name="densenet_bc_250_24", depths=(41, 41, 41), growth=24, stem_width=48),
    replace(BC, name="densenet_bc_190_40", depths=(31, 31, 31), growth=40, stem_width=80),
)


def _imagenet(parameters: int, top1: float) -> Facts:
    elsewhere = ("torchvision", "timm")
    return Facts(parameters=parameters, top1=top1, source="torchvision V1", elsewhere=elsewhere)


def _cifar(parameters: int, error: float) -> Facts:
    return Facts(parameters=parameters, top1=round(100 - error, 2), data="CIFAR-10", source=HUANG)


DENSENET_FACTS: dict[str, Facts] = {
    "densenet121": _imagenet(7_978_856, 74.43),
    "densenet161": _imagenet(28_681_000, 77.14),
    "densenet169": _imagenet(14_149_480, 75.60),
    "densenet201": _imagenet(20_013_928, 76.90),
    "densenet_40_12": _cifar(1_019_722, 5.24),
    "densenet_100_12": _cifar(6_979_642, 4.10),
    "densenet_100_24": _cifar(27_249_082, 3.74),
    "densenet_bc_100_12": _cifar(769_162, 4.51),
    "densenet_bc_250_24": _cifar(15_324_406, 3.62),
    "densenet_bc_190_40": _cifar(25_624_430, 3.46),
}
"""What is known of each row; CIFAR errors are those with flips and crops."""
