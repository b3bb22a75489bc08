"""Where samples end behind layers, and what cannot be computed."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.networks.padded_tools import check, signals, together, windows
from torch import nn

from residua.errors import InputShapeError, NetworkError
from residua.networks.padded import Padded, shortest, unpadded, with_lengths
from residua.networks.padded_ends import Ends, Windows

# Ends ---------------------------------------------------------------------------------------------


@given(windows, st.booleans(), st.integers(1, 60))
@settings(max_examples=100, deadline=None)
def test_window_counts_are_torchs(shape, ceil, steps):
    kernel, stride, padding, gap = shape
    counted = Windows(kernel, stride, padding, padding, gap, ceil).fitting(steps)
    try:
        found = nn.MaxPool1d(kernel, stride, padding, gap, ceil_mode=ceil)(torch.zeros(1, 1, steps))
    except RuntimeError:
        assert counted < 1
    else:
        assert counted == found.shape[-1]


@given(st.lists(windows, min_size=2, max_size=4), st.integers(1, 400))
@settings(max_examples=100, deadline=None)
def test_layers_behind_each_other_compose(shapes, steps):
    lengths = torch.tensor([steps])
    ends, expected = Ends(lengths, None), steps
    for kernel, stride, padding, gap in shapes:
        layer = Windows(kernel, stride, padding, padding, gap)
        ends, expected = ends.windows(layer), layer.fitting(expected)
        if expected == 0:  # too short, so that what comes is not a number anyway
            return
    assert int(ends.lengths) == expected


def test_branches_are_seen_to_agree_without_a_look_at_the_lengths():
    ends = Ends(torch.tensor([9, 4, 12]), None)
    strided = ends.windows(Windows(3, 2, 1, 1)).windows(Windows(5, 2, 2, 2))
    assert strided is ends.windows(Windows(1, 4))
    assert ends.windows(Windows(3, 1, 1, 1)) is ends
    assert ends.longer(1).windows(Windows(8, 1, 3, 3)) is ends
    assert ends.windows(Windows(3, 2, ceil=True)) is ends.windows(Windows(2, 2))
    assert strided.agree(Ends(torch.tensor([3, 1, 3]), None))
    assert not strided.agree(Ends(torch.tensor([3, 2, 3]), None))


def test_branches_may_differ_in_padding_but_not_in_lengths():
    """All lengths are even, so rounding up and down give the same, though not of all 17 steps."""
    up, down = nn.MaxPool1d(2, 2, ceil_mode=True), nn.MaxPool1d(2, 2)
    check(lambda x: up(x) + down(x), signals((10, 4, 8)))
    check(lambda x: torch.cat([up(x), down(x)], 1), signals((10, 4, 8)))
    with pytest.raises(InputShapeError, match="disagree on the lengths"):
        (lambda x: up(x) + down(x))(together(signals((10, 5, 8))))


# Errors -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "function",
    [
        nn.Linear(17, 2),
        nn.GroupNorm(2, 4),
        nn.InstanceNorm1d(4),
        nn.ConvTranspose1d(4, 4, 3),
        nn.Conv1d(4, 4, 3, padding=1, padding_mode="reflect"),
        nn.Flatten(),
        nn.MaxPool1d(2, return_indices=True),
        lambda x: x.transpose(1, 2),
        lambda x: x.mT,
        lambda x: x.std(-1),
        lambda x: x.mean(),
        lambda x: x.sum(0),
        lambda x: x.softmax(0),
        lambda x: x.exp(),
        lambda x: x**0.5,
        lambda x: 2**x,
        lambda x: 1 / x,
        lambda x: x / x,
        lambda x: torch.ones(1) / x,
        lambda x: torch.cat([x, x], -1),
        lambda x: torch.cat([x, torch.ones(5, 4, 17)], 1),
        lambda x: torch.stack([x, x]),
        lambda x: x + torch.ones(16),
        lambda x: x + torch.ones(3, 1, 1, 1),
        lambda x: x[0],
        lambda x: x[..., -3:],
        lambda x: x[..., :4],
        lambda x: x[..., 2],
        lambda x: x.reshape(-1, 17),
        lambda x: x.view(5, -1),
        lambda x: torch.ones(5, 4, 17).add_(x),
        lambda x: x.chunk(2, 2),
    ],
)
def test_what_has_no_rule_is_an_error(function):
    with pytest.raises((NetworkError, AttributeError, TypeError)):
        function(together(signals(dtype=torch.float32)))


def test_the_error_names_the_function():
    with pytest.raises(
        NetworkError, match=r"'linear' has no rule for unequal lengths\. Use unpadded"
    ):
        nn.Linear(17, 2)(together(signals(dtype=torch.float32)))


@pytest.mark.parametrize(
    ("lengths", "received"),
    [
        (torch.tensor([3, 9]), "3 to 9"),
        (torch.tensor([0, 4]), "0 to 4"),
        (torch.tensor([1, 2, 3]), r"int64 \[3\]"),
        (torch.tensor([1.0, 2.0]), r"float32 \[2\]"),
    ],
)
def test_lengths_that_do_not_fit(lengths, received):
    with pytest.raises(InputShapeError, match=rf"integers \[2\] from 1 to 8, received {received}"):
        with_lengths(torch.zeros(2, 3, 8), lengths)


def test_a_sample_too_short_for_a_layer():
    layers = nn.Sequential(nn.Conv1d(4, 4, 5, 2), nn.ReLU(), nn.Conv1d(4, 4, 3)).double()
    with pytest.raises(InputShapeError, match="at least 9 steps, received 8"):
        layers(together(signals((11, 8))))
    check(layers, signals((11, 9)))


def test_a_sample_too_short_is_not_a_number_where_lengths_are_on_a_device():
    """There nobody looks at them, as that would wait for the device."""
    x = together(signals((11, 3)))
    x = Padded(x.data, Ends(x.lengths, None), zeroed=True)
    made = nn.Sequential(nn.Conv1d(4, 4, 5), nn.ReLU(), nn.AdaptiveAvgPool1d(1)).double()(x)
    assert made[0].isfinite().all()
    assert made[1].isnan().all()


# In and out ---------------------------------------------------------------------------------------


def test_full_samples_stay_a_tensor():
    x = torch.zeros(2, 3, 8)
    assert with_lengths(x, None) is x
    assert with_lengths(x, torch.tensor([8, 8])) is x
    assert unpadded(x) == (x, None)
    assert shortest(x) == (8,)


def test_in_and_out_again():
    x = torch.full((2, 3, 5, 8), math.nan)
    x[0], x[1, ..., :3] = 1.0, 2.0
    padded = with_lengths(x, torch.tensor([8, 3], dtype=torch.int32))
    assert shortest(padded) == (5, 3)
    assert padded.size() == x.shape
    assert padded.size(-1) == 8
    values, lengths = unpadded(padded)
    assert lengths.dtype == torch.int64
    assert lengths.tolist() == [8, 3]
    assert values.sum() == 8 * 15 + 3 * 15 * 2
    assert x[1, ..., 3:].isnan().all()  # what was given stays as it was
    assert "lengths=[8, 3]" in repr(padded)
