"""Layers on batches of unequal lengths, held against each sample alone."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.networks.padded_tools import LENGTHS, check, signals, together, windows
from torch import nn

from residua.networks.blocks import PadShortcut, SqueezeExcitation
from residua.networks.googlenet import AveragePool4
from residua.networks.layers import conv
from residua.networks.padded import Padded


@given(windows, st.lists(st.integers(1, 40), min_size=1, max_size=6))
@settings(max_examples=60, deadline=None)
def test_convolutions(shape, lengths):
    kernel, stride, padding, gap = shape
    torch.manual_seed(0)
    layer = nn.Conv1d(2, 3, kernel, stride, padding, dilation=gap).double()
    least = gap * (kernel - 1) + 1 - 2 * padding
    samples = signals([max(n, least) for n in lengths], channels=2)
    check(layer, samples, size=max(40, least))


@given(
    windows, st.booleans(), st.lists(st.integers(1, 40), min_size=1, max_size=6), st.integers(0, 9)
)
@settings(max_examples=60, deadline=None)
def test_max_pools(shape, ceil, lengths, extra):
    kernel, stride, padding, gap = shape
    padding = padding if gap == 1 else 0  # else windows may see nothing but padding
    layer = nn.MaxPool1d(kernel, stride, padding, gap, ceil_mode=ceil)
    least = max(1, gap * (kernel - 1) + 1 - 2 * padding)
    samples = signals([max(n, least) for n in lengths])
    check(layer, samples, size=max(*lengths, least) + extra)


@given(
    windows,
    st.booleans(),
    st.booleans(),
    st.lists(st.integers(1, 40), min_size=1, max_size=6),
    st.integers(0, 9),
)
@settings(max_examples=60, deadline=None)
def test_average_pools(shape, ceil, include, lengths, extra):
    kernel, stride, padding, _ = shape
    layer = nn.AvgPool1d(kernel, stride, padding, ceil_mode=ceil, count_include_pad=include)
    least = max(1, kernel - 2 * padding)
    samples = signals([max(n, least) for n in lengths])
    check(layer, samples, size=max(*lengths, least) + extra)


@pytest.mark.parametrize("include", [False, True])
@pytest.mark.parametrize("ceil", [False, True])
@pytest.mark.parametrize("divisor", [None, 5])
def test_average_pools_of_pictures(ceil, include, divisor):
    options = {"ceil_mode": ceil, "count_include_pad": include, "divisor_override": divisor}
    layer = nn.AvgPool2d(3, 2, 1, **options)
    check(layer, signals(rows=6))


def test_convolutions_of_pictures_with_other_values_along_each_axis():
    layer = nn.Conv2d(4, 6, (5, 3), (3, 2), (2, 1), (1, 2), groups=2).double()
    check(layer, signals((11, 5, 14), rows=7))
    check(nn.MaxPool2d((2, 3), (2, 1), (0, 1)), signals(rows=7))


@pytest.mark.parametrize("kernel", [1, 2, 3, 8])
@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
def test_named_padding(kernel, padding):
    check(nn.Conv1d(4, 2, kernel, padding=padding).double(), signals((11, 8, 14)))


def test_a_second_convolution_does_not_see_behind_the_ends():
    layers = nn.Sequential(
        conv(1, 4, 8, 5, bias=True), nn.Sigmoid(), conv(1, 8, 8, 3), conv(1, 8, 4, 1, bias=True)
    )
    layers.append(conv(1, 4, 4, 8, stride=2))
    check(layers.double(), signals())


@pytest.mark.parametrize("pad", [(2, 3), (0, 1), (-1, 2), (1, -1), (0, 0, 1, 2), (1, 0, 0, 3)])
@pytest.mark.parametrize("value", [0.0, -2.5])
def test_padding(pad, value):
    samples = signals((11, 4, 14))
    made = check(lambda x: F.pad(x, pad, value=value), samples)
    check(lambda x: conv(1, made.shape[1], 2, 3).double()(F.pad(x, pad, value=value)) * 0, samples)


@pytest.mark.parametrize(
    "key",
    [
        (slice(None), slice(None), slice(None, None, 2)),
        (slice(None), slice(None), slice(1, None, 3)),
        (..., slice(None, -2)),
        (..., slice(1, -1, 2)),
        (slice(None), slice(1, 3)),
    ],
)
def test_slices(key):
    check(lambda x: x[key], signals((11, 4, 14)))


# Step by step -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "function",
    [
        nn.ReLU(),
        nn.ReLU(inplace=True),
        nn.LeakyReLU(),
        nn.GELU(),
        nn.SiLU(),
        nn.Tanh(),
        nn.Sigmoid(),
        nn.Softplus(),
        nn.Hardtanh(0, 20),
        nn.Hardtanh(0.5, 1.0, inplace=True),
        nn.Dropout(0.5).eval(),
        nn.PReLU(4).double(),
        nn.LocalResponseNorm(3),
        nn.GLU(1),
        nn.Softmax(1),
        nn.Softmax(-1),
        nn.LogSoftmax(1),
        nn.Identity(),
        PadShortcut(4, 6, 2),
        SqueezeExcitation(1, 4, 2).double(),
        lambda x: x + x.relu(),
        lambda x: 1 - x * 2,
        lambda x: (x - 1) / 3 - x,
        lambda x: -x + x**3,
        lambda x: torch.ones(4, 1).double() + x,
        lambda x: x + torch.arange(4.0).view(-1, 1),
        lambda x: x * x.mean(-1, keepdim=True),
        lambda x: torch.cat([x, x * x], 1),
        lambda x: torch.cat(x.chunk(2, 1)[::-1], dim=1),
        lambda x: x.split([1, 3], dim=1)[1],
        lambda x: x.unsqueeze(1).squeeze(1),
        lambda x: x.reshape(x.shape[0], 2, 2, x.shape[-1]).flatten(1, 2),
        lambda x: x.mean(1, keepdim=True),
        lambda x: x.amax(1, keepdim=True),
        lambda x: F.relu(input=x).detach().clone().float().to(torch.float64),
        lambda x: torch.clamp(x, 0.1, 0.2),
    ],
)
def test_functions_of_each_step(function):
    torch.manual_seed(0)
    check(lambda x: function(x if isinstance(x, Padded) else x.clone()), signals())
    layer = nn.Conv1d(function(signals()[0].clone()).shape[1], 2, 5, padding=2).double()
    check(lambda x: layer(function(x if isinstance(x, Padded) else x.clone())), signals())


def test_in_place_changes_are_not_taken_for_zeros():
    x = together(signals())
    F.hardtanh(x, 1.0, 2.0, inplace=True)
    assert not x.is_zeroed
    assert x.zeroed()[1, :, 1:].eq(0).all()


def test_dropout_keeps_the_ends():
    torch.manual_seed(0)
    made = nn.Dropout(0.5)(together(signals()))
    assert made.is_zeroed
    assert made.lengths.tolist() == list(LENGTHS)


# All steps ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 3, 4, 7])
@pytest.mark.parametrize("kind", ["Avg", "Max"])
def test_adaptive_pools(kind, size):
    made = check(getattr(nn, f"Adaptive{kind}Pool1d")(size), signals())
    assert isinstance(made, torch.Tensor)
    pool = getattr(nn, f"Adaptive{kind}Pool2d")
    assert isinstance(check(pool(size), signals(rows=5)), torch.Tensor)
    check(pool((2, size)), signals(rows=5))
    assert isinstance(check(pool((2, None)), signals(rows=5)), Padded)


@pytest.mark.parametrize("axes", [-1, 2, (1, 2), (2,)])
@pytest.mark.parametrize("keepdim", [False, True])
@pytest.mark.parametrize("function", [torch.mean, torch.sum, torch.amax])
def test_means_sums_and_maxima(function, axes, keepdim):
    check(lambda x: function(x, axes, keepdim), signals())


@pytest.mark.parametrize("function", [torch.mean, torch.sum, torch.amax])
def test_over_bands_and_time(function):
    check(lambda x: function(x, (2, 3)), signals(rows=5))
    check(lambda x: function(x, (-2, -1), keepdim=True), signals(rows=5))
    assert isinstance(check(lambda x: function(x, 2), signals(rows=5)), Padded)


def test_windows_of_14_positions_go_by_the_sample():
    check(AveragePool4(1), signals((14, 11, 17, 14)))
    check(AveragePool4(1), signals((5, 13)), size=13)
    check(AveragePool4(2), signals((14, 11, 17), rows=14))
    check(AveragePool4(2), signals((14, 11, 17), rows=13))
