"""The multi-scale 1-D ResNets: what a member is, and the table of all members. Free of torch.

A row is a network; `residua.networks.multiscale.MultiScaleResNet` builds every one of them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod
from typing import ClassVar, Literal, Self

from residua.networks.specs.base import Facts, NetworkSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class MultiScaleSpec(NetworkSpec):
    """A stem, and stacks of residual blocks side by side, one for each kernel size.

    Attributes:
        kernels: Size of the convolutions of each stack, odd.
        widths: Channels a stage, of each stack.
        depths: Blocks a stage.
        stem_width: Channels after the stem.
        strides: Of the stem's convolution, of its max pool, and of each stage. A pool of stride 1
            is left out.
        shortest_map: Steps that `adapted` leaves to the last map where the input has as many.
        scale_shortcuts: Each stack adds the maps of that of the next smaller kernel to its own,
            stage by stage.
        layout: 2018: as in the published code. All convolutions in stacks pad by 1, so that those
            of 5 and 7 shorten; identities are cut at their end to fit; no shortcuts between scales.
        dropout: Before the classifier; a ``drop_rate`` above 0 takes its place.
    """

    family: ClassVar[str] = "multiscale"

    rank: int = 1
    in_chans: int = 1
    num_classes: int = 6
    kernels: tuple[int, ...] = (3, 5, 7)
    widths: tuple[int, ...] = (64, 128, 256)
    depths: tuple[int, ...] = (1, 1, 1)
    stem_width: int = 64
    strides: tuple[int, ...] = (2, 2, 2, 2, 2)
    shortest_map: int = 256
    scale_shortcuts: bool = True
    layout: Literal["same", "2018"] = "same"
    dropout: float = 0.2

    def __post_init__(self) -> None:
        NetworkSpec.__post_init__(self)  # super() does not work in a dataclass with slots
        stages = len(self.widths)
        self.require(self.rank == 1, "rank", "1, for signals")
        odd = bool(self.kernels) and all(k % 2 and k >= 1 for k in self.kernels)
        self.require(odd, "kernels", "odd sizes, one at least")
        self.require(min(self.widths, default=0) >= 1, "widths", "positive sizes")
        self.require(min(self.depths, default=0) >= 1, "depths", "positive numbers")
        self.require(len(self.depths) == stages, "depths", "as many as widths")
        self.require(self.stem_width >= 1, "stem_width", "at least 1")
        self.require(len(self.strides) == stages + 2, "strides", f"{stages + 2} numbers")
        self.require(min(self.strides) >= 1, "strides", "positive numbers")
        self.require(self.shortest_map >= 1, "shortest_map", "at least 1")
        self.require(0 <= self.dropout < 1, "dropout", "in [0, 1)")
        if self.layout == "2018":
            self.require(min(self.kernels) >= 3, "kernels", "3 and more, being padded by 1")
            self.require(not self.scale_shortcuts, "scale_shortcuts", "False in the layout of 2018")

    @property
    def has_residuals(self) -> bool:
        return True

    @property
    def usual_size(self) -> int:
        return 512

    @property
    def outline(self) -> str:
        """``kernels 3, 5, 7, 64-128-256, shortcuts between scales``"""
        parts = [f"kernels {', '.join(map(str, self.kernels))}", "-".join(map(str, self.widths))]
        parts += ["shortcuts between scales"] * self.scale_shortcuts
        parts += [f"/{prod(self.strides)}"] * (self.strides != (2,) * len(self.strides))
        parts += ["published layout"] * (self.layout == "2018")
        return ", ".join(parts)

    def adapted(self, *, length: int) -> Self:
        """The network for series of ``length`` steps, with as many of its strides as they bear.

        Strides become 1, the first ones first (pool, stem, stage 1 ...), until the last map has
        `shortest_map` steps or no stride is left. Weights are the same for all strides. The layout
        of 2018 stays as it is.
        """
        if self.layout == "2018":
            return self
        strides = list(self.strides)
        for place in (1, 0, *range(2, len(strides))):
            if prod(strides) * self.shortest_map <= length:
                break
            strides[place] = 1
        return replace(self, strides=tuple(strides))


PUBLISHED = "Wang, 2018, Multi-Scale-1D-ResNet, github.com/geekfeiw/Multi-Scale-1D-ResNet"

MULTISCALES: tuple[MultiScaleSpec, ...] = (
    MultiScaleSpec(
        name="multiscale_resnet1d",
        reference=f"{PUBLISHED}; same padding, strides that adapt, shortcuts between scales",
    ),
    MultiScaleSpec(
        name="multiscale_resnet1d_2018",
        reference=f"{PUBLISHED}, model/multi_scale_ori.py",
        layout="2018",
        scale_shortcuts=False,
        dropout=0.0,
    ),
)

MULTISCALE_FACTS: dict[str, Facts] = {
    "multiscale_resnet1d": Facts(parameters=2_114_502),
    "multiscale_resnet1d_2018": Facts(parameters=2_114_502),
}
"""What is known of each row."""
