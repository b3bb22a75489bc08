"""Inception-ResNets against the figures of their paper, timm, and equations in float64."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from tests.networks.peers import assert_same_state, from_one_seed
from torch import nn

from residua.errors import InputShapeError, UsageError
from residua.networks.catalog import build, get_spec
from residua.networks.inception_resnet import BlockA, BlockB, BlockC, Residual
from residua.networks.layers import StochasticDepth

BOTH = ["inception_resnet_v1", "inception_resnet_v2"]


def on_meta(spec):
    with torch.device("meta"):
        return build(spec)


def thin(name, **changes):
    spec = replace(get_spec(name), width=1 / 32, depths=(1, 2, 2), num_classes=5)
    return build(replace(spec, **changes))


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def normalised(kernel, inputs, outputs):
    """Weights of a convolution, scale and shift of its norm."""
    return kernel * inputs * outputs + 2 * outputs


def linear(inputs, outputs):
    return inputs * outputs + outputs


def test_parameters_of_v1_follow_from_the_figures():
    c = normalised
    stem = c(9, 3, 32) + c(9, 32, 32) + c(9, 32, 64)  # figure 14
    stem += c(1, 64, 80) + c(9, 80, 192) + c(9, 192, 256)
    a = c(1, 256, 32) + c(1, 256, 32) + c(9, 32, 32)  # figure 10
    a += c(1, 256, 32) + c(9, 32, 32) + c(9, 32, 32) + linear(96, 256)
    k, el, m, n = 192, 192, 256, 384  # table 1
    reduction_a = c(9, 256, n) + c(1, 256, k) + c(9, k, el) + c(9, el, m)  # figure 7
    assert 256 + n + m == 896
    b = c(1, 896, 128) + c(1, 896, 128) + c(7, 128, 128) + c(7, 128, 128)  # figure 11
    b += linear(256, 896)
    reduction_b = c(1, 896, 256) + c(9, 256, 384) + c(1, 896, 256) + c(9, 256, 256)  # figure 12
    reduction_b += c(1, 896, 256) + c(9, 256, 256) + c(9, 256, 256)
    assert 896 + 384 + 256 + 256 == 1792
    d = c(1, 1792, 192) + c(1, 1792, 192) + c(3, 192, 192) + c(3, 192, 192)  # figure 13
    d += linear(384, 1792)
    expected = stem + 5 * a + reduction_a + 10 * b + reduction_b + 5 * d + linear(1792, 1000)
    network = on_meta(get_spec("inception_resnet_v1"))
    assert sum(p.numel() for p in network.parameters()) == expected == 22_756_328


def test_parameters_of_v2():
    network = on_meta(get_spec("inception_resnet_v2"))
    assert sum(p.numel() for p in network.parameters()) == 55_843_464


@pytest.mark.parametrize(
    ("name", "channels"),
    [
        ("inception_resnet_v1", (64, 192, 256, 896, 1792)),
        ("inception_resnet_v2", (64, 192, 320, 1088, 1536)),
    ],
)
def test_shapes_at_299(name, channels):
    network = on_meta(get_spec(name))
    maps = network.forward_intermediates(torch.zeros(2, 3, 299, 299, device="meta"))[1]
    assert [m.shape[2] for m in maps] == [147, 71, 35, 17, 8]
    assert tuple(m.shape[1] for m in maps) == channels
    assert [(row.channels, row.reduction) for row in network.feature_info] == [
        *zip(channels, (2, 4, 8, 16, 32), strict=True)
    ]


def test_depths_and_scales():
    v1, v2 = (on_meta(get_spec(name)) for name in BOTH)
    for network, counts in ((v1, (5, 10, 5)), (v2, (10, 20, 10))):
        blocks = [m for m in network.modules() if isinstance(m, Residual)]
        kinds = [
            kind
            for kind, count in zip((BlockA, BlockB, BlockC), counts, strict=True)
            for _ in range(count)
        ]
        assert [type(block) for block in blocks] == kinds
        scales = [{BlockA: 0.17, BlockB: 0.10, BlockC: 0.20}[kind] for kind in kinds]
        last = network is v2
        assert [block.scale for block in blocks] == [*scales[:-1], 1.0 if last else 0.20]
        relus = [isinstance(block.relu, nn.ReLU) for block in blocks]
        assert relus == [*[True] * (len(blocks) - 1), not last]


@pytest.fixture(scope="module")
def timm_pair():
    """Ours and timm's from the same seed, with random norms."""
    timm = pytest.importorskip("timm")
    spec = replace(get_spec("inception_resnet_v2"), num_classes=20, dropout=0.0)
    return from_one_seed(lambda: build(spec), lambda: timm.create_model(spec.name, num_classes=20))


def test_initial_weights_are_timms_draws(timm_pair):
    assert_same_state(*timm_pair)


