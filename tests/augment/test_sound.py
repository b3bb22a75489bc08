"""SoundAugment: a clip's view is its own, whatever stands beside it, however far it is padded."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from residua.augment.config import AugmentConfig
from residua.augment.sound import SoundAugment
from residua.augment.sound_config import SoundAugmentConfig
from residua.batch import Batch
from residua.random import Draws

OFF = {
    "gain_db": (0.0, 0.0),
    "sound_shift": 0.0,
    "time_masks": 0,
    "frequency_masks": 0,
}
WAVES = [
    {},
    {"speed": (0.85, 1.15)},
    {"snr": (0.0, 20.0)},
    {"snr": (0.0, 20.0), "noise_colour": "pink", "speed": (0.5, 2.0), "sound_shift": 0.5},
]
MASKS = [{}, {"time_masks": 5, "time_mask_width": 0.5}, {"frequency_masks": 3, "time_masks": 0}]
MASKS += [{"time_crop": (0.6, 1.5), "frequency_crop": (0.6, 1.0)}]
few = settings(max_examples=15, deadline=None)


def augment_of(**options) -> SoundAugment:
    config = SoundAugmentConfig(**options)
    return SoundAugment(config=config, mixing=AugmentConfig(), num_classes=3)


def noise(shape: tuple[int, ...], key: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(key))


def test_a_swapped_crop_has_the_length_of_another() -> None:
    lengths = [30, 9, 21, 17]
    batch = batch_of(list(enumerate(lengths)), (1, 12), 30, 0.0)
    swapped = augment_of(**OFF, crop_swap=True).spectrogram(batch, draws_for(batch))
    assert swapped.lengths is not None
    found = swapped.lengths.tolist()
    assert sorted(found) == sorted(lengths)
    for row, (before, after) in enumerate(zip(lengths, found, strict=True)):
        assert before != after
        part = batch.inputs[row, :, :, :before].double()
        expected = torch.nn.functional.interpolate(part, after, mode="linear")
        received = swapped.inputs[row, :, :, :after].double()
        torch.testing.assert_close(received, expected, rtol=0, atol=1e-5)


def draws_for(batch: Batch, epoch: int = 0) -> Draws:
    return Draws(seed=3, epoch=epoch, ids=batch.ids)


def batch_of(members: list[tuple[int, int]], shape: tuple[int, ...], size: int, padding) -> Batch:
    """Samples named by (id, length); their content is a function of these."""
    inputs = torch.full((len(members), *shape, size), padding)
    for slot, (key, length) in zip(inputs, members, strict=True):
        slot[..., :length] = noise((*shape, length), key)
    return Batch(
        inputs=inputs,
        targets=torch.tensor([key % 3 for key, _ in members]),
        ids=torch.tensor([key for key, _ in members]),
        lengths=torch.tensor([length for _, length in members]),
    )


member = st.tuples(st.integers(0, 2**40), st.integers(1, 400))
company = {
    "one": member,
    "others": st.lists(member, max_size=3),
    "more": st.lists(member, max_size=3),
    "extra": st.integers(0, 100),
    "padding": st.sampled_from([0.0, 5.0, float("nan")]),
    "epoch": st.integers(0, 3),
}


def two_batches(one, others, more, extra, padding, shape) -> tuple[Batch, Batch]:
    """The same sample last in one batch and first in another."""
    first, second = [*others, one], [one, *more]
    sizes = [max(length for _, length in each) for each in (first, second)]
    return (
        batch_of(first, shape, sizes[0], 0.0),
        batch_of(second, shape, sizes[1] + extra, padding),
    )


@pytest.mark.parametrize("options", WAVES, ids=str)
@given(**company)
@few
def test_waveforms_in_any_company(options, one, others, more, extra, padding, epoch) -> None:
    augment = augment_of(**options)
    first, second = two_batches(one, others, more, extra, padding, (1,))
    here = augment.waveform(first, draws_for(first, epoch))
    there = augment.waveform(second, draws_for(second, epoch))
    assert here.lengths is not None
    assert there.lengths is not None
    n = int(here.lengths[-1])
    assert n == int(there.lengths[0]) >= 1
    assert here.inputs.dtype == torch.float32
    assert (here.inputs[-1, :, :n] - there.inputs[0, :, :n]).abs().max() < 1e-6
    behind = torch.arange(there.inputs.shape[2]) >= there.lengths[:, None]
    assert (there.inputs[:, 0][behind] == 0).all()


@pytest.mark.parametrize("options", MASKS, ids=str)
@pytest.mark.parametrize("shape", [(1, 12), (12,)])
@given(**company)
@few
def test_spectrograms_in_any_company(
    options, shape, one, others, more, extra, padding, epoch
) -> None:
    augment = augment_of(**options)
    first, second = two_batches(one, others, more, extra, padding, shape)
    here = augment.spectrogram(first, draws_for(first, epoch))
    there = augment.spectrogram(second, draws_for(second, epoch))
    n = one[1]
    assert here.inputs.shape == first.inputs.shape
    assert (here.inputs[-1, ..., :n] - there.inputs[0, ..., :n]).abs().max() < 1e-6


def test_epochs_differ() -> None:
    batch = batch_of([(1, 300), (2, 200)], (1,), 300, 0.0)
    augment = augment_of(snr=(10.0, 20.0), speed=(0.9, 1.1))
    first, again, other = (augment.waveform(batch, draws_for(batch, e)).inputs for e in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first[..., :200], other[..., :200])


def test_off_is_off() -> None:
    augment = augment_of(**OFF)
    waves = batch_of([(1, 300), (2, 200)], (1,), 300, 0.0)
    assert torch.equal(augment.waveform(waves, draws_for(waves)).inputs, waves.inputs)
    views = batch_of([(1, 30), (2, 20)], (1, 8), 30, 0.0)
    assert augment.spectrogram(views, draws_for(views)) is views


def test_full_batches_stay_full_unless_their_speed_changes() -> None:
    batch = replace(batch_of([(1, 300), (2, 300)], (1,), 300, 0.0), lengths=None)
    with_lengths = replace(batch, lengths=torch.tensor([300, 300]))
    augment = augment_of(snr=(10.0, 20.0))
    got = augment.waveform(batch, draws_for(batch))
    assert got.lengths is None
    assert torch.equal(got.inputs, augment.waveform(with_lengths, draws_for(batch)).inputs)
    faster = augment_of(speed=(0.5, 2.0)).waveform(batch, draws_for(batch))
    assert faster.lengths is not None
    assert len(set(faster.lengths.tolist())) == 2
    assert faster.inputs.shape[2] == 599


def test_masks_are_whole_bands_and_frames_of_the_mean() -> None:
    members = [(key, 20 + key % 21) for key in range(200)]
    batch = batch_of(members, (1, 16), 40, 0.0)
    options = {"time_masks": 1, "frequency_masks": 1}
    widths = {"time_mask_width": 0.3, "frequency_mask_width": 0.25}
    got = augment_of(**options, **widths).spectrogram(batch, draws_for(batch)).inputs
    frames, bands = [], []
    for row, (_, n) in enumerate(members):
        before, after = batch.inputs[row, 0, :, :n], got[row, 0, :, :n]
        changed = before != after
        assert torch.allclose(after[changed], before.mean(), atol=1e-6)
        columns, rows = changed.all(dim=0), changed.all(dim=1)
        assert torch.equal(changed, columns[None] | rows[:, None])
        for mask in (columns, rows):  # one segment each
            assert mask.int().diff(prepend=torch.zeros(1), append=torch.zeros(1)).abs().sum() <= 2
        assert columns.sum() <= 0.3 * n
        frames.append(int(columns.sum()) / int(0.3 * n))
        bands.append(int(rows.sum()))
    assert set(bands) == {0, 1, 2, 3, 4}
    assert sum(frames) / len(frames) == pytest.approx(0.5, abs=0.08)


@pytest.mark.parametrize("shape", [(1, 8), (8,)])
def test_mixing_comes_last(shape: tuple[int, ...]) -> None:
    batch = batch_of([(1, 30), (2, 20), (6, 25)], shape, 30, 0.0)
    augment = replace(augment_of(), mixing=AugmentConfig(mixup=1.0))
    got = augment.spectrogram(batch, draws_for(batch))
    assert got.targets.shape == (3, 3)
    assert torch.allclose(got.targets.sum(dim=1), torch.ones(3))
    unmixed = augment_of().spectrogram(batch, draws_for(batch)).inputs
    own = float(got.targets[2, 0])  # sample 6 is the only one of class 0
    assert 0 < own < 1
    assert not torch.equal(got.inputs, unmixed)
