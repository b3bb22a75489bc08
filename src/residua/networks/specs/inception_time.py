"""InceptionTime: what a member of the family is, and the table of all members. Free of torch.

A row is a network; `residua.networks.inception_time.InceptionTime` builds every one of them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from residua.networks.specs.base import Facts, NetworkSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class InceptionTimeSpec(NetworkSpec):
    """Inception modules with a residual connection every third, and an ensemble of such networks.

    Attributes:
        members: Networks in the ensemble. They differ in their first weights alone, are computed
            as one, and learn each for itself.
        vote: How the members' answers become one. softmax: the logarithm of their mean
            probabilities (one class a sample); sigmoid: the logit of those (several classes a
            sample); mean: the mean of their answers (regression).
        depth: Modules, a multiple of 3.
        width: Channels of each of a module's four branches.
        bottleneck: Channels of the convolution of 1 in front of the long ones, left out where the
            input has one channel.
        kernels: Sizes of the long convolutions.
    """

    family: ClassVar[str] = "inception_time"

    rank: int = 1
    in_chans: int = 1
    num_classes: int = 2
    members: int = 1
    vote: Literal["softmax", "sigmoid", "mean"] = "softmax"
    depth: int = 6
    width: int = 32
    bottleneck: int = 32
    kernels: tuple[int, ...] = (40, 20, 10)

    def __post_init__(self) -> None:
        NetworkSpec.__post_init__(self)  # super() does not work in a dataclass with slots
        self.require(self.rank == 1, "rank", "1, for signals")
        self.require(self.members >= 1, "members", "at least 1")
        self.require(self.depth >= 3 and self.depth % 3 == 0, "depth", "a multiple of 3")
        self.require(self.width >= 1, "width", "at least 1")
        self.require(self.bottleneck >= 1, "bottleneck", "at least 1")
        self.require(min(self.kernels, default=0) >= 1, "kernels", "positive sizes")

    @property
    def has_auxiliary(self) -> bool:
        return self.members > 1 and self.num_classes > 0

    @property
    def usual_size(self) -> int:
        return 512

    @property
    def outline(self) -> str:
        """``6 modules of kernels 40, 20, 10, 5 networks``"""
        text = f"{self.depth} modules of kernels {', '.join(map(str, self.kernels))}"
        return f"{text}, {self.members} networks" if self.members > 1 else text


FAWAZ = "Ismail Fawaz et al., 2020, InceptionTime, arXiv:1909.04939"

SINGLE = InceptionTimeSpec(name="inception_time", reference=f"{FAWAZ}, section 3.1")

INCEPTION_TIMES: tuple[InceptionTimeSpec, ...] = (
    SINGLE,
    replace(SINGLE, name="inception_time_x5", members=5, reference=f"{FAWAZ}, section 3.2"),
)

INCEPTION_TIME_FACTS: dict[str, Facts] = {
    "inception_time": Facts(parameters=420_450),
    "inception_time_x5": Facts(parameters=2_102_250),
}
"""What is known of each row."""
