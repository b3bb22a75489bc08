"""Samples mixed with one another: Mixup and CutMix, and the targets that say so.

A sample's own draws (method, weight, rectangle) depend on nothing else, but its partner is
another member of the batch: the next one in the order of a hash under (seed, epoch). So a
batch of the same members gives the same mixtures in whatever order they stand, and different
members give different partners. Under several ranks or accumulation each part mixes within
itself.

Legend: b samples, c channels, h w size of the view, k classes.
"""

from __future__ import annotations

import torch
from torch import Tensor

from residua.augment.config import AugmentConfig
from residua.random import Draws

_TRIES = 8


def mix(
    images: Tensor, targets: Tensor, draws: Draws, config: AugmentConfig, *, num_classes: int
) -> tuple[Tensor, Tensor]:
    """Mixup (Zhang et al., 2018) or CutMix (Yun et al., 2019), drawn for each sample.

    Args:
        images: float ``[b, c, h, w]``.
        targets: int64 ``[b]`` class indices or float ``[b, k]`` probabilities.
        draws: The samples' random numbers.
        config: `mixup`, `cutmix`, `mix_probability` and `cutmix_share` are read.
        num_classes: k.

    Returns:
        Mixed images, and float ``[b, k]`` targets: each sample's own weight is the share of its
        own content in the picture, counted in pixels for CutMix.
    """
    keep, own = _weights(draws, config, *images.shape[-2:])
    partners = draw_partners(draws)
    soft = soften(targets, num_classes)
    mixed = torch.lerp(images[partners], images, keep)
    return mixed, torch.lerp(soft[partners], soft, own[:, None])


def soften(targets: Tensor, num_classes: int) -> Tensor:
    """Class indices ``[b]`` as float ``[b, k]``; probabilities pass unchanged."""
    if targets.is_floating_point():
        return targets
    zeros = torch.zeros(len(targets), num_classes, device=targets.device)
    return zeros.scatter_(1, targets[:, None], 1.0)


def draw_partners(draws: Draws) -> Tensor:
    """int64 ``[b]``: a position for each; one cycle through all, so none has itself if b > 1."""
    order = torch.argsort(draws.bits("mix.partner"), stable=True)
    return torch.empty_like(order).scatter_(0, order, order.roll(-1))


def _weights(draws: Draws, config: AugmentConfig, h: int, w: int) -> tuple[Tensor, Tensor]:
    """Share of the own content in each pixel ``[b, 1, 1 or h, 1 or w]`` and in all ``[b]``."""
    if config.cutmix == 0:
        keep, own = _mixup(draws, config.mixup)
    elif config.mixup == 0:
        keep, own = _cutmix(draws, config.cutmix, h, w)
    else:
        cut = draws.bernoulli("mix.method", config.cutmix_share)
        blend, outside = _mixup(draws, config.mixup), _cutmix(draws, config.cutmix, h, w)
        keep = torch.where(cut[:, None, None, None], outside[0], blend[0])
        own = torch.where(cut, outside[1], blend[1])
    whole = ~draws.bernoulli("mix.whether", config.mix_probability)
    return keep.masked_fill(whole[:, None, None, None], 1.0), own.masked_fill(whole, 1.0)


def _mixup(draws: Draws, alpha: float) -> tuple[Tensor, Tensor]:
    own = draw_beta(draws, "mix.mixup", alpha)
    return own[:, None, None, None], own


def _cutmix(draws: Draws, alpha: float, h: int, w: int) -> tuple[Tensor, Tensor]:
    keep = 1.0 - rectangles(draws, draw_beta(draws, "mix.cutmix", alpha), h, w)
    return keep, keep.mean(dim=(1, 2, 3))


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
