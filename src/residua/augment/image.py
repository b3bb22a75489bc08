"""From a batch of pictures to the views that the network learns from.

Legend: b samples, c channels, H W stored size, h w size of the view, k classes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from residua.augment import geometry, mixing
from residua.augment.config import AugmentConfig
from residua.augment.recolour import recolour, recolours
from residua.batch import Batch
from residua.random import Draws

_LARGEST_SHIFTED = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageAugment:
    """Random views of pictures, whole batches at a time, on the device of the batch.

    In this order: crop, flip, then in float what `recolour` does (policy, jitter, grayscale, blur,
    solarize, erasing, cutout), mixing. Each parameter is drawn for each sample from its own random
    numbers, so a sample's view does not depend on its batch, except for the partner that it is
    mixed with.

    Attributes:
        config: What to change and how much.
        size: h and w of the views.
        num_classes: k, for the targets of mixed samples.
    """

    config: AugmentConfig
    size: tuple[int, int]
    num_classes: int

    @property
    def crop(self) -> Literal["none", "pad", "resized"]:
        """The crop that "auto" stands for: pad up to 64 pixels, resized above."""
        if self.config.crop != "auto":
            return self.config.crop
        return "pad" if max(self.size) <= _LARGEST_SHIFTED else "resized"

    @property
    def flip(self) -> float:
        return 0.5 if self.config.flip is None else self.config.flip

    @property
    def padding(self) -> int:
        padding = self.config.padding
        return max(1, round(min(self.size) / 8)) if padding is None else padding

    def __call__(self, batch: Batch, draws: Draws) -> Batch:
        """Views of a batch.

        Args:
            batch: uint8 ``[b, c, H, W]`` pictures.
            draws: From `residua.augment.draws.draws_for`.

        Returns:
            float32 ``[b, c, h, w]`` in [0, 1], not normalised, in the memory format of the
            pictures; the targets are float ``[b, k]`` if mixing is on, else unchanged.
        """
        assert batch.inputs.dtype == torch.uint8
        images = self._cropped(batch, draws)
        if self.flip > 0:
            images = geometry.flip(images, draws.bernoulli("flip", self.flip))
        changes_values = recolours(self.config)
        if changes_values or self.config.mixes:
            images = images.contiguous()  # a third faster for what follows
        views = images.to(torch.float32).div_(255)
        if changes_values:
            views = recolour(views, draws, self.config)
        views, targets = self._mixed(views, batch.targets, draws)
        layout = geometry.layout(batch.inputs)
        return replace(batch, inputs=views.contiguous(memory_format=layout), targets=targets)

    def _cropped(self, batch: Batch, draws: Draws) -> Tensor:
        config, images = self.config, batch.inputs
        if self.crop == "resized":
            H, W = images.shape[-2:]
            boxes = geometry.draw_boxes(
                (H, W), draws, scale=config.scale, ratio=config.ratio, aspects=batch.aspects
            )
            return geometry.resample(images, boxes, self.size)
        images = geometry.resize(images, self.size)
        if self.crop == "pad":
            return geometry.pad_crop(images, draws, padding=self.padding)
        return images

    def _mixed(self, views: Tensor, targets: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
        if not self.config.mixes:
            return views, targets
        return mixing.mix(views, targets, draws, self.config, num_classes=self.num_classes)
