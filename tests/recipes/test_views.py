"""Two views of a sample differ and show the sample; weak and strong ones do as their names say."""

import subprocess
import sys
from dataclasses import replace

import pytest
import torch

from residua.augment.config import AugmentConfig
from residua.augment.signal_config import SignalAugmentConfig
from residua.augment.sound_config import SoundAugmentConfig
from residua.batch import Batch
from residua.data.image_preprocess import ImagePreprocess
from residua.data.preprocess import Preprocess
from residua.data.signal_preprocess import SignalPreprocess
from residua.data.sound_preprocess import SoundPreprocess
from residua.methods.views import Views, make_views
from residua.random import Draws
from residua.recipes.views import ViewConfigs, contrastive_views, strong_views, weak_views

METHODS = ("simclr", "byol", "vicreg")
USUAL = ViewConfigs(augment=AugmentConfig(mixup=0.2, cutmix=1.0, policy="trivial", erasing=0.5))
SERIES = torch.tensor([96, 60, 80, 96, 40, 96])


def make(config: ViewConfigs, preprocess: Preprocess) -> Views:
    return make_views(
        preprocess,
        augment=config.augment,
        signal=config.signal,
        sound=config.sound,
        num_classes=4,
    )


def pictures(channels: int, size: int) -> tuple[Preprocess, Batch]:
    generator = torch.Generator().manual_seed(size)
    shape = (12, channels, size, size)
    values = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
    half = (0.5,) * channels
    preprocess = ImagePreprocess(
        size=(size, size), resize=(size, size), channels=channels, mean=half, std=half
    )
    return preprocess, batch_of(values)


def signals() -> tuple[Preprocess, Batch]:
    values = torch.randn(6, 2, 96, generator=torch.Generator().manual_seed(0))
    return SignalPreprocess(channels=2), replace(batch_of(values), lengths=SERIES)


def sounds() -> tuple[Preprocess, Batch]:
    values = torch.randn(6, 1, 4800, generator=torch.Generator().manual_seed(0))
    preprocess = SoundPreprocess(
        rate=8000, mels=12, frequencies=(100.0, 4000.0), standardise="sample"
    )
    return preprocess, replace(batch_of(values), lengths=SERIES * 50)


def batch_of(values: torch.Tensor) -> Batch:
    """Without labels, as those for these views are."""
    b = len(values)
    return Batch(inputs=values, targets=torch.full((b,), -1), ids=torch.arange(b) * 104729)


def select(batch: Batch, rows: list[int]) -> Batch:
    picked = torch.tensor(rows)
    lengths = None if batch.lengths is None else batch.lengths[picked]
    inputs, targets = batch.inputs[picked], batch.targets[picked]
    return replace(batch, inputs=inputs, targets=targets, ids=batch.ids[picked], lengths=lengths)


DATA = [pictures(1, 28), pictures(3, 32), pictures(3, 70), signals(), sounds()]
NAMES = ["grey 28", "colour 32", "colour 70", "signals", "sound"]


def draws_of(batch: Batch, epoch: int = 0) -> Draws:
    return Draws(seed=1, epoch=epoch, ids=batch.ids)


def shown(view: Batch, row: int) -> torch.Tensor:
    n = view.inputs.shape[-1] if view.lengths is None else int(view.lengths[row])
    return view.inputs[row, ..., :n]


