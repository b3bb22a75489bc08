"""What can be said about the training step. Free of torch, so that the command line stays quick."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from residua.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class SupervisedConfig:
    """Cross-entropy on labelled samples."""

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
