"""From a batch of standardised signals to the views that the network learns from.

Legend: b samples, c channels, t steps of the longest, k classes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from residua.augment import warps
from residua.augment.config import AugmentConfig
from residua.augment.mixing import draw_partners, mix
from residua.augment.signal_config import SignalAugmentConfig
from residua.batch import Batch
from residua.random import Draws


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalAugment:
    """Random views of signals, whole batches at a time, on the device of the batch.

    In this order: slice (and stretch), time warp, magnitude, noise, channel dropout, cut-out,
    mixing. Each parameter is drawn for each sample from its own random numbers and measured by its
    own length, so a sample's view depends neither on its batch nor on its padding, except for the
    partners that it is mixed with and whose length it takes. Um et al., "Data Augmentation of
    Wearable Sensor Data for Parkinson's Disease Monitoring using Convolutional Neural Networks"
    (ICMI 2017), and for a comparison on 128 data sets Iwana & Uchida, "An empirical survey of data
    augmentation for time series classification with neural networks" (PLOS ONE 2021).

    Attributes:
        config: What to change and how much.
        mixing: Mixup and CutMix; nothing else of it is read.
        num_classes: k, for the targets of mixed samples.
    """

    config: SignalAugmentConfig
    mixing: AugmentConfig
    num_classes: int

    def __call__(self, batch: Batch, draws: Draws) -> Batch:
        """Views of a batch.

        Args:
            batch: float32 ``[b, c, t]``, standardised, so that 0 is the mean.
            draws: The samples' random numbers.

        Returns:
            float32 ``[b, c, t]``, with any values behind ``lengths``, which are those of the
            windows where slices are cut; the targets are float ``[b, k]`` if mixing is on.

        Raises:
            UsageError: Mixing, and targets that are sequences of tokens.
        """
        return self._mixed(self._changed(self._moved(batch, draws), draws), draws)

    def _moved(self, batch: Batch, draws: Draws) -> Batch:
        """What changes time."""
        config, inputs = self.config, batch.inputs
        if config.slice > 0 or config.slice_swap:
            whole = _lengths(batch)
            inputs, lengths = warps.window(inputs, whole, draws, most=config.slice)
            if config.slice_swap and batch.lengths is not None:
                whole = whole[draw_partners(draws, "slice.length")]
                batch = replace(batch, lengths=whole)
            if config.slice_stretch or config.slice_swap:
                inputs = warps.stretch(inputs, lengths, whole)
            else:
                batch = replace(batch, lengths=lengths)
        if config.time_warp > 0:
            strength, knots = config.time_warp, config.time_warp_knots
            inputs = warps.time_warp(inputs, _lengths(batch), draws, strength=strength, knots=knots)
        return replace(batch, inputs=inputs)

    def _changed(self, batch: Batch, draws: Draws) -> Batch:
        """What changes values."""
        config, inputs = self.config, batch.inputs
        _, c, t = inputs.shape
        if config.magnitude > 0:
            inputs = inputs * (1 + config.magnitude * draws.normal("magnitude", c))[:, :, None]
        if config.noise > 0:
            # Time first: a value's number must not depend on how far the batch is padded.
            noise = draws.normal("noise", t, c).transpose(1, 2)
            inputs = torch.add(inputs, noise, alpha=config.noise)
        if config.channel_dropout > 0:
            inputs = inputs.masked_fill(self._dropped(c, draws)[:, :, None], 0.0)
        if config.cutout > 0:
            inside = warps.segment(t, _lengths(batch), draws, widest=config.cutout_width)
            chosen = draws.bernoulli("cutout.whether", config.cutout)
            inputs = inputs.masked_fill(inside & chosen[:, None, None], 0.0)
        return replace(batch, inputs=inputs)

    def _dropped(self, c: int, draws: Draws) -> Tensor:
        """bool ``[b, c]``, never true for all channels of a sample."""
        luck = draws.uniform("channel_dropout", c)
        luckiest = torch.arange(c, device=luck.device) == luck.argmax(dim=1, keepdim=True)
        return (luck < self.config.channel_dropout) & ~luckiest

    def _mixed(self, batch: Batch, draws: Draws) -> Batch:
        if not self.mixing.mixes:
            return batch
        inputs, targets = mix(
            batch.inputs,
            batch.targets,
            draws,
            self.mixing,
            num_classes=self.num_classes,
            lengths=_lengths(batch),
            axes="time",
        )
        return replace(batch, inputs=inputs, targets=targets)


def _lengths(batch: Batch) -> Tensor:
    """int64 ``[b]``, also where all are full."""
    if batch.lengths is not None:
        return batch.lengths
    return torch.full_like(batch.ids, batch.inputs.shape[-1])
