"""Wang, Yan & Oates's networks for time series: what a member is, and the table. Free of torch.

A row is a network; `residua.networks.wang.WangNet` builds both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from residua.networks.specs.base import Facts, NetworkSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class WangSpec(NetworkSpec):
    """Convolutions that keep the length, a global average, a linear classifier.

    Attributes:
        kernels: Sizes of the convolutions, those of each block where there are residuals.
        widths: Channels of each residual block, or of each convolution where there is none.
        residual: Blocks of all ``kernels`` with a shortcut, else the convolutions alone.
    """

    family: ClassVar[str] = "wang"

    rank: int = 1
    in_chans: int = 1
    num_classes: int = 2
    kernels: tuple[int, ...] = (8, 5, 3)
    widths: tuple[int, ...]
    residual: bool

    def __post_init__(self) -> None:
        NetworkSpec.__post_init__(self)  # super() does not work in a dataclass with slots
        self.require(self.rank == 1, "rank", "1, for signals")
        self.require(min(self.kernels, default=0) >= 1, "kernels", "positive sizes")
        self.require(min(self.widths, default=0) >= 1, "widths", "positive sizes")
        fits = self.residual or len(self.widths) == len(self.kernels)
        self.require(fits, "widths", "one for each kernel")

    @property
    def has_residuals(self) -> bool:
        return self.residual

    @property
    def usual_size(self) -> int:
        return 512

    @property
    def outline(self) -> str:
        """``3 residual blocks 64-128-128 of kernels 8, 5, 3``"""
        widths, kernels = "-".join(map(str, self.widths)), ", ".join(map(str, self.kernels))
        what = f"{len(self.widths)} residual blocks" if self.residual else "convolutions"
        return f"{what} {widths} of kernels {kernels}"


WANG = (
    "Wang, Yan & Oates, 2016, Time Series Classification from Scratch with Deep Neural Networks, "
    "arXiv:1611.06455"
)

WANGS: tuple[WangSpec, ...] = (
    WangSpec(
        name="resnet1d_wang",
        reference=f"{WANG}, section 2.3",
        widths=(64, 128, 128),
        residual=True,
    ),
    WangSpec(
        name="fcn_wang",
        reference=f"{WANG}, section 2.2",
        widths=(128, 256, 128),
        residual=False,
    ),
)

WANG_FACTS: dict[str, Facts] = {
    "resnet1d_wang": Facts(parameters=504_258),
    "fcn_wang": Facts(parameters=264_962),
}
"""What is known of each row."""
