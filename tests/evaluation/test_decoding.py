"""Decoding against the enumeration of all paths."""

import itertools
import math
from collections import defaultdict

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from residua.errors import UsageError
from residua.evaluation.decoding import beam_search, decode_beam, decode_greedy


def collapsed(path):
    return tuple(c - 1 for c, _ in itertools.groupby(path) if c)


def all_sequences(log_probabilities):
    """Probability of every sequence of tokens, summed over all its paths."""
    t, k = log_probabilities.shape
    sums = defaultdict(float)
    for path in itertools.product(range(k), repeat=t):
        sums[collapsed(path)] += math.exp(log_probabilities[range(t), path].sum())
    return sums


def random_rows(seed, t, k, scale=1.5):
    logits = np.random.default_rng(seed).normal(size=(t, k)) * scale
    return logits - np.log(np.exp(logits).sum(1, keepdims=True))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**31), t=st.integers(0, 5), k=st.integers(2, 4))
def test_a_wide_beam_is_exact(seed, t, k):
    rows = random_rows(seed, t, k)
    found = beam_search(rows, width=sum((k - 1) ** i for i in range(t + 1)))
    expected = all_sequences(rows)
    assert {h.tokens for h in found} == set(expected)  # every one that t steps can say
    for hypothesis in found:
        weight = expected[hypothesis.tokens]
        assert hypothesis.log_probability == pytest.approx(math.log(weight), abs=1e-9)
    weights = [h.log_probability for h in found]
    assert weights == sorted(weights, reverse=True)
    assert expected[found[0].tokens] == pytest.approx(max(expected.values()))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**31), width=st.integers(1, 6))
def test_a_narrow_beam_keeps_its_width_and_never_overstates(seed, width):
    rows = random_rows(seed, 5, 4)
    found, expected = beam_search(rows, width=width), all_sequences(rows)
    assert 1 <= len(found) <= width
    for hypothesis in found:
        assert hypothesis.log_probability <= math.log(expected[hypothesis.tokens]) + 1e-9


def test_the_most_likely_sequence_need_not_be_on_the_most_likely_path():
    """Graves et al., 2006, section 3.2: blank wins each step, but token 0 wins the sum."""
    rows = np.log(np.array([[0.6, 0.4], [0.6, 0.4]]))
    logits = torch.from_numpy(rows.T)[None]
    assert decode_greedy(logits, torch.tensor([2])) == [()]
    assert decode_beam(logits, torch.tensor([2])) == [(0,)]
    best = beam_search(rows)[0]
    assert math.exp(best.log_probability) == pytest.approx(1 - 0.36)


def test_repeats_need_a_blank():
    paths = {(1, 1, 2): (0, 1), (1, 0, 1): (0, 0), (0, 0, 0): (), (2, 1, 2): (1, 0, 1)}
    logits = torch.nn.functional.one_hot(torch.tensor(list(paths)), 3).mT * 9.0
    lengths = torch.full((4,), 3)
    assert decode_greedy(logits, lengths) == list(paths.values())
    assert decode_beam(logits, lengths) == list(paths.values())
    assert decode_greedy(logits, torch.tensor([1, 2, 3, 0])) == [(0,), (0,), (), ()]
    assert decode_beam(logits, torch.tensor([1, 2, 3, 0])) == [(0,), (0,), (), ()]


def test_long_inputs_do_not_underflow():
    rows = random_rows(0, 3000, 5, scale=0.1)
    best = beam_search(rows, width=4)[0]
    assert -math.inf < best.log_probability < -1000


def test_impossible_classes_are_never_said():
    rows = np.full((4, 3), -np.inf)
    rows[:, 1] = 0.0
    found = beam_search(rows, width=5)
    assert [(h.tokens, h.log_probability) for h in found] == [((0,), 0.0)]


@pytest.mark.parametrize(("shape", "width"), [((3, 1), 4), ((3,), 4), ((3, 3), 0)])
def test_what_cannot_be_searched(shape, width):
    with pytest.raises(UsageError, match="beam search cannot search"):
        beam_search(np.zeros(shape), width=width)
