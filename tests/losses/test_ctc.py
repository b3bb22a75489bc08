"""CTC against its definition: a sum over all paths, in float64."""

import itertools
from functools import cache

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from residua.errors import LabelError, UsageError
from residua.losses.ctc import (
    best_path,
    check_expressible,
    ctc_loss,
    edit_distances,
    frames_needed,
    inexpressible,
    token_accuracy,
)


def collapsed(path):
    """Tokens from 0 of a path of classes: repeats merged, blanks (0) left out."""
    return tuple(c - 1 for c, _ in itertools.groupby(path) if c)


def by_enumeration(logits, target):
    """-log of the sum over all paths of one sample ``[k, t]``."""
    p = logits.softmax(0)
    k, t = p.shape
    total = sum(
        torch.stack([p[c, i] for i, c in enumerate(path)]).prod()
        for path in itertools.product(range(k), repeat=t)
        if collapsed(path) == tuple(target)
    )
    return -torch.as_tensor(total, dtype=p.dtype).log()


@cache
def distance(a, b):
    if not a or not b:
        return len(a) + len(b)
    return min(
        distance(a[1:], b[1:]) + (a[0] != b[0]), distance(a[1:], b) + 1, distance(a, b[1:]) + 1
    )


def padded(sequences, width=None):
    width = width or max(1, *map(len, sequences))
    rows = [[*s, *[-1] * (width - len(s))] for s in sequences]
    return torch.tensor(rows), torch.tensor([len(s) for s in sequences])


CASES = [
    ((0,), 3),
    ((1, 0), 4),
    ((0, 0), 3),
    ((1, 1, 0), 5),
    ((0, 1, 0), 3),
    ((), 4),
]


def batch_of(dtype):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(len(CASES), 3, 5, generator=generator, dtype=torch.float64).to(dtype)
    targets, target_lengths = padded([target for target, _ in CASES])
    return logits, torch.tensor([t for _, t in CASES]), targets, target_lengths


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 2e-6)])
def test_losses_and_gradients_are_those_of_the_sum_over_paths(dtype, tolerance):
    logits, lengths, targets, target_lengths = batch_of(dtype)
    logits.requires_grad_()
    weights = torch.arange(1.0, len(CASES) + 1, dtype=dtype)
    losses = ctc_loss(logits, lengths, targets, target_lengths)
    (losses * weights).sum().backward()
    exact = logits.detach().double().requires_grad_()
    expected = torch.stack(
        [by_enumeration(exact[i, :, :t], target) for i, (target, t) in enumerate(CASES)]
    )
    (expected * weights.double()).sum().backward()
    assert losses.shape == (len(CASES),)
    torch.testing.assert_close(losses.double(), expected, rtol=tolerance, atol=tolerance)
    torch.testing.assert_close(logits.grad.double(), exact.grad, rtol=0, atol=10 * tolerance)


def test_what_lies_behind_the_lengths_does_not_count():
    logits, lengths, targets, target_lengths = batch_of(torch.float64)
    behind = torch.arange(5) >= lengths[:, None]
    other = logits.masked_fill(behind[:, None], 50.0)
    targets_too = torch.where(targets < 0, 1, targets)
    losses = ctc_loss(logits, lengths, targets, target_lengths)
    assert losses.equal(ctc_loss(other, lengths, targets_too, target_lengths))


def test_half_precision_is_computed_in_float32():
    logits, *rest = batch_of(torch.bfloat16)
    losses = ctc_loss(logits, *rest)
    assert losses.dtype == torch.float32
    assert losses.equal(ctc_loss(logits.float(), *rest))


def test_impossible_targets_cost_all_or_nothing():
    logits = torch.randn(2, 3, 2, requires_grad=True)
    targets, target_lengths = padded([(0, 0), (0, 1)])  # the first needs three steps
    lengths = torch.tensor([2, 2])
    losses = ctc_loss(logits, lengths, targets, target_lengths)
    assert losses.isinf().tolist() == [True, False]
    losses = ctc_loss(logits, lengths, targets, target_lengths, skip_impossible=True)
    losses.sum().backward()
    assert losses[0] == 0
    assert (logits.grad[0] == 0).all()
    assert logits.grad.isfinite().all()
    assert (logits.grad[1] != 0).any()