def test_logits_and_gradients_are_timms(timm_pair):
    network, peer = timm_pair
    for index, (key, value) in enumerate(peer.state_dict().items()):
        if "bn." in key and value.is_floating_point():
            shift = 0.0 if key.endswith(("bias", "mean")) else 1.0
            value.copy_(shift + 0.2 * noise(*value.shape, seed=index).clamp(-2, 2))
        elif value.ndim > 1:
            value.mul_(2.0)  # at first, logits hardly depend on the picture
    network.load_state_dict(peer.state_dict(), strict=True)
    x, targets = noise(2, 3, 107, 80), torch.tensor([3, 1])
    with torch.no_grad():
        ours, theirs = network.eval()(x), peer.eval()(x)
    assert theirs.std(0).max() > 1e-3
    torch.testing.assert_close(ours, theirs, rtol=0, atol=0)
    for module in (network, peer):
        F.cross_entropy(module.train()(x), targets).backward()
    theirs = dict(peer.named_parameters())
    for key, parameter in network.named_parameters():
        assert torch.equal(parameter.grad, theirs[key].grad), key
    peer.load_state_dict(network.state_dict(), strict=True)


@pytest.mark.parametrize(("kind", "kernel"), [(BlockB, 7), (BlockC, 3)])
def test_factorised_blocks_are_their_equation(kind, kernel):
    torch.manual_seed(0)
    spec = replace(get_spec("inception_resnet_v1"), width=1 / 32)
    block = kind(spec, 0, 12).double().eval()
    x, w = noise(2, 12, 9, 8).double(), block.state_dict()

    def layer(y, key, *size):
        weight = w[f"{key}.conv.weight"]
        assert weight.shape[2:] == size
        y = F.conv2d(y, weight, padding=(size[0] // 2, size[1] // 2))
        return (y / (1 + 1e-3) ** 0.5).clamp(min=0)  # fresh statistics: mean 0, variance 1

    y = layer(layer(x, "branch1.0", 1, 1), "branch1.1", 1, kernel)
    y = torch.cat((layer(x, "branch0", 1, 1), layer(y, "branch1.2", kernel, 1)), 1)
    y = F.conv2d(y, w["conv2d.weight"], w["conv2d.bias"])
    scale = {BlockB: 0.10, BlockC: 0.20}[kind]
    torch.testing.assert_close(block(x), (x + scale * y).clamp(min=0))


def test_the_last_block_of_v2_adds_the_whole_residual():
    network = thin("inception_resnet_v2").double().eval()
    block = network.block8
    channels = block.conv2d.out_channels
    x = noise(2, channels, 3, 3).double()
    y = torch.cat((block.branch0(x), block.branch1(x)), 1)
    expected = x + block.conv2d(y)
    assert expected.min() < 0
    torch.testing.assert_close(block(x), expected)


@pytest.mark.parametrize("name", BOTH)
def test_stochastic_depth_grows_linearly_to_the_last_block(name):
    network = on_meta(replace(get_spec(name), drop_path_rate=0.4))
    rates = [m.rate for m in network.modules() if isinstance(m, StochasticDepth)]
    total = {"inception_resnet_v1": 20, "inception_resnet_v2": 40}[name]
    assert rates == pytest.approx([0.4 * (i + 1) / total for i in range(total)])


def test_a_dropped_residual_leaves_the_input():
    torch.manual_seed(0)
    block = thin("inception_resnet_v1", drop_path_rate=0.9).repeat_2[1].train()
    x = noise(64, block.conv2d.out_channels, 3, 3)
    same = (block(x) == x.clamp(min=0)).flatten(1).all(1)
    assert 48 <= same.sum() < 64


@pytest.mark.parametrize("name", BOTH)
def test_pairs_are_one_convolution_for_signals(name):
    network = thin(name, rank=1, in_chans=2)
    kernels = {
        key: module.kernel_size
        for key, module in network.named_modules()
        if isinstance(module, nn.Conv1d)
    }
    assert kernels["repeat_1.0.branch1.1.conv"] == (7,)
    assert kernels["repeat_2.0.branch1.1.conv"] == (3,)
    assert not [key for key in kernels if "repeat_1.0.branch1.2" in key]
    pair = thin(name).repeat_1[0].conv2d.weight.shape[:2]
    assert network.repeat_1[0].conv2d.weight.shape[:2] == pair
    assert network(noise(2, 2, 200)).shape == (2, 5)


@pytest.mark.parametrize("name", BOTH)
def test_sizes_at_the_edges(name):
    network = on_meta(replace(get_spec(name), width=1 / 32))
    for size, expected in ((75, 1), (106, 1), (107, 2)):
        maps = network.forward_features(torch.zeros(2, 3, size, size, device="meta"))
        assert maps.shape[2:] == (expected, expected)
    with pytest.raises(InputShapeError, match="at least 75 along"):
        network(torch.zeros(2, 3, 74, 80, device="meta"))
    with pytest.raises(InputShapeError, match="two samples, or height, width above 106"):
        network(torch.zeros(1, 3, 106, 106, device="meta"))


def test_dropout_is_the_papers_unless_told():
    assert thin("inception_resnet_v1").dropout.p == 0.2
    assert thin("inception_resnet_v2", drop_rate=0.5).dropout.p == 0.5
    assert isinstance(thin("inception_resnet_v2", dropout=0.0).dropout, nn.Identity)


@pytest.mark.parametrize(
    "wrong",
    [
        {"width": 0.0},
        {"depths": (1, 2)},
        {"depths": (1, 0, 1)},
        {"scales": (1.0,)},
        {"dropout": 1.0},
    ],
)
def test_specs_refuse_what_cannot_be(wrong):
    with pytest.raises(UsageError, match=f"cannot have this {next(iter(wrong))}"):
        replace(get_spec("inception_resnet_v1"), **wrong)
