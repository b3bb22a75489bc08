"""The deep ECG ResNet against formulas in float64 and the sizes of the authors' code."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from residua.errors import UsageError
from residua.networks.catalog import build, get_spec
from residua.networks.ecg_resnet import ECGBlock
from residua.networks.summary import summarize


def random_state(network: torch.nn.Module) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1)
    state = network.state_dict()
    for key, value in state.items():
        if value.is_floating_point():
            noise = torch.rand(value.shape, generator=generator, dtype=torch.float64)
            value.copy_(noise + 0.5 if key.endswith("var") else noise - 0.45)
    return state


def activated(x: Tensor, state: dict[str, Tensor], key: str) -> Tensor:
    mean, var, scale, shift = (
        state[f"{key}.{part}"][:, None]
        for part in ("running_mean", "running_var", "weight", "bias")
    )
    return ((x - mean) / (var + 1e-3).sqrt() * scale + shift).relu()


def convolved(x: Tensor, state: dict[str, Tensor], key: str, stride: int = 1) -> Tensor:
    """16 taps: 7 zeros in front, 8 behind."""
    return F.conv1d(F.pad(x, (7, 8)), state[f"{key}.weight"], state[f"{key}.bias"], stride)


@pytest.mark.parametrize("steps", [1, 2, 13, 16])
@pytest.mark.parametrize(("outputs", "stride"), [(3, 1), (3, 2), (5, 1), (5, 2)])
@pytest.mark.parametrize("first", [True, False])
def test_a_block_is_its_formula(steps: int, outputs: int, stride: int, first: bool) -> None:
    torch.manual_seed(0)
    block = ECGBlock(3, outputs, 16, stride=stride, first=first, rate=0.2).double().eval()
    state, x = random_state(block), torch.randn(2, 3, steps, dtype=torch.float64)
    before = x.clone()
    y = x if first else activated(x, state, "bn1")
    y = convolved(y, state, "conv1", stride)
    y = convolved(activated(y, state, "bn2"), state, "conv2")
    pooled = torch.stack([x[:, :, i : i + stride].amax(2) for i in range(0, steps, stride)], 2)
    h = torch.cat([pooled, pooled.new_zeros(2, outputs - 3, pooled.shape[2])], 1)
    torch.testing.assert_close(block(x), y + h)
    assert torch.equal(x, before)


def test_layer_shapes_are_those_of_the_authors_code() -> None:
    """Blocks halve every second time, channels double every fourth; 256 samples a label."""
    with torch.device("meta"):
        network = build(get_spec("ecg_resnet34"))
    rows = {row.name: row for row in summarize(network, (1, 6144), depth=2).rows}
    for block in range(16):
        shape = rows[f"layer{block // 4 + 1}.{block % 4}"].output_shape
        assert shape == (32 * 2 ** (block // 4), 6144 // 2 ** ((block + 1) // 2))
    assert rows["last_relu"].output_shape == (256, 24)


def test_parameters_are_the_sums_over_the_authors_layers() -> None:
    """10,466,148 with the four classes of their example for the challenge of 2017."""
    total, inputs = 16 * 32 + 32 + 2 * 32, 32
    for block in range(16):
        width = 32 * 2 ** (block // 4)
        total += 2 * inputs * (block > 0)  # the first block has no norm in front
        total += 16 * inputs * width + width + 2 * width + 16 * width * width + width
        inputs = width
    total += 2 * 256 + 256 * 4 + 4
    with torch.device("meta"):
        network = build(replace(get_spec("ecg_resnet34"), num_classes=4))
    assert sum(parameter.numel() for parameter in network.parameters()) == total == 10_466_148


def test_weights_start_as_the_authors() -> None:
    """He's normal within two standard deviations, scaled up for what that cuts off."""
    torch.manual_seed(0)
    spec = replace(get_spec("ecg_resnet34"), depths=(1, 1), widths=(32, 64))
    weight = build(spec).get_submodule("layer2.0.conv1").weight.detach()
    deviation = (2 / (32 * 16)) ** 0.5
    assert abs(weight.std() / deviation - 1) < 0.01
    assert weight.abs().max() <= 2 * deviation / 0.8796
    assert weight.abs().max() > 1.99 * deviation / 0.8796


def test_padding_changes_no_logit() -> None:
    torch.manual_seed(0)
    spec = replace(get_spec("ecg_resnet34"), depths=(2, 2, 2, 2), widths=(4, 4, 6, 8))
    network = build(spec).double().eval()
    random_state(network)
    lengths = torch.tensor([90, 5, 33, 64])
    x = torch.randn(4, 1, 90, dtype=torch.float64)
    found = network(x, lengths=lengths)
    for i, length in enumerate(lengths):
        torch.testing.assert_close(found[i : i + 1], network(x[i : i + 1, :, :length]))


def test_dropout_is_inside_the_blocks() -> None:
    with torch.device("meta"):
        network = build(get_spec("ecg_resnet34"))
    found = [m for m in network.modules() if isinstance(m, torch.nn.Dropout)]
    assert [m.p for m in found] == [0.2] * 16


def test_impossible_specs_are_refused() -> None:
    for changes, message in (
        ({"rank": 2}, "rank: expected 1, for signals"),
        ({"widths": (32, 64)}, "widths: expected as many as depths"),
        ({"widths": (64, 32, 64, 64)}, "widths: expected positive sizes that do not fall"),
        ({"dropout": -0.1}, "dropout: expected in"),
    ):
        with pytest.raises(UsageError, match=message):
            replace(get_spec("ecg_resnet34"), **changes)
