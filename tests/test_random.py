"""Counter-based random numbers: right bits, right distributions, no dependence on company."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from residua.files import hash64
from residua.random import Draws, derive_seed, mix64, permutation

MASK = (1 << 64) - 1
INT64 = st.integers(min_value=-(1 << 63), max_value=(1 << 63) - 1)
few = settings(max_examples=30, deadline=None)


def splitmix64(state: int) -> int:
    """Steele, Lea and Flood's reference, in Python's own integers."""
    z = (state + 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def draws(count: int = 20_000, *, seed: int = 0, epoch: int = 0) -> Draws:
    """Consecutive ids: the hardest case for a hash."""
    return Draws(seed=seed, epoch=epoch, ids=torch.arange(count))


@given(INT64)
@few
def test_mix64_is_splitmix64(value: int) -> None:
    assert mix64(torch.tensor([value])).item() & MASK == splitmix64(value & MASK)


def test_splitmix64_gives_the_published_sequence_of_seed_0() -> None:
    assert mix64(torch.tensor([0])).item() & MASK == 0xE220A8397B1DCDAF


def test_values_are_stable_between_versions() -> None:
    """Runs are resumed by newer versions, so these numbers may never change."""
    assert hash64("train/cat/1.jpg") == 7181445477471584948
    assert derive_seed(1, 2, 3) == 9074641266613089780
    one = Draws(seed=7, epoch=3, ids=torch.tensor([42]))
    assert one.bits("flip").tolist() == [3813289290100264169]
    assert one.bits("crop", 2).tolist() == [[6073724693131445778, -7326830085341018177]]


@given(
    ids=st.lists(INT64, min_size=1, max_size=20),
    seed=st.integers(0, 2**31),
    epoch=st.integers(0, 1000),
    data=st.data(),
)
@few
def test_a_sample_draws_the_same_in_any_company(ids, seed, epoch, data) -> None:
    order = data.draw(st.permutations(range(len(ids))))
    batch = Draws(seed=seed, epoch=epoch, ids=torch.tensor(ids))
    other = Draws(seed=seed, epoch=epoch, ids=torch.tensor([ids[i] for i in order]))
    alone = Draws(seed=seed, epoch=epoch, ids=torch.tensor(ids[:1]))
    for call in (
        lambda d: d.bits("a"),
        lambda d: d.bits("a", 3, 2),
        lambda d: d.uniform("a", 5, low=-1.0, high=3.0),
        lambda d: d.integers("a", 31),
        lambda d: d.bernoulli("a", 0.3),
        lambda d: d.normal("a", 4),
    ):
        torch.testing.assert_close(call(other), call(batch)[list(order)], rtol=0, atol=0)
        torch.testing.assert_close(call(alone), call(batch)[:1], rtol=0, atol=0)


def test_more_numbers_of_a_stream_begin_with_the_fewer() -> None:
    assert torch.equal(draws(9).bits("a", 7)[:, :3], draws(9).bits("a", 3))


def test_uniform_passes_chi_square_and_kolmogorov_smirnov() -> None:
    values = torch.cat([draws(epoch=e).uniform("u") for e in range(3)]).double()
    assert values.min() >= 0
    assert values.max() < 1
    counts = torch.bincount((values * 64).long(), minlength=64)
    assert stats.chisquare(counts).pvalue > 1e-3
    assert stats.kstest(values, "uniform").pvalue > 1e-3


def test_uniform_keeps_its_range() -> None:
    values = draws().uniform("u", low=-2.0, high=5.0)
    assert -2 <= values.min() < -1.99
    assert 4.99 < values.max() <= 5


@pytest.mark.parametrize("high", [2, 7, 31, 1000])
def test_integers_are_uniform(high: int) -> None:
    counts = torch.bincount(draws(50_000).integers("i", high), minlength=high)
    assert len(counts) == high
    assert stats.chisquare(counts).pvalue > 1e-3


def test_bernoulli_has_its_probability() -> None:
    hits = int(draws(50_000).bernoulli("b", 0.3).sum())
    assert stats.binomtest(hits, 50_000, 0.3).pvalue > 1e-3
    assert draws().bernoulli("b", 1.0).all()
    assert not draws().bernoulli("b", 0.0).any()


def test_normal_is_normal() -> None:
    assert stats.kstest(draws(10_000).normal("n", 2).flatten().double(), "norm").pvalue > 1e-3


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (draws().uniform("a"), draws().uniform("b")),
        (draws(seed=0).uniform("a"), draws(seed=1).uniform("a")),
        (draws(epoch=0).uniform("a"), draws(epoch=1).uniform("a")),
        (draws().uniform("a", 2)[:, 0], draws().uniform("a", 2)[:, 1]),
        (draws().uniform("a")[:-1], draws().uniform("a")[1:]),
    ],
    ids=["streams", "seeds", "epochs", "counters", "neighbouring ids"],
)
def test_independence(one: torch.Tensor, other: torch.Tensor) -> None:
    """The pairs fill an 8 by 8 table evenly."""
    table = torch.bincount((one * 8).long() * 8 + (other * 8).long(), minlength=64)
    assert stats.chisquare(table).pvalue > 1e-3


def test_half_of_the_bits_flip_with_one_bit_of_the_id() -> None:
    ids = torch.arange(2000)
    for bit in (0, 7, 31, 62):
        one = Draws(seed=0, epoch=0, ids=ids).bits("a")
        other = Draws(seed=0, epoch=0, ids=ids ^ (1 << bit)).bits("a")
        flipped = sum(bin(x & MASK).count("1") for x in (one ^ other).tolist()) / 2000
        assert 31.5 < flipped < 32.5


@given(st.lists(INT64, min_size=1, max_size=50, unique=True), st.integers(0, 2**31))
@few
def test_permutation(ids: list[int], seed: int) -> None:
    order = permutation(seed, 0, torch.tensor(ids))
    assert sorted(order.tolist()) == list(range(len(ids)))
    reversed_order = permutation(seed, 0, torch.tensor(ids[::-1]))
    assert [ids[i] for i in order] == [ids[::-1][i] for i in reversed_order], "by id, not place"


def test_permutations_of_epochs_and_seeds_differ() -> None:
    ids = torch.arange(100)
    orders = [permutation(seed, epoch, ids) for seed in (0, 1) for epoch in (0, 1)]
    assert len({tuple(order.tolist()) for order in orders}) == 4


def test_each_place_is_equally_likely_first() -> None:
    first = torch.stack([permutation(seed, 0, torch.arange(6))[0] for seed in range(1200)])
    assert stats.chisquare(torch.bincount(first, minlength=6)).pvalue > 1e-3
