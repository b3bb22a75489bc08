"""TrivialAugment and RandAugment: operations and strengths drawn for each sample.

The spaces are torchvision's: 14 operations, 31 magnitudes, bilinear reading, black outside.

Legend: b samples, c channels, h w size.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import torch
from torch import Tensor

from residua.augment import colour
from residua.augment.geometry import warp
from residua.augment.where import apply_where
from residua.random import Draws

_STEPS = 30


class Operation(IntEnum):
    """What a policy chooses from, with equal probability."""

    IDENTITY = 0
    SHEAR_X = 1
    SHEAR_Y = 2
    TRANSLATE_X = 3
    TRANSLATE_Y = 4
    ROTATE = 5
    BRIGHTNESS = 6
    SATURATION = 7
    CONTRAST = 8
    SHARPNESS = 9
    POSTERIZE = 10
    SOLARIZE = 11
    AUTOCONTRAST = 12
    EQUALIZE = 13


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """The largest change of each operation.

    Attributes:
        shear: Columns by row, or rows by column.
        translate: Columns and rows, in pixels.
        rotate: Degrees.
        blend: How far brightness, saturation, contrast and sharpness leave 1.
        bits: How many of the 8 bits posterize drops, beside ``least_bits``.
        least_bits: How many it drops at no magnitude.
    """

    shear: float
    translate: tuple[float, float]
    rotate: float
    blend: float
    bits: int
    least_bits: int = 0


def trivial_augment(images: Tensor, draws: Draws) -> Tensor:
    """One operation of one of 31 magnitudes, both uniform, in the wide space.

    Müller & Hutter, ICCV 2021, table 1. ``images`` are float ``[b, c, h, w]`` in [0, 1] and may
    be overwritten.
    """
    space = Space(shear=0.99, translate=(32.0, 32.0), rotate=135.0, blend=0.99, bits=6)
    amount = draws.integers("trivial.magnitude", _STEPS + 1) / _STEPS
    which = draws.integers("trivial.operation", len(Operation))
    return operate(images, which, amount, draws.bernoulli("trivial.sign", 0.5), space)


def rand_augment(images: Tensor, draws: Draws, *, count: int, magnitude: float) -> Tensor:
    """``count`` operations in a row, uniform with replacement, of one magnitude from 0 to 30.

    Cubuk et al., NeurIPS 2020. ``images`` are float ``[b, c, h, w]`` in [0, 1] and may be
    overwritten.
    """
    h, w = images.shape[-2:]
    translate = (150.0 / 331.0 * w, 150.0 / 331.0 * h)
    space = Space(shear=0.3, translate=translate, rotate=30.0, blend=0.9, bits=4)
    which = draws.integers("rand.operation", len(Operation), count)
    negative = draws.bernoulli("rand.sign", 0.5, count)
    amount = torch.full_like(draws.ids, magnitude / _STEPS, dtype=torch.float32)
    for i in range(count):
        images = operate(images, which[:, i], amount, negative[:, i], space)
    return images


def operate(
    images: Tensor, which: Tensor, amount: Tensor, negative: Tensor, space: Space
) -> Tensor:
    """One operation a sample.

    Args:
        images: float ``[b, c, h, w]`` in [0, 1]; may be overwritten.
        which: int64 ``[b]``, an `Operation` each.
        amount: float ``[b]`` from 0, no change, to 1, the largest of ``space``.
        negative: bool ``[b]``, turns the direction of what has one.
        space: The largest changes.
    """
    signed = torch.where(negative, -amount, amount)
    affine = (which >= Operation.SHEAR_X) & (which <= Operation.ROTATE)
    images = apply_where(affine, images, warp, _matrices(which, signed, space, images))
    factor = 1 + space.blend * signed
    bits = 8 - space.least_bits - torch.round(space.bits * amount).long()
    for operation, function, parameters in (
        (Operation.BRIGHTNESS, colour.brightness, (factor,)),
        (Operation.SATURATION, colour.saturation, (factor,)),
        (Operation.CONTRAST, colour.contrast, (factor,)),
        (Operation.SHARPNESS, colour.sharpness, (factor,)),
        (Operation.POSTERIZE, colour.posterize, (bits,)),
        (Operation.SOLARIZE, colour.solarize, (1 - amount,)),
        (Operation.AUTOCONTRAST, colour.autocontrast, ()),
        (Operation.EQUALIZE, colour.equalize, ()),
    ):
        images = apply_where(which == operation, images, function, *parameters)
    return images


def _matrices(which: Tensor, signed: Tensor, space: Space, images: Tensor) -> Tensor:
    """float ``[b, 2, 3]`` for `warp`: shears keep the first row or column, rotation the centre."""

    def only(operation: Operation, values: Tensor) -> Tensor:
        return torch.where(which == operation, values, 0.0)

    h, w = images.shape[-2:]
    by_row = only(Operation.SHEAR_X, space.shear * signed)
    by_column = only(Operation.SHEAR_Y, space.shear * signed)
    right = only(Operation.TRANSLATE_X, torch.trunc(space.translate[0] * signed))
    down = only(Operation.TRANSLATE_Y, torch.trunc(space.translate[1] * signed))
    angle = only(Operation.ROTATE, torch.deg2rad(space.rotate * signed))
    cosine, sine = torch.cos(angle), torch.sin(angle)
    first = torch.stack([cosine, by_row - sine, by_row * (h / 2) - right], dim=1)
    second = torch.stack([by_column + sine, cosine, by_column * (w / 2) - down], dim=1)
    return torch.stack([first, second], dim=1)
