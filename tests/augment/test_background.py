"""Another clip behind a clip: powers add up to the digit, targets and lengths stay."""

import pytest
import torch
from scipy import stats

from residua.augment import waves
from residua.augment.config import AugmentConfig
from residua.augment.sound import SoundAugment
from residua.augment.sound_config import SoundAugmentConfig
from residua.batch import Batch
from residua.random import Draws

CONFIG = SoundAugmentConfig(
    gain_db=(0.0, 0.0), sound_shift=0.0, time_masks=0, frequency_masks=0, background=0.4
)
AUGMENT = SoundAugment(config=CONFIG, mixing=AugmentConfig(), num_classes=3)


def batch_of(members: list[tuple[int, int]]) -> Batch:
    """Samples named by (id, length); their content is a function of these."""
    inputs = torch.zeros(len(members), 1, max(length for _, length in members))
    for slot, (key, length) in zip(inputs, members, strict=True):
        slot[0, :length] = torch.randn(length, generator=torch.Generator().manual_seed(key))
    return Batch(
        inputs=inputs,
        targets=torch.tensor([key % 3 for key, _ in members]),
        ids=torch.tensor([key for key, _ in members]),
        lengths=torch.tensor([length for _, length in members]),
    )


def draws_of(batch: Batch) -> Draws:
    return Draws(seed=4, epoch=0, ids=batch.ids)


def test_the_sum_in_float64() -> None:
    lengths, partners = [50, 20, 35], [1, 2, 0]
    batch = batch_of(list(enumerate(lengths)))
    clips, draws = batch.inputs[:, 0], draws_of(batch)
    received = waves.add_background(
        clips, torch.tensor(lengths), torch.tensor(partners), draws, most=0.4
    )
    share = draws.uniform("sound.background", high=0.4).double()
    for i, (n, partner) in enumerate(zip(lengths, partners, strict=True)):
        other = torch.zeros(50, dtype=torch.float64)
        other[: min(n, lengths[partner])] = clips[partner, : min(n, lengths[partner])].double()
        expected = (1 - share[i]).sqrt() * clips[i].double() + share[i].sqrt() * other
        torch.testing.assert_close(received[i].double(), expected, rtol=0, atol=1e-6)
        assert (received[i, n:] == 0).all()


def test_shares_are_even_up_to_the_largest() -> None:
    n = 2000
    clips = torch.eye(2).repeat(n // 2, 1)  # a partner sounds where the clip itself is silent
    partners = torch.arange(n) ^ 1
    draws = Draws(seed=0, epoch=0, ids=torch.arange(n))
    mixed = waves.add_background(clips, torch.full((n,), 2), partners, draws, most=0.4)
    power = mixed.square().double()
    share = power.gather(1, 1 - torch.arange(n)[:, None] % 2)[:, 0]
    torch.testing.assert_close(power.sum(dim=1), torch.ones(n).double())
    assert stats.kstest(share, "uniform", args=(0, 0.4)).pvalue > 1e-3


def test_who_is_alone_stays_as_it_is_and_targets_stay() -> None:
    alone = batch_of([(5, 30)])
    assert torch.equal(AUGMENT.waveform(alone, draws_of(alone)).inputs, alone.inputs)
    batch = batch_of([(5, 30), (7, 20), (9, 25)])
    mixed = AUGMENT.waveform(batch, draws_of(batch))
    assert torch.equal(mixed.targets, batch.targets)
    assert mixed.lengths is batch.lengths
    assert not (mixed.inputs == batch.inputs).flatten(1).all(dim=1).any()


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 0, 1], [2, 1, 0]])
def test_the_members_matter_and_not_their_order(order: list[int]) -> None:
    members = [(5, 30), (7, 20), (9, 25)]
    batch, other = batch_of(members), batch_of([members[i] for i in order])
    expected = AUGMENT.waveform(batch, draws_of(batch)).inputs[order]
    assert torch.equal(AUGMENT.waveform(other, draws_of(other)).inputs, expected)
    again = AUGMENT.waveform(batch, draws_of(batch).view(1)).inputs[order]
    assert not torch.equal(again, expected)
