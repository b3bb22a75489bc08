"""Where pixels come from: flips, exact shifts, antialiased crops, affine maps.

Pictures stay uint8, as they were decoded, and keep their memory format. All functions work on
whole batches with one set of parameters a sample.

Legend: b samples, c channels, H W stored size, h w size of the view.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from residua.random import Draws

Size = tuple[int, int]
"""Height and width in pixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Boxes:
    """One rectangle a sample, in pixels: int64 ``[b]`` each."""

    top: Tensor
    left: Tensor
    height: Tensor
    width: Tensor


def flip(images: Tensor, flipped: Tensor) -> Tensor:
    """uint8 ``[b, c, h, w]``, mirrored left to right where bool ``[b]`` ``flipped`` holds."""
    # Exclusive or: six times faster on bytes than torch.where.
    all_bits = flipped.to(torch.uint8).neg()[:, None, None, None]
    return images ^ ((images ^ images.flip(-1)) & all_bits)


def shift(images: Tensor, down: Tensor, right: Tensor, *, padding: int) -> Tensor:
    """Moves ``images`` ``[b, c, h, w]`` by whole pixels; what comes in is zero.

    Args:
        images: The pictures.
        down: int64 ``[b]`` rows, from -padding to padding; the content moves down by so many.
        right: int64 ``[b]`` columns, likewise.
        padding: The largest shift.
    """
    h, w = images.shape[-2:]
    windows = F.pad(images, (padding,) * 4).unfold(2, h, 1).unfold(3, w, 1)
    samples = torch.arange(len(images), device=images.device)
    return windows[samples, :, padding - down, padding - right]


def pad_crop(images: Tensor, draws: Draws, *, padding: int) -> Tensor:
    """Zero padding and a crop of the old size at a random place (He et al., 2016, 4.2)."""
    if padding == 0:
        return images
    moves = draws.integers("crop.shift", 2 * padding + 1, 2) - padding
    return shift(images, moves[:, 0], moves[:, 1], padding=padding)


