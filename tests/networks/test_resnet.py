"""Counts, initialisation and the equations of residual networks."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from residua.errors import UsageError
from residua.networks.catalog import build, create_model, get_spec
from residua.networks.layers import StochasticDepth
from residua.networks.weights import load_state

COUNTS = {  # at 1000 classes, those of CIFAR at 10
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "resnet101": 44_549_160,
    "resnet152": 60_192_808,
    "resnet50_v1": 25_557_032,
    "resnet101_v1": 44_549_160,
    "resnet152_v1": 60_192_808,
    "resnetv2_18": 11_687_720,
    "resnetv2_34": 21_795_880,
    "resnetv2_50": 25_549_352,
    "resnetv2_101": 44_541_480,
    "resnetv2_152": 60_185_128,
    "resnext50_32x4d": 25_028_904,
    "resnext101_32x4d": 44_177_704,
    "resnext101_32x8d": 88_791_336,
    "resnext101_64x4d": 83_455_272,
    "wide_resnet50_2": 68_883_240,
    "wide_resnet101_2": 126_886_696,
    "seresnet18": 11_779_624,
    "seresnet34": 21_960_416,
    "seresnet50": 28_088_024,
    "seresnet101": 49_326_872,
    "seresnet152": 66_821_848,
    "seresnext50_32x4d": 27_559_896,
    "resnet20": 269_722,
    "resnet32": 464_154,
    "resnet44": 658_586,
    "resnet56": 853_018,
    "resnet110": 1_727_962,
    "resnet1202": 19_421_274,
    "resnet20_b": 269_722 + 2_752,
    "resnet32_b": 464_154 + 2_752,
    "resnet44_b": 658_586 + 2_752,
    "resnet56_b": 853_018 + 2_752,
    "resnet110_b": 1_727_962 + 2_752,
    "resnet1202_b": 19_421_274 + 2_752,
    "preact_resnet110": 1_727_962,
    "preact_resnet164": 1_703_258,
    "preact_resnet1001": 10_327_706,
    "wrn_16_8": 10_961_370,
    "wrn_28_2": 1_467_610,
    "resnet18_cifar": 11_173_962,
    "wrn_28_10": 36_479_194,
    "wrn_40_4": 8_949_210,
    "resnext29_8x64d": 34_426_698,
    "resnext29_16x64d": 68_155_210,
}


@pytest.mark.parametrize(("name", "count"), COUNTS.items())
def test_parameter_counts(name, count):
    with torch.device("meta"):
        network = build(get_spec(name))
    assert sum(p.numel() for p in network.parameters()) == count


@pytest.mark.parametrize("n", [2, 6, 12])
def test_separable_counts_follow_the_formula(n):
    """9 n + 2 layers: a 3x3 convolution and two of 3x3 depthwise plus 1x1 in each block."""
    expected = 3 * 16 * 9 + 2 * 16  # stem and its norm
    inputs = 16
    for width in (16, 32, 64):
        separable = 2 * (9 * width + width * width)
        expected += n * (separable + 6 * width) + 9 * width * (inputs + (n - 1) * width)
        expected += inputs * width + 2 * width if inputs != width else 0  # shortcut B
        inputs = width
    network = create_model(f"dsresnet{9 * n + 2}", num_classes=10)
    assert sum(p.numel() for p in network.parameters()) == expected + 64 * 10 + 10


def test_v1_loads_v15_and_computes_something_else():
    torch.manual_seed(0)
    v15 = build(replace(get_spec("resnet50"), depths=(1, 1, 1, 1))).eval()
    v1 = build(replace(v15.spec, stride_in="1x1")).eval()
    load_state(v1, v15.state_dict(), where="v1.5")
    x = torch.randn(1, 3, 64, 64)
    assert v1(x).shape == v15(x).shape
    assert not torch.allclose(v1(x), v15(x), rtol=1e-2)


def test_shortcut_a_subsamples_and_pads_with_zeros():
    block = create_model("resnet20").get_submodule("layer2.0")
    x = torch.randn(2, 16, 7, 5)
    y = block.downsample(x)
    assert torch.equal(y[:, :16], x[:, :, ::2, ::2])
    assert y.shape == (2, 32, 4, 3)
    assert not y[:, 16:].any()
    assert not list(block.downsample.parameters())


@pytest.mark.parametrize(
    "name", ["resnet18", "resnet50", "resnetv2_18", "resnetv2_50", "dsresnet20", "seresnet50"]
)
def test_zero_init_starts_with_shortcuts_alone(name):
    spec = get_spec(name)
    small = replace(spec, depths=tuple(2 for _ in spec.depths), zero_init=True)
    block = build(small).get_submodule("layer1.1").eval()
    x = torch.rand(1, block.bn1.num_features if spec.preact else _inputs(block), 8, 8)
    torch.testing.assert_close(block(x), x)


def _inputs(block):
    return block.conv1.in_channels


def test_catalog_zero_init_as_in_peers():
    assert get_spec("seresnet50").zero_init
    assert not get_spec("resnet50").zero_init


@pytest.mark.parametrize(("channels", "hidden"), [(64, 8), (128, 8), (256, 16), (2048, 128)])
def test_gate_width(channels, hidden):
    from residua.networks.blocks import SqueezeExcitation

    assert SqueezeExcitation(2, channels, 16).fc1.out_channels == hidden


def test_gate_is_its_formula():
    from residua.networks.blocks import SqueezeExcitation

    gate, x = SqueezeExcitation(1, 16, 2).double(), torch.randn(3, 16, 9, dtype=torch.float64)
    z = torch.relu(x.mean(2) @ gate.fc1.weight[:, :, 0].T + gate.fc1.bias)
    s = torch.sigmoid(z @ gate.fc2.weight[:, :, 0].T + gate.fc2.bias)
    torch.testing.assert_close(gate(x), x * s[:, :, None])


def test_stochastic_depth_grows_linearly():
    network = create_model("resnet20", drop_path_rate=0.45)
    rates = [m.rate for m in network.modules() if isinstance(m, StochasticDepth)]
    assert rates == pytest.approx([0.05 * (index + 1) for index in range(9)])
    assert not any(isinstance(m, StochasticDepth) for m in create_model("resnet20").modules())


def test_wide_networks_drop_between_convolutions():
    rates = [m.p for m in create_model("wrn_16_8").modules() if isinstance(m, nn.Dropout)]
    assert rates == [0.3] * 6


@pytest.mark.parametrize("block", ["preact_basic", "preact_bottleneck"])
def test_preactivation_shortcuts(block):
    """The first block's shortcut starts after the activation; an identity elsewhere before it."""
    small = replace(get_spec("preact_resnet110"), block=block, depths=(2, 2, 2), stem_width=64)
    network = build(replace(small, widths=(64 if block == "preact_basic" else 16, 8, 8)))
    assert [network.get_submodule(f"layer1.{index}").shared for index in (0, 1)] == [True, False]
    assert not create_model("resnetv2_18").get_submodule("layer1.0").shared
    assert create_model("resnetv2_18").get_submodule("layer2.0").shared


