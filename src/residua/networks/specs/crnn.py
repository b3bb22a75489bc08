"""The CRNN family: what a member is, and the table of all members. Free of torch.

A row is a network; `residua.networks.crnn.CRNN` builds every one of them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from residua.networks.specs.base import Facts, NetworkSpec

Head = Literal["clip", "ctc"]

KERNELS = ((41, 11), (21, 11), (21, 11))
"""Frequency and time of the stem's convolutions; the padding is half of each."""
STRIDES = ((2, 2), (2, 1), (2, 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class CRNNSpec(NetworkSpec):
    """Convolutions over frequency and time, gated ones along time, recurrence, a head.

    ``num_classes`` are logits: with the head ``ctc`` one for blank, first, and one for each token.

    Attributes:
        widths: Channels of the stem's convolutions, 41x11 and twice 21x11.
        bands: Frequency bands that the layers along time are made for, at rank 2. Others work too:
            what the convolutions make of them is averaged to as many rows.
        blocks: Residual blocks behind the stem.
        inner: Channels of their 3x3 convolutions.
        degree: Highest power in their pointwise convolutions.
        gate_reduction: Channels of a block over hidden units of its gate.
        branches: Kernels of the gated convolutions along time, odd.
        branch_width: Channels that each of them gives.
        hidden: Units of a recurrent layer in each direction.
        layers: Recurrent layers.
        dropout: Rate between recurrent layers; ``drop_rate`` is that in front of the classifier.
        head: clip: the mean over time and a linear layer, logits ``[b, k]``; ctc: logits of each
            step, with their lengths.
    """

    family: ClassVar[str] = "crnn"

    widths: tuple[int, ...]
    bands: int = 64
    blocks: int
    inner: int
    degree: int = 2
    gate_reduction: int = 16
    branches: tuple[int, ...] = (3, 7, 11)
    branch_width: int
    hidden: int
    layers: int
    dropout: float = 0.0
    head: Head = "clip"

    def __post_init__(self) -> None:
        NetworkSpec.__post_init__(self)  # super() does not work in a dataclass with slots
        self.require(len(self.widths) == 3 and min(self.widths) >= 1, "widths", "3 positive sizes")
        for field in ("bands", "inner", "degree", "gate_reduction", "branch_width", "hidden"):
            self.require(getattr(self, field) >= 1, field, "at least 1")
        self.require(self.blocks >= 0, "blocks", "0 or more")
        self.require(self.layers >= 1, "layers", "at least 1")
        odd = bool(self.branches) and all(k >= 1 and k % 2 for k in self.branches)
        self.require(odd, "branches", "odd sizes, one at least")
        self.require(0 <= self.dropout < 1, "dropout", "in [0, 1)")
        blank = self.head == "clip" or self.num_classes != 1
        self.require(blank, "num_classes", "2 or more with CTC (blank and a token), or 0")

    @property
    def has_residuals(self) -> bool:
        return self.blocks > 0

    @property
    def usual_size(self) -> int:
        return self.bands

    @property
    def rows(self) -> int:
        """Frequency rows behind the stem: 21 for 161 bands; 1 at rank 1."""
        return _steps(self.bands, [stride for stride, _ in STRIDES]) if self.rank == 2 else 1

    @property
    def outline(self) -> str:
        """``convolutions 32-32-96, 3 blocks, 5 BiLSTM of 1024``"""
        blocks = f"{self.blocks} block{'s' * (self.blocks != 1)}"
        stem = "-".join(map(str, self.widths))
        return f"convolutions {stem}, {blocks}, {self.layers} BiLSTM of {self.hidden}"

    def steps_out(self, steps: int) -> int:
        """Steps that the CTC head gives for an input of ``steps`` along time."""
        return _steps(steps, [stride for _, stride in STRIDES])


def _steps(size: int, strides: list[int]) -> int:
    """Positions of padded convolutions: each divides by its stride and rounds up."""
    for stride in strides:
        size = -(-size // stride)
    return size


DEEP_SPEECH_2 = "Amodei et al., 2016, Deep Speech 2, arXiv:1512.02595, section 3"
REFERENCE = (
    f"{DEEP_SPEECH_2}; gates: Woo et al., 2018, CBAM, arXiv:1807.06521, section 3.1; polynomials: "
    "Kiranyaz et al., 2021, Self-Organized Operational Neural Networks, arXiv:2004.11778; gated "
    "convolutions: Dauphin et al., 2017, arXiv:1612.08083; CTC: Graves et al., ICML 2006"
)

CRNN_1024 = CRNNSpec(
    name="crnn",
    reference=REFERENCE,
    widths=(32, 32, 96),
    blocks=3,
    inner=48,
    branch_width=256,
    hidden=1024,
    layers=5,
    num_classes=10,
    in_chans=1,
)

CRNNS: tuple[CRNNSpec, ...] = (
    replace(
        CRNN_1024,
        name="crnn_small",
        widths=(16, 16, 32),
        blocks=2,
        inner=16,
        gate_reduction=4,
        branches=(3, 7),
        branch_width=64,
        hidden=128,
        layers=2,
        dropout=0.2,
    ),
    CRNN_1024,
    replace(CRNN_1024, name="crnn_large", blocks=6, branch_width=512, hidden=1280, layers=7),
)

CRNN_FACTS: dict[str, Facts] = {
    "crnn_small": Facts(parameters=1_185_034),
    "crnn": Facts(parameters=124_789_724),
    "crnn_large": Facts(parameters=282_661_390),
}
"""What is known of each row. No member was published as it is here."""
