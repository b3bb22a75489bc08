"""SignalAugment: a sample's view is its own, whatever stands beside it and however it is padded."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from residua.augment import warps
from residua.augment.config import AugmentConfig
from residua.augment.draws import draws_for
from residua.augment.signal import SignalAugment
from residua.augment.signal_config import SignalAugmentConfig
from residua.batch import Batch
from residua.errors import UsageError

few = settings(max_examples=15, deadline=None)
EVERYTHING = {
    "slice": 0.4,
    "time_warp": 0.5,
    "magnitude": 0.2,
    "noise": 0.3,
    "channel_dropout": 0.4,
    "cutout": 0.8,
    "cutout_width": 0.5,
}
EACH = [{"cutout_width": 0.5, name: value} for name, value in EVERYTHING.items()][:-1]
EACH += [{"slice": 0.6, "slice_stretch": True}]


def make_batch(lengths: list[int], c: int = 2, more: int = 0, padding: float = 0.0) -> Batch:
    """Sample i has id 104729 i and is a function of i alone."""
    inputs = torch.full((len(lengths), c, max(lengths, default=0) + more), padding)
    for i, n in enumerate(lengths):
        inputs[i, :, :n] = torch.randn(c, n, generator=torch.Generator().manual_seed(i))
    return Batch(
        inputs=inputs,
        targets=torch.arange(len(lengths)) % 4,
        ids=torch.arange(len(lengths)) * 104729,
        lengths=torch.tensor(lengths, dtype=torch.int64),
    )


def select(batch: Batch, rows: list[int]) -> Batch:
    picked = torch.tensor(rows, dtype=torch.int64)
    assert batch.lengths is not None
    return replace(
        batch,
        inputs=batch.inputs[picked],
        targets=batch.targets[picked],
        ids=batch.ids[picked],
        lengths=batch.lengths[picked],
    )


def view(batch: Batch, *, seed: int = 0, epoch: int = 0, mix: dict | None = None, **options):
    augment = SignalAugment(
        config=SignalAugmentConfig(**options), mixing=AugmentConfig(**(mix or {})), num_classes=4
    )
    return augment(batch, draws_for(batch, seed=seed, epoch=epoch))


def test_a_stretched_window_has_the_length_of_the_whole() -> None:
    batch = make_batch([20, 31, 4])
    stretched = view(batch, slice=0.6, slice_stretch=True)
    assert stretched.lengths is batch.lengths
    window = view(batch, slice=0.6)
    assert window.lengths is not None
    for row, n in enumerate([20, 31, 4]):
        part = valid(window, row)[None]
        expected = torch.nn.functional.interpolate(part.double(), n, mode="linear")[0]
        torch.testing.assert_close(valid(stretched, row).double(), expected, rtol=0, atol=1e-5)
    full = replace(batch, lengths=None)
    assert view(full, slice=0.6, slice_stretch=True).lengths is None


def test_a_swapped_window_has_the_length_of_another() -> None:
    lengths = [20, 31, 4, 12]
    batch = make_batch(lengths)
    swapped, window = view(batch, slice=0.6, slice_swap=True), view(batch, slice=0.6)
    assert swapped.lengths is not None
    found = swapped.lengths.tolist()
    assert sorted(found) == sorted(lengths)
    assert all(after != before for after, before in zip(found, lengths, strict=True))
    for row, n in enumerate(found):
        part = valid(window, row)[None]
        expected = torch.nn.functional.interpolate(part.double(), n, mode="linear")[0]
        torch.testing.assert_close(valid(swapped, row).double(), expected, rtol=0, atol=1e-5)
    full = replace(make_batch([20, 20]), lengths=None)
    stretched = view(full, slice=0.6, slice_stretch=True)
    assert torch.equal(view(full, slice=0.6, slice_swap=True).inputs, stretched.inputs)


def valid(batch: Batch, row: int) -> torch.Tensor:
    n = batch.inputs.shape[-1] if batch.lengths is None else int(batch.lengths[row])
    return batch.inputs[row, :, :n]


@pytest.mark.parametrize("options", [*EACH, EVERYTHING], ids=str)
@given(
    lengths=st.lists(st.integers(1, 40), min_size=1, max_size=8),
    c=st.integers(1, 4),
    more=st.integers(0, 30),
    padding=st.sampled_from([0.0, 1e3, np.nan, np.inf]),
    data=st.data(),
)
@few
def test_a_view_is_the_same_in_any_company_and_padding(
    options, lengths, c, more, padding, data
) -> None:
    whole = view(make_batch(lengths, c), **options)
    rows = data.draw(st.lists(st.sampled_from(range(len(lengths))), min_size=1, unique=True))
    other = view(select(make_batch(lengths, c, more, padding), rows), **options)
    assert other.inputs.shape == (len(rows), c, max(lengths) + more)
    for position, row in enumerate(rows):
        expected, received = valid(whole, row), valid(other, position)
        assert received.shape == expected.shape
        assert (received - expected).abs().max() < 1e-6


@pytest.mark.parametrize("options", [*EACH, EVERYTHING], ids=str)
def test_full_signals_need_no_lengths(options) -> None:
    batch = make_batch([30] * 6)
    with_lengths = view(batch, **options)
    without = view(replace(batch, lengths=None), **options)
    for row in range(6):
        assert torch.equal(valid(with_lengths, row), valid(without, row))
    shortens = "slice" in options and "slice_stretch" not in options
    assert (without.lengths is None) == (not shortens)


@pytest.mark.parametrize("options", EACH, ids=str)
def test_another_epoch_seed_or_repetition_draws_anew(options) -> None:
    batch = make_batch([40] * 8, c=4)
    first = view(batch, **options)
    again = replace(batch, repeats=torch.ones(8, dtype=torch.int64))
    for other in (
        view(batch, epoch=1, **options),
        view(batch, seed=1, **options),
        view(again, **options),
    ):
        assert not torch.equal(other.inputs, first.inputs)
    assert torch.equal(view(batch, **options).inputs, first.inputs)


def test_one_change_does_not_alter_what_another_draws() -> None:
    batch = make_batch([50, 20, 33], c=3)
    for name in ("magnitude", "noise", "cutout", "channel_dropout"):
        alone = {k: EVERYTHING[k] for k in ("slice", "time_warp")}
        moved = view(batch, **alone)
        both = view(batch, **alone, cutout_width=0.5, **{name: EVERYTHING[name]})
        after = view(moved, cutout_width=0.5, **{name: EVERYTHING[name]})
        for row in range(3):
            assert torch.equal(valid(both, row), valid(after, row))


def test_nothing_asked_is_nothing_done() -> None:
    batch = make_batch([9, 30])
    result = view(batch)
    assert result.inputs is batch.inputs
    assert result.targets is batch.targets


def test_the_input_is_left_as_it_was() -> None:
    batch = make_batch([9, 30])
    before = batch.inputs.clone()
    view(batch, mix={"mixup": 1.0, "cutmix": 1.0}, **EVERYTHING)
    assert torch.equal(batch.inputs, before)


def test_noise_is_normal_and_its_own_everywhere() -> None:
    batch = replace(make_batch([500] * 20, c=3), inputs=torch.zeros(20, 3, 500))
    noise = view(batch, noise=0.25).inputs.double()
    assert stats.kstest(noise.flatten(), stats.norm(scale=0.25).cdf).pvalue > 1e-3
    series = noise.flatten(0, 1).numpy()
    assert np.abs(np.corrcoef(series) - np.eye(len(series))).max() < 0.25
    assert len(np.unique(series)) > 0.95 * series.size


def test_each_channel_has_one_normal_factor() -> None:
    batch = replace(make_batch([5] * 800, c=3), inputs=torch.ones(800, 3, 5))
    factors = view(batch, magnitude=0.1).inputs
    assert (factors == factors[..., :1]).all()
    assert stats.kstest(factors[..., 0].flatten().double(), stats.norm(1, 0.1).cdf).pvalue > 1e-3


def test_channels_drop_out_but_never_all() -> None:
    b, c = 6000, 3
    batch = Batch(
        inputs=torch.ones(b, c, 2),
        targets=torch.zeros(b, dtype=torch.int64),
        ids=torch.arange(b) * 7919,
    )
    kept = view(batch, channel_dropout=0.6).inputs
    assert ((kept == 0) | (kept == 1)).all()
    assert (kept == kept[..., :1]).all()
    count = kept[..., 0].sum(dim=1).int()
    assert count.min() == 1
    # Binomial, with the samples that would have lost all channels added to those that keep one.
    chances = stats.binom(c, 0.4).pmf(np.arange(c + 1))
    expected = b * np.array([chances[0] + chances[1], *chances[2:]])
    assert stats.chisquare(torch.bincount(count)[1:], expected).pvalue > 1e-3
    assert torch.equal(
        view(replace(batch, inputs=batch.inputs[:, :1]), channel_dropout=0.9).inputs,
        batch.inputs[:, :1],
    )


def test_cutout_takes_a_segment_of_all_channels_from_some() -> None:
    b = 3000
    batch = Batch(
        inputs=torch.ones(b, 2, 40),
        targets=torch.zeros(b, dtype=torch.int64),
        ids=torch.arange(b) * 7919,
    )
    cut = view(batch, cutout=0.3, cutout_width=0.5).inputs == 0
    assert torch.equal(cut[:, 0], cut[:, 1])
    struck = cut.any(dim=2)[:, 0]
    assert stats.binomtest(int(struck.sum()), b, 0.3).pvalue > 1e-3
    draws = draws_for(batch, seed=0, epoch=0)
    segments = warps.segment(40, torch.full((b,), 40), draws, widest=0.5)
    assert torch.equal(cut[struck, 0], segments[struck, 0])


def test_tokens_are_not_mixed() -> None:
    batch = replace(make_batch([5, 6]), targets=torch.tensor([[1, 2], [3, -1]]))
    with pytest.raises(UsageError, match="cannot mix sequences of tokens"):
        view(batch, mix={"mixup": 0.2})
    assert view(batch, noise=0.1).targets is batch.targets


@pytest.mark.parametrize("mix", [{}, {"mixup": 1.0, "cutmix": 1.0}], ids=["alone", "mixed"])
def test_a_batch_whose_samples_all_went_missing(mix) -> None:
    batch = Batch(
        inputs=torch.empty(0, 2, 0),
        targets=torch.empty(0, dtype=torch.int64),
        ids=torch.empty(0, dtype=torch.int64),
    )
    assert view(batch, mix=mix, **EVERYTHING).inputs.shape == (0, 2, 0)


def test_the_device_is_never_asked_for_a_value(monkeypatch) -> None:
    batch = make_batch([20, 31, 4])
    for name in ("item", "tolist", "nonzero", "__bool__", "__int__", "__float__", "__index__"):
        monkeypatch.setattr(torch.Tensor, name, None)  # whoever calls it fails
    with pytest.raises(TypeError):
        bool(batch.inputs[0, 0, 0])
    result = view(batch, mix={"mixup": 1.0, "cutmix": 1.0}, **EVERYTHING)
    assert result.targets.shape == (3, 4)
