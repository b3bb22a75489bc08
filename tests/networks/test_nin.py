"""Network in Network: the perceptron that slides, the authors' sizes, maps as logits."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from residua.errors import InputShapeError, UsageError
from residua.networks.catalog import build, create_model, get_spec
from residua.networks.layers import average_pool, max_pool
from residua.networks.nin import MlpConv
from residua.networks.summary import summarize


def on_meta(name, **changes):
    with torch.device("meta"):
        return build(replace(get_spec(name), **changes))


def small(name, **changes):
    spec = get_spec(name)
    sizes = {
        field: tuple(width // 16 for width in getattr(spec, field))
        for field in ("widths", "hidden", "outputs")
    }
    torch.manual_seed(0)
    return build(replace(spec, **{"num_classes": 5, **sizes, **changes}))


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("nin", 7_595_176),
        ("nin_cifar", 966_986),
        ("nin_bn", 966_986 + 2 * (192 + 160 + 96 + 5 * 192 + 10)),  # scale and shift a channel
    ],
)
def test_parameter_counts(name, count):
    assert sum(p.numel() for p in on_meta(name).parameters()) == count


def test_table_for_imagenet():
    rows = summarize(on_meta("nin"), (3, 224, 224)).rows
    assert [(row.output_shape, row.detail) for row in rows if row.detail] == [
        ((96, 54, 54), "[11×11, 96 · 1×1, 96 · 1×1, 96]"),
        ((96, 27, 27), "3×3, stride 2"),
        ((256, 27, 27), "[5×5, 256 · 1×1, 256 · 1×1, 256]"),
        ((256, 13, 13), "3×3, stride 2"),
        ((384, 13, 13), "[3×3, 384 · 1×1, 384 · 1×1, 384]"),
        ((384, 6, 6), "3×3, stride 2"),
        ((1024, 6, 6), "[3×3, 1024 · 1×1, 1024]"),
        ((1000, 6, 6), "1×1, 1000"),
    ]


@pytest.mark.parametrize("name", ["nin_cifar", "nin_bn"])
def test_table_for_cifar(name):
    rows = summarize(on_meta(name), (3, 32, 32)).rows
    assert [(row.type, row.output_shape, row.detail) for row in rows if row.detail] == [
        ("MlpConv", (96, 32, 32), "[5×5, 192 · 1×1, 160 · 1×1, 96]"),
        ("MaxPool2d", (96, 16, 16), "3×3, stride 2"),
        ("MlpConv", (192, 16, 16), "[5×5, 192 · 1×1, 192 · 1×1, 192]"),
        ("AvgPool2d", (192, 8, 8), "3×3, stride 2"),
        ("MlpConv", (192, 8, 8), "[3×3, 192 · 1×1, 192]"),
        ("Conv2d", (10, 8, 8), "1×1, 10"),
    ]


@settings(max_examples=30, deadline=None)
@given(h=st.integers(2, 12), w=st.integers(2, 12), kind=st.sampled_from(["maximum", "average"]))
def test_pools_halve_and_cover_what_is_there(h, w, kind):
    x = torch.randn(1, 2, h, w, dtype=torch.float64)
    pool, reduce = (max_pool, torch.amax) if kind == "maximum" else (average_pool, torch.mean)
    found = pool(2, 3, stride=2, ceil=True)(x)
    assert found.shape == (1, 2, h // 2, w // 2)
    for i in range(h // 2):
        for j in range(w // 2):
            window = x[:, :, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3]
            torch.testing.assert_close(found[:, :, i, j], reduce(window, (2, 3)))


def perceptron(state, x, kernel, stride, padding):
    """Lin et al., 2014, equation 2: the same perceptron for the patch at each position."""
    b, _, h, w = x.shape
    patches = F.unfold(x, kernel, stride=stride, padding=padding).transpose(1, 2)
    for name in sorted({key.partition(".")[0] for key in state}):
        weight = state[f"{name}.weight"].flatten(1)
        patches = (patches @ weight.T + state[f"{name}.bias"]).clamp(min=0)
    size = [(n + 2 * padding - kernel) // stride + 1 for n in (h, w)]
    return patches.transpose(1, 2).reshape(b, -1, *size)


@pytest.mark.parametrize("name", ["nin", "nin_cifar"])
def test_logits_by_hand(name):
    network = small(name).double().eval()
    spec = network.spec
    state = network.state_dict()
    torch.manual_seed(1)
    for key in state:
        if key.endswith("bias"):
            nn.init.normal_(state[key], std=0.1)
    y = x = torch.randn(2, 3, 75, 68, dtype=torch.float64)
    for i, kernel in enumerate(spec.kernels, start=1):
        prefix = f"block{i}."
        part = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
        strided = name == "nin" and i == 1
        y = perceptron(part, y, kernel, 4 if strided else 1, 0 if strided else kernel // 2)
        if i <= len(spec.pools):
            pool = F.max_pool2d if spec.pools[i - 1] == "maximum" else F.avg_pool2d
            y = pool(y, 3, 2, ceil_mode=True)
    weight = state["classifier.conv.weight"].flatten(1)
    maps = torch.einsum("kc,bchw->bkhw", weight, y) + state["classifier.conv.bias"][:, None, None]
    expected = maps.clamp(min=0).mean((2, 3))
    assert expected.std() > 1e-3
    torch.testing.assert_close(network(x), expected, rtol=1e-10, atol=1e-12)


def test_without_a_classifier_it_returns_the_average_of_its_features():
    network = small("nin").eval()
    x = torch.randn(2, 3, 96, 96)
    features = network.forward_features(x)
    assert (network(x) >= 0).all()
    assert torch.equal(network.forward_head(features, pre_logits=True), features)
    network.reset_classifier(0)
    assert "classifier.conv.weight" not in network.state_dict()
    torch.testing.assert_close(network(x), features.mean((2, 3)))
    network.reset_classifier(7)
    assert network(x).shape == (2, 7)


@pytest.mark.parametrize("name", ["nin", "nin_cifar", "nin_bn"])
def test_weights_start_with_kaimings_normal_by_fan_in(name):
    torch.manual_seed(0)
    network = create_model(name, num_classes=100)
    for key, module in network.named_modules():
        if isinstance(module, nn.Conv2d):
            expected = (2 / module.weight[0].numel()) ** 0.5
            assert module.weight.std().item() == pytest.approx(expected, rel=0.05), key
            assert not module.bias.any(), key
    network.reset_classifier(80)
    expected = (2 / network.num_features) ** 0.5
    assert network.get_classifier().conv.weight.std().item() == pytest.approx(expected, rel=0.05)


def dropouts(name, **changes):
    """Which modules come before each dropout, and its rate, in the order of computation."""
    chain = [module for stage in on_meta(name, **changes).stages() for module in stage.modules]
    chain = [type(m).__name__ if not isinstance(m, nn.Dropout) else m.p for m in chain]
    return [name for name in chain if name != "Identity"]


def test_dropout_is_where_each_network_has_it():
    block, end = ["MlpConv", "MaxPool2d"], ["MlpConv", "Sequential"]
    average = ["MlpConv", "AvgPool2d"]
    assert dropouts("nin") == [*block, *block, *block, 0.5, *end]
    assert dropouts("nin_cifar") == [*block, 0.5, *average, 0.5, *end]
    assert dropouts("nin_bn") == [*block, 0.5, *average, 0.5, "MlpConv", 0.5, "Sequential"]
    later = dropouts("nin_bn", drop_rate=0.1)
    assert later == [*block, 0.5, *average, 0.5, "MlpConv", 0.1, "Sequential"]


def test_batch_norm_lies_between_each_convolution_and_its_relu():
    layers = [m for m in on_meta("nin_bn").modules() if not list(m.children())]
    kinds = [type(m).__name__ for m in layers]
    convolutions = [i for i, kind in enumerate(kinds) if kind == "Conv2d"]
    assert len(convolutions) == 9
    assert all(kinds[i + 1 : i + 3] == ["BatchNorm2d", "ReLU"] for i in convolutions)
    assert "BatchNorm2d" not in [type(m).__name__ for m in on_meta("nin_cifar").modules()]


@pytest.mark.parametrize("rank", [1, 2])
@pytest.mark.parametrize(("stem", "least"), [("cifar", 8), ("imagenet", 33)])
def test_one_sample_of_one_pixel_cannot_be_learnt_from(stem, least, rank):
    network = small("nin_bn", stem=stem, rank=rank).train()
    with pytest.raises(InputShapeError, match=f"above {least - 1}"):
        network(torch.randn(1, 3, *(least - 1,) * rank))
    assert network(torch.randn(1, 3, *(least,) * rank)).isfinite().all()
    assert network(torch.randn(1, 3, *(least - 1, least)[-rank:])).isfinite().all()
    assert network(torch.randn(2, 3, *(least - 1,) * rank)).isfinite().all()


@pytest.mark.parametrize("rank", [1, 2])
def test_a_block_stands_alone(rank):
    block = MlpConv(3, (8, 6, 4), kernel=5, stride=2, norm=True, rank=rank)
    assert block(torch.randn(2, 3, *(9, 7)[:rank])).shape == (2, 4, *(5, 4)[:rank])


@pytest.mark.parametrize(
    "change",
    [
        {"kernels": ()},
        {"kernels": (5, 4, 3)},
        {"widths": (192, 192)},
        {"hidden": (160, 192, 0)},
        {"outputs": (96, 192, 192)},
        {"pools": ("maximum",)},
        {"dropouts": (0.5, 0.5)},
        {"dropouts": (0.5, 0.5, 1.0)},
    ],
)
def test_impossible_specs_are_refused(change):
    with pytest.raises(UsageError, match="network 'nin_cifar' cannot have this"):
        replace(get_spec("nin_cifar"), **change)
