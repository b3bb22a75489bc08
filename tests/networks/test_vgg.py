"""VGG: the paper's table, torchvision's weights and logits, timm's layout."""

from dataclasses import replace

import pytest
import torch
from tests.networks.peers import assert_same_state, from_one_seed
from torch import nn

from residua.errors import UsageError
from residua.networks.catalog import build, create_model, get_spec
from residua.networks.summary import summarize
from residua.networks.weights import load_state

COUNTS = {
    "vgg11": 132_863_336,
    "vgg13": 133_047_848,
    "vgg16": 138_357_544,
    "vgg19": 143_667_240,
    "vgg11_bn": 132_868_840,
    "vgg13_bn": 133_053_736,
    "vgg16_bn": 138_365_992,
    "vgg19_bn": 143_678_248,
}
SMALL = (4, 8, 12, 16, 20)


def on_meta(name, **changes):
    with torch.device("meta"):
        return build(replace(get_spec(name), **changes))


@pytest.mark.parametrize(("name", "count"), COUNTS.items())
def test_parameter_counts(name, count):
    assert sum(p.numel() for p in on_meta(name).parameters()) == count


@pytest.mark.parametrize("name", COUNTS)
def test_the_name_counts_the_weight_layers(name):
    layers = [m for m in on_meta(name).modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert len(layers) == int(name.removeprefix("vgg").removesuffix("_bn"))


def test_vgg16_is_column_d():
    """Simonyan & Zisserman, 2015, table 1; the sizes as text books print them."""
    rows = summarize(on_meta("vgg16"), (3, 224, 224)).rows
    seen = [(row.output_shape, row.detail) for row in rows if row.type in ("Conv2d", "MaxPool2d")]
    expected = []
    for depth, width, size in (
        (2, 64, 224),
        (2, 128, 112),
        (3, 256, 56),
        (3, 512, 28),
        (3, 512, 14),
    ):
        expected += [((width, size, size), f"3×3, {width}")] * depth
        expected += [((width, size // 2, size // 2), "2×2, stride 2")]
    assert seen == expected
    linears = [row.detail for row in rows if row.type == "Linear"]
    assert linears == ["25088 → 4096", "4096 → 4096", "4096 → 1000"]


def test_weights_start_as_in_torchvision():
    torch.manual_seed(0)
    spec = replace(get_spec("vgg16_bn"), hidden=256, num_classes=200)
    network = build(spec)
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d):
            expected = (2 / (9 * module.out_channels)) ** 0.5  # Kaiming, fan-out
            assert module.weight.std().item() == pytest.approx(expected, rel=0.06), name
        if isinstance(module, nn.Linear):
            assert module.weight.std().item() == pytest.approx(0.01, rel=0.03), name
        if isinstance(module, nn.Conv2d | nn.Linear):
            assert not module.bias.any(), name
    network.reset_classifier(150)
    assert network.get_classifier().weight.std().item() == pytest.approx(0.01, rel=0.03)
    assert not network.get_classifier().bias.any()


def test_torchvision():
    """Weights and logits from the same seed, dropout masks too, bit for bit."""
    models = pytest.importorskip("torchvision").models
    network, peer = from_one_seed(
        lambda: create_model("vgg11_bn", num_classes=10), lambda: models.vgg11_bn(num_classes=10)
    )
    assert_same_state(network, peer)
    peer.load_state_dict(network.state_dict())
    x = torch.randn(2, 3, 40, 32)
    logits = []
    with torch.no_grad():
        for net in (network, peer):
            torch.manual_seed(1)
            logits.append((net.train()(x), net.eval()(x)))
    for ours, theirs in zip(*logits, strict=True):
        assert theirs.std() > 0.01
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("name", ["vgg13", "vgg13_bn"])
def test_gradients_of_the_convolutions_are_torchvisions(name):
    vgg = pytest.importorskip("torchvision").models.vgg
    spec = replace(get_spec(name), widths=SMALL, hidden=8, num_classes=0)
    layers = [size for width in SMALL for size in (width, width, "M")]
    peer = vgg.make_layers(layers, batch_norm=spec.batch_norm)
    network = build(spec)
    network.features.load_state_dict(peer.state_dict(), strict=True)
    x = torch.randn(2, 3, 64, 48)
    ours, theirs = network.train().forward_features(x), peer.train()(x)
    assert torch.equal(ours, theirs)
    ours.square().sum().backward()
    theirs.square().sum().backward()
    for a, b in zip(network.features.parameters(), peer.parameters(), strict=True):
        assert torch.equal(a.grad, b.grad)
    for a, b in zip(network.features.buffers(), peer.buffers(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("size", [224, 96])
@pytest.mark.parametrize("norm", [None, nn.BatchNorm2d], ids=["plain", "bn"])
def test_timms_layout(norm, size):
    """timm has the first two linear layers as convolutions of 7x7 and 1x1."""
    timm_vgg = pytest.importorskip("timm").models.vgg
    layers = [size for width in SMALL for size in (width, "M")]
    torch.manual_seed(0)
    peer = timm_vgg.VGG(layers, num_classes=6, norm_layer=norm).eval()
    spec = replace(get_spec("vgg11"), depths=(1,) * 5, widths=SMALL, num_classes=6)
    network = build(replace(spec, batch_norm=norm is not None)).eval()
    load_state(network, peer.state_dict(), where="timm")
    x = torch.randn(2, 3, size, size)
    theirs = peer(x)
    assert theirs.std() > 1e-4
    assert (network(x) - theirs).abs().max() <= 1e-5 * theirs.abs().max()


def test_other_keys_stay_as_they_are():
    network = on_meta("vgg11")
    for key in ("features.0.weight", "classifier.3.bias", "extra"):
        assert network.translate_key(key) == key


def test_one_small_picture_can_be_learnt_from():
    """The last batch norm comes before the last pool and so sees four pixels."""
    spec = replace(get_spec("vgg11_bn"), widths=SMALL, hidden=8, num_classes=3)
    assert build(spec).train()(torch.randn(1, 3, 32, 32)).shape == (1, 3)


def test_dropout_follows_both_hidden_layers():
    def dropouts(**changes):
        head = on_meta("vgg11", **changes).classifier
        return [(i, m.p) for i, m in enumerate(head) if isinstance(m, nn.Dropout)]

    assert dropouts() == [(2, 0.5), (5, 0.5)]
    assert dropouts(drop_rate=0.25) == [(2, 0.25), (5, 0.25)]
    assert dropouts(dropout=0.0) == []


@pytest.mark.parametrize(
    "change",
    [
        {"depths": ()},
        {"depths": (1, 1, 2, 2)},
        {"depths": (1, 1, 2, 2, 0)},
        {"widths": (64, 128, 256, 512, 0)},
        {"hidden": 0},
        {"dropout": -0.1},
    ],
)
def test_impossible_specs_are_refused(change):
    with pytest.raises(UsageError, match="network 'vgg11' cannot have this"):
        replace(get_spec("vgg11"), **change)
