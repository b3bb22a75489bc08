"""The ResNet family: what a member is, and the table of all members. Free of torch.

A row is a network; `residua.networks.resnet.ResNet` builds every one of them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from residua.networks.specs.base import Facts, NetworkSpec

Block = Literal["basic", "bottleneck", "preact_basic", "preact_bottleneck", "separable", "plain"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResNetSpec(NetworkSpec):
    """A residual network.

    Attributes:
        block: Residual function; see `residua.networks.blocks`.
        depths: Blocks a stage; each stage but the first halves the resolution.
        widths: Channels a stage, before the block's expansion (4 in bottlenecks).
        stem: imagenet: 7x7 stride 2 and a 3x3 max pool stride 2; cifar: 3x3 stride 1.
        stem_width: Channels after the stem.
        groups: Groups (cardinality) of the spatial convolution in bottlenecks.
        width_per_group: Inner channels of a bottleneck a group, where the stage is 64 wide.
        stride_in: Which convolution of a bottleneck strides: the first 1x1 (the paper, "v1") or
            the 3x3 ("v1.5", torchvision and timm). Same shapes and keys, other logits.
        shortcut: Where shapes change: A strides and pads channels with zeros, B projects with a
            1x1 convolution (He et al., 2016a, section 3.3). Plain blocks have none.
        gate: se: squeeze and excitation of the residual.
        gate_reduction: Channels over the gate's hidden ones.
        kernel: Size of the spatial convolutions in blocks, odd.
        zero_init: The residual starts at zero: last norm's scale, or last convolution (preact).
        dropout: Between the convolutions of pre-activation blocks (wide ResNets).
        activate_first: Pre-activation: the first block's activation comes before the split into
            two paths (He et al., 2016b, appendix), else only where the shortcut projects.
    """

    family: ClassVar[str] = "resnet"

    block: Block
    depths: tuple[int, ...]
    widths: tuple[int, ...] = (64, 128, 256, 512)
    stem: Literal["imagenet", "cifar"] = "imagenet"
    stem_width: int = 64
    groups: int = 1
    width_per_group: int = 64
    stride_in: Literal["1x1", "3x3"] = "3x3"
    shortcut: Literal["A", "B"] = "B"
    gate: Literal["none", "se"] = "none"
    gate_reduction: int = 16
    kernel: int = 3
    zero_init: bool = False
    dropout: float = 0.0
    activate_first: bool = False

    def __post_init__(self) -> None:
        NetworkSpec.__post_init__(self)  # super() does not work in a dataclass with slots
        sizes = (*self.depths, *self.widths, self.stem_width, self.groups, self.width_per_group)
        bottleneck = self.block in ("bottleneck", "preact_bottleneck")
        plain = self.groups == 1 and self.width_per_group == 64
        inner = min(self.widths, default=0) * self.width_per_group // 64
        self.require(min(sizes) >= 1, "depths", "positive sizes throughout")
        self.require(len(self.depths) >= 1, "depths", "at least one stage")
        self.require(len(self.depths) == len(self.widths), "depths", "as many depths as widths")
        self.require(bottleneck or plain, "groups", "1 group of width 64 but in bottlenecks")
        self.require(inner >= 1, "width_per_group", "at least one channel a group")
        self.require(self.kernel % 2 == 1 and self.kernel > 0, "kernel", "an odd size")
        self.require(self.gate_reduction >= 1, "gate_reduction", "at least 1")
        self.require(0 <= self.dropout < 1, "dropout", "in [0, 1)")
        self.require(self.has_residuals or not self.zero_init, "zero_init", "False, being plain")
        self.require(self.dropout == 0 or self.preact, "dropout", "0 but in preact blocks")

    @property
    def preact(self) -> bool:
        """Norm and activation come before each convolution instead of after it."""
        return self.block.startswith("preact")

    @property
    def has_residuals(self) -> bool:
        return self.block != "plain"

    @property
    def usual_size(self) -> int:
        return 224 if self.stem == "imagenet" else 32

    @property
    def outline(self) -> str:
        """``bottleneck 3-4-6-3, 32x4d, v1.5``"""
        block, wider = self.block.replace("_", " "), self.widths[0] / self.stem_width
        parts = [f"{block} {'-'.join(map(str, self.depths))}"]
        if self.groups > 1:
            parts.append(f"{self.groups}x{self.width_per_group}d")
        elif self.width_per_group * wider != 64:
            parts.append(f"wide x{self.width_per_group * wider / 64:g}")
        if self.gate == "se":
            parts.append("SE")
        if self.block == "plain":
            parts.append("no shortcuts")
        elif self.stem == "cifar":
            parts.append(f"shortcut {self.shortcut}")
        elif self.block == "bottleneck":
            parts.append("v1" if self.stride_in == "1x1" else "v1.5")
        return ", ".join(parts)


HE_A = "He et al., 2016a, Deep Residual Learning for Image Recognition, arXiv:1512.03385"
HE_B = "He et al., 2016b, Identity Mappings in Deep Residual Networks, arXiv:1603.05027"
GOYAL = "stride in the 3x3: Goyal et al., 2017, arXiv:1706.02677, section 5.1"
XIE = "Xie et al., 2017, Aggregated Residual Transformations, arXiv:1611.05431"
WRN = "Zagoruyko & Komodakis, 2016, Wide Residual Networks, arXiv:1605.07146"
HU = "Hu et al., 2018, Squeeze-and-Excitation Networks, arXiv:1709.01507, section 4"
CHOLLET = f"{HE_A}, section 4.2; separable: Chollet, 2017, Xception, arXiv:1610.02357, section 3"

D18, D34, D50, D101, D152 = (2, 2, 2, 2), (3, 4, 6, 3), (3, 4, 6, 3), (3, 4, 23, 3), (3, 8, 36, 3)

BASIC = ResNetSpec(name="", block="basic", depths=D18, reference=f"{HE_A}, section 4.1")
V1 = replace(BASIC, block="bottleneck", stride_in="1x1")
V15 = replace(V1, stride_in="3x3", reference=f"{HE_A}, section 4.1; {GOYAL}")
NEXT = replace(V15, groups=32, width_per_group=4, reference=f"{XIE}, section 4")
WIDE = replace(V15, width_per_group=128, reference=f"{WRN}, section 3")
SE_BASIC = replace(BASIC, gate="se", zero_init=True, reference=HU)
SE = replace(V15, gate="se", zero_init=True, reference=HU)
V2_BASIC = replace(BASIC, block="preact_basic", reference=f"{HE_B}, section 4")
V2 = replace(V15, block="preact_bottleneck", reference=f"{HE_B}, section 4; {GOYAL}")

CIFAR = ResNetSpec(
    name="",
    block="basic",
    depths=(3, 3, 3),
    widths=(16, 32, 64),
    stem="cifar",
    stem_width=16,
    shortcut="A",
    num_classes=10,
    reference=f"{HE_A}, section 4.2",
)
CIFAR_B = replace(CIFAR, shortcut="B")
PREACT_BASIC = replace(
    CIFAR, block="preact_basic", activate_first=True, reference=f"{HE_B}, section 4"
)
PREACT = replace(PREACT_BASIC, block="preact_bottleneck", stride_in="1x1", shortcut="B")
WRN_CIFAR = replace(
    CIFAR, block="preact_basic", shortcut="B", dropout=0.3, reference=f"{WRN}, section 2"
)
NEXT_CIFAR = replace(
    CIFAR_B,
    block="bottleneck",
    widths=(64, 128, 256),
    stem_width=64,
    reference=f"{XIE}, section 5.3",
)
PLAIN = replace(CIFAR, block="plain")
SEPARABLE = replace(CIFAR_B, block="separable", reference=CHOLLET)

RESNETS: tuple[ResNetSpec, ...] = (
    # For ImageNet, stride in the 3x3 ("v1.5") as torchvision has it ...
    replace(BASIC, name="resnet18", depths=D18),
    replace(BASIC, name="resnet34", depths=D34),
    replace(V15, name="resnet50", depths=D50),
    replace(V15, name="resnet101", depths=D101),
    replace(V15, name="resnet152", depths=D152),
    # ... and as the paper has it.
    replace(V1, name="resnet50_v1", depths=D50),
    replace(V1, name="resnet101_v1", depths=D101),
    replace(V1, name="resnet152_v1", depths=D152),
    # ResNeXt and wide bottlenecks change the inner width.
    replace(NEXT, name="resnext50_32x4d", depths=D50),
    replace(NEXT, name="resnext101_32x4d", depths=D101),
    replace(NEXT, name="resnext101_32x8d", depths=D101, width_per_group=8),
    replace(NEXT, name="resnext101_64x4d", depths=D101, groups=64),
    replace(WIDE, name="wide_resnet50_2", depths=D50),
    replace(WIDE, name="wide_resnet101_2", depths=D101),
    # Squeeze and excitation, as timm has it.
    replace(SE_BASIC, name="seresnet18", depths=D18),
    replace(SE_BASIC, name="seresnet34", depths=D34),
    replace(SE, name="seresnet50", depths=D50),
    replace(SE, name="seresnet101", depths=D101),
    replace(SE, name="seresnet152", depths=D152),
    replace(SE, name="seresnext50_32x4d", depths=D50, groups=32, width_per_group=4),
    # Pre-activation, as timm has it.
    replace(V2_BASIC, name="resnetv2_18", depths=D18),
    replace(V2_BASIC, name="resnetv2_34", depths=D34),
    replace(V2, name="resnetv2_50", depths=D50),
    replace(V2, name="resnetv2_101", depths=D101),
    replace(V2, name="resnetv2_152", depths=D152),
    # For CIFAR: 6n + 2 layers, shortcut A as the paper's, or B.
    replace(CIFAR, name="resnet20", depths=(3, 3, 3)),
    replace(CIFAR, name="resnet32", depths=(5, 5, 5)),
    replace(CIFAR, name="resnet44", depths=(7, 7, 7)),
    replace(CIFAR, name="resnet56", depths=(9, 9, 9)),
    replace(CIFAR, name="resnet110", depths=(18, 18, 18)),
    replace(CIFAR, name="resnet1202", depths=(200, 200, 200)),
    replace(CIFAR_B, name="resnet20_b", depths=(3, 3, 3)),
    replace(CIFAR_B, name="resnet32_b", depths=(5, 5, 5)),
    replace(CIFAR_B, name="resnet44_b", depths=(7, 7, 7)),
    replace(CIFAR_B, name="resnet56_b", depths=(9, 9, 9)),
    replace(CIFAR_B, name="resnet110_b", depths=(18, 18, 18)),
    replace(CIFAR_B, name="resnet1202_b", depths=(200, 200, 200)),
    replace(PREACT_BASIC, name="preact_resnet110", depths=(18, 18, 18)),
    replace(PREACT, name="preact_resnet164", depths=(18, 18, 18)),
    replace(PREACT, name="preact_resnet1001", depths=(111, 111, 111)),
    replace(WRN_CIFAR, name="wrn_16_8", depths=(2, 2, 2), widths=(128, 256, 512)),
    replace(WRN_CIFAR, name="wrn_28_2", depths=(4, 4, 4), widths=(32, 64, 128), dropout=0.0),
    replace(WRN_CIFAR, name="wrn_28_10", depths=(4, 4, 4), widths=(160, 320, 640)),
    replace(WRN_CIFAR, name="wrn_40_4", depths=(6, 6, 6), widths=(64, 128, 256)),
    replace(NEXT_CIFAR, name="resnext29_8x64d", depths=(3, 3, 3), groups=8),
    replace(NEXT_CIFAR, name="resnext29_16x64d", depths=(3, 3, 3), groups=16),
    # The ImageNet network with the stem for 32 pixels, as self-supervised learning has it.
    replace(CIFAR_B, name="resnet18_cifar", depths=D18, widths=BASIC.widths, stem_width=64),
    # Without shortcuts, to show that depth alone degrades.
    replace(PLAIN, name="plain20", depths=(3, 3, 3)),
    replace(PLAIN, name="plain32", depths=(5, 5, 5)),
    replace(PLAIN, name="plain44", depths=(7, 7, 7)),
    replace(PLAIN, name="plain56", depths=(9, 9, 9)),
    # A convolution and two separable ones a block: 9n + 2 layers.
    replace(SEPARABLE, name="dsresnet20", depths=(2, 2, 2)),
    replace(SEPARABLE, name="dsresnet56", depths=(6, 6, 6)),
    replace(SEPARABLE, name="dsresnet110", depths=(12, 12, 12)),
)


def _imagenet(parameters: int, top1: float | None, source: str, *elsewhere: str) -> Facts:
    return Facts(parameters=parameters, top1=top1, source=source, elsewhere=elsewhere)


def _cifar(parameters: int, error: float | None = None, source: str = HE_A) -> Facts:
    if error is None:
        return Facts(parameters=parameters, data="CIFAR-10")
    return Facts(parameters=parameters, top1=round(100 - error, 2), data="CIFAR-10", source=source)


TV, TIMM = "torchvision", "timm"

RESNET_FACTS: dict[str, Facts] = {
    "resnet18": _imagenet(11_689_512, 69.76, f"{TV} V1", TV, TIMM),
    "resnet34": _imagenet(21_797_672, 73.31, f"{TV} V1", TV, TIMM),
    "resnet50": _imagenet(25_557_032, 76.13, f"{TV} V1", TV, TIMM),
    "resnet101": _imagenet(44_549_160, 77.37, f"{TV} V1", TV, TIMM),
    "resnet152": _imagenet(60_192_808, 78.31, f"{TV} V1", TV, TIMM),
    "resnet50_v1": _imagenet(25_557_032, None, ""),
    "resnet101_v1": _imagenet(44_549_160, None, ""),
    "resnet152_v1": _imagenet(60_192_808, None, ""),
    "resnext50_32x4d": _imagenet(25_028_904, 77.62, f"{TV} V1", TV, TIMM),
    "resnext101_32x4d": _imagenet(44_177_704, 78.8, XIE, TIMM),
    "resnext101_32x8d": _imagenet(88_791_336, 79.31, f"{TV} V1", TV, TIMM),
    "resnext101_64x4d": _imagenet(83_455_272, 79.6, XIE, TV, TIMM),
    "wide_resnet50_2": _imagenet(68_883_240, 78.47, f"{TV} V1", TV, TIMM),
    "wide_resnet101_2": _imagenet(126_886_696, 78.85, f"{TV} V1", TV, TIMM),
    "seresnet18": _imagenet(11_779_624, None, "", TIMM),
    "seresnet34": _imagenet(21_960_416, None, "", TIMM),
    "seresnet50": _imagenet(28_088_024, 76.71, HU, TIMM),
    "seresnet101": _imagenet(49_326_872, 77.62, HU, TIMM),
    "seresnet152": _imagenet(66_821_848, 78.43, HU, TIMM),
    "seresnext50_32x4d": _imagenet(27_559_896, 78.90, HU, TIMM),
    "resnetv2_18": _imagenet(11_687_720, None, "", TIMM),
    "resnetv2_34": _imagenet(21_795_880, None, "", TIMM),
    "resnetv2_50": _imagenet(25_549_352, None, "", TIMM),
    "resnetv2_101": _imagenet(44_541_480, None, "", TIMM),
    "resnetv2_152": _imagenet(60_185_128, None, "", TIMM),
    "resnet20": _cifar(269_722, 8.75),
    "resnet32": _cifar(464_154, 7.51),
    "resnet44": _cifar(658_586, 7.17),
    "resnet56": _cifar(853_018, 6.97),
    "resnet110": _cifar(1_727_962, 6.43),
    "resnet1202": _cifar(19_421_274, 7.93),
    "resnet20_b": _cifar(272_474),
    "resnet32_b": _cifar(466_906),
    "resnet44_b": _cifar(661_338),
    "resnet56_b": _cifar(855_770),
    "resnet110_b": _cifar(1_730_714),
    "resnet1202_b": _cifar(19_424_026),
    "preact_resnet110": _cifar(1_727_962, 6.37, HE_B),
    "preact_resnet164": _cifar(1_703_258, 5.46, HE_B),
    "preact_resnet1001": _cifar(10_327_706, 4.62, HE_B),
    "wrn_16_8": _cifar(10_961_370, 4.27, WRN),
    "wrn_28_2": _cifar(1_467_610),
    "wrn_28_10": _cifar(36_479_194, 4.00, WRN),
    "wrn_40_4": _cifar(8_949_210, 4.53, WRN),
    "resnext29_8x64d": _cifar(34_426_698, 3.65, XIE),
    "resnext29_16x64d": _cifar(68_155_210, 3.58, XIE),
    "resnet18_cifar": _cifar(11_173_962),
    "plain20": _cifar(269_722),
    "plain32": _cifar(464_154),
    "plain44": _cifar(658_586),
    "plain56": _cifar(853_018),
    "dsresnet20": _cifar(104_474),
    "dsresnet56": _cifar(351_770),
    "dsresnet110": _cifar(722_714),
}
"""What is known of each row."""
