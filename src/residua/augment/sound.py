"""From a batch of clips to the views that the network learns from: waveforms, then spectrograms.

Legend: b samples, t steps, m mel bands, f frames, k classes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from residua.augment import waves
from residua.augment.config import AugmentConfig
from residua.augment.mixing import draw_partners, mix
from residua.augment.sound_config import SoundAugmentConfig
from residua.augment.spectrograms import resized_crop
from residua.batch import Batch
from residua.random import Draws


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundAugment:
    """Random views of clips, whole batches at a time, on the device of the batch.

    In two halves, because the spectrogram is computed between them: speed, shift, background, gain,
    noise on waveforms; crop, masks and mixing on spectrograms. Each parameter is drawn for each
    sample from its own random numbers and measured by its own length, so a sample's view depends
    neither on its batch nor on its padding, except for the partners that it is mixed with and whose
    length it takes.

    Attributes:
        config: What to change and how much.
        mixing: Mixup and CutMix; nothing else of it is read.
        num_classes: k, for the targets of mixed samples.
    """

    config: SoundAugmentConfig
    mixing: AugmentConfig
    num_classes: int

    def waveform(self, batch: Batch, draws: Draws) -> Batch:
        """The first half.

        Args:
            batch: float32 ``[b, 1, t]``.
            draws: The samples' random numbers.

        Returns:
            float32 ``[b, 1, t']``, zero behind ``lengths``; only a change of speed changes these.
        """
        config, lengths = self.config, _lengths(batch)
        values = batch.inputs[:, 0]
        if batch.lengths is not None:
            values = values.masked_fill(~waves.valid(lengths, values.shape[1]), 0.0)
        if config.speed != (1.0, 1.0):
            low, high = config.speed
            values, lengths = waves.speed(values, lengths, draws, low=low, high=high)
            batch = replace(batch, lengths=lengths)
        if config.sound_shift > 0:
            values = waves.shift(values, lengths, draws, most=config.sound_shift)
        if config.background > 0:
            partners = draw_partners(draws, "sound.background.partner")
            most = config.background
            values = waves.add_background(values, lengths, partners, draws, most=most)
        values = self._louder(values, lengths, draws)
        return replace(batch, inputs=values[:, None])

    def _louder(self, values: Tensor, lengths: Tensor, draws: Draws) -> Tensor:
        config = self.config
        if config.gain_db != (0.0, 0.0):
            low, high = config.gain_db
            values = waves.gain(values, draws, low=low, high=high)
        if config.snr is not None:
            low, high = config.snr
            colour = config.noise_colour
            values = waves.add_noise(values, lengths, draws, low=low, high=high, colour=colour)
        return values

    def spectrogram(self, batch: Batch, draws: Draws) -> Batch:
        """The second half.

        Args:
            batch: float32 ``[b, 1, m, f]`` or ``[b, m, f]``.
            draws: The samples' random numbers.

        Returns:
            The same shape; the targets are float ``[b, k]`` if mixing is on.

        Raises:
            UsageError: Mixing, and targets that are sequences of tokens.
        """
        if self.config.crops:
            batch = self._cropped(batch, draws)
        if self.config.time_masks or self.config.frequency_masks:
            batch = replace(batch, inputs=self._masked(batch, draws))
        return self._mixed(batch, draws)

    def _cropped(self, batch: Batch, draws: Draws) -> Batch:
        config, inputs, lengths = self.config, batch.inputs, _lengths(batch)
        target = lengths[draw_partners(draws, "crop.length")] if config.crop_swap else lengths
        planes = inputs.reshape(-1, *inputs.shape[-2:])
        fill = _means(planes, lengths)
        time, bands = config.time_crop, config.frequency_crop
        cropped = resized_crop(
            planes, lengths, draws, fill=fill, time=time, frequency=bands, target=target
        )
        after = None if batch.lengths is None else target
        return replace(batch, inputs=cropped.view(inputs.shape), lengths=after)

    def _masked(self, batch: Batch, draws: Draws) -> Tensor:
        """SpecAugment without its time warping, which Park et al., "SpecAugment" (Interspeech
        2019), section 6 find to matter least. Masked values become the mean of the sample."""
        config, inputs, lengths = self.config, batch.inputs, _lengths(batch)
        m, f = inputs.shape[-2:]
        bands = torch.full_like(lengths, m)
        rows = _segments(
            draws, "mask.bands", config.frequency_masks, bands, m, config.frequency_mask_width
        )
        columns = _segments(
            draws, "mask.time", config.time_masks, lengths, f, config.time_mask_width
        )
        masked = rows[:, :, None] | columns[:, None, :]
        fill = _means(inputs.reshape(-1, m, f), lengths)
        shape = (-1,) + (1,) * (inputs.dim() - 1)
        return torch.where(masked.view(inputs.shape), fill.view(shape), inputs)

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


def _segments(
    draws: Draws, stream: str, count: int, lengths: Tensor, size: int, widest: float
) -> Tensor:
    """bool ``[b, size]``: true on ``count`` segments within each sample's length.

    A width is uniform from 0 to ``widest`` of the length, its place uniform.
    """
    if not count:
        return torch.zeros(len(lengths), size, dtype=torch.bool, device=lengths.device)
    share, place = draws.uniform(f"{stream}.width", count), draws.uniform(f"{stream}.place", count)
    length = lengths[:, None]
    width = (share * ((length * widest).floor() + 1)).floor()
    start = (place * (length - width + 1)).floor()
    steps = torch.arange(size, device=lengths.device)[None, None]
    inside = (steps >= start[..., None]) & (steps < (start + width)[..., None])
    return inside.any(dim=1)


def _means(values: Tensor, lengths: Tensor) -> Tensor:
    """float32 ``[b]``: means of ``[b, m, f]`` over bands and valid frames."""
    padding = ~waves.valid(lengths, values.shape[-1])[:, None]
    sums = values.masked_fill(padding, 0.0).sum(dim=(1, 2), dtype=torch.float64)
    return (sums / (lengths * values.shape[1])).to(values.dtype)


def _lengths(batch: Batch) -> Tensor:
    """int64 ``[b]``, also where all are full."""
    if batch.lengths is not None:
        return batch.lengths
    return torch.full_like(batch.ids, batch.inputs.shape[-1])
