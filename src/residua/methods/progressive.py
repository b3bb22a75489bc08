"""Progressive resizing: pictures that grow while the network learns.

Howard et al. trained ImageNet on pictures of 128, then 224, then 288 pixels a side ("Training
Imagenet in 3 hours for 25 minutes", fast.ai, 2018): small ones cost less, and what they teach
carries over. A size that stays below that of evaluation makes up for random crops, in which objects
look larger than in whole pictures (Touvron et al., "Fixing the train-test resolution discrepancy",
NeurIPS 2019).

Legend: b samples, c channels, h w size of the views, h' w' size of the epoch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch.nn.functional as F

from residua.augment.geometry import layout
from residua.batch import Batch
from residua.random import Draws

_GROWING = 0.75
"""Share of the epochs over which pictures grow; the rest have the last size."""

_PIXELS = 4
"""Sizes between are multiples of this: few of them, to which kernels are fitted anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """The size of training pictures as a function of the epoch, and of nothing else.

    Attributes:
        low: Sides at the start, as a share of those at the end; 1 is no growth.
        end: Sides at the end, as a share of the views'.
        epochs: Epochs of the run.
        smallest: Pixels along each side that the network needs; no picture gets smaller.
    """

    low: float = 1.0
    end: float = 1.0
    epochs: int
    smallest: int = 1

    def share(self, epoch: int) -> float:
        """Sides in ``epoch``, counted from 0, as a share of the views'. It grows by the same amount
        each epoch; the last epoch has the last size, also that of a run of one."""
        growing = int(_GROWING * self.epochs)
        done = 1.0 if epoch >= growing else epoch / growing
        return self.end * (self.low + (1 - self.low) * done)

    def size(self, full: tuple[int, int], epoch: int) -> tuple[int, int]:
        """Height and width in ``epoch`` of views of the size ``full``."""
        share = self.share(epoch)
        if share == 1:
            return full
        height, width = (_side(side, share, self.smallest) for side in full)
        return height, width


def _side(full: int, share: float, smallest: int) -> int:
    rounded = _PIXELS * max(1, round(full * share / _PIXELS))
    return min(full, max(smallest, rounded))


@dataclass(frozen=True, slots=True, kw_only=True)
class GrownViews:
    """Finished views of pictures, resized to the size of the epoch (bilinear, antialiased).

    Attributes:
        views: Gives float ``[b, c, h, w]``.
        growth: The size of each epoch.
    """

    views: Callable[[Batch, Draws], Batch]
    growth: Growth

    def __call__(self, batch: Batch, draws: Draws) -> Batch:
        """The batch with inputs ``[b, c, h', w']``, in the memory format that they had."""
        views = self.views(batch, draws)
        height, width = views.inputs.shape[-2:]
        size = self.growth.size((height, width), draws.epoch)
        if size == (height, width):
            return views
        small = F.interpolate(
            views.inputs, size, mode="bilinear", align_corners=False, antialias=True
        )
        return replace(views, inputs=small.contiguous(memory_format=layout(views.inputs)))
