"""Changes of signals along time: windows, uneven speed, segments.

Signals are float ``[b, c, t]``, of which the first ``lengths`` steps of each sample are valid. A
sample's result depends on its own valid steps and draws alone, not on how far it is padded.

Legend: b samples, c channels, t steps of the longest, n valid steps of a sample, k knots.
"""

from __future__ import annotations

import torch
from torch import Tensor

from residua.random import Draws


def window(inputs: Tensor, lengths: Tensor, draws: Draws, *, most: float) -> tuple[Tensor, Tensor]:
    """Windows at a random place, moved to the front; nothing is scaled ("window slicing", Le
    Guennec, Malinowski & Tavenard, 2016, without their stretching back).

    Args:
        inputs: The signals.
        lengths: int64 ``[b]``.
        draws: The samples' random numbers.
        most: Largest share that is cut off; the share is uniform from 0 to it.

    Returns:
        The windows, in ``t`` steps as before, and their lengths.
    """
    cut = _share_of(lengths, draws.uniform("slice.share", high=most))
    start = _share_of(cut + 1, draws.uniform("slice.place"))
    steps = torch.arange(inputs.shape[-1], device=inputs.device)
    source = (steps + start[:, None]).clamp_(max=inputs.shape[-1] - 1)
    return _read(inputs, source), lengths - cut


def stretch(inputs: Tensor, lengths: Tensor, target: Tensor) -> Tensor:
    """Signals with their valid steps spread evenly over as many as ``target`` says, read by linear
    interpolation with the centres of steps as places: nothing aliases where they get longer.

    Args:
        inputs: The signals.
        lengths: int64 ``[b]``.
        target: int64 ``[b]``, at most ``t``.
    """
    n = target.clamp(min=1)[:, None]
    steps = torch.arange(inputs.shape[-1], device=inputs.device)
    # Place (2 i + 1) lengths / (2 n) - 1/2 of step i, in whole numbers: exact in long recordings.
    doubled = (2 * steps + 1) * lengths[:, None] - n
    whole = doubled.div(2 * n, rounding_mode="floor")
    rest = (doubled - whole * 2 * n) / (2 * n)
    last = (lengths - 1).clamp(min=0)[:, None]
    before = _read(inputs, whole.clamp(min=0).minimum(last))
    after = _read(inputs, (whole + 1).clamp(min=0).minimum(last))
    return torch.lerp(before, after, rest.to(inputs.dtype)[:, None])


def _share_of(count: Tensor, share: Tensor) -> Tensor:
    """The whole number below ``share`` of ``count``, int64 ``[b]`` from 0 to ``count - 1``."""
    return torch.minimum((share * count).floor().to(torch.int64), count - 1).clamp_(min=0)


def _read(inputs: Tensor, places: Tensor) -> Tensor:
    """``inputs`` at int64 ``[b, t]`` ``places``, alike in all channels."""
    return inputs.gather(2, places[:, None].expand(-1, inputs.shape[1], -1))


def time_warp(
    inputs: Tensor, lengths: Tensor, draws: Draws, *, strength: float, knots: int
) -> Tensor:
    """Uneven speed with both ends fixed, read by linear interpolation (Um et al., 2017, III-C).

    Speeds are log-normal at both ends and at ``knots`` places evenly between them, and linear from
    one to the next: time is a smooth, strictly rising function. (Um et al. draw a cubic spline of
    normal speeds, which can run backwards.)

    Args:
        inputs: The signals.
        lengths: int64 ``[b]``.
        draws: The samples' random numbers.
        strength: Standard deviation of the speed's logarithm.
        knots: k.
    """
    t = inputs.shape[-1]
    speeds = (draws.normal("time_warp.speed", knots + 2) * strength).exp()
    last = (lengths - 1).clamp(min=0)[:, None]
    steps = torch.arange(t, device=inputs.device)
    share = (steps / last.clamp(min=1)).clamp_(max=1)
    shift = (warped_time(speeds, share) - share) * last
    # Whole steps and the rest apart: float32 has no digits left for both in a long recording.
    whole = shift.floor()
    left = steps + whole.to(torch.int64)
    before = _read(inputs, left.clamp(min=0).minimum(last))
    after = _read(inputs, (left + 1).clamp_(min=0).minimum(last))
    return torch.lerp(before, after, (shift - whole)[:, None])


def warped_time(speeds: Tensor, share: Tensor) -> Tensor:
    """The integral of the speed, 0 at the start and 1 at the end.

    Args:
        speeds: Positive float ``[b, k + 2]`` at evenly spaced places from start to end.
        share: float ``[b, t]`` places from 0 to 1.

    Returns:
        ``[b, t]``.
    """
    segments = speeds.shape[1] - 1
    areas = (speeds[:, :-1] + speeds[:, 1:]) / 2
    before = torch.nn.functional.pad(areas.cumsum(dim=1), (1, 0))
    segment = (share * segments).floor().clamp_(max=segments - 1).to(torch.int64)
    inside = share * segments - segment
    first, second = speeds.gather(1, segment), speeds.gather(1, segment + 1)
    area = before.gather(1, segment) + inside * (first + inside * (second - first) / 2)
    return area / before[:, -1:]


def segment(t: int, lengths: Tensor, draws: Draws, *, widest: float) -> Tensor:
    """bool ``[b, 1, t]``: true on one segment a sample, wholly inside it.

    Its width is uniform up to ``widest`` of the sample, at least one step, and leaves one at least.
    """
    share = draws.uniform("cutout.width", high=widest)
    width = torch.minimum((share * lengths).ceil().to(torch.int64).clamp(min=1), lengths - 1)
    start = _share_of(lengths - width + 1, draws.uniform("cutout.place"))
    steps = torch.arange(t, device=lengths.device)
    return ((steps >= start[:, None]) & (steps < (start + width)[:, None]))[:, None]
