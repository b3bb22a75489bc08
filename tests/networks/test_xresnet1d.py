"""xresnet1d against formulas in float64 and sums over the layers of the authors' code."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from residua.errors import InputShapeError, UsageError
from residua.networks.catalog import build, get_spec
from residua.networks.specs.xresnet1d import XResNet1dSpec
from residua.networks.summary import summarize
from residua.networks.xresnet1d import XBlock

DEPTHS = {
    "xresnet1d18": (1, (2, 2, 2, 2)),
    "xresnet1d34": (1, (3, 4, 6, 3)),
    "xresnet1d50": (4, (3, 4, 6, 3)),
    "xresnet1d101": (4, (3, 4, 23, 3)),
}


def spec_of(name: str, **changes: object) -> XResNet1dSpec:
    spec = get_spec(name)
    assert isinstance(spec, XResNet1dSpec)
    return replace(spec, **changes)


def randomise(module: nn.Module) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1)
    state = module.state_dict()
    for key, value in state.items():
        if value.is_floating_point():
            noise = torch.rand(value.shape, generator=generator, dtype=torch.float64)
            value.copy_(noise + 0.5 if key.endswith("var") else noise - 0.45)
    return state


def norm(x: Tensor, state: dict[str, Tensor], key: str) -> Tensor:
    parts = (state[f"{key}.{name}"] for name in ("running_mean", "running_var", "weight", "bias"))
    mean, var, scale, shift = (part[:, None] if x.ndim == 3 else part for part in parts)
    return (x - mean) / (var + 1e-5).sqrt() * scale + shift


@pytest.mark.parametrize("steps", [1, 9, 12])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("block", ["basic", "bottleneck"])
def test_a_block_is_its_formula(block: str, stride: int, steps: int) -> None:
    spec = spec_of("xresnet1d18", block=block, width=4)
    layer = XBlock(spec, 3, stride=stride).double().eval()
    state, x = randomise(layer), torch.randn(2, 3, steps, dtype=torch.float64)
    kernels = (5, 5) if block == "basic" else (1, 5, 1)
    strides = (stride, 1) if block == "basic" else (1, stride, 1)
    y = x
    for i, (kernel, step) in enumerate(zip(kernels, strides, strict=True), start=1):
        y = F.conv1d(y, state[f"conv{i}.weight"], None, step, kernel // 2)
        y = norm(y, state, f"bn{i}")
        y = y.relu() if i < len(kernels) else y
    pairs = [x[:, :, i : i + stride].mean(2) for i in range(0, steps, stride)]
    h = F.conv1d(torch.stack(pairs, 2), state["downsample.conv.weight"])
    h = norm(h, state, "downsample.bn")
    torch.testing.assert_close(layer(x), (y + h).relu())


def test_the_head_is_its_formula() -> None:
    network = build(spec_of("xresnet1d18", width=4, stem=(2, 2, 4), hidden=6)).double().eval()
    state = randomise(network)
    features = network.forward_features(torch.randn(2, 12, 100, dtype=torch.float64))
    y = torch.cat([features.amax(2), features.mean(2)], 1)
    y = norm(y, state, "norm1") @ state["hidden.weight"].T + state["hidden.bias"]
    y = norm(y.relu(), state, "norm2") @ state["fc.weight"].T + state["fc.bias"]
    torch.testing.assert_close(network.forward_head(features), y)
    rates = [m.p for m in network.modules() if isinstance(m, nn.Dropout)]
    assert rates == [0.25, 0.5]


@pytest.mark.parametrize("name", DEPTHS)
def test_parameters_are_the_sums_over_the_authors_layers(name: str) -> None:
    def layer(inputs: int, outputs: int, kernel: int) -> int:
        return inputs * outputs * kernel + 2 * outputs

    expansion, depths = DEPTHS[name]
    outputs, inputs = 64 * expansion, 64
    total = layer(12, 32, 5) + layer(32, 32, 5) + layer(32, 64, 5)
    for _ in range(sum(depths)):
        if expansion == 1:
            total += layer(inputs, 64, 5) + layer(64, 64, 5)
        else:
            total += layer(inputs, 64, 1) + layer(64, 64, 5) + layer(64, 256, 1)
        total += layer(inputs, outputs, 1) if inputs != outputs else 0
        inputs = outputs
    total += 2 * 2 * outputs + 2 * outputs * 128 + 128  # norm, linear
    total += 2 * 128 + 128 * 71 + 71
    with torch.device("meta"):
        network = build(get_spec(name))
    assert sum(parameter.numel() for parameter in network.parameters()) == total


def test_shapes_of_two_and_a_half_seconds() -> None:
    with torch.device("meta"):
        rows = {row.name: row for row in summarize(build(get_spec("xresnet1d101")), (12, 250)).rows}
    assert rows["stem"].output_shape == (64, 125)
    assert rows["stem"].field == (21,)
    shapes = [rows[f"layer{i}"].output_shape for i in (1, 2, 3, 4)]
    assert shapes == [(256, 63), (256, 32), (256, 16), (256, 8)]
    assert rows["pool"].output_shape == (512, 1)


def test_blocks_start_as_their_shortcut() -> None:
    torch.manual_seed(0)
    network = build(get_spec("xresnet1d50")).eval()
    block = network.get_submodule("layer2.1")
    x = torch.randn(2, 256, 10)
    assert torch.equal(block(x), x.relu())
    weight = network.get_submodule("layer3.1.conv2").weight
    assert abs(weight.std() / (2 / (64 * 5)) ** 0.5 - 1) < 0.02


def test_padding_changes_no_logit() -> None:
    network = build(spec_of("xresnet1d50", depths=(1, 1, 2, 1), width=4)).double().eval()
    randomise(network)
    lengths = torch.tensor([77, 1, 30, 51])
    x = torch.randn(4, 12, 77, dtype=torch.float64)
    found = network(x, lengths=lengths)
    for i, length in enumerate(lengths):
        torch.testing.assert_close(found[i : i + 1], network(x[i : i + 1, :, :length]))


def test_a_single_sample_cannot_train() -> None:
    network = build(spec_of("xresnet1d18", width=4, stem=(2, 2, 4)))
    with pytest.raises(InputShapeError, match="two samples, since norms stand behind"):
        network(torch.randn(1, 12, 1000))
    assert network.eval()(torch.randn(1, 12, 1000)).shape == (1, 71)


def test_without_hidden_layer_the_classifier_sees_maximum_and_average() -> None:
    network = build(spec_of("xresnet1d18", width=4, stem=(2, 2, 4), hidden=0, num_classes=0)).eval()
    assert network.num_features == 8
    assert network(torch.randn(3, 12, 40)).shape == (3, 8)


def test_impossible_specs_are_refused() -> None:
    for changes, message in (
        ({"rank": 2}, "rank: expected 1, for signals"),
        ({"kernel": 4}, "kernel: expected an odd size"),
        ({"stem": ()}, "stem: expected positive sizes"),
        ({"depths": (0, 1)}, "depths: expected positive numbers"),
    ):
        with pytest.raises(UsageError, match=message):
            spec_of("xresnet1d18", **changes)
