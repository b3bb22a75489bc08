"""Counts, shapes, equations and recomputation of densely connected networks."""

import copy
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.networks.peers import assert_same_state, from_one_seed
from torch import nn

from residua.errors import InputShapeError, UsageError
from residua.networks.catalog import build, create_model, get_spec, list_models
from residua.networks.densenet import DenseBlock, Transition
from residua.networks.summary import block_input_shape, summarize
from residua.networks.weights import load_state

NAMES = list_models("densenet*")
COUNTS = {  # at 1000 classes, those of CIFAR at 10
    "densenet121": 7_978_856,
    "densenet161": 28_681_000,
    "densenet169": 14_149_480,
    "densenet201": 20_013_928,
    "densenet_40_12": 1_019_722,
    "densenet_bc_100_12": 769_162,
    "densenet_bc_250_24": 15_324_406,
    "densenet_bc_190_40": 25_624_430,
}
IN_THE_PAPER = {"densenet_40_12": 1.0, "densenet_100_12": 7.0, "densenet_100_24": 27.2}  # millions
SMALL = {"depths": (3, 2), "growth": 4, "stem_width": 6, "num_classes": 5}


def on_meta(name):
    with torch.device("meta"):
        return build(get_spec(name)).eval()


def randomised(module):
    """In float64, with norms that do something."""
    module = module.double()
    for key, value in module.state_dict().items():
        if value.ndim == 1 and value.is_floating_point():
            value.uniform_(0.5, 1.5)
        if key.endswith(("bias", "running_mean")):
            value.sub_(1.0)
    return module


def normalised(x, norm):
    """relu(norm(x)) at evaluation."""
    shape = (1, -1, *(1,) * (x.ndim - 2))
    scale = norm.weight / (norm.running_var + 1e-5).sqrt()
    shift = norm.bias - norm.running_mean * scale
    return (x * scale.view(shape) + shift.view(shape)).clamp(min=0)


@pytest.mark.parametrize(("name", "count"), COUNTS.items())
def test_parameter_counts(name, count):
    assert sum(p.numel() for p in on_meta(name).parameters()) == count


