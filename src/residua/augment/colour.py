"""Changes of colour, tone and sharpness, each with one strength a sample.

Pictures are float ``[b, c, h, w]`` in [0, 1], strengths float ``[b]``; results lie in [0, 1].
The operations are those of Pillow, which AutoAugment, RandAugment and TrivialAugment are built
on. Pictures that are not RGB have no saturation and no hue; they leave them as they are, and so
does grayscale.

Legend: b samples, c channels, h w size.
"""

from __future__ import annotations

import torch
from torch import Tensor

from residua.random import Draws

_LUMA = (0.2989, 0.587, 0.114)  # ITU-R BT.601, with torchvision's digits


def jitter(images: Tensor, draws: Draws, strengths: tuple[float, float, float, float]) -> Tensor:
    """Brightness, contrast, saturation, hue: always in this order, with drawn factors.

    Args:
        images: The pictures.
        draws: The samples' random numbers.
        strengths: s of each: factors are uniform in [max(0, 1 - s), 1 + s]; the hue turns by up
            to s of a full turn either way. An operation of strength 0 is left out.
    """
    for stream, operation, strength in (
        ("jitter.brightness", brightness, strengths[0]),
        ("jitter.contrast", contrast, strengths[1]),
        ("jitter.saturation", saturation, strengths[2]),
    ):
        if strength > 0:
            low, high = max(0.0, 1.0 - strength), 1.0 + strength
            images = operation(images, draws.uniform(stream, low=low, high=high))
    if strengths[3] > 0:
        images = hue(images, draws.uniform("jitter.hue", low=-strengths[3], high=strengths[3]))
    return images


def _blend(other: Tensor, images: Tensor, factor: Tensor) -> Tensor:
    """``other`` at factor 0, the pictures at 1, beyond them above."""
    return torch.lerp(other, images, factor[:, None, None, None]).clamp_(0, 1)


def grey(images: Tensor) -> Tensor:
    """``[b, 1, h, w]``: the luma of RGB, the mean of other channels."""
    if images.shape[1] != 3:
        return images.mean(dim=1, keepdim=True)
    red, green, blue = images.split(1, dim=1)
    return _LUMA[0] * red + _LUMA[1] * green + _LUMA[2] * blue


def grayscale(images: Tensor) -> Tensor:
    """RGB pictures without their colours, in as many channels."""
    return grey(images).repeat(1, 3, 1, 1) if images.shape[1] == 3 else images


def brightness(images: Tensor, factor: Tensor) -> Tensor:
    """Black at factor 0, the pictures at 1."""
    return (images * factor[:, None, None, None]).clamp_(0, 1)


def contrast(images: Tensor, factor: Tensor) -> Tensor:
    """The picture's mean grey at factor 0, the pictures at 1."""
    rows = grey(images).mean(dim=3, keepdim=True)  # in two steps: the same sum for any batch
    return _blend(rows.mean(dim=2, keepdim=True), images, factor)


def saturation(images: Tensor, factor: Tensor) -> Tensor:
    """Grey at factor 0, the pictures at 1."""
    return _blend(grey(images), images, factor) if images.shape[1] == 3 else images


def sharpness(images: Tensor, factor: Tensor) -> Tensor:
    """A smoothed picture at factor 0, the pictures at 1; the outermost pixels stay.

    Pillow's smoothing: a pixel counts 5, its eight neighbours 1 each, together 13.
    """
    if min(images.shape[-2:]) <= 2:
        return images
    rows = images[..., :-2, :] + images[..., 1:-1, :] + images[..., 2:, :]
    square = rows[..., :-2] + rows[..., 1:-1] + rows[..., 2:]
    smooth = images.clone()
    smooth[..., 1:-1, 1:-1].mul_(4).add_(square).div_(13)
    return _blend(smooth, images, factor)


def hue(images: Tensor, turn: Tensor) -> Tensor:
    """Turns the hue by ``turn`` of a full turn, value and saturation (HSV) unchanged."""
    if images.shape[1] != 3:
        return images
    value, least = images.amax(dim=1), images.amin(dim=1)
    sextants = (_sextants(images, value, value - least) + 6 * turn[:, None, None])[:, None]
    # Each channel follows the same trapezoid of the hue, displaced by two sextants (Smith, 1978).
    offsets = torch.arange(5.0, 0.0, -2.0, device=images.device).view(1, 3, 1, 1)
    k = (sextants + offsets).remainder_(6)
    trapezoid = torch.minimum(k, 4 - k).clamp_(0, 1)
    return torch.addcmul(value[:, None], (least - value)[:, None], trapezoid).clamp_(0, 1)


def _sextants(images: Tensor, value: Tensor, chroma: Tensor) -> Tensor:
    """The hue ``[b, h, w]`` in sixths of a turn, 0 at red, 2 at green; 0 for greys."""
    red, green, blue = images.unbind(dim=1)
    turned = torch.where(
        value == red,
        green - blue,
        torch.where(
            value == green,
            torch.add(blue - red, chroma, alpha=2),
            torch.add(red - green, chroma, alpha=4),
        ),
    )
    return turned / torch.where(chroma > 0, chroma, 1.0)


def solarize(images: Tensor, threshold: Tensor) -> Tensor:
    """Inverts what is at least ``threshold``; threshold 0 is the negative."""
    return torch.where(images >= threshold[:, None, None, None], 1 - images, images)


def posterize(images: Tensor, bits: Tensor) -> Tensor:
    """Keeps the highest ``bits`` (int64 ``[b]``, 0 to 8) of each 8-bit level."""
    step = (1 << (8 - bits))[:, None, None, None]
    return (images * 255).round_().div_(step, rounding_mode="floor").mul_(step).div_(255)


def autocontrast(images: Tensor) -> Tensor:
    """Stretches each channel to the full range; a channel of one value stays."""
    least, most = images.amin(dim=(2, 3), keepdim=True), images.amax(dim=(2, 3), keepdim=True)
    flat = least == most
    stretched = (images - least) / torch.where(flat, 1.0, most - least)
    return torch.where(flat, images, stretched)


def equalize(images: Tensor) -> Tensor:
    """Makes the histogram of each channel as even as a map of 8-bit levels can (Pillow's)."""
    levels = (images * 255).round_().to(torch.int64).flatten(2)
    ones = torch.ones_like(levels)
    histogram = torch.zeros(*levels.shape[:2], 256, dtype=torch.int64, device=levels.device)
    histogram.scatter_add_(2, levels, ones)
    cumulative = histogram.cumsum(dim=2)
    most = levels.amax(dim=2, keepdim=True)
    step = (cumulative[..., -1:] - histogram.gather(2, most)) // 255
    table = (cumulative - histogram + step // 2) // step.clamp(min=1)
    table = torch.where(step == 0, torch.arange(256, device=levels.device), table.clamp(max=255))
    return table.gather(2, levels).view(images.shape) / 255