@pytest.mark.parametrize(
    "change",
    [
        {"logits": torch.zeros(2, 3)},
        {"lengths": torch.tensor([4])},
        {"targets": torch.tensor([0, 1])},
        {"target_lengths": torch.tensor([1.0, 2.0])},
    ],
)
def test_wrong_shapes_say_what_was_expected(change):
    right = {
        "logits": torch.zeros(2, 3, 4),
        "lengths": torch.tensor([4, 4]),
        "targets": torch.zeros(2, 2, dtype=torch.int64),
        "target_lengths": torch.tensor([1, 2]),
    }
    assert ctc_loss(**right).isfinite().all()
    with pytest.raises(UsageError, match="targets do not fit the logits"):
        ctc_loss(**{**right, **change})


@settings(max_examples=40, deadline=None)
@given(tokens=st.lists(st.integers(0, 1), max_size=4))
def test_frames_needed_is_the_length_of_the_shortest_path(tokens):
    lengths = [
        t
        for t in range(8)
        if any(collapsed(p) == tuple(tokens) for p in itertools.product(range(3), repeat=t))
    ]
    assert frames_needed(tokens) == lengths[0]


def test_labels_that_do_not_fit_are_named():
    tokens, frames = [(0, 1), (1, 1), (0, 0, 0), (2,)], [2, 2, 4, 1]
    assert inexpressible(tokens, frames) == [1, 2]
    with pytest.raises(LabelError) as caught:
        check_expressible(tokens, frames, ["a.wav", "b.wav", "c.wav", "d.wav"])
    line = str(caught.value)
    assert "at most 2 steps" in line
    assert "received 3 for 2 tokens" in line
    assert "b.wav (and 1 more)" in line
    check_expressible(tokens, [2, 3, 5, 1], ["a", "b", "c", "d"])


@settings(max_examples=60, deadline=None)
@given(
    paths=st.lists(st.lists(st.integers(0, 3), min_size=6, max_size=6), min_size=1, max_size=4),
    data=st.data(),
)
def test_best_path_collapses(paths, data):
    lengths = data.draw(st.lists(st.integers(0, 6), min_size=len(paths), max_size=len(paths)))
    logits = torch.nn.functional.one_hot(torch.tensor(paths), 4).mT.float()
    tokens, counts = best_path(logits, torch.tensor(lengths))
    for row, count, path, length in zip(tokens, counts, paths, lengths, strict=True):
        assert tuple(row[:count].tolist()) == collapsed(path[:length])
        assert (row[count:] == -1).all()


SEQUENCES = st.lists(st.integers(0, 2), max_size=6).map(tuple)


@settings(max_examples=60, deadline=None)
@given(pairs=st.lists(st.tuples(SEQUENCES, SEQUENCES), min_size=1, max_size=5))
def test_edit_distances_are_those_of_the_recursion(pairs):
    first, second = zip(*pairs, strict=True)
    found = edit_distances(*padded(first, 6), *padded(second, 7))
    assert found.tolist() == [distance(a, b) for a, b in pairs]


def test_token_accuracy():
    said = [[1, 1, 2, 0, 3], [1, 0, 1, 0, 0], [0, 0, 0, 0, 0], [0, 2, 0, 0, 0], [1, 2, 1, 2, 1]]
    logits = torch.nn.functional.one_hot(torch.tensor(said), 4).mT.float()
    targets, target_lengths = padded([(0, 1, 1, 2), (0, 0), (), (), (2,)])
    found = token_accuracy(logits, torch.full((5,), 5), targets, target_lengths)
    assert found.tolist() == [0.75, 1, 1, 0, 0]  # one of four left out; ...; five for one
