"""Samples mixed with one another: Mixup and CutMix, and the targets that say so.

A sample's own draws (method, weight, rectangle) depend on nothing else, but its partner is
another member of the batch: the next one in the order of a hash under (seed, epoch). So a
batch of the same members gives the same mixtures in whatever order they stand, and different
members give different partners. Under several ranks or accumulation each part mixes within
itself.

Legend: b samples, c channels, h w size of the view, t time, f bands, n valid steps, k classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from residua.augment.config import AugmentConfig
from residua.batch import Task
from residua.random import Draws

_TRIES = 8


def mix(
    inputs: Tensor,
    targets: Tensor,
    draws: Draws,
    config: AugmentConfig,
    *,
    num_classes: int,
    axes: Literal["plane", "time"] = "plane",
    lengths: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Mixup (Zhang et al., 2018) or CutMix (Yun et al., 2019), drawn for each sample.

    CutMix replaces a rectangle of a picture, or a segment along time. Along time a sample keeps
    its length, and behind its partner's end nothing is mixed in.

    Args:
        inputs: float ``[b, c, h, w]``; along time ``[b, c, t]`` or ``[b, c, f, t]``.
        targets: int64 ``[b]`` class indices, or float ``[b, k]`` probabilities or values.
        draws: The samples' random numbers.
        config: `mixup`, `cutmix`, `mix_probability` and `cutmix_share` are read.
        num_classes: k.
        axes: Whether the inputs are pictures or run along time.
        lengths: int64 ``[b]`` valid steps along time; None where all are full.

    Returns:
        Mixed inputs, and float ``[b, k]`` targets: each sample's own weight is the share of its
        own content, counted in pixels for CutMix, and in valid steps along time.

    Raises:
        UsageError: Targets that are sequences of tokens.
    """
    if targets.dim() == 2 and not targets.is_floating_point():
        config.check_task(Task.CTC)
    partners = draw_partners(draws)
    if axes == "plane":
        extent = _Plane(h=inputs.shape[-2], w=inputs.shape[-1])
    else:
        full = torch.full_like(draws.ids, inputs.shape[-1])
        extent = _Time.of(inputs, full if lengths is None else lengths, partners)
    keep, own = _weights(draws, config, extent)
    mixed = torch.lerp(extent.content(inputs, partners), inputs, keep)
    return mixed, _mixed_targets(soften(targets, num_classes), partners, own)


def _mixed_targets(soft: Tensor, partners: Tensor, own: Tensor) -> Tensor:
    """What is not mixed keeps its target, also beside a partner whose target is unknown (NaN)."""
    own = own[:, None]
    return torch.where(own == 1, soft, torch.lerp(soft[partners], soft, own))


def soften(targets: Tensor, num_classes: int) -> Tensor:
    """Class indices ``[b]`` as float ``[b, k]``; probabilities pass unchanged."""
    if targets.is_floating_point():
        return targets
    zeros = torch.zeros(len(targets), num_classes, device=targets.device)
    return zeros.scatter_(1, targets[:, None], 1.0)


def draw_partners(draws: Draws, stream: str = "mix.partner") -> Tensor:
    """int64 ``[b]``: a position for each; one cycle through all, so none has itself if b > 1."""
    order = torch.argsort(draws.bits(stream), stable=True)
    return torch.empty_like(order).scatter_(0, order, order.roll(-1))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plane:
    """Pictures, all of them ``h`` x ``w``."""

    h: int
    w: int

    def content(self, inputs: Tensor, partners: Tensor) -> Tensor:
        """What is mixed in, in the shape of the inputs."""
        return inputs[partners]

    def spread(self, own: Tensor) -> Tensor:
        """One weight a sample, in all of it."""
        return own[:, None, None, None]

    def cut(self, draws: Draws, own: Tensor) -> Tensor:
        """Float ``[b, 1, h, w]``, 0 on a rectangle."""
        return 1.0 - rectangles(draws, own, self.h, self.w)

    def share(self, keep: Tensor) -> Tensor:
        """``[b]``: how much of the result is a sample's own."""
        return keep.mean(dim=(1, 2, 3))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Time:
    """Series of unequal lengths. The methods are those of `_Plane`, cut are segments.

    Attributes:
        lengths: int64 ``[b]``.
        valid, shared: bool ``[b, 1, t]`` or ``[b, 1, 1, t]``: a sample's own steps, and those that
            its partner has as well.
    """

    lengths: Tensor
    valid: Tensor
    shared: Tensor

    @classmethod
    def of(cls, inputs: Tensor, lengths: Tensor, partners: Tensor) -> _Time:
        ends = lengths.view(-1, *(1,) * (inputs.dim() - 1))
        steps = torch.arange(inputs.shape[-1], device=inputs.device)
        valid = steps < ends
        return cls(lengths=lengths, valid=valid, shared=valid & (steps < ends[partners]))

    def content(self, inputs: Tensor, partners: Tensor) -> Tensor:
        return torch.where(self.shared, inputs[partners], inputs)

    def spread(self, own: Tensor) -> Tensor:
        return own.view(-1, *(1,) * (self.valid.dim() - 1)).masked_fill(~self.shared, 1.0)

    def cut(self, draws: Draws, own: Tensor) -> Tensor:
        inside = segments(draws, own, self.lengths, self.valid.shape[-1])
        return 1.0 - (inside.view_as(self.shared) & self.shared).float()

    def share(self, keep: Tensor) -> Tensor:
        foreign = torch.where(self.valid, 1.0 - keep, 0.0).flatten(1).sum(dim=1)
        return 1.0 - foreign / self.lengths.clamp(min=1)


