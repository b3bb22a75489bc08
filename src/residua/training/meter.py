"""Running sums of an epoch, on the device: nothing waits for them until somebody reads."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from residua.training.score_kinds import SCORE_KINDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """Mean loss and score over ``n`` samples.

    Attributes:
        score: More is better; None where it is not defined.
        name: What it is, one of `SCORE_KINDS`.
        also: What else was measured with it, by name; for a record's measures.
    """

    loss: float
    score: float | None
    n: int
    name: str = "accuracy"
    also: dict[str, float] = field(default_factory=dict[str, float])

    @property
    def text(self) -> str:
        """Name and value in few characters: ``acc  93.1%``."""
        return SCORE_KINDS[self.name].text(self.score)

    def to_json(self) -> dict[str, Any]:
        """The score stands under its name: ``{"loss": 0.2, "accuracy": 0.9, "n": 100}``."""
        return {"loss": self.loss, self.name: self.score, "n": self.n}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Scores:
        """The inverse of `to_json`.

        Raises:
            ValueError: ``value`` is something else.
        """
        (name,) = value.keys() - {"loss", "n"}
        if name not in SCORE_KINDS:
            raise ValueError(f"no score: {name}")
        score = None if value[name] is None else float(value[name])
        return cls(loss=float(value["loss"]), score=score, n=int(value["n"]), name=name)


class Meter:
    """Sums of losses, scores and samples.

    Args:
        device: Where they are.
        name: Of the score.
    """

    def __init__(self, device: torch.device, name: str = "accuracy") -> None:
        self.sums = torch.zeros(3, dtype=torch.float64, device=device)
        self.name = name

    def add(self, losses: Tensor, correct: Tensor) -> None:
        """Counts one batch: ``[b]`` losses and ``[b]`` scores."""
        count = torch.tensor(float(losses.shape[0]), dtype=torch.float64)
        sums = [losses.detach().sum(dtype=torch.float64), correct.sum(dtype=torch.float64)]
        self.sums += torch.stack([*sums, count.to(self.sums.device, non_blocking=True)])

    def reset(self) -> None:
        self.sums = torch.zeros_like(self.sums)

    def scores(self, sums: Tensor | None = None) -> Scores:
        """The means of ``sums``, by default its own; here the host waits for the device."""
        taken = self.sums if sums is None else sums
        loss, score, count = (float(value) for value in taken.cpu())
        most = max(count, 1)
        return Scores(loss=loss / most, score=score / most, n=round(count), name=self.name)
