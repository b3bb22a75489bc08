"""Parts of the CRNN against formulas written out in float64."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from residua.networks.crnn_parts import (
    BiLSTM,
    ChannelGate,
    FoldBands,
    GatedResidualBlock,
    GatedTimeConv,
    PolynomialConv,
    SpeechStem,
)
from residua.networks.padded import Padded, unpadded, with_lengths


def noise(*sizes):
    return torch.randn(*sizes, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def half(n, kernel, stride, padding):
    """Deep Speech 2: out = floor((n + 2p - k) / s) + 1."""
    return (n + 2 * padding - kernel) // stride + 1


@settings(max_examples=25, deadline=None)
@given(f=st.integers(1, 170), t=st.integers(1, 60))
def test_stem_sizes_are_those_of_deep_speech_2(f, t):
    stem = SpeechStem(1, (2, 2, 3)).to("meta")
    f1, t1 = half(f, 41, 2, 20), half(t, 11, 2, 5)
    f2, f3 = half(f1, 21, 2, 10), half(half(f1, 21, 2, 10), 21, 2, 10)
    shapes = []
    for layer in (stem.conv1, stem.conv2, stem.conv3):
        layer.register_forward_hook(lambda _m, _x, y: shapes.append(tuple(y.shape[2:])))
    out = stem(torch.empty(2, 1, f, t, device="meta"))
    assert shapes == [(f1, t1), (f2, t1), (f3, t1)]
    assert out.shape == (2, 3, f3, math.ceil(t / 2))


def test_161_bands_become_81_41_21():
    stem = SpeechStem(1, (2, 2, 3)).to("meta")
    sizes = []
    for layer in (stem.conv1, stem.conv2, stem.conv3):
        layer.register_forward_hook(lambda _m, _x, y: sizes.append(y.shape[2]))
    stem(torch.empty(1, 1, 161, 40, device="meta"))
    assert sizes == [81, 41, 21]


@pytest.mark.parametrize("size", [(3, 2), (21, 17), (40, 9), (41, 9), (64, 9)])
def test_tall_kernels_compute_what_torch_documents(size):
    """With gradients; in float32, where a processor takes another way for small inputs."""
    layer = SpeechStem(1, (4, 4, 4)).conv1
    x = noise(2, 1, *size)
    weight = layer.weight.detach().double().requires_grad_()
    unfolded = F.unfold(F.pad(x, (5, 5, 20, 20)), (41, 11), stride=2)  # [b, 451, positions]
    found = layer(x.float())
    expected = (weight.flatten(1) @ unfolded).view_as(found)
    (found * found.detach()).sum().backward()
    (expected * expected.detach()).sum().backward()
    torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(layer.weight.grad.double(), weight.grad, rtol=1e-3, atol=1e-3)


def test_stem_is_clipped_and_normalised():
    stem = SpeechStem(1, (2, 2, 3)).double()
    x = noise(3, 1, 20, 12)
    y = x
    for i, (kernel, stride) in enumerate([((41, 11), (2, 2)), *[((21, 11), (2, 1))] * 2], start=1):
        conv = getattr(stem, f"conv{i}")
        padding = tuple(k // 2 for k in kernel)
        y = F.conv2d(y, conv.weight, None, stride, padding)
        mean = y.mean((0, 2, 3), keepdim=True)
        variance = y.var((0, 2, 3), keepdim=True, correction=0)
        y = ((y - mean) / (variance + 1e-5).sqrt()).clamp(0, 20)
    torch.testing.assert_close(stem(x), y)


def test_stem_at_rank_1_is_along_time():
    stem = SpeechStem(2, (2, 2, 3), rank=1)
    assert [stem.conv1.kernel_size, stem.conv1.stride] == [(11,), (2,)]
    assert [stem.conv2.kernel_size, stem.conv2.stride] == [(11,), (1,)]
    assert stem(torch.zeros(2, 2, 15)).shape == (2, 3, 8)


@pytest.mark.parametrize("rank", [1, 2])
def test_channel_gate_is_cbams(rank):
    gate = ChannelGate(32, reduction=16, rank=rank).double()
    assert gate.fc1.out_channels == 2
    for layer in (gate.fc1, gate.fc2):
        nn.init.normal_(layer.bias)
    x = noise(2, 32, *(5, 7)[:rank])
    w1, w2 = gate.fc1.weight.flatten(1), gate.fc2.weight.flatten(1)

    def weigh(z):
        return w2 @ torch.clamp(w1 @ z + gate.fc1.bias, min=0) + gate.fc2.bias

    for sample, found in zip(x, gate(x), strict=True):
        flat = sample.flatten(1)
        logits = weigh(flat.mean(1)) + weigh(flat.max(1).values)
        expected = flat / (1 + torch.exp(-logits))[:, None]
        torch.testing.assert_close(found.flatten(1), expected)


@pytest.mark.parametrize("rank", [1, 2])
@pytest.mark.parametrize("degree", [1, 2, 4])
def test_polynomials_are_sums_of_powers(rank, degree):
    layer = PolynomialConv(3, 5, degree=degree, rank=rank).double()
    for term in layer.terms:
        nn.init.normal_(term.weight)
    x = noise(2, 3, *(4, 6)[:rank])
    expected = sum(
        torch.einsum("oi,bi...->bo...", term.weight.flatten(1), x**k)
        for k, term in enumerate(layer.terms, start=1)
    )
    torch.testing.assert_close(layer(x), expected)
    assert len(layer.terms) == degree


def test_polynomials_start_as_a_pointwise_convolution_and_learn_all_terms():
    layer = PolynomialConv(3, 5, degree=3).double()
    x = noise(2, 3, 4, 6)
    assert layer(x).equal(F.conv2d(x, layer.terms[0].weight))
    layer(x).square().sum().backward()
    assert all((term.weight.grad != 0).all() for term in layer.terms)


def test_block_equation():
    block = GatedResidualBlock(8, 4, degree=2, reduction=4).double().eval()
    for norm in (block.bn1, block.bn2, block.bn3):
        nn.init.uniform_(norm.running_mean)
        nn.init.uniform_(norm.running_var, 0.5, 2)
    x = noise(2, 8, 5, 6)

    def clipped(y):
        return y.clamp(0, 20)

    y = clipped(block.bn1(block.conv1(x)))
    y = clipped(block.bn2(F.conv2d(y, block.conv2.weight, padding=1)))
    y = block.gate(block.bn3(block.conv3(y)))
    assert block(x).equal(clipped(x + y))


def test_fold_bands():
    x = noise(2, 3, 8, 5)
    assert FoldBands(8)(x).equal(x.reshape(2, 24, 5))
    averaged = x.view(2, 3, 4, 2, 5).mean(3)
    torch.testing.assert_close(FoldBands(4)(x), averaged.reshape(2, 12, 5))
    copied = x[:, :, :2].repeat_interleave(2, dim=2)
    torch.testing.assert_close(FoldBands(4)(x[:, :, :2]), copied.reshape(2, 12, 5))
    assert FoldBands(4)(x[:, :, 0]) is not None
    assert FoldBands(4)(x[:, :, 0]).equal(x[:, :, 0])
    padded = FoldBands(4)(with_lengths(x, torch.tensor([5, 3])))
    torch.testing.assert_close(padded.data[1, :, :3], averaged.reshape(2, 12, 5)[1, :, :3])


def test_gated_convolutions_lie_side_by_side():
    layer = GatedTimeConv(3, 2, (3, 7)).double()
    for branch in layer.children():
        nn.init.normal_(branch.bias)
    x = noise(2, 3, 9)
    parts = []
    for branch, kernel in zip(layer.children(), (3, 7), strict=True):
        y = F.conv1d(x, branch.weight, branch.bias, padding=kernel // 2)
        parts.append(y[:, :2] * (1 / (1 + torch.exp(-y[:, 2:]))))
    assert layer(x).shape == (2, 4, 9)
    torch.testing.assert_close(layer(x), torch.cat(parts, 1))


def by_hand(layer, x, way):
    """One direction of an LSTM over ``[t, c]``: the equations of its paper, step by step."""
    w_ih, w_hh, b_ih, b_hh = (
        getattr(layer, f"{kind}_l0{way}")
        for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    )
    h = c = x.new_zeros(layer.hidden_size)
    outputs = []
    for step in x.flip(0) if way else x:
        i, f, g, o = (w_ih @ step + b_ih + w_hh @ h + b_hh).chunk(4)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * c.tanh()
        outputs.append(h)
    return torch.stack(outputs[::-1] if way else outputs)


@pytest.mark.parametrize("how", ["plain", "turned", "packed"])
def test_recurrence_of_each_sample_alone(how, monkeypatch):
    layers = BiLSTM(3, 4, layers=2).double()
    x, lengths = noise(3, 3, 6), [6, 1, 4]
    if how == "plain":
        lengths = [6, 6, 6]
    given = x if how == "plain" else with_lengths(x, torch.tensor(lengths))
    if how == "packed":
        monkeypatch.setattr(BiLSTM, "_turned", BiLSTM._packed)  # the way of an accelerator
    found, ends = unpadded(layers(given))
    assert (ends is None) == (how == "plain")
    for sample, answer, length in zip(x, found, lengths, strict=True):
        y = sample[:, :length].T
        for layer in layers.layers:
            y = torch.cat([by_hand(layer, y, way) for way in ("", "_reverse")], 1)
        torch.testing.assert_close(answer[:, :length].T, y)
        assert (answer[:, length:] == 0).all()


@pytest.mark.parametrize("how", ["turned", "packed"])
def test_padding_reaches_no_gradient(how, monkeypatch):
    layers = BiLSTM(3, 4, layers=2).double()
    if how == "packed":
        monkeypatch.setattr(BiLSTM, "_turned", BiLSTM._packed)
    x = noise(2, 3, 6).requires_grad_()
    y = layers(with_lengths(x, torch.tensor([6, 4])))
    assert isinstance(y, Padded)
    y.data.square().sum().backward()
    assert (x.grad[1, :, 4:] == 0).all()
    ours = {key: p.grad.clone() for key, p in layers.named_parameters()}
    layers.zero_grad()
    for sample, length in zip(x.detach(), (6, 4), strict=True):
        layers(sample[None, :, :length]).square().sum().backward()
    for key, parameter in layers.named_parameters():
        torch.testing.assert_close(ours[key], parameter.grad)


def test_dropout_lies_between_the_layers_alone():
    layers = BiLSTM(3, 64, layers=2, drop_rate=0.5)
    seen = []
    layers.layers[1].register_forward_pre_hook(lambda _m, args: seen.append(args[0]))
    x = noise(2, 3, 6).float()
    y = layers(x)
    assert 0.4 < (seen[0] == 0).float().mean() < 0.6
    assert (y != 0).all()
    torch.manual_seed(0)
    first = layers(with_lengths(x, torch.tensor([6, 4]))).data
    assert not first.equal(layers(with_lengths(x, torch.tensor([6, 4]))).data)
    assert (first[0] != 0).all()


def test_recurrent_weights_start_orthogonal_and_cells_remember():
    layer = BiLSTM(20, 16, layers=2).layers[1]
    for way in ("", "_reverse"):
        for gate in getattr(layer, f"weight_hh_l0{way}").detach().split(16):
            torch.testing.assert_close(gate @ gate.T, torch.eye(16), atol=1e-5, rtol=0)
        bound = math.sqrt(6 / (16 + 32))
        weight = getattr(layer, f"weight_ih_l0{way}").detach()
        assert 0.9 * bound < weight.abs().max() <= bound
        bias = getattr(layer, f"bias_ih_l0{way}") + getattr(layer, f"bias_hh_l0{way}")
        assert bias.tolist() == [0.0] * 16 + [1.0] * 16 + [0.0] * 32


@pytest.mark.parametrize("part", ["conv1", "fc1", "branch1"])
def test_convolutions_start_from_kaiming(part):
    torch.manual_seed(0)
    parts = {
        "conv1": SpeechStem(1, (32, 8, 8)).conv1,
        "fc1": ChannelGate(128, reduction=2).fc1,
        "branch1": GatedTimeConv(64, 64, (3,)).branch1,
    }
    layer = parts[part]
    fan_in = layer.weight[0].numel()
    assert layer.weight.std().item() == pytest.approx(math.sqrt(2 / fan_in), rel=0.05)
    assert layer.bias is None or (layer.bias == 0).all()
