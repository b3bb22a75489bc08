"""NT-Xent against the paper's formula, written as loops in float64."""

import math

import pytest
import torch

from residua.errors import UsageError
from residua.losses.contrastive import nt_xent, unit_vectors


def views(n=6, d=5, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    first = torch.randn(n, d, generator=generator, dtype=torch.float64)
    second = first + torch.randn(n, d, generator=generator, dtype=torch.float64)
    return [(3 * each).to(dtype).requires_grad_() for each in (first, second)]


def cosine(u, v):
    return (u * v).sum() / ((u * u).sum() * (v * v).sum()).sqrt()


def by_the_paper(first, second, temperature, decoupled, groups=None):
    """Loss of each sample: the mean of those of its two embeddings among all 2 n of its group."""
    n = len(first)
    groups = groups or [0] * n
    every = [*first, *second]
    losses = []
    for i in range(n):
        of_anchors = []
        for anchor, positive in ((i, i + n), (i + n, i)):
            left_out = {anchor, positive} if decoupled else {anchor}
            total = sum(
                (cosine(every[anchor], every[k]) / temperature).exp()
                for k in range(2 * n)
                if k not in left_out and groups[k % n] == groups[i]
            )
            of_anchors.append(total.log() - cosine(every[anchor], every[positive]) / temperature)
        losses.append(sum(of_anchors) / 2)
    return torch.stack(losses)


def relative(found, expected):
    gap = (found.double() - expected).abs().max() / expected.abs().max()
    return float(gap.detach())


@pytest.mark.parametrize("decoupled", [False, True])
@pytest.mark.parametrize("temperature", [0.1, 0.5])
@pytest.mark.parametrize("groups", [None, [7, 3, 7, 3, 7, 3]])
def test_values_and_gradients_are_the_papers(temperature, decoupled, groups):
    found, expected = views(dtype=torch.float32), views()
    numbers = None if groups is None else torch.tensor(groups)
    ours = nt_xent(*found, temperature=temperature, decoupled=decoupled, groups=numbers)
    theirs = by_the_paper(*expected, temperature, decoupled, groups)
    assert ours.dtype == torch.float32
    assert relative(ours, theirs) < 1e-5
    weights = torch.arange(1.0, 7.0)  # so that each sample's own loss matters
    (ours * weights).sum().backward()
    (theirs * weights).sum().backward()
    for one, other in zip(found, expected, strict=True):
        assert relative(one.grad, other.grad) < 1e-5


@pytest.mark.parametrize("decoupled", [False, True])
def test_lightly_agrees(decoupled):
    lightly = pytest.importorskip("lightly.loss")
    theirs = lightly.DCLLoss(0.3) if decoupled else lightly.NTXentLoss(0.3)
    found, expected = views(n=8, d=16), views(n=8, d=16)
    ours = nt_xent(*found, temperature=0.3, decoupled=decoupled).mean()
    other = theirs(*expected)
    torch.testing.assert_close(ours, other)
    ours.backward()
    other.backward()
    for one, two in zip(found, expected, strict=True):
        torch.testing.assert_close(one.grad, two.grad)


@pytest.mark.parametrize("decoupled", [False, True])
def test_a_sample_alone_in_its_group_teaches_nothing(decoupled):
    first, second = views(n=5)
    groups = torch.tensor([0, 0, 1, 0, 0])
    losses = nt_xent(first, second, temperature=0.5, decoupled=decoupled, groups=groups)
    kept = [0, 1, 3, 4]
    rest = nt_xent(first[kept], second[kept], temperature=0.5, decoupled=decoupled)
    torch.testing.assert_close(losses[kept], rest)
    assert losses[2] == 0
    losses.sum().backward()
    for each in (first, second):
        assert each.grad.isfinite().all()
        assert not each.grad[2].any()


def test_anchors_and_rows_that_are_no_samples():
    first, second = views(n=5)
    nothing = torch.zeros(2, 5, dtype=torch.float64)
    padded = [torch.cat([each[:3], nothing[:1], each[3:], nothing[:1]]) for each in (first, second)]
    valid = torch.tensor([1, 1, 1, 0, 1, 1, 0.0])
    whole = nt_xent(first, second, temperature=0.5)
    for anchors, own in ((slice(0, 3), slice(0, 3)), (slice(4, 6), slice(3, 5))):
        part = nt_xent(*padded, temperature=0.5, anchors=anchors, valid=valid)
        torch.testing.assert_close(part, whole[own])
        part = nt_xent(*padded, temperature=0.5, decoupled=True, anchors=anchors, valid=valid)
        torch.testing.assert_close(
            part, nt_xent(first, second, temperature=0.5, decoupled=True)[own]
        )
        # rows of zeros bear the number of a group
        groups = torch.tensor([0, 1, 0, 0, 1, 0, 0])
        part = nt_xent(*padded, temperature=0.5, anchors=anchors, valid=valid, groups=groups)
        grouped = nt_xent(first, second, temperature=0.5, groups=groups[valid == 1])
        torch.testing.assert_close(part, grouped[own])


def test_what_it_does_not_depend_on():
    first, second = views()
    loss = nt_xent(first, second, temperature=0.5)
    torch.testing.assert_close(nt_xent(7 * first, second / 9, temperature=0.5), loss)
    torch.testing.assert_close(nt_xent(second, first, temperature=0.5), loss)
    order = torch.tensor([3, 1, 5, 0, 2, 4])
    torch.testing.assert_close(nt_xent(first[order], second[order], temperature=0.5), loss[order])


def test_equal_embeddings_leave_a_guess_among_all_others():
    same = torch.ones(4, 3, dtype=torch.float64)
    losses = nt_xent(same, same, temperature=0.5)
    torch.testing.assert_close(losses, torch.full_like(losses, math.log(2 * 4 - 1)))


def test_autocast_does_not_round_it():
    first, second = (each.detach() for each in views(n=16, d=32, dtype=torch.float32))
    plain = nt_xent(first, second, temperature=0.1)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(nt_xent(first, second, temperature=0.1), plain)
        half = nt_xent(first.bfloat16(), second.bfloat16(), temperature=0.1)
    assert half.dtype == torch.float32


def test_rows_of_zeros_have_finite_gradients():
    first, second = torch.zeros(3, 4, requires_grad=True), torch.randn(3, 4)
    nt_xent(first, second, temperature=0.5).sum().backward()
    assert first.grad.isfinite().all()
    assert torch.equal(unit_vectors(first), torch.zeros(3, 4))


@pytest.mark.parametrize(
    ("first", "second", "temperature", "message"),
    [
        ((1, 4), (1, 4), 0.5, "several samples"),
        ((3, 4), (3, 5), 0.5, "same shape"),
        ((3,), (3,), 0.5, "several samples"),
        ((3, 4), (3, 4), 0.0, "wrong temperature"),
    ],
)
def test_bad_input_is_one_line(first, second, temperature, message):
    with pytest.raises(UsageError, match=message) as caught:
        nt_xent(torch.ones(first), torch.ones(second), temperature=temperature)
    assert "\n" not in str(caught.value)
