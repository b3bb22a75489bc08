"""Results of all ranks, brought together on each of them; alone, a rank keeps what it has."""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn.functional import pad


def _alone() -> bool:
    return not (dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1)


def _meeting_place(device: torch.device) -> torch.device:
    """NCCL moves tensors of the GPU, gloo those of the processor."""
    return device if dist.get_backend() == "nccl" else torch.device("cpu")


def gather_rows(rows: Tensor, device: torch.device) -> Tensor:
    """The rows ``[n, *]`` of all ranks, one rank after the other, on the processor.

    A rank may have fewer rows than others, or none; then its width does not matter.
    """
    if _alone():
        return rows.cpu()
    place, world = _meeting_place(device), dist.get_world_size()
    width = rows[0].numel() if len(rows) else 0
    shape = torch.tensor([len(rows), width], device=place)
    shapes = [torch.empty_like(shape) for _ in range(world)]
    dist.all_gather(shapes, shape)
    counts = [int(each[0]) for each in shapes]
    widest = max(int(each[1]) for each in shapes)
    flat = rows.reshape(len(rows), width) if len(rows) else rows.new_empty(0, widest)
    padded = pad(flat.to(place), (0, 0, 0, max(counts) - len(rows)))
    parts = [torch.empty_like(padded) for _ in range(world)]
    dist.all_gather(parts, padded)
    merged = torch.cat([part[:count] for part, count in zip(parts, counts, strict=True)]).cpu()
    return merged.reshape(-1) if rows.dim() == 1 else merged


def slowest(seconds: float, device: torch.device) -> float:
    """The longest time of any rank."""
    if _alone():
        return seconds
    value = torch.tensor(seconds, dtype=torch.float64, device=_meeting_place(device))
    dist.all_reduce(value, op=dist.ReduceOp.MAX)
    return float(value)


def largest(number: int, device: torch.device) -> int:
    """The largest number of any rank."""
    return round(slowest(number, device))
