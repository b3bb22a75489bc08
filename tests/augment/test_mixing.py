"""Mixup and CutMix: weights, partners, targets, and the Beta distribution behind them."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from residua.augment import mixing
from residua.augment.config import AugmentConfig
from residua.errors import UsageError
from residua.random import Draws

few = settings(max_examples=15, deadline=None)


def draws(b: int, seed: int = 0) -> Draws:
    return Draws(seed=seed, epoch=0, ids=torch.arange(b) * 31 + 5)


def marked(b: int, h: int, w: int) -> torch.Tensor:
    """Sample i is flat with the value i + 1."""
    return torch.arange(1.0, b + 1)[:, None, None, None].expand(b, 1, h, w).contiguous()


@pytest.mark.parametrize("alpha", [0.1, 0.2, 0.4, 1.0, 2.0, 8.0])
def test_beta(alpha: float) -> None:
    values = mixing.draw_beta(draws(20_000), "beta", alpha).double()
    assert values.min() >= 0
    assert values.max() <= 1
    beta = stats.beta(alpha, alpha)
    edges = torch.tensor([0, 0.001, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999, 1]).double()
    expected = 20_000 * torch.from_numpy(beta.cdf(edges.numpy())).diff()
    counts, often = torch.histogram(values, edges).hist, expected > 5
    assert stats.chisquare(counts[often], expected[often], sum_check=False).pvalue > 1e-3
    # Above one half float32 has no small distances to 1, so small alphas pile up there.
    lower = values[values < 0.5]
    assert stats.kstest(lower, lambda x: beta.cdf(x) / beta.cdf(0.5)).pvalue > 1e-3


@given(ids=st.lists(st.integers(0, 2**62), min_size=2, max_size=30, unique=True), data=st.data())
@few
def test_partners_are_one_cycle_that_depends_on_the_members_only(ids, data) -> None:
    partners = mixing.draw_partners(Draws(seed=0, epoch=0, ids=torch.tensor(ids))).tolist()
    place, visited = 0, []
    for _ in ids:
        place = partners[place]
        visited.append(place)
    assert sorted(visited) == list(range(len(ids)))
    order = data.draw(st.permutations(range(len(ids))))
    shuffled = [ids[i] for i in order]
    other = mixing.draw_partners(Draws(seed=0, epoch=0, ids=torch.tensor(shuffled))).tolist()
    pairs = {a: ids[b] for a, b in zip(ids, partners, strict=True)}
    assert pairs == {a: shuffled[b] for a, b in zip(shuffled, other, strict=True)}


def test_mixup_is_the_weighted_mean_of_picture_and_target() -> None:
    b = 50
    images, config = marked(b, 3, 4), AugmentConfig(mixup=0.8)
    mixed, targets = mixing.mix(images, torch.arange(b), draws(b), config, num_classes=b)
    torch.testing.assert_close(targets.sum(dim=1), torch.ones(b))
    assert ((targets > 0).sum(dim=1) <= 2).all()
    expected = (targets * torch.arange(1.0, b + 1)).sum(dim=1)
    torch.testing.assert_close(mixed, expected[:, None, None, None].expand_as(mixed))
    own = targets.diagonal()
    assert stats.kstest(own.double(), stats.beta(0.8, 0.8).cdf).pvalue > 1e-3


@given(h=st.integers(1, 40), w=st.integers(1, 40), seed=st.integers(0, 1000))
@few
def test_cutmix_counts_its_pixels(h: int, w: int, seed: int) -> None:
    b = 12
    images, config = marked(b, h, w), AugmentConfig(cutmix=1.0)
    mixed, targets = mixing.mix(images, torch.arange(b), draws(b, seed), config, num_classes=b)
    partners = mixing.draw_partners(draws(b, seed))
    own = mixed == images
    assert torch.equal(own | (mixed == images[partners]), torch.ones_like(own))
    share = own.float().mean(dim=(1, 2, 3))
    torch.testing.assert_close(targets.diagonal(), share, rtol=0, atol=1e-7)
    torch.testing.assert_close(targets.sum(dim=1), torch.ones(b))
    foreign = ~own[:, 0]
    rows, columns = foreign.any(dim=2).sum(dim=1), foreign.any(dim=1).sum(dim=1)
    assert torch.equal(foreign.sum(dim=(1, 2)), rows * columns), "one rectangle"


def test_cutmix_cuts_the_area_that_was_drawn_where_the_border_cuts_nothing_off() -> None:
    b, h, w = 4000, 64, 96
    own = mixing.draw_beta(draws(b), "mix.cutmix", 1.0)
    area = mixing.rectangles(draws(b), own, h, w).sum(dim=(1, 2, 3)) / (h * w)
    centre, half = draws(b).uniform("mix.centre", 2), 0.5 * torch.sqrt(1 - own)
    inner = ((centre - half[:, None] >= 0) & (centre + half[:, None] < 1)).all(dim=1)
    assert inner.sum() > 500
    assert (area - (1 - own))[inner].abs().max() < 0.06  # sides are whole and even pixels
    assert (area - (1 - own)).max() < 0.001


def test_both_share_the_batch_and_some_stay_whole() -> None:
    b = 3000
    config = AugmentConfig(mixup=1.0, cutmix=1.0, mix_probability=0.8, cutmix_share=0.3)
    images = marked(b, 16, 16)
    mixed, targets = mixing.mix(images, torch.arange(b), draws(b), config, num_classes=b)
    whole = (targets.diagonal() == 1) & (mixed == images).all(dim=(1, 2, 3))
    blended = (mixed != images).all(dim=(1, 2, 3)) & (mixed == mixed[:, :, :1, :1]).all(
        dim=(1, 2, 3)
    )
    assert abs(whole.float().mean() - 0.2) < 0.05
    assert abs(blended.float().mean() - 0.8 * 0.7) < 0.06


def test_targets_may_be_probabilities() -> None:
    soft = torch.tensor([[0.5, 0.5], [1.0, 1.0]])
    _, targets = mixing.mix(
        marked(2, 2, 2), soft, draws(2), AugmentConfig(mixup=1.0), num_classes=2
    )
    own = targets[1, 1] * 2 - 1  # 0.5 + 0.5 own
    torch.testing.assert_close(targets[1], 0.5 + 0.5 * own.expand(2))


def test_one_sample_alone_stays_as_it_is() -> None:
    images = marked(1, 5, 5)
    config = AugmentConfig(mixup=1.0, cutmix=1.0)
    mixed, targets = mixing.mix(images, torch.tensor([2]), draws(1), config, num_classes=4)
    assert torch.equal(mixed, images)
    assert targets.tolist() == [[0.0, 0.0, 1.0, 0.0]]


def series(lengths: list[int], *middle: int) -> torch.Tensor:
    """Sample i holds i + 1 on its own steps and NaN behind them, ``[b, *middle, t]``."""
    inputs = torch.full((len(lengths), *middle, max(lengths)), torch.nan)
    for i, n in enumerate(lengths):
        inputs[i, ..., :n] = i + 1
    return inputs


@given(
    lengths=st.lists(st.integers(1, 40), min_size=2, max_size=9),
    middle=st.sampled_from([(1,), (3,), (1, 5)]),
    options=st.sampled_from([{"mixup": 0.8}, {"cutmix": 1.0}, {"mixup": 0.8, "cutmix": 1.0}]),
    seed=st.integers(0, 1000),
)
@settings(max_examples=40, deadline=None)
def test_along_time_targets_are_the_shares_of_valid_steps(lengths, middle, options, seed) -> None:
    b = len(lengths)
    inputs, own = series(lengths, *middle), draws(b, seed)
    config = AugmentConfig(**options, mix_probability=0.9)
    mixed, targets = mixing.mix(
        inputs,
        torch.arange(b),
        own,
        config,
        num_classes=b,
        axes="time",
        lengths=torch.tensor(lengths),
    )
    partners = mixing.draw_partners(own).tolist()
    torch.testing.assert_close(targets.sum(dim=1), torch.ones(b))
    for i, (n, partner) in enumerate(zip(lengths, partners, strict=True)):
        steps = mixed[i, ..., :n].double()
        assert (steps == steps[(0,) * len(middle)]).all(), "channels and bands are mixed alike"
        steps = steps[(0,) * len(middle)]
        # What is i + 1 + share (partner - i) tells its share.
        foreign = (steps - (i + 1)) / (partner - i)
        assert (foreign[lengths[partner] :].abs() < 1e-6).all()
        assert targets[i, i].item() == pytest.approx(1 - foreign.mean().item(), abs=1e-5)
        if "mixup" not in options:
            places = foreign.nonzero()[:, 0]
            assert ((foreign == 0) | (foreign == 1)).all()
            assert len(places) == 0 or places[-1] - places[0] == len(places) - 1, "one segment"


def test_a_segment_has_the_share_that_was_drawn_where_no_end_cuts_it_off() -> None:
    b, n = 4000, 200
    own = mixing.draw_beta(draws(b), "mix.cutmix", 1.0)
    inside = mixing.segments(draws(b), own, torch.full((b,), n), 230)
    share, centre = inside[:, :n].sum(dim=1) / n, draws(b).uniform("mix.centre", 2)[:, 0]
    inner = (centre - (1 - own) / 2 > 0) & (centre + (1 - own) / 2 < 1)
    assert inner.sum() > 500
    assert (share - (1 - own))[inner].abs().max() < 0.6 / n + 1e-4
    assert (share - (1 - own)).max() < 0.6 / n + 1e-4


def test_along_time_lengths_of_none_are_full_ones() -> None:
    inputs = torch.randn(6, 2, 30, generator=torch.Generator().manual_seed(0))
    config = AugmentConfig(mixup=1.0, cutmix=1.0)
    arguments = (inputs, torch.arange(6), draws(6), config)
    none = mixing.mix(*arguments, num_classes=6, axes="time")
    full = mixing.mix(*arguments, num_classes=6, axes="time", lengths=torch.full((6,), 30))
    assert torch.equal(none[0], full[0])
    assert torch.equal(none[1], full[1])


def test_numbers_are_mixed_and_unknown_ones_stay_with_their_sample() -> None:
    b = 40
    values = torch.randn(b, 3, generator=torch.Generator().manual_seed(0))
    values[7, 1] = torch.nan
    config = AugmentConfig(mixup=1.0, mix_probability=0.5)
    inputs = torch.randn(b, 1, 9, generator=torch.Generator().manual_seed(1))
    mixed, targets = mixing.mix(inputs, values, draws(b), config, num_classes=3, axes="time")
    partners = mixing.draw_partners(draws(b))
    whole = (mixed == inputs).all(dim=(1, 2))
    assert 5 < whole.sum() < 35
    assert torch.equal(targets[whole].nan_to_num(99), values[whole].nan_to_num(99))
    own = ((mixed - inputs[partners]) / (inputs - inputs[partners])).median(dim=2).values
    expected = own * values + (1 - own) * values[partners]
    torch.testing.assert_close(targets[~whole], expected[~whole], rtol=0, atol=1e-3, equal_nan=True)


def test_sequences_of_tokens_are_refused() -> None:
    config = AugmentConfig(cutmix=1.0)
    with pytest.raises(UsageError, match="cutmix cannot mix sequences of tokens"):
        mixing.mix(
            series([4, 5], 1),
            torch.tensor([[0], [1]]),
            draws(2),
            config,
            num_classes=3,
            axes="time",
        )