def test_kernel_and_rank_reach_every_spatial_convolution():
    network = build(replace(get_spec("resnet20"), kernel=7, rank=1))
    kernels = {m.kernel_size for n, m in network.named_modules() if n.endswith(("conv1", "conv2"))}
    assert kernels == {(7,), (3,)}  # the stem keeps its own
    assert network(torch.randn(2, 3, 50)).shape == (2, 10)


def test_memory_format_survives():
    network = create_model("resnet20").to(memory_format=torch.channels_last)
    last = network.forward_features(torch.randn(2, 3, 32, 32).to(memory_format=torch.channels_last))
    assert last.is_contiguous(memory_format=torch.channels_last)
    assert not last.is_contiguous()


@pytest.mark.parametrize(
    "change",
    [
        {"depths": ()},
        {"depths": (1, 2)},
        {"widths": (0, 1, 2)},
        {"kernel": 4},
        {"groups": 2},
        {"rank": 3},
        {"dropout": 0.1},
        {"drop_rate": 1.0},
        {"drop_path_rate": -0.1},
        {"num_classes": -1},
        {"in_chans": 0},
        {"gate_reduction": 0},
        {"block": "bottleneck", "groups": 2, "width_per_group": 1},
    ],
)
def test_impossible_specs_are_refused(change):
    with pytest.raises(UsageError, match="network 'resnet20' cannot have this"):
        replace(get_spec("resnet20"), **change)