@pytest.mark.parametrize(("name", "millions"), IN_THE_PAPER.items())
def test_plain_counts_follow_the_formula(name, millions):
    """(depth - 4) / 3 layers a block, a 3x3 convolution each; transitions keep the channels."""
    depth, growth = map(int, name.split("_")[1:])
    expected, channels = 3 * 16 * 9, 16
    for block in range(3):
        for _ in range((depth - 4) // 3):
            expected += 2 * channels + 9 * channels * growth
            channels += growth
        expected += 2 * channels + (channels * channels if block < 2 else 0)
    expected += 10 * channels + 10
    found = sum(p.numel() for p in on_meta(name).parameters())
    assert found == expected
    assert found / 1e6 == pytest.approx(millions, abs=0.06)


@pytest.mark.parametrize("name", NAMES)
def test_depth_in_the_name_counts_layers_with_weights(name):
    layers = [m for m in on_meta(name).modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    digits = name.removeprefix("densenet").removeprefix("_bc").strip("_").split("_")
    assert len(layers) == int(digits[0])


def test_shapes_of_the_papers_table():
    x, network = torch.empty(2, 3, 224, 224, device="meta"), on_meta("densenet161")
    shapes = [tuple(m.shape[1:]) for m in network.forward_intermediates(x)[1]]
    halves = [(96, 112), (384, 56), (768, 28), (2112, 14), (2208, 7)]
    assert shapes == [(c, s, s) for c, s in halves]
    assert [224 // s for _, s in halves] == [row.reduction for row in network.feature_info]
    assert network.get_submodule("features.transition2")(
        torch.empty(2, 768, 28, 28, device="meta")
    ).shape == (2, 384, 14, 14)


def test_shapes_for_cifar():
    x = torch.empty(2, 3, 32, 32, device="meta")
    maps = on_meta("densenet_bc_100_12").forward_intermediates(x)[1]
    assert [m.shape[1:] for m in maps] == [(24, 32, 32), (216, 32, 32), (300, 16, 16), (342, 8, 8)]
    maps = on_meta("densenet_40_12").forward_intermediates(x)[1]
    assert [m.shape[1:] for m in maps] == [(16, 32, 32), (160, 32, 32), (304, 16, 16), (448, 8, 8)]


def test_initialisation_is_kaimings_by_fan_in():
    torch.manual_seed(0)
    network = create_model("densenet_40_12")
    for name in ("features.denseblock1.denselayer9.conv1", "features.transition1.conv"):
        weight = network.get_submodule(name).weight
        assert weight.std().item() == pytest.approx((2 / weight[0].numel()) ** 0.5, rel=0.03)
        assert abs(weight.mean().item()) < 4 * weight.std().item() / weight.numel() ** 0.5
    assert not network.classifier.bias.any()


def peers(name):
    """torchvision's network and ours, from the same seed."""
    models = pytest.importorskip("torchvision").models
    return from_one_seed(lambda: models.get_model(name), lambda: create_model(name))


def assert_computes_the_same(network, peer):
    """Bit for bit, both with the peer's weights and norms that do something."""
    for key, value in peer.state_dict().items():
        if value.ndim == 1:
            value.uniform_(0.8, 1.2)
        if key.endswith(("bias", "running_mean")):
            value.sub_(1.0)
    load_state(network, peer.state_dict(), where="peer")
    x = torch.randn(2, 3, 61, 64)
    with torch.no_grad():
        theirs = peer.eval()(x)
        assert torch.equal(network.eval()(x), theirs)
    assert theirs.std() > 0.01
    peer.load_state_dict(network.state_dict(), strict=True)


def test_torchvision_draws_and_computes_the_same():
    peer, network = peers("densenet121")
    assert_same_state(network, peer)
    assert_computes_the_same(network, peer)


def test_torchvision_rounds_odd_channels_the_same():
    models = pytest.importorskip("torchvision").models
    sizes = {"depths": (2, 1, 3, 1), "growth": 5, "stem_width": 9, "bottleneck": 3}
    network, peer = from_one_seed(
        lambda: build(replace(get_spec("densenet121"), **sizes, num_classes=7)),
        lambda: models.DenseNet(5, (2, 1, 3, 1), num_init_features=9, bn_size=3, num_classes=7),
    )
    assert_same_state(network, peer)
    assert_computes_the_same(network, peer)


@pytest.mark.parametrize("recompute", ["none", "layers"])
def test_torchvision_has_the_same_gradients(recompute):
    peer, network = peers("densenet121")
    network.use_checkpointing(recompute)
    x = torch.randn(2, 3, 64, 64)
    for module in (peer, network):
        module(x).square().sum().backward()
    for (key, a), b in zip(peer.named_parameters(), network.parameters(), strict=True):
        assert a.grad.any(), key
        assert torch.equal(a.grad, b.grad), key
    assert_same_state(network, peer)  # statistics of batch norms


def test_timm_computes_the_same():
    timm = pytest.importorskip("timm")
    assert_computes_the_same(create_model("densenet121"), timm.create_model("densenet121"))


def test_names_of_old_files():
    network = build(replace(get_spec("densenet121"), **SMALL))
    old = {}
    for key, value in network.state_dict().items():
        for part in ("norm", "conv"):
            for number in ("1", "2"):
                key = key.replace(f".{part}{number}.", f".{part}.{number}.")
        if not key.endswith("num_batches_tracked"):
            old[key] = torch.randn_like(value)
    assert "features.denseblock2.denselayer1.norm.2.running_var" in old
    load_state(network, old, where="old file")
    state = network.state_dict()
    key = "features.denseblock1.denselayer3.{}.weight"
    assert torch.equal(state[key.format("conv2")], old[key.format("conv.2")])
    assert torch.equal(
        state["features.transition1.norm.bias"], old["features.transition1.norm.bias"]
    )


@pytest.mark.parametrize("rank", [1, 2])
@pytest.mark.parametrize("bottleneck", [0, 4])
def test_dense_block_is_its_equation(bottleneck, rank):
    torch.manual_seed(0)
    block = DenseBlock(5, layers=3, growth=4, bottleneck=bottleneck, rank=rank)
    block = randomised(block).eval()
    x = torch.randn(2, 5, *(7, 6)[:rank], dtype=torch.float64)
    convolve = F.conv1d if rank == 1 else F.conv2d
    maps = [x]
    for layer in block:
        y = convolve(
            normalised(torch.cat(maps, 1), layer.norm1),
            layer.conv1.weight,
            padding=0 if bottleneck else 1,
        )
        if bottleneck:
            assert y.shape[1] == 16
            y = convolve(normalised(y, layer.norm2), layer.conv2.weight, padding=1)
        maps.append(y)
    torch.testing.assert_close(block(x), torch.cat(maps, 1))
    assert torch.equal(block(x)[:, :5], x)


def test_transition_is_its_equation():
    torch.manual_seed(0)
    transition = randomised(Transition(6, 3)).eval()
    x = torch.randn(2, 6, 5, 8, dtype=torch.float64)
    y = torch.einsum(
        "oc,bchw->bohw", transition.conv.weight[..., 0, 0], normalised(x, transition.norm)
    )
    expected = y[:, :, :4].unflatten(2, (2, 2)).unflatten(4, (4, 2)).mean((3, 5))
    torch.testing.assert_close(transition(x), expected)


@settings(max_examples=25, deadline=None)
@given(
    inputs=st.integers(1, 9),
    layers=st.integers(1, 5),
    growth=st.integers(1, 6),
    bottleneck=st.integers(0, 4),
    sizes=st.lists(st.integers(1, 9), min_size=1, max_size=2),
)
def test_shapes_of_blocks_alone(inputs, layers, growth, bottleneck, sizes):
    rank = len(sizes)
    with torch.device("meta"):
        block = DenseBlock(inputs, layers=layers, growth=growth, bottleneck=bottleneck, rank=rank)
        x = torch.empty(2, inputs, *sizes)
        y = block.eval()(x)
        assert y.shape == (2, inputs + layers * growth, *sizes)
        assert block.outputs == y.shape[1]
        if min(sizes) > 1:
            z = Transition(block.outputs, 3, rank=rank).eval()(y)
            assert z.shape == (2, 3, *(size // 2 for size in sizes))


@pytest.mark.parametrize("name", ["densenet121", "densenet_40_12"])
def test_dropout_follows_every_convolution_but_the_first(name):
    network = build(replace(get_spec(name), **SMALL, dropout=0.2))
    rates = [m.p for m in network.modules() if isinstance(m, nn.Dropout)]
    convolutions = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
    assert rates == [0.2] * (len(convolutions) - 1)
    assert not any(isinstance(m, nn.Dropout) for m in on_meta(name).modules())
    layer = network.get_submodule("features.denseblock1.denselayer2")
    torch.manual_seed(0)
    dropped = layer(torch.rand(4, 10, 9, 9)) == 0
    assert dropped.float().mean().item() == pytest.approx(0.2, abs=0.05)


def gradients(network, x):
    """Of each parameter, and the buffers afterwards, with the same dropout each time."""
    network.zero_grad()
    torch.manual_seed(1)
    network(x).square().sum().backward()
    return [p.grad.clone() for p in network.parameters()], [b.clone() for b in network.buffers()]


@pytest.mark.parametrize("what", ["layers", "stages"])
@pytest.mark.parametrize("bottleneck", [0, 4])
def test_recomputation_changes_nothing(what, bottleneck):
    torch.manual_seed(0)
    spec = replace(get_spec("densenet_40_12"), **SMALL, bottleneck=bottleneck, dropout=0.3)
    plain = build(replace(spec, drop_rate=0.3))
    saving = copy.deepcopy(plain)
    saving.use_checkpointing(what)
    x = torch.randn(3, 3, 9, 8)
    for expected, found in zip(gradients(plain, x), gradients(saving, x), strict=True):
        assert all(torch.equal(a, b) for a, b in zip(expected, found, strict=True))
    assert torch.equal(plain.eval()(x), saving.eval()(x))


@pytest.mark.parametrize("bottleneck", [0, 4])
def test_layers_recompute_norms_and_no_convolution(bottleneck):
    block = DenseBlock(4, layers=3, growth=2, bottleneck=bottleneck)
    calls = {"norm1": 0, "conv1": 0}

    def count(name):
        def hook(*_):
            calls[name] += 1

        return hook

    for layer in block:
        for name in calls:
            layer.get_submodule(name).register_forward_hook(count(name))
    x = torch.randn(2, 4, 5, 5, requires_grad=True)
    block(x).sum().backward()
    assert calls == {"norm1": 3, "conv1": 3}
    block.recompute = True
    block(x).sum().backward()
    assert calls == {"norm1": 3 + 6, "conv1": 3 + 3}
    block.eval()(x).sum().backward()
    assert calls == {"norm1": 9 + 3, "conv1": 6 + 3}


def test_recomputation_is_switched_for_every_block_and_off_again():
    network = on_meta("densenet121")
    blocks = [m for m in network.modules() if isinstance(m, DenseBlock)]
    for what in ("layers", "stages", "layers", "none"):
        network.use_checkpointing(what)
        assert [block.recompute for block in blocks] == [what == "layers"] * 4
        assert network.recompute == what


def test_sizes_that_are_too_small_say_so():
    network = on_meta("densenet121")
    with pytest.raises(InputShapeError, match="at least 29 along each of height, width"):
        network(torch.empty(2, 3, 28, 28, device="meta"))
    assert network(torch.empty(2, 3, 29, 29, device="meta")).shape == (2, 1000)
    assert on_meta("densenet_40_12").min_size == 4


@pytest.mark.parametrize(("name", "size"), [("densenet121", 60), ("densenet_40_12", 7)])
def test_one_sample_of_one_pixel(name, size):
    network = build(replace(get_spec(name), growth=4, stem_width=6))
    one = torch.randn(1, 3, size, size)
    with pytest.raises(InputShapeError, match=f"two samples, or height, width above {size},"):
        network(one)
    assert network(torch.randn(1, 3, size, size + 1)).isfinite().all()
    assert network(torch.randn(2, 3, size, size)).isfinite().all()
    assert network.eval()(one).isfinite().all()


def test_summary_of_a_block_alone():
    network = on_meta("densenet121")
    shape = block_input_shape(network, "features.denseblock2", (3, 64, 64))
    assert shape == (128, 8, 8)
    rows = summarize(network.get_submodule("features.denseblock2"), shape).rows[1:]
    assert [row.name for row in rows] == [f"denselayer{n + 1}" for n in range(12)]
    assert {row.output_shape for row in rows} == {(32, 8, 8)}
    (whole,) = (r for r in summarize(network, (3, 64, 64)).rows if r.name.endswith("denseblock2"))
    assert whole.type == "12 × DenseLayer"
    assert whole.output_shape == (512, 8, 8)
    assert whole.macs == sum(row.macs for row in rows)


def test_signals():
    network = create_model("densenet_bc_100_12", rank=1, in_chans=2, num_classes=3)
    assert network(torch.randn(2, 2, 50)).shape == (2, 3)
    assert network.forward_features(torch.randn(2, 2, 50)).shape == (2, 342, 12)


@pytest.mark.parametrize(
    "change",
    [
        {"depths": ()},
        {"depths": (3, 0)},
        {"growth": 0},
        {"stem_width": 0},
        {"bottleneck": -1},
        {"compression": 0.0},
        {"compression": 1.5},
        {"compression": 0.001},
        {"dropout": 1.0},
        {"drop_path_rate": 0.1},
    ],
)
def test_impossible_specs_are_refused(change):
    with pytest.raises(UsageError, match="network 'densenet121' cannot have this"):
        replace(get_spec("densenet121"), **change)
