"""xresnet1d, ResNets for electrocardiograms: what a member is, and the table. Free of torch.

A row is a network; `residua.networks.xresnet1d.XResNet1d` builds every one of them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from residua.networks.specs.base import Facts, NetworkSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class XResNet1dSpec(NetworkSpec):
    """A ResNet-D of one width: stem of three convolutions, shortcuts that average before 1x1.

    Attributes:
        block: basic: two convolutions; bottleneck: 1, ``kernel``, 1, four times as wide at its end.
        depths: Blocks a stage; each stage but the first halves the length.
        width: Channels of all stages, before a bottleneck's expansion.
        stem: Channels of the stem's convolutions; the first strides by 2, a max pool follows.
        kernel: Size of the convolutions, odd, in the stem too.
        hidden: Units of the head's hidden layer; 0 for none.
        dropout: Before the classifier, where ``drop_rate`` takes its place unless that is 0; the
            hidden layer has half of it in front.
    """

    family: ClassVar[str] = "xresnet1d"

    rank: int = 1
    in_chans: int = 12
    num_classes: int = 71
    block: Literal["basic", "bottleneck"]
    depths: tuple[int, ...]
    width: int = 64
    stem: tuple[int, ...] = (32, 32, 64)
    kernel: int = 5
    hidden: int = 128
    dropout: float = 0.5

    def __post_init__(self) -> None:
        NetworkSpec.__post_init__(self)  # super() does not work in a dataclass with slots
        self.require(self.rank == 1, "rank", "1, for signals")
        self.require(min(self.depths, default=0) >= 1, "depths", "positive numbers")
        self.require(min(self.stem, default=0) >= 1, "stem", "positive sizes")
        self.require(self.width >= 1, "width", "at least 1")
        self.require(self.kernel >= 1 and self.kernel % 2 == 1, "kernel", "an odd size")
        self.require(self.hidden >= 0, "hidden", "0 or more")
        self.require(0 <= self.dropout < 1, "dropout", "in [0, 1)")

    @property
    def has_residuals(self) -> bool:
        return True

    @property
    def usual_size(self) -> int:
        return 250

    @property
    def outline(self) -> str:
        """``bottleneck 3-4-6-3, kernel 5``"""
        return f"{self.block} {'-'.join(map(str, self.depths))}, kernel {self.kernel}"


STRODTHOFF = (
    "Strodthoff et al., 2020, Deep Learning for ECG Analysis: Benchmarks and Insights from PTB-XL, "
    "arXiv:2004.13701, section II-C; code: helme/ecg_ptbxl_benchmarking; shortcuts: He et al., "
    "2019, arXiv:1812.01187, section 4.2"
)

BASIC = XResNet1dSpec(name="", block="basic", depths=(2, 2, 2, 2), reference=STRODTHOFF)
BOTTLENECK = replace(BASIC, block="bottleneck")

XRESNETS: tuple[XResNet1dSpec, ...] = (
    replace(BASIC, name="xresnet1d18"),
    replace(BASIC, name="xresnet1d34", depths=(3, 4, 6, 3)),
    replace(BOTTLENECK, name="xresnet1d50", depths=(3, 4, 6, 3)),
    replace(BOTTLENECK, name="xresnet1d101", depths=(3, 4, 23, 3)),
)

XRESNET_FACTS: dict[str, Facts] = {
    "xresnet1d18": Facts(parameters=373_447),
    "xresnet1d34": Facts(parameters=703_175),
    "xresnet1d50": Facts(parameters=962_503),
    "xresnet1d101": Facts(parameters=1_880_775),
}
"""What is known of each row."""
