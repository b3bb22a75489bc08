"""The Network-in-Network family: what a member is, and the table of all members. Free of torch.

A row is a network; `residua.networks.nin.NiN` builds every one of them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from residua.networks.specs.base import Facts, NetworkSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class NiNSpec(NetworkSpec):
    """Mlpconv blocks: a spatial convolution and two of 1x1, a ReLU after each.

    The last block's last 1x1 convolution has an output a class; it is the classifier.

    Attributes:
        kernels: Size of each block's spatial convolution, odd.
        widths: Its channels.
        hidden: Channels of each block's first 1x1 convolution.
        outputs: Channels of the second, but in the last block.
        stem: imagenet: the first convolution strides by 4 and is not padded; cifar: it does
            neither. All others keep the size.
        pools: What comes between blocks: maximum or average over 3x3, stride 2, where the last
            window may hang over the edge, so that each halves the size.
        dropouts: Rate in front of each block but the first, and in front of the classifier, where
            ``drop_rate`` takes its place unless that is 0.
        batch_norm: Batch normalisation between each convolution and its ReLU.
    """

    family: ClassVar[str] = "nin"

    kernels: tuple[int, ...]
    widths: tuple[int, ...]
    hidden: tuple[int, ...]
    outputs: tuple[int, ...]
    stem: Literal["imagenet", "cifar"]
    pools: tuple[Literal["maximum", "average"], ...]
    dropouts: tuple[float, ...]
    batch_norm: bool = False

    def __post_init__(self) -> None:
        NetworkSpec.__post_init__(self)  # super() does not work in a dataclass with slots
        blocks = len(self.kernels)
        self.require(blocks >= 1, "kernels", "at least one block")
        self.require(min(k % 2 for k in self.kernels) == 1, "kernels", "odd sizes")
        self.require(min(self.kernels) >= 1, "kernels", "odd sizes")
        for field, count in (("widths", blocks), ("hidden", blocks), ("outputs", blocks - 1)):
            sizes: tuple[int, ...] = getattr(self, field)
            fits = len(sizes) == count and min(sizes, default=1) >= 1
            self.require(fits, field, f"{count} positive sizes")
        self.require(len(self.pools) == blocks - 1, "pools", f"{blocks - 1}, between blocks")
        rates = len(self.dropouts) == blocks and all(0 <= rate < 1 for rate in self.dropouts)
        self.require(rates, "dropouts", f"{blocks} rates in [0, 1)")

    @property
    def usual_size(self) -> int:
        return 224 if self.stem == "imagenet" else 32

    @property
    def lr_factor(self) -> float:
        return 1.0 if self.batch_norm else 0.1

    @property
    def outline(self) -> str:
        """``mlpconv 192-192-192, batch norm``"""
        text = f"mlpconv {'-'.join(map(str, self.widths))}"
        return f"{text}, batch norm" if self.batch_norm else text


LIN = "Lin et al., 2014, Network In Network, arXiv:1312.4400"
AUTHORS = "layer sizes from the authors' Caffe models"

CIFAR = NiNSpec(
    name="nin_cifar",
    reference=f"{LIN}, sections 3 and 4.2; {AUTHORS}",
    kernels=(5, 5, 3),
    widths=(192, 192, 192),
    hidden=(160, 192, 192),
    outputs=(96, 192),
    stem="cifar",
    pools=("maximum", "average"),
    dropouts=(0.5, 0.5, 0.0),
    num_classes=10,
)

NINS: tuple[NiNSpec, ...] = (
    NiNSpec(
        name="nin",
        reference=f"{LIN}, section 3; {AUTHORS}",
        kernels=(11, 5, 3, 3),
        widths=(96, 256, 384, 1024),
        hidden=(96, 256, 384, 1024),
        outputs=(96, 256, 384),
        stem="imagenet",
        pools=("maximum", "maximum", "maximum"),
        dropouts=(0.0, 0.0, 0.5, 0.0),
    ),
    CIFAR,
    replace(
        CIFAR,
        name="nin_bn",
        reference=(
            f"{CIFAR.reference}; batch normalisation: Ioffe & Szegedy, 2015, arXiv:1502.03167"
        ),
        dropouts=(0.5, 0.5, 0.5),
        batch_norm=True,
    ),
)

NIN_FACTS: dict[str, Facts] = {
    "nin": Facts(parameters=7_595_176, top1=59.36, source="the authors' Caffe model"),
    "nin_cifar": Facts(parameters=966_986, top1=91.19, data="CIFAR-10", source=LIN),
    "nin_bn": Facts(parameters=969_822, data="CIFAR-10"),
}
"""What is known of each row."""
