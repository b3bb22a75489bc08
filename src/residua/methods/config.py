"""What can be said about the training step. Free of torch, so that the command line stays quick."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import tyro

from residua.errors import UsageError

METHODS = {
    "supervised": "labelled samples alone (residua train)",
    "fixmatch": "confident pseudo-labels of weak views teach strong ones (Sohn et al., 2020)",
    "adamatch": "FixMatch with aligned classes and a relative threshold (Berthelot et al., 2022)",
    "softmatch": "pseudo-labels weighted by their confidence (Chen et al., 2023)",
    "mean-teacher": "answers agree with those of averaged weights (Tarvainen & Valpola, 2017)",
    "simclr": "two views of a sample find one another in the batch (Chen et al., 2020)",
    "byol": "one view predicts what a teacher makes of the other (Grill et al., 2020)",
    "vicreg": "views agree while features vary and differ (Bardes et al., 2022)",
}
"""What can be learnt by, for `residua list methods`; the last three are for residua pretrain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SupervisedConfig:
    """Cross-entropy on labelled samples."""

    loss: Literal["ce", "bce"] = "ce"
    """ce: cross-entropy of the softmax; bce: binary cross-entropy of each class against the rest
    (Wightman et al., 2021, section 2). Probabilities are the softmax of the logits with either."""
    bce_threshold: float | None = None
    """Share from which bce takes a class of a mixed sample for fully present, and below which for
    absent; by default bce learns the shares themselves."""
    label_smoothing: float = 0.0
    """Share of the target that is spread over all classes (Szegedy et al., 2016)."""
    balance: Literal["none", "loss", "sampling"] = "none"
    """Make rare classes count as much as frequent ones: by weights in the loss, or by drawing
    them more often."""

    def check(self) -> None:
        """Raises `UsageError` for the first value that is out of its range."""
        if not 0 <= self.label_smoothing < 1:
            raise UsageError(
                "wrong label_smoothing", expected="in [0, 1)", received=self.label_smoothing
            )
        threshold = self.bce_threshold
        if threshold is not None and not 0 < threshold < 1:
            raise UsageError("wrong bce_threshold", expected="in (0, 1)", received=threshold)
        if threshold is not None and self.loss != "bce":
            raise UsageError(
                "bce_threshold belongs to another loss",
                expected="--loss bce",
                received=f"--loss {self.loss}",
            )


Negatives = Literal["all", "group"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SemiConfig:
    """Learning from unlabelled samples beside labelled ones."""

    semi: Annotated[
        Literal["none", "fixmatch", "adamatch", "softmatch", "mean-teacher"],
        tyro.conf.arg(name="method"),
    ] = "none"
    """none: labelled samples alone; fixmatch (Sohn et al., 2020), adamatch (Berthelot et al.,
    2022), softmatch (Chen et al., 2023), mean-teacher (Tarvainen & Valpola, 2017): also what
    --labels-per-class and --unlabelled leave without labels."""
    unlabelled_ratio: int = 7
    """Unlabelled samples of an update for each labelled one (mu)."""
    unlabelled_weight: float = 1.0
    """What the unlabelled loss counts beside the labelled one."""
    threshold: float = 0.95
    """Confidence from which a pseudo-label counts (fixmatch); relative to the mean confidence on
    labelled samples (adamatch)."""

    @property
    def active(self) -> bool:
        return self.semi != "none"

    def check(self) -> None:
        """Raises `UsageError` for the first value that is out of its range."""
        for name, holds, expected in (
            ("unlabelled_ratio", self.unlabelled_ratio >= 1, ">= 1"),
            ("unlabelled_weight", self.unlabelled_weight >= 0, ">= 0"),
            ("threshold", 0 <= self.threshold <= 1, "in [0, 1]"),
        ):
            if not holds:
                raise UsageError(f"wrong {name}", expected=expected, received=getattr(self, name))


@dataclass(frozen=True, slots=True, kw_only=True)
class PretrainConfig:
    """Learning from samples alone, before there are labels."""

    pretrain: Annotated[
        Literal["none", "simclr", "byol", "vicreg"], tyro.conf.arg(name="method")
    ] = "none"
    """simclr (Chen et al., 2020), byol (Grill et al., 2020), vicreg (Bardes et al., 2022)."""
    projection: tuple[int, int] | None = None
    """Width of the projector's hidden layers, and of what it gives; by default 512 128 (simclr),
    1024 256 (byol), 2048 2048 (vicreg)."""
    temperature: float = 0.5
    """Of simclr's similarities."""
    decoupled: bool = False
    """Leave the positive pair out of simclr's denominator (Yeh et al., "Decoupled Contrastive
    Learning", 2022), which suits small batches."""
    negatives: Negatives = "all"
    """What simclr tells a sample apart from: all others, or those of its own group (speaker,
    patient), so that it does not learn to tell groups apart (Cheng et al., 2020)."""
    teacher_decay: float = 0.99
    """Of byol's teacher at the start; it rises to 1 along a cosine."""
    variance_weight: float = 25.0
    """Of vicreg's variance term; its invariance term counts as much, its covariance term 1."""

    @property
    def active(self) -> bool:
        return self.pretrain != "none"

    def check(self) -> None:
        """Raises `UsageError` for the first value that is out of its range."""
        for name, holds, expected in (
            ("projection", min(self.projection or (1,)) >= 1, ">= 1"),
            ("temperature", self.temperature > 0, "> 0"),
            ("teacher_decay", 0 <= self.teacher_decay < 1, "in [0, 1)"),
            ("variance_weight", self.variance_weight >= 0, ">= 0"),
            ("negatives", self.negatives == "all" or self.pretrain == "simclr", "--method simclr"),
        ):
            if not holds:
                raise UsageError(f"wrong {name}", expected=expected, received=getattr(self, name))
