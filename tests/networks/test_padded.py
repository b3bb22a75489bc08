"""Batches of unequal lengths, function by function, held against each sample alone."""

import copy
import math
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
import torch.distributed as dist
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from residua.errors import InputShapeError, NetworkError
from residua.networks.blocks import PadShortcut, SqueezeExcitation
from residua.networks.googlenet import AveragePool4
from residua.networks.layers import batch_norm, conv
from residua.networks.padded import Padded, shortest, unpadded, with_lengths
from residua.networks.padded_ends import Ends, Windows
from residua.networks.padded_norm import normalise
from residua.training.sync_norm import SyncBatchNorm, synchronise_norms

LENGTHS = (11, 1, 14, 6, 2)


def signals(lengths=LENGTHS, channels=4, rows=None, **options):
    """One tensor ``[1, c, n]`` or ``[1, c, rows, n]`` a length."""
    generator = torch.Generator().manual_seed(0)
    rows = () if rows is None else (rows,)
    options = {"dtype": torch.float64, "generator": generator, **options}
    return [torch.randn(1, channels, *rows, n, **options) for n in lengths]


def together(samples, size=17, garbage=math.nan):
    x = samples[0].new_full((len(samples), *samples[0].shape[1:-1], size), garbage)
    for i, sample in enumerate(samples):
        x[i, ..., : sample.shape[-1]] = sample[0]
    return with_lengths(x, torch.tensor([sample.shape[-1] for sample in samples]))


def check(function, samples, **options):
    """``function`` of all together gives each what it gives it alone."""
    made = function(together(samples, **options))
    for i, sample in enumerate(samples):
        alone = function(sample)
        if isinstance(made, Padded):
            values = made.data[i : i + 1, ..., : made.lengths[i]]
            assert made.data.isfinite().all()
            if made.is_zeroed:
                assert not made.data[i, ..., made.lengths[i] :].any()
        else:
            values = made[i : i + 1]
        torch.testing.assert_close(values, alone, atol=1e-12, rtol=1e-12)
    return made


# Windows ------------------------------------------------------------------------------------------