def _weights(draws: Draws, config: AugmentConfig, extent: _Plane | _Time) -> tuple[Tensor, Tensor]:
    """Share of the own content at each place, broadcastable to the inputs, and in all ``[b]``."""
    if config.cutmix == 0:
        keep, own = _mixup(draws, config.mixup, extent)
    elif config.mixup == 0:
        keep, own = _cutmix(draws, config.cutmix, extent)
    else:
        cut = draws.bernoulli("mix.method", config.cutmix_share)
        blend, outside = _mixup(draws, config.mixup, extent), _cutmix(draws, config.cutmix, extent)
        keep = torch.where(cut.view(-1, *(1,) * (outside[0].dim() - 1)), outside[0], blend[0])
        own = torch.where(cut, outside[1], blend[1])
    whole = ~draws.bernoulli("mix.whether", config.mix_probability)
    everywhere = whole.view(-1, *(1,) * (keep.dim() - 1))
    return keep.masked_fill(everywhere, 1.0), own.masked_fill(whole, 1.0)


def _mixup(draws: Draws, alpha: float, extent: _Plane | _Time) -> tuple[Tensor, Tensor]:
    keep = extent.spread(draw_beta(draws, "mix.mixup", alpha))
    return keep, extent.share(keep)


def _cutmix(draws: Draws, alpha: float, extent: _Plane | _Time) -> tuple[Tensor, Tensor]:
    keep = extent.cut(draws, draw_beta(draws, "mix.cutmix", alpha))
    return keep, extent.share(keep)


def rectangles(draws: Draws, own: Tensor, h: int, w: int) -> Tensor:
    """CutMix's rectangles: float ``[b, 1, h, w]``, 1 inside, cut off at the border.

    Their sides are sqrt(1 - own) of the picture's, their centres uniform (section 3.2).
    """
    centre = draws.uniform("mix.centre", 2)
    half = 0.5 * torch.sqrt(1.0 - own)
    rows = _inside(h, centre[:, 0], half)
    columns = _inside(w, centre[:, 1], half)
    return (rows[:, :, None] & columns[:, None, :])[:, None].float()


def _inside(length: int, centre: Tensor, half: Tensor) -> Tensor:
    position = torch.arange(length, device=centre.device)
    middle = (centre * length).floor()
    reach = (half * length).floor()
    return (position >= (middle - reach)[:, None]) & (position < (middle + reach)[:, None])


def segments(draws: Draws, own: Tensor, lengths: Tensor, t: int) -> Tensor:
    """CutMix along time: bool ``[b, t]``, true on a share 1 - own of each sample's steps.

    The centre is uniform, as that of a rectangle is, and what reaches over the end is cut off.
    """
    width = ((1.0 - own) * lengths).round()
    middle = draws.uniform("mix.centre", 2)[:, 0] * lengths
    start = (middle - width / 2).round()[:, None]
    steps = torch.arange(t, device=own.device)
    return (steps >= start) & (steps < start + width[:, None])


def draw_beta(draws: Draws, stream: str, alpha: float) -> Tensor:
    """Beta(alpha, alpha) as float32 ``[b]``: x / (x + y) of two gamma variates.

    In logarithms, because variates of small alpha underflow.
    """
    x = _log_gamma_variate(draws, f"{stream}.x", alpha)
    y = _log_gamma_variate(draws, f"{stream}.y", alpha)
    return torch.sigmoid(x - y)


def _log_gamma_variate(draws: Draws, stream: str, alpha: float) -> Tensor:
    """Logarithm of Gamma(alpha): Marsaglia & Tsang, ACM TOMS 26 (2000), with their section 6.

    At most one try in twenty is rejected, so all of the eight fail once in 10**10 draws; the
    first is taken then.
    """
    d = alpha + 1.0 - 1.0 / 3.0
    normal = draws.normal(f"{stream}.normal", _TRIES)
    root = 1.0 + normal / (9.0 * d) ** 0.5
    v = root.clamp(min=1e-6) ** 3
    log_uniform = torch.log1p(-draws.uniform(f"{stream}.accept", _TRIES))
    accepted = (root > 0) & (log_uniform < 0.5 * normal**2 + d * (1.0 - v + torch.log(v)))
    first = accepted.int().argmax(dim=1, keepdim=True)
    boost = torch.log1p(-draws.uniform(f"{stream}.boost")) / alpha
    return torch.log(d * v.gather(1, first)[:, 0]) + boost
