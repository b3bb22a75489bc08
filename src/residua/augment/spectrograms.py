"""Random resized crops of spectrograms (Niizumi et al., "BYOL for Audio", IJCNN 2021, III-B).

Legend: b samples, m mel bands, f frames of the longest, n of a sample.
"""

from __future__ import annotations

import torch
from torch import Tensor

from residua.random import Draws


def resized_crop(
    values: Tensor,
    lengths: Tensor,
    draws: Draws,
    *,
    fill: Tensor,
    time: tuple[float, float],
    frequency: tuple[float, float],
    target: Tensor | None = None,
) -> Tensor:
    """A window of bands and frames, resized bilinearly to the size of the whole.

    Along each axis the window's share of the whole is uniform, and so is its place: inside the
    whole where it is smaller, around it where it is larger. (The authors place it in a canvas of
    1.5 times the time, so that a small one can also lie beside the clip, and read it bicubically.)

    Args:
        values: float ``[b, m, f]``.
        lengths: int64 ``[b]`` valid frames.
        draws: The samples' random numbers.
        fill: float ``[b]``, what stands outside.
        time, frequency: Ranges of the shares.
        target: int64 ``[b]``, frames that the windows become, at most f; by default ``lengths``.

    Returns:
        float ``[b, m, f]`` with any values behind ``target``.
    """
    bands = torch.full_like(lengths, values.shape[1])
    target = lengths if target is None else target
    values = _resized(values, bands, bands, draws, fill, "crop.frequency", frequency).mT
    return _resized(values, lengths, target, draws, fill, "crop.time", time).mT


def _resized(
    values: Tensor,
    lengths: Tensor,
    target: Tensor,
    draws: Draws,
    fill: Tensor,
    stream: str,
    shares: tuple[float, float],
) -> Tensor:
    """Along the middle axis of ``values``, of which ``lengths`` are valid and become ``target``."""
    share = draws.uniform(f"{stream}.share", low=shares[0], high=shares[1])[:, None]
    n = lengths[:, None]
    start = draws.uniform(f"{stream}.place")[:, None] * (n - share * n)
    steps = torch.arange(values.shape[1], device=values.device)
    places = start + (steps + 0.5) * (share * n / target.clamp(min=1)[:, None]) - 0.5
    last = (n - 1).clamp(min=0)
    inside = places.clamp(min=0).minimum(last)
    whole = inside.floor()
    before, after = (
        values.gather(1, index[..., None].expand_as(values))
        for index in (whole.long(), (whole.long() + 1).minimum(last))
    )
    read = torch.lerp(before, after, (inside - whole)[..., None])
    outside = (places < -0.5) | (places > n - 0.5)
    return torch.where(outside[..., None], fill[:, None, None], read)
