"""The deep ECG ResNet: what a member of the family is, and the table. Free of torch.

A row is a network; `residua.networks.ecg_resnet.ECGResNet` builds it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from residua.networks.specs.base import Facts, NetworkSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class ECGResNetSpec(NetworkSpec):
    """Pre-activation blocks of two long convolutions; shortcuts pool and pad channels with zeros.

    Attributes:
        depths: Blocks a stage. Every second block, counted through all stages, halves the length.
        widths: Channels a stage, no fewer than before.
        kernel: Size of all convolutions.
        dropout: Before the second convolution of each block. ``drop_rate`` is that before the
            classifier, where the paper has none.
    """

    family: ClassVar[str] = "ecg_resnet"

    rank: int = 1
    in_chans: int = 1
    num_classes: int = 12
    depths: tuple[int, ...] = (4, 4, 4, 4)
    widths: tuple[int, ...] = (32, 64, 128, 256)
    kernel: int = 16
    dropout: float = 0.2

    def __post_init__(self) -> None:
        NetworkSpec.__post_init__(self)  # super() does not work in a dataclass with slots
        self.require(self.rank == 1, "rank", "1, for signals")
        self.require(min(self.depths, default=0) >= 1, "depths", "positive numbers")
        self.require(len(self.depths) == len(self.widths), "widths", "as many as depths")
        rising = sorted(self.widths) == list(self.widths) and min(self.widths) >= 1
        self.require(rising, "widths", "positive sizes that do not fall")
        self.require(self.kernel >= 1, "kernel", "at least 1")
        self.require(0 <= self.dropout < 1, "dropout", "in [0, 1)")

    @property
    def has_residuals(self) -> bool:
        return True

    @property
    def usual_size(self) -> int:
        return 6000

    @property
    def outline(self) -> str:
        """``preact 4-4-4-4, 32-64-128-256, kernel 16``"""
        depths, widths = ("-".join(map(str, sizes)) for sizes in (self.depths, self.widths))
        return f"preact {depths}, {widths}, kernel {self.kernel}"


ECG_RESNETS: tuple[ECGResNetSpec, ...] = (
    ECGResNetSpec(
        name="ecg_resnet34",
        reference=(
            "Rajpurkar et al., 2017, Cardiologist-Level Arrhythmia Detection with Convolutional "
            "Neural Networks, arXiv:1707.01836, section 3; Hannun et al., 2019, Nature Medicine "
            "25, 65-69, Methods; code: awni/ecg"
        ),
    ),
)

ECG_RESNET_FACTS: dict[str, Facts] = {"ecg_resnet34": Facts(parameters=10_468_204)}
"""What is known of each row."""
