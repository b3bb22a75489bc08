"""AlexNet: the paper's sizes, its formula of response normalisation, torchvision's weights."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.networks.peers import assert_same_state, from_one_seed
from torch import nn

from residua.errors import UsageError
from residua.networks.catalog import build, create_model, get_spec
from residua.networks.layers import response_norm
from residua.networks.summary import summarize


def on_meta(name, **changes):
    with torch.device("meta"):
        return build(replace(get_spec(name), **changes))


def small(name, **changes):
    spec = get_spec(name)
    widths = tuple(width // 8 for width in spec.widths)
    return build(replace(spec, widths=widths, hidden=24, num_classes=5, **changes))


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("alexnet", 61_100_840),
        ("alexnet_2012", 60_965_224),
        ("alexnet_2012_1tower", 62_378_344),
    ],
)
def test_parameter_counts(name, count):
    assert sum(p.numel() for p in on_meta(name).parameters()) == count


@pytest.mark.parametrize("name", ["alexnet_2012", "alexnet_2012_1tower"])
def test_sizes_are_those_of_the_paper(name):
    """Krizhevsky et al., 2012, figure 2, in the form in which text books print it."""
    rows = summarize(on_meta(name), (3, 224, 224)).rows
    kinds = ("Conv2d", "MaxPool2d", "LocalResponseNorm", "Linear")
    seen = [(row.type, row.output_shape) for row in rows if row.type in kinds]
    assert seen == [
        ("Conv2d", (96, 55, 55)),
        ("LocalResponseNorm", (96, 55, 55)),
        ("MaxPool2d", (96, 27, 27)),
        ("Conv2d", (256, 27, 27)),
        ("LocalResponseNorm", (256, 27, 27)),
        ("MaxPool2d", (256, 13, 13)),
        ("Conv2d", (384, 13, 13)),
        ("Conv2d", (384, 13, 13)),
        ("Conv2d", (256, 13, 13)),
        ("MaxPool2d", (256, 6, 6)),
        ("Linear", (4096,)),
        ("Linear", (4096,)),
        ("Linear", (1000,)),
    ]


def test_a_signal_has_the_same_lengths():
    rows = summarize(on_meta("alexnet_2012", rank=1, in_chans=1), (1, 224)).rows
    pools = [row.output_shape for row in rows if row.type == "MaxPool1d"]
    assert pools == [(96, 27), (256, 13), (256, 6)]


def paper_norm(a, n, k, alpha, beta):
    """Krizhevsky et al., 2012, section 3.3, an index at a time."""
    channels = a.shape[1]
    b = torch.empty_like(a)
    for i in range(channels):
        first, last = max(0, i - n // 2), min(channels - 1, i + n // 2)
        total = sum(a[:, j] ** 2 for j in range(first, last + 1))
        b[:, i] = a[:, i] / (k + alpha * total) ** beta
    return b


@settings(max_examples=25, deadline=None)
@given(
    channels=st.integers(1, 9),
    size=st.sampled_from([1, 3, 5]),
    sizes=st.lists(st.integers(1, 4), min_size=1, max_size=2),
    seed=st.integers(0, 99),
)
def test_response_norm_is_the_formula_of_the_paper(channels, size, sizes, seed):
    generator = torch.Generator().manual_seed(seed)
    a = 50 * torch.randn(2, channels, *sizes, generator=generator, dtype=torch.float64)
    found = response_norm(size, k=2.0, alpha=1e-4, beta=0.75)(a)
    torch.testing.assert_close(found, paper_norm(a, size, 2.0, 1e-4, 0.75), rtol=1e-12, atol=0)


def two_gpus(state, x):
    """``alexnet_2012`` as the paper tells it: two towers that meet in the third convolution."""

    def towers(x, n, padding):
        weight, bias = state[f"features.{n}.weight"], state[f"features.{n}.bias"]
        halves = zip(x.chunk(2, 1), weight.chunk(2), bias.chunk(2), strict=True)
        return F.relu(torch.cat([F.conv2d(a, w, b, padding=padding) for a, w, b in halves], 1))

    def everything(x, n, **options):
        return F.relu(
            F.conv2d(x, state[f"features.{n}.weight"], state[f"features.{n}.bias"], **options)
        )

    def normed_pool(x):
        return F.max_pool2d(paper_norm(x, 5, 2.0, 1e-4, 0.75), 3, 2)

    x = normed_pool(everything(x, 0, stride=4, padding=2))
    x = normed_pool(towers(x, 4, 2))
    x = everything(x, 8, padding=1)
    x = towers(towers(x, 10, 1), 12, 1)
    x = F.max_pool2d(x, 3, 2).flatten(1)
    for n in (0, 3):
        x = F.relu(x @ state[f"classifier.{n}.weight"].T + state[f"classifier.{n}.bias"])
    return x @ state["classifier.6.weight"].T + state["classifier.6.bias"]


def test_logits_of_2012_by_hand():
    torch.manual_seed(0)
    network = small("alexnet_2012").double().eval()
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.1)
    x = 20 * torch.randn(2, 3, 224, 224, dtype=torch.float64)
    logits = network(x)
    assert logits.std() > 0.01
    torch.testing.assert_close(logits, two_gpus(network.state_dict(), x), rtol=1e-10, atol=1e-12)


def test_the_weights_of_2012_start_as_the_paper_says():
    torch.manual_seed(0)
    network = build(replace(get_spec("alexnet_2012"), hidden=512, num_classes=100))
    biases = []
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            assert abs(module.weight.std() - 0.01) < 3e-4, name
            assert abs(module.weight.mean()) < 3e-4, name
            biases.append(module.bias.unique().tolist())
    assert biases == [[0], [1], [0], [1], [1], [1], [1], [0]]  # five convolutions, three linear
    network.reset_classifier(60)
    assert abs(network.get_classifier().weight.std() - 0.01) < 3e-4
    assert not network.get_classifier().bias.any()


def dropouts(network):
    return [
        (place, module.p)
        for place, module in enumerate(network.classifier)
        if isinstance(module, nn.Dropout)
    ]


def test_dropout_is_where_each_network_has_it():
    assert dropouts(on_meta("alexnet")) == [(0, 0.5), (3, 0.5)]
    assert dropouts(on_meta("alexnet_2012")) == [(2, 0.5), (5, 0.5)]
    assert dropouts(on_meta("alexnet_2012", drop_rate=0.2)) == [(2, 0.2), (5, 0.2)]
    assert dropouts(on_meta("alexnet", dropout=0.0)) == []


def test_torchvision():
    """Weights, logits, gradients and dropout masks from the same seed, bit for bit."""
    models = pytest.importorskip("torchvision").models
    network, peer = from_one_seed(
        lambda: create_model("alexnet", num_classes=10), lambda: models.alexnet(num_classes=10)
    )
    assert_same_state(network, peer)
    peer.load_state_dict(network.state_dict())
    x = torch.randn(2, 3, 96, 80)
    assert torch.equal(network.eval()(x), peer.eval()(x))
    for net in (network.train(), peer.train()):
        torch.manual_seed(1)
        net(x).square().sum().backward()
    for ours, theirs in zip(network.parameters(), peer.parameters(), strict=True):
        assert torch.equal(ours.grad, theirs.grad)


@pytest.mark.parametrize(
    "change",
    [
        {"widths": (96, 256, 384)},
        {"widths": (96, 256, 384, 384, 0)},
        {"groups": (1, 2, 1, 2)},
        {"groups": (2, 2, 1, 2, 2)},
        {"groups": (1, 5, 1, 2, 2)},
        {"hidden": 0},
        {"dropout": 1.0},
        {"drop_path_rate": 0.1},
    ],
)
def test_impossible_specs_are_refused(change):
    with pytest.raises(UsageError, match="network 'alexnet_2012' cannot have this"):
        replace(get_spec("alexnet_2012"), **change)