def differ(first: Batch, second: Batch) -> bool:
    """Whether all samples look different in the two."""
    pairs = ((shown(first, i), shown(second, i)) for i in range(len(first)))
    return all(a.shape != b.shape or not torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("data", DATA, ids=NAMES)
def test_two_views_of_each_sample_differ_and_come_back(method, data) -> None:
    preprocess, batch = data
    small = batch.inputs.shape[-1] <= 64
    configs = contrastive_views(method, small=small, channels=batch.inputs.shape[1])
    views = [make(config, preprocess) for config in configs]
    draws = draws_of(batch)
    first, second = (view(batch, draws.view(i)) for i, view in enumerate(views))
    assert first.inputs.isfinite().all()
    assert torch.equal(first.targets, batch.targets)
    assert differ(first, second)
    assert differ(first, views[0](batch, draws_of(batch, epoch=1)))
    assert torch.equal(second.inputs, views[1](batch, draws.view(1)).inputs)


@pytest.mark.parametrize("data", DATA, ids=NAMES)
def test_weak_and_strong_views_are_a_samples_own(data) -> None:
    preprocess, batch = data
    weak = weak_views(USUAL)
    rows = [3, 0, 5]
    part = select(batch, rows)
    for config in (weak, strong_views(weak)):
        view = make(config, preprocess)
        whole, alone = view(batch, draws_of(batch)), view(part, draws_of(part))
        for position, row in enumerate(rows):
            torch.testing.assert_close(shown(alone, position), shown(whole, row), rtol=0, atol=1e-5)


@pytest.mark.parametrize("data", DATA, ids=NAMES)
def test_strong_views_are_farther_from_the_sample_than_weak_ones(data) -> None:
    preprocess, batch = data
    weak = weak_views(ViewConfigs(augment=AugmentConfig(crop="none", flip=0.0)))
    plain = preprocess.on_device(batch).inputs
    distances = []
    for config in (weak, strong_views(weak)):
        # Moved noise is as far from where it was as anything, so that nothing moves here.
        signal = replace(config.signal, slice=0.0, time_warp=0.0)
        sound = replace(config.sound, sound_shift=0.0, speed=(1.0, 1.0))
        view = make(replace(config, signal=signal, sound=sound), preprocess)
        distances.append((view(batch, draws_of(batch)).inputs - plain).square().mean())
    assert distances[1] > 1.5 * distances[0] + 1e-4


def test_weak_views_mix_nothing_and_keep_crop_and_flip() -> None:
    usual = replace(
        USUAL, augment=replace(USUAL.augment, crop="pad", padding=2, flip=0.0, square_cutout=1.0)
    )
    weak = weak_views(usual)
    assert weak.augment == AugmentConfig(crop="pad", padding=2, flip=0.0)
    strong = strong_views(weak)
    assert (strong.augment.crop, strong.augment.padding, strong.augment.flip) == ("pad", 2, 0.0)
    assert not strong.augment.mixes
    assert (weak.sound.time_masks, weak.sound.frequency_masks) == (0, 0)
    asked = SignalAugmentConfig(time_warp=0.1)
    assert weak_views(replace(usual, signal=asked)).signal == asked
    assert weak_views(usual).signal.slice == pytest.approx(0.1)
    quiet = replace(usual, sound=SoundAugmentConfig(gain_db=(0.0, 0.0), sound_shift=0.3))
    assert weak_views(quiet).sound.sound_shift == pytest.approx(0.3)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("small", "channels"), [(True, 3), (False, 3), (False, 1)])
def test_pictures_of_the_papers(method: str, small: bool, channels: int) -> None:
    first, second = (
        view.augment for view in contrastive_views(method, small=small, channels=channels, flip=0.0)
    )
    assert (first.flip, second.flip) == (0, 0), "characters stay as they are"
    assert contrastive_views(method, small=small)[1].augment.flip is None
    assert (first.crop, first.jitter_probability) == ("resized", 0.8)
    strongest = 0.8 if method == "simclr" and channels == 3 else 0.4
    assert first.jitter[:2] == second.jitter[:2] == (strongest, strongest)
    assert any(first.jitter[2:]) == (channels == 3)
    blurs = {"simclr": (0.5, 0.5)}.get(method, (1.0, 0.1))
    assert (first.blur, second.blur) == ((0, 0) if small else blurs)
    solarizes = {"simclr": (0, 0), "vicreg": (0.1, 0.1) if small else (0, 0.2)}
    assert (first.solarize, second.solarize) == solarizes.get(method, (0, 0.2))
    assert first.scale[0] == (0.2 if channels == 1 or (method == "vicreg" and small) else 0.08)


@pytest.mark.parametrize("method", METHODS)
def test_small_grey_pictures_keep_their_outline(method: str) -> None:
    views = contrastive_views(method, small=True, channels=1, flip=0.0)
    first, second = (view.augment for view in views)
    for augment in (first, second):
        assert (augment.crop, augment.scale[0], augment.flip) == ("resized", 0.6, 0)
        assert augment.jitter == (0.8, 0.8, 0, 0)
        assert augment.grayscale == 0
    assert (first.blur, first.solarize, second.blur, second.solarize) == (0.5, 0.2, 0, 0)


def test_free_of_torch() -> None:
    code = "import sys, residua.recipes.views; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
