"""The Inception-ResNet family: what a member is, and the table of all members. Free of torch.

A row is a network; `residua.networks.inception_resnet.InceptionResNet` builds every one of them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from residua.networks.specs.base import Facts, NetworkSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class InceptionResNetSpec(NetworkSpec):
    """An Inception network with residuals.

    Attributes:
        version: Whose widths and stem.
        depths: Blocks at 35x35, 17x17 and 8x8 (of pictures of 299).
        scales: What multiplies the residuals of each of the three before they are added (section
            3.3). The last block of v2 is not scaled.
        dropout: Before the classifier, as published; a ``drop_rate`` above 0 takes its place.
        width: Channels of each layer over those of the paper.
    """

    family: ClassVar[str] = "inception_resnet"

    version: Literal["v1", "v2"]
    depths: tuple[int, ...]
    scales: tuple[float, ...] = (0.17, 0.10, 0.20)
    dropout: float = 0.2
    width: float = 1.0

    def __post_init__(self) -> None:
        NetworkSpec.__post_init__(self)  # super() does not work in a dataclass with slots
        self.require(len(self.depths) == 3, "depths", "three numbers")
        self.require(min(self.depths) >= 1, "depths", "at least one block each")
        self.require(len(self.scales) == 3, "scales", "three numbers")
        self.require(min(self.scales) > 0, "scales", "numbers above 0")
        self.require(0 <= self.dropout < 1, "dropout", "in [0, 1)")
        self.require(self.width > 0, "width", "above 0")

    @property
    def usual_size(self) -> int:
        return 299

    @property
    def has_residuals(self) -> bool:
        return True

    @property
    def outline(self) -> str:
        """``v2, blocks 10-20-10``"""
        parts = [self.version, f"blocks {'-'.join(map(str, self.depths))}"]
        return ", ".join(parts + [f"width x{self.width:g}"] * (self.width != 1))

    def scaled(self, channels: int) -> int:
        """Channels of a layer that has so many in the paper."""
        return max(1, round(channels * self.width))


SZEGEDY = (
    "Szegedy et al., 2017, Inception-v4, Inception-ResNet and the Impact of Residual Connections "
    "on Learning, arXiv:1602.07261"
)

V1 = InceptionResNetSpec(
    name="inception_resnet_v1",
    version="v1",
    depths=(5, 10, 5),
    reference=f"{SZEGEDY}, section 3.2, figures 7 and 10 to 15",
)

INCEPTION_RESNETS: tuple[InceptionResNetSpec, ...] = (
    V1,
    replace(
        V1,
        name="inception_resnet_v2",
        version="v2",
        depths=(10, 20, 10),
        reference=f"{SZEGEDY}, section 3.2; the authors' code, as timm has it",
    ),
)

INCEPTION_RESNET_FACTS: dict[str, Facts] = {
    "inception_resnet_v1": Facts(parameters=22_756_328, top1=78.7, source=f"{SZEGEDY}, table 2"),
    "inception_resnet_v2": Facts(
        parameters=55_843_464,
        top1=80.1,
        source=f"{SZEGEDY}, table 2",
        elsewhere=("timm",),
    ),
}
"""What is known of each row."""
