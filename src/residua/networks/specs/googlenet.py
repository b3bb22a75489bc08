"""The GoogLeNet family: what a member is, and the table of all members. Free of torch.

`residua.networks.googlenet.GoogLeNet` builds the full ones,
`residua.networks.googlenet_compact.CompactGoogLeNet` the small one of text books.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from residua.networks.specs.base import Facts, NetworkSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class GoogLeNetSpec(NetworkSpec):
    """A GoogLeNet with the nine inception modules of its paper's table 1.

    Attributes:
        batch_norm: Batch normalisation (eps 1e-3) in place of biases.
        kernel5: Size of the convolutions that the paper calls 5x5.
        local_response: Local response normalisation in the stem.
        last_pool: Size of the last max pool between modules; the others are 3x3.
        aux: Two auxiliary classifiers; a network of no classes has none.
        aux_pool: Poolings of those to 4x4: ``5x5`` strides by 3, as in the paper, on maps of 14x14
            (from pictures of 224) and is adaptive on all others; ``adaptive`` is so everywhere.
        dropout: Before the last classifier, as published; a ``drop_rate`` above 0 takes its place.
        aux_dropout: Before the last layer of each auxiliary classifier.
        width: Channels of each layer over those of the table.
    """

    family: ClassVar[str] = "googlenet"

    batch_norm: bool = True
    kernel5: Literal[3, 5] = 3
    local_response: bool = False
    last_pool: Literal[2, 3] = 2
    aux: bool = True
    aux_pool: Literal["adaptive", "5x5"] = "adaptive"
    dropout: float = 0.2
    aux_dropout: float = 0.7
    width: float = 1.0

    def __post_init__(self) -> None:
        NetworkSpec.__post_init__(self)  # super() does not work in a dataclass with slots
        self.require(0 <= self.dropout < 1, "dropout", "in [0, 1)")
        self.require(0 <= self.aux_dropout < 1, "aux_dropout", "in [0, 1)")
        self.require(self.width > 0, "width", "above 0")

    @property
    def has_auxiliary(self) -> bool:
        return self.aux and self.num_classes > 0

    @property
    def lr_factor(self) -> float:
        return 1.0 if self.batch_norm else 0.1

    @property
    def outline(self) -> str:
        """``9 inception modules, 5x5, LRN, 2 auxiliary classifiers``"""
        parts = ["9 inception modules", f"{self.kernel5}x{self.kernel5}"]
        parts += ["BN"] * self.batch_norm + ["LRN"] * self.local_response
        parts += [f"width x{self.width:g}"] * (self.width != 1)
        parts += ["2 auxiliary classifiers"] * self.has_auxiliary
        return ", ".join(parts)

    def scaled(self, channels: int) -> int:
        """Channels of a layer that has so many in the table."""
        return max(1, round(channels * self.width))


@dataclass(frozen=True, slots=True, kw_only=True)
class CompactGoogLeNetSpec(NetworkSpec):
    """The small Inception network of Zhang et al., 2017, for pictures of 28 to 32 pixels.

    Attributes:
        width: Channels of each layer over those of the paper.
    """

    family: ClassVar[str] = "googlenet_compact"

    width: float = 1.0

    def __post_init__(self) -> None:
        NetworkSpec.__post_init__(self)
        self.require(self.width > 0, "width", "above 0")

    @property
    def usual_size(self) -> int:
        return 28

    @property
    def outline(self) -> str:
        """``8 small inception modules, BN``"""
        parts = ["8 small inception modules", "BN"]
        return ", ".join(parts + [f"width x{self.width:g}"] * (self.width != 1))

    def scaled(self, channels: int) -> int:
        """Channels of a layer that has so many in the paper."""
        return max(1, round(channels * self.width))


SZEGEDY = "Szegedy et al., 2015, Going Deeper with Convolutions, arXiv:1409.4842"
ZHANG = (
    "Zhang et al., 2017, Understanding Deep Learning Requires Rethinking Generalization, "
    "arXiv:1611.03530"
)

TORCHVISION = GoogLeNetSpec(
    name="googlenet",
    reference=f"{SZEGEDY}, table 1; batch norm: Ioffe & Szegedy, 2015, arXiv:1502.03167",
)

GOOGLENETS: tuple[GoogLeNetSpec | CompactGoogLeNetSpec, ...] = (
    # As torchvision has it ...
    TORCHVISION,
    # ... and as the paper has it.
    replace(
        TORCHVISION,
        name="googlenet_2014",
        batch_norm=False,
        kernel5=5,
        local_response=True,
        last_pool=3,
        aux_pool="5x5",
        dropout=0.4,
        reference=f"{SZEGEDY}, section 5, table 1, figure 3",
    ),
    # For small pictures, as text books have it.
    CompactGoogLeNetSpec(
        name="googlenet_compact", num_classes=10, reference=f"{ZHANG}, appendix A, figure 3"
    ),
)

GOOGLENET_FACTS: dict[str, Facts] = {
    "googlenet": Facts(
        parameters=13_004_888,
        top1=69.78,
        source="torchvision V1",
        elsewhere=("torchvision",),
    ),
    "googlenet_2014": Facts(parameters=13_378_280),
    "googlenet_compact": Facts(
        parameters=1_649_402,
        top1=89.05,
        data="CIFAR-10",
        source=f"{ZHANG}, table 1",
    ),
}
"""What is known of each row; parameters with the auxiliary classifiers, which hold 6,379,984 and
6,379,728 of them."""