def draw_boxes(
    size: Size,
    draws: Draws,
    *,
    scale: tuple[float, float],
    ratio: tuple[float, float],
    aspects: Tensor | None = None,
    tries: int = 10,
) -> Boxes:
    """Boxes of random area and aspect ratio (Szegedy et al., 2015, section 6).

    As in torchvision's RandomResizedCrop, a box that does not fit is drawn again, up to ``tries``
    times; then the largest centred box whose ratio is allowed is taken.

    Args:
        size: H and W of the pictures.
        draws: The samples' random numbers.
        scale: Range of the area, relative to the picture's; uniform.
        ratio: Range of width over height as the source shows it; log-uniform.
        aspects: float32 ``[b]``, see `residua.batch.Sample.aspect`.
        tries: Draws before the centre is taken.
    """
    H, W = size
    area = H * W * draws.uniform("crop.area", tries, low=scale[0], high=scale[1])
    low, high = math.log(ratio[0]), math.log(ratio[1])
    shape = draws.uniform("crop.ratio", tries, low=low, high=high).exp()
    if aspects is not None:
        shape = shape / aspects[:, None]
    widths = torch.sqrt(area * shape).round().long()
    heights = torch.sqrt(area / shape).round().long()
    fits = (widths >= 1) & (widths <= W) & (heights >= 1) & (heights <= H)
    first = fits.int().argmax(dim=1, keepdim=True)
    centre_height, centre_width = _largest_centred(size, ratio, aspects, like=widths[:, 0])
    found = fits.any(dim=1)
    width = torch.where(found, widths.gather(1, first)[:, 0], centre_width)
    height = torch.where(found, heights.gather(1, first)[:, 0], centre_height)
    place = draws.uniform("crop.place", 2)
    free_rows, free_columns = H - height, W - width
    top = torch.where(found, (place[:, 0] * (free_rows + 1)).long(), free_rows // 2)
    left = torch.where(found, (place[:, 1] * (free_columns + 1)).long(), free_columns // 2)
    return Boxes(
        top=torch.minimum(top, free_rows),
        left=torch.minimum(left, free_columns),
        height=height,
        width=width,
    )


def _largest_centred(
    size: Size, ratio: tuple[float, float], aspects: Tensor | None, *, like: Tensor
) -> tuple[Tensor, Tensor]:
    """Height and width of the largest box whose true aspect ratio lies within ``ratio``."""
    H, W = size
    stretch = torch.ones_like(like, dtype=torch.float32) if aspects is None else aspects
    lowest, highest = ratio[0] / stretch, ratio[1] / stretch
    width = torch.round(H * highest).clamp(1, W).long()
    height = torch.round(W / lowest).clamp(1, H).long()
    return height, width


def resample(images: Tensor, boxes: Boxes, size: Size) -> Tensor:
    """The ``boxes`` of uint8 ``images`` ``[b, c, H, W]`` as uint8 ``[b, c, h, w]``.

    Antialiased bilinear reading, as in Pillow: a triangle as wide as an output pixel, so nothing
    aliases when a box shrinks. On the processor torch's own kernel is called once a sample (17
    times faster than the matrices, and independent of the batch to the bit); elsewhere two
    batched matrix products do without waiting for the device.
    """
    if images.device.type == "cpu":
        return resample_each(images, boxes, size)
    return resample_by_matrices(images, boxes, size)


def resize(images: Tensor, size: Size) -> Tensor:
    """Whole pictures, resampled to ``size``."""
    if images.shape[-2:] == size:
        return images
    resized = F.interpolate(images.float(), size, mode="bilinear", antialias=True)
    return to_uint8(resized)


def warp(images: Tensor, matrices: Tensor) -> Tensor:
    """Reads ``images`` through an affine map each, bilinearly, with zeros outside.

    Args:
        images: float ``[b, c, h, w]``.
        matrices: float ``[b, 2, 3]``: from a place (x, y, 1) of the result to the place (x, y)
            of the picture that it shows, in pixels from the centre, x to the right, y down.
    """
    h, w = images.shape[-2:]
    x = torch.arange(w, device=images.device) + 0.5 - w / 2
    y = torch.arange(h, device=images.device)[:, None] + 0.5 - h / 2
    m = matrices[:, :, :, None, None]
    places = m[:, :, 0] * x + m[:, :, 1] * y + m[:, :, 2]
    grid = torch.stack([places[:, 0] * (2 / w), places[:, 1] * (2 / h)], dim=-1)
    return F.grid_sample(images, grid, mode="bilinear", align_corners=False)


def to_uint8(values: Tensor) -> Tensor:
    """Float values on the scale of 0 to 255, rounded to the nearest level."""
    return values.round().clamp(0, 255).to(torch.uint8)


def resample_each(images: Tensor, boxes: Boxes, size: Size) -> Tensor:
    """`resample` by torch's own kernel, once a sample."""
    if size[1] == 1:  # where torch's uint8 kernel reads one row only (2.11 to 2.15)
        return resample_by_matrices(images, boxes, size)
    corners = torch.stack([boxes.top, boxes.left, boxes.height, boxes.width], dim=1)
    views = images.new_empty(*images.shape[:2], *size).contiguous(memory_format=layout(images))
    for i, (top, left, height, width) in enumerate(corners.tolist()):
        box = images[i : i + 1, :, top : top + height, left : left + width]
        views[i : i + 1] = F.interpolate(box, size, mode="bilinear", antialias=True)
    return views


def resample_by_matrices(images: Tensor, boxes: Boxes, size: Size) -> Tensor:
    """`resample` by two batched matrix products, of the rows and of the columns."""
    rows = _triangle_weights(boxes.top, boxes.height, images.shape[2], size[0])
    columns = _triangle_weights(boxes.left, boxes.width, images.shape[3], size[1])
    values = rows[:, None] @ images.float().contiguous() @ columns[:, None].mT
    return to_uint8(values).contiguous(memory_format=layout(images))


def layout(images: Tensor) -> torch.memory_format:
    """The memory format of ``images``."""
    channels_last = images.is_contiguous(memory_format=torch.channels_last)
    return torch.channels_last if channels_last else torch.contiguous_format


def _triangle_weights(start: Tensor, length: Tensor, source: int, target: int) -> Tensor:
    """float32 ``[b, target, source]``: how much of each input pixel an output pixel takes."""
    step = (length / target)[:, None, None]
    centre = (torch.arange(target, device=start.device)[:, None] + 0.5) * step
    pixel = torch.arange(source, device=start.device) - start[:, None, None]
    weights = (1 - (pixel + 0.5 - centre).abs() / step.clamp(min=1)).clamp(min=0)
    weights = weights * ((pixel >= 0) & (pixel < length[:, None, None]))
    return weights / weights.sum(dim=-1, keepdim=True)