windows = st.builds(
    lambda kernel, stride, pad, gap: (kernel, stride, min(pad, kernel // 2), gap),
    st.integers(1, 7),
    st.integers(1, 5),
    st.integers(0, 3),
    st.integers(1, 3),
)


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


# Batch norm ---------------------------------------------------------------------------------------


def end_to_end(samples):
    """All valid steps as one sample: ``[1, c, sum of lengths]``."""
    return torch.cat(samples, -1)


@pytest.mark.parametrize("rows", [None, 3])
@pytest.mark.parametrize("options", [{}, {"affine": False}, {"momentum": None}, {"momentum": 0.3}])
def test_batch_norm_learns_from_valid_steps_alone(rows, options):
    kind = nn.BatchNorm1d if rows is None else nn.BatchNorm2d
    torch.manual_seed(0)
    norm, expected = kind(4, **options).double(), kind(4, **options).double()
    if norm.affine:
        nn.init.normal_(norm.weight)
        nn.init.normal_(norm.bias)
    expected.load_state_dict(norm.state_dict())
    for shift in (0.0, 3.0):  # twice, as momentum None averages over batches
        samples = [sample + shift for sample in signals(rows=rows)]
        leaves = [sample.clone().requires_grad_() for sample in samples]
        alone = expected(end_to_end(leaves)).split(LENGTHS, -1)
        x = together(samples).data.clone().requires_grad_()
        made = norm(with_lengths(x, torch.tensor(LENGTHS)))
        weights = torch.randn_like(x)
        loss, reference = torch.zeros(()), torch.zeros(())
        for i, n in enumerate(LENGTHS):
            torch.testing.assert_close(made.data[i, ..., :n], alone[i][0])
            reference = reference + (alone[i][0] * weights[i, ..., :n]).sum()
        loss = (made * weights).sum(tuple(range(1, x.ndim))).sum()
        for module, value in ((norm, loss), (expected, reference)):
            module.zero_grad()
            value.backward()
        for i, (leaf, n) in enumerate(zip(leaves, LENGTHS, strict=True)):
            torch.testing.assert_close(x.grad[i, ..., :n], leaf.grad[0])
            assert not x.grad[i, ..., n:].any()
        for (key, a), b in zip(
            norm.state_dict().items(), expected.state_dict().values(), strict=True
        ):
            torch.testing.assert_close(a, b, msg=key)
        for a, b in zip(norm.parameters(), expected.parameters(), strict=True):
            torch.testing.assert_close(a.grad, b.grad)


def test_batch_norm_without_running_statistics():
    norm = nn.BatchNorm1d(4, track_running_stats=False).double().eval()
    made = norm(together(signals()))
    expected = norm(end_to_end(signals())).split(LENGTHS, -1)
    for i, n in enumerate(LENGTHS):
        torch.testing.assert_close(made.data[i, :, :n], expected[i][0])


def test_batch_norm_cannot_learn_from_one_value():
    with pytest.raises(InputShapeError, match="one value a channel"):
        nn.BatchNorm1d(4)(together(signals((1,), dtype=torch.float32)))


def test_gradients_are_those_of_finite_differences():
    torch.manual_seed(0)
    layers = nn.Sequential(
        conv(1, 2, 3, 3),
        batch_norm(1, 3),
        nn.Tanh(),
        nn.AvgPool1d(3, 2, 1, ceil_mode=True, count_include_pad=False),
        conv(1, 3, 2, 5, bias=True),
        batch_norm(1, 2),
        nn.AdaptiveAvgPool1d(2),
    ).double()
    lengths = torch.tensor([7, 3, 5])
    x = torch.randn(3, 2, 8, dtype=torch.float64, requires_grad=True)
    parameters = tuple(layers.parameters())

    def run(x, *parameters):
        return layers(with_lengths(x, lengths))

    assert torch.autograd.gradcheck(run, (x, *parameters))


def in_two_threads(work):
    """``work(rank, total)`` on two ranks that are threads, whose sums wait for each other."""
    barrier, parts = threading.Barrier(2, timeout=20), [torch.zeros(())] * 2

    def run(rank):
        def total(values):
            parts[rank] = values
            barrier.wait()
            both = parts[0] + parts[1]
            barrier.wait()
            return both

        return work(rank, total)

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(run, range(2)))


def test_two_ranks_compute_what_one_does():
    """One of them has samples of one length, thus a plain tensor."""
    samples = signals((11, 4, 9, 9))
    weight, bias = torch.rand(2, 4, dtype=torch.float64)
    scale = torch.randn(4, 4, 11, dtype=torch.float64)

    def step(part, scale, total):
        x = together(part, size=part[0].shape[-1])
        data, valid = (x.data, x.valid) if isinstance(x, Padded) else (x, None)
        leaf = data.clone().requires_grad_()
        normal, found = normalise(leaf, valid, weight, bias, eps=1e-5, total=total)
        valid = torch.ones_like(data) if valid is None else valid
        (normal * scale * valid).sum().backward()
        return normal.detach() * valid, leaf.grad, found

    def on_rank(rank, total):
        size = (11, 9)[rank]
        return step(samples[2 * rank :][:2], scale[2 * rank :][:2, :, :size], total)

    first, second = in_two_threads(on_rank)
    normal, gradient, found = step(samples, scale, torch.clone)
    torch.testing.assert_close(first[:2], (normal[:2], gradient[:2]))
    torch.testing.assert_close(second[:2], (normal[2:, :, :9], gradient[2:, :, :9]))
    assert second[0].abs().min() > 0
    torch.testing.assert_close(first[2], found)
    torch.testing.assert_close(second[2], found)


def test_synchronised_norms_take_unequal_lengths(tmp_path):
    dist.init_process_group(
        "gloo", store=dist.FileStore(str(tmp_path / "s"), 1), rank=0, world_size=1
    )
    try:
        torch.manual_seed(0)
        plain = nn.Sequential(conv(1, 4, 3, 3), batch_norm(1, 3)).double()
        synchronised = copy.deepcopy(plain)
        synchronise_norms(synchronised, torch.device("cpu"))
        assert isinstance(synchronised[1], SyncBatchNorm)
        x = together(signals())
        torch.testing.assert_close(synchronised(x).zeroed(), plain(x).zeroed())
        for a, b in zip(synchronised.buffers(), plain.buffers(), strict=True):
            torch.testing.assert_close(a, b)
        synchronise_norms(plain, torch.device("cuda"), unequal=True)
        assert isinstance(plain[1], SyncBatchNorm)
    finally:
        dist.destroy_process_group()


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
