"""Running sums of an epoch, on the device: nothing waits for them until somebody reads."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """Mean loss and accuracy over ``n`` samples."""

    loss: float
    accuracy: float
    n: int


class Meter:
    """Sums of losses, hits and samples."""

    def __init__(self, device: torch.device) -> None:
        self.sums = torch.zeros(3, dtype=torch.float64, device=device)

    def add(self, losses: Tensor, correct: Tensor) -> None:
        """Counts one batch: ``[b]`` losses and ``[b]`` hits."""
        count = torch.tensor(float(losses.shape[0]), dtype=torch.float64)
        sums = [losses.detach().sum(dtype=torch.float64), correct.sum(dtype=torch.float64)]
        self.sums += torch.stack([*sums, count.to(self.sums.device, non_blocking=True)])

    def reset(self) -> None:
        self.sums = torch.zeros_like(self.sums)

    @staticmethod
    def scores(sums: Tensor) -> Scores:
        """The means of ``sums``, here the host waits for the device."""
        loss, correct, count = (float(value) for value in sums.cpu())
        return Scores(loss=loss / max(count, 1), accuracy=correct / max(count, 1), n=round(count))
