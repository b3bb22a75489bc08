"""From a batch of pictures to the views that the network learns from.

Legend: b samples, c channels, H W stored size, h w size of the view, k classes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from residua.augment import colour, erasing, geometry, mixing, policies
from residua.augment.config import AugmentConfig
from residua.batch import Batch
from residua.random import Draws

_LARGEST_SHIFTED = 64
_CACHED_VALUES = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageAugment:
    """Random views of pictures, whole batches at a time, on the device of the batch.

    In this order: crop, flip, policy, jitter, erasing, mixing; from the policy on in float. Each
    parameter is drawn for each sample from its own random numbers, so a sample's view does not
    depend on its batch, except for the partner that it is mixed with.

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
        if self._changes_values:
            images = images.contiguous()  # a third faster for what follows
        views = images.to(torch.float32).div_(255)
        views = self._recoloured(views, draws)
        views, targets = self._mixed(views, batch.targets, draws)
        layout = geometry.layout(batch.inputs)
        return replace(batch, inputs=views.contiguous(memory_format=layout), targets=targets)

    @property
    def _changes_values(self) -> bool:
        config = self.config
        recolours = config.policy != "none" or any(config.jitter) or config.erasing > 0
        return recolours or self.config.mixes

    def _recoloured(self, views: Tensor, draws: Draws) -> Tensor:
        config = self.config
        if config.policy == "trivial":
            views = policies.trivial_augment(views, draws)
        elif config.policy == "rand":
            count, magnitude = config.rand_count, config.rand_magnitude
            views = policies.rand_augment(views, draws, count=count, magnitude=magnitude)
        if any(config.jitter):
            views = self._jittered(views, draws)
        if config.erasing > 0:
            probability, fill = config.erasing, config.erasing_fill
            views = erasing.erase(views, draws, probability=probability, fill=fill)
        return views

    def _jittered(self, views: Tensor, draws: Draws) -> Tensor:
        """On the processor in parts that fit its cache, which halves the time."""
        on_cpu = views.device.type == "cpu"
        n = max(1, _CACHED_VALUES // math.prod(views.shape[1:])) if on_cpu else max(1, len(views))
        parts = zip(views.split(n), draws.ids.split(n), strict=True)
        strengths = self.config.jitter
        return torch.cat(
            [colour.jitter(part, replace(draws, ids=ids), strengths) for part, ids in parts]
        )

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
