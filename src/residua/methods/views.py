"""From loaded samples to what the network learns from: augmentation and preprocessing, in the order
that each modality needs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from residua.augment.config import AugmentConfig
from residua.augment.image import ImageAugment
from residua.augment.signal import SignalAugment
from residua.augment.signal_config import SignalAugmentConfig
from residua.augment.sound import SoundAugment
from residua.augment.sound_config import SoundAugmentConfig
from residua.batch import Batch
from residua.data.image_preprocess import ImagePreprocess
from residua.data.preprocess import Preprocess
from residua.data.signal_preprocess import SignalPreprocess
from residua.data.sound_preprocess import SoundPreprocess
from residua.data.text_preprocess import TextPreprocess
from residua.methods.progressive import GrownViews, Growth
from residua.random import Draws

Views = Callable[[Batch, Draws], Batch]
"""A batch as loaded to one whose inputs the network takes; mixed targets are float ``[b, k]``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageViews:
    """Pictures change as pixels from 0 to 1 and are normalised last."""

    augment: ImageAugment
    preprocess: ImagePreprocess

    def __call__(self, batch: Batch, draws: Draws) -> Batch:
        views = self.augment(batch, draws)
        return replace(views, inputs=self.preprocess.normalise(views.inputs))


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalViews:
    """Signals are standardised first, so that strengths mean the same for all."""

    preprocess: SignalPreprocess
    augment: SignalAugment

    def __call__(self, batch: Batch, draws: Draws) -> Batch:
        return self.augment(self.preprocess.on_device(batch), draws)


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundViews:
    """Sound changes as a waveform, then as a spectrogram."""

    preprocess: SoundPreprocess
    augment: SoundAugment

    def __call__(self, batch: Batch, draws: Draws) -> Batch:
        seen = self.preprocess.on_device(self.augment.waveform(batch, draws))
        return self.augment.spectrogram(seen, draws)


@dataclass(frozen=True, slots=True, kw_only=True)
class TextViews:
    """Text stays as it is."""

    preprocess: TextPreprocess

    def __call__(self, batch: Batch, draws: Draws) -> Batch:
        del draws
        return self.preprocess.on_device(batch)


def make_views(
    preprocess: Preprocess,
    *,
    augment: AugmentConfig,
    signal: SignalAugmentConfig,
    sound: SoundAugmentConfig,
    num_classes: int,
    growth: Growth | None = None,
) -> Views:
    """The views of samples that ``preprocess`` prepares; those of pictures grow as ``growth`` says,
    and have the size of the preprocessing where it is None."""
    match preprocess:
        case ImagePreprocess():
            pictures = ImageAugment(config=augment, size=preprocess.size, num_classes=num_classes)
            views = ImageViews(augment=pictures, preprocess=preprocess)
            return views if growth is None else GrownViews(views=views, growth=growth)
        case SignalPreprocess():
            signals = SignalAugment(config=signal, mixing=augment, num_classes=num_classes)
            return SignalViews(preprocess=preprocess, augment=signals)
        case SoundPreprocess():
            sounds = SoundAugment(config=sound, mixing=augment, num_classes=num_classes)
            return SoundViews(preprocess=preprocess, augment=sounds)
        case TextPreprocess():
            return TextViews(preprocess=preprocess)
