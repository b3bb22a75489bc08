"""Embeddings of all ranks, where a loss compares each sample with all others of the update.

Legend: b samples of this rank, n rows of all ranks, d dimensions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from residua.errors import TrainingError


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """The embeddings of an update.

    Attributes:
        rows: ``[n, d]``, one rank's after the other's, with gradients that reach each rank's own.
        own: Which rows are this rank's samples.
        valid: float ``[n]``, 1 for samples and 0 for rows (of zeros) that fill up a rank's share;
            None where all are samples.
    """

    rows: Tensor
    own: slice
    valid: Tensor | None = None


class Gather:
    """Brings embeddings together, without making the host wait for a GPU.

    Ranks' shares of an update differ by at most one sample, and so do updates. So the ranks ask
    each other once, at the first call, how large the largest share is; with room for one more it
    holds all later ones, and what is not filled is marked as invalid.

    The gradient of each rank's rows is summed over all ranks' losses. If every rank gives the sum
    of its own samples' losses, the ranks' gradients add up to that of one rank with all samples.
    """

    def __init__(self) -> None:
        self._room: int | None = None

    def __call__(self, rows: Tensor) -> Gathered:
        """All ranks' ``rows``; all must call it together.

        Args:
            rows: ``[b, d]`` floats; d is the same on all ranks, b may differ by one.
        """
        if not (dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1):
            return Gathered(rows=rows, own=slice(0, len(rows)))
        room = self._room = self._room or _largest_share(rows) + 1
        if len(rows) > room:
            raise TrainingError(
                "a rank's share of an update has grown",
                expected=f"at most {room} samples",
                received=len(rows),
                fix="Keep batches of equal size, up to one sample",
            )
        marked = F.pad(
            torch.cat([rows, torch.ones_like(rows[:, :1])], 1), (0, 0, 0, room - len(rows))
        )
        merged = _AllRanks.apply(marked)
        assert isinstance(merged, Tensor)
        start = dist.get_rank() * room
        return Gathered(
            rows=merged[:, :-1],
            own=slice(start, start + len(rows)),
            valid=merged[:, -1].detach(),
        )


def _largest_share(rows: Tensor) -> int:
    size = torch.tensor(len(rows), device=rows.device)
    dist.all_reduce(size, op=dist.ReduceOp.MAX)
    return int(size)


class _AllRanks(torch.autograd.Function):
    """Rows of the same number from each rank, one rank's after the other's."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor) -> Tensor:
        ctx.own = dist.get_rank() * len(rows), len(rows)
        parts = [torch.empty_like(rows) for _ in range(dist.get_world_size())]
        dist.all_gather(parts, rows.contiguous())
        return torch.cat(parts)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        total = gradients[0].clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)  # gloo has no reduce_scatter
        return total.narrow(0, *ctx.own)
