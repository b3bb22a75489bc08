"""ResNet and FCN of Wang, Yan & Oates against formulas in float64, and even kernels as in Keras."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from residua.errors import UsageError
from residua.networks.catalog import build, get_spec
from residua.networks.layers import SameConv1d, conv
from residua.networks.specs.wang import WangSpec


def keras_same(x: np.ndarray, weight: np.ndarray, stride: int) -> np.ndarray:
    """``padding="same"`` by its definition: ``[c, n]``, ``[o, c, k]`` to ``[o, ceil(n / s)]``."""
    steps, kernel = x.shape[1], weight.shape[2]
    outputs = -(-steps // stride)
    zeros = max((outputs - 1) * stride + kernel - steps, 0)
    padded = np.pad(x, ((0, 0), (zeros // 2, zeros - zeros // 2)))
    windows = [padded[:, i * stride : i * stride + kernel] for i in range(outputs)]
    return np.stack([np.tensordot(weight, window, 2) for window in windows], 1)


@settings(max_examples=40, deadline=None)
@given(
    steps=st.integers(1, 40),
    kernel=st.sampled_from([2, 4, 8, 10, 16, 40]),
    stride=st.sampled_from([1, 2]),
)
def test_even_kernels_pad_as_in_keras(steps: int, kernel: int, stride: int) -> None:
    torch.manual_seed(steps)
    layer = conv(1, 2, 3, kernel, stride=stride).double()
    assert isinstance(layer, SameConv1d)
    x = torch.randn(1, 2, steps, dtype=torch.float64)
    expected = keras_same(x[0].numpy(), layer.weight.detach().numpy(), stride)
    np.testing.assert_allclose(layer(x)[0].detach().numpy(), expected, atol=1e-12)


def test_even_kernels_do_so_at_each_samples_own_end() -> None:
    network = build(get_spec("resnet1d_wang")).double().eval()
    lengths = torch.tensor([30, 1, 7, 23])
    x = torch.randn(4, 1, 30, dtype=torch.float64)
    found = network(x, lengths=lengths)
    for i, length in enumerate(lengths):
        torch.testing.assert_close(found[i : i + 1], network(x[i : i + 1, :, :length]))


def small(name: str) -> tuple[torch.nn.Module, dict[str, Tensor]]:
    torch.manual_seed(0)
    spec = get_spec(name)
    assert isinstance(spec, WangSpec)
    widths = (4, 6, 6) if spec.residual else (4, 6, 5)
    network = build(replace(spec, widths=widths, num_classes=3)).double().eval()
    state = network.state_dict()
    for key, value in state.items():
        if value.is_floating_point():
            noise = torch.rand(value.shape, dtype=torch.float64)
            value.copy_(noise + 0.5 if key.endswith("var") else noise - 0.4)
    return network, state


def convolved(x: Tensor, state: dict[str, Tensor], key: str) -> Tensor:
    made = [keras_same(s.numpy(), state[f"{key}.weight"].numpy(), 1) for s in x]
    return torch.from_numpy(np.stack(made)) + state[f"{key}.bias"][:, None]


def normalised(x: Tensor, state: dict[str, Tensor], key: str) -> Tensor:
    mean, var, scale, shift = (
        state[f"{key}.{part}"][:, None]
        for part in ("running_mean", "running_var", "weight", "bias")
    )
    return (x - mean) / (var + 1e-3).sqrt() * scale + shift


def test_resnet_is_its_formula() -> None:
    network, state = small("resnet1d_wang")
    x = torch.randn(2, 1, 19, dtype=torch.float64)
    y = x
    for block in ("block1", "block2", "block3"):
        z = y
        for i in (1, 2, 3):
            z = normalised(convolved(z, state, f"{block}.conv{i}"), state, f"{block}.bn{i}")
            z = z.relu() if i < 3 else z
        if block == "block3":  # channels do not change: a norm alone
            h = normalised(y, state, f"{block}.downsample.0")
        else:
            h = convolved(y, state, f"{block}.downsample.0")
            h = normalised(h, state, f"{block}.downsample.1")
        y = (z + h).relu()
    expected = y.mean(2) @ state["fc.weight"].T + state["fc.bias"]
    torch.testing.assert_close(network(x), expected)


def test_fcn_is_its_formula() -> None:
    network, state = small("fcn_wang")
    y = x = torch.randn(2, 1, 19, dtype=torch.float64)
    for block in ("block1", "block2", "block3"):
        y = normalised(convolved(y, state, f"{block}.conv"), state, f"{block}.bn").relu()
    expected = y.mean(2) @ state["fc.weight"].T + state["fc.bias"]
    torch.testing.assert_close(network(x), expected)


def test_parameters_are_the_sums_over_the_papers_layers() -> None:
    def layer(inputs: int, outputs: int, kernel: int, *, norm: bool = True) -> int:
        return inputs * outputs * kernel + outputs + 2 * outputs * norm

    resnet = 2 * 128 + layer(128, 2, 1, norm=False)  # the last shortcut, the classifier
    for inputs, width in ((1, 64), (64, 128), (128, 128)):
        resnet += layer(inputs, width, 8) + layer(width, width, 5) + layer(width, width, 3)
        resnet += layer(inputs, width, 1) if inputs != width else 0
    fcn = layer(1, 128, 8) + layer(128, 256, 5) + layer(256, 128, 3) + layer(128, 2, 1, norm=False)
    for name, expected in (("resnet1d_wang", resnet), ("fcn_wang", fcn)):
        with torch.device("meta"):
            network = build(get_spec(name))
        assert sum(parameter.numel() for parameter in network.parameters()) == expected
    assert round(resnet, -3) == 504_000


def test_weights_start_as_in_keras() -> None:
    torch.manual_seed(0)
    network = build(get_spec("resnet1d_wang"))
    weight = network.get_submodule("block2.conv1").weight.detach()
    bound = (6 / (64 * 8 + 128 * 8)) ** 0.5
    assert bound * 0.999 < weight.abs().max() <= bound
    assert abs(weight.std() - bound / 3**0.5) < 0.01 * bound
    biases = [p for key, p in network.named_parameters() if key.endswith("bias")]
    assert all(not bias.any() for bias in biases)


def test_impossible_specs_are_refused() -> None:
    for changes, message in (
        ({"rank": 2}, "rank: expected 1, for signals"),
        ({"widths": (1, 2)}, "widths: expected one for each kernel"),
        ({"kernels": (8, 0, 3)}, "kernels: expected positive sizes"),
        ({"drop_path_rate": 0.1}, "no residuals to drop"),
    ):
        with pytest.raises(UsageError, match=message):
            replace(get_spec("fcn_wang"), **changes)
