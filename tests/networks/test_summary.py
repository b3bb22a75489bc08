"""Tables of networks against arithmetic by hand, and memory against what autograd really keeps."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from residua.errors import InputShapeError, UnknownNameError
from residua.networks.catalog import build, get_spec
from residua.networks.summary import Summary, block_input_shape, summarize

IMAGENET, CIFAR = (3, 224, 224), (3, 32, 32)


def network(name: str, **changes: float) -> nn.Module:
    with torch.device("meta"):
        return build(replace(get_spec(name), **changes))


def bottleneck_macs(depths: tuple[int, ...]) -> int:
    """He et al., table 1, v1.5: the sum of k * k * inputs * outputs * positions."""
    total, inputs, size = 7 * 7 * 3 * 64 * 112**2, 64, 56
    for stage, depth in enumerate(depths):
        width, previous = 64 * 2**stage, size
        size = 56 // 2**stage
        for block in range(depth):
            before = previous if block == 0 else size
            total += inputs * width * before**2
            total += 9 * width * width * size**2 + width * 4 * width * size**2
            total += inputs * 4 * width * size**2 if block == 0 else 0
            inputs = 4 * width
    return total + 2048 * 1000


@pytest.mark.parametrize(
    ("name", "published"), [("resnet50", 4_089_184_256), ("resnet101", 7_801_405_440)]
)
def test_macs_of_bottleneck_networks(name: str, published: int) -> None:
    found = summarize(network(name), IMAGENET)
    assert found.macs == bottleneck_macs(get_spec(name).depths) == published


def test_macs_of_resnet18() -> None:
    stem, first = 7 * 7 * 3 * 64 * 112**2, 4 * 9 * 64 * 64 * 56**2
    # Each later stage starts with half the channels in its first convolution and a shortcut.
    later = sum(
        (w // 2 * w + 3 * w * w) * 9 * s * s + w // 2 * w * s * s
        for w, s in ((128, 28), (256, 14), (512, 7))
    )
    found = summarize(network("resnet18"), IMAGENET)
    assert found.macs == stem + first + later + 512_000 == 1_814_073_344


@pytest.mark.parametrize(
    ("layer", "shape", "macs"),
    [
        (nn.Conv2d(6, 8, 3, padding=1), (6, 5, 7), 5 * 7 * 8 * 6 * 9),
        (nn.Conv2d(6, 8, (3, 1), stride=2), (6, 9, 7), 4 * 4 * 8 * 6 * 3),
        (nn.Conv2d(6, 8, 3, padding=1, groups=2), (6, 5, 7), 5 * 7 * 8 * 3 * 9),
        (nn.Conv2d(6, 6, 3, padding=1, groups=6), (6, 5, 7), 5 * 7 * 6 * 9),
        (nn.Conv1d(4, 8, 5, padding=2, groups=2), (4, 10), 10 * 8 * 2 * 5),
        (nn.Linear(6, 9), (6,), 6 * 9),
        (nn.BatchNorm2d(6), (6, 5, 7), 0),
    ],
)
def test_macs_of_single_layers(layer: nn.Module, shape: tuple[int, ...], macs: int) -> None:
    found = summarize(layer, shape, batch=3)
    assert found.macs == 3 * macs
    assert found.rows[-1].macs == found.macs


def test_text_book_view_is_the_table_of_the_paper() -> None:
    rows = {row.name: row for row in summarize(network("resnet50"), IMAGENET).rows}
    seen = [(name, row.type, row.output_shape, row.detail) for name, row in rows.items()]
    assert seen == [
        ("input", "", (3, 224, 224), ""),
        ("conv1", "Conv2d", (64, 112, 112), "7×7, 64, stride 2"),
        ("bn1", "BatchNorm2d", (64, 112, 112), ""),
        ("relu", "ReLU", (64, 112, 112), ""),
        ("maxpool", "MaxPool2d", (64, 56, 56), "3×3, stride 2"),
        ("layer1", "3 × Bottleneck", (256, 56, 56), "[1×1, 64 · 3×3, 64 · 1×1, 256]"),
        ("layer2", "4 × Bottleneck", (512, 28, 28), "[1×1, 128 · 3×3, 128 · 1×1, 512]"),
        ("layer3", "6 × Bottleneck", (1024, 14, 14), "[1×1, 256 · 3×3, 256 · 1×1, 1024]"),
        ("layer4", "3 × Bottleneck", (2048, 7, 7), "[1×1, 512 · 3×3, 512 · 1×1, 2048]"),
        ("avgpool", "AdaptiveAvgPool2d", (2048, 1, 1), ""),
        ("flatten", "Flatten", (2048,), ""),
        ("fc", "Linear", (1000,), "2048 → 1000"),
    ]
    assert rows["fc"].parameters == 2048 * 1000 + 1000


def test_signals_have_the_same_table_with_one_axis() -> None:
    rows = {row.name: row for row in summarize(network("resnet18", rank=1), (3, 500)).rows}
    assert rows["conv1"].output_shape == (64, 250)
    assert rows["conv1"].detail == "7, 64, stride 2"
    assert rows["layer4"].output_shape == (512, 16)


@pytest.mark.parametrize("depth", [None, 1, 2, 3, 99])
@pytest.mark.parametrize(
    "name", ["resnet18", "seresnext50_32x4d", "resnetv2_18", "dsresnet20", "alexnet", "vgg11_bn"]
)
def test_columns_add_up_in_every_view(name: str, depth: int | None) -> None:
    found = summarize(network(name), (3, 64, 64), depth=depth)
    assert sum(row.parameters for row in found.rows) == found.parameters
    assert sum(row.macs for row in found.rows) == found.macs
    assert sum(row.activation_bytes for row in found.rows) == found.activation_bytes


def test_depth_opens_levels() -> None:
    names = [
        {row.name for row in summarize(network("resnet20"), CIFAR, depth=depth).rows}
        for depth in (1, 2, 3)
    ]
    assert "layer1" in names[0]
    assert {"layer1.0", "layer3.2"} <= names[1]
    assert {"layer1.0.conv1", "layer2.0.bn2"} <= names[2]


def test_numbered_layers_are_a_row_a_stage_at_depth_1() -> None:
    found = summarize(network("vgg11_bn"), IMAGENET, depth=1)
    rows = [(row.name, row.type, row.output_shape, row.detail) for row in found.rows]
    assert rows == [
        ("input", "", (3, 224, 224), ""),
        ("features.0-3", "block1", (64, 112, 112), "[3×3, 64]"),
        ("features.4-7", "block2", (128, 56, 56), "[3×3, 128]"),
        ("features.8-14", "block3", (256, 28, 28), "[3×3, 256 · 3×3, 256]"),
        ("features.15-21", "block4", (512, 14, 14), "[3×3, 512 · 3×3, 512]"),
        ("features.22-28", "block5", (512, 7, 7), "[3×3, 512 · 3×3, 512]"),
        ("avgpool", "AdaptiveAvgPool2d", (512, 7, 7), ""),
        ("flatten", "Flatten", (25088,), ""),
        ("classifier", "Sequential", (1000,), "[25088 → 4096 · 4096 → 4096 · 4096 → 1000]"),
    ]
    first = {row.name: row for row in found.rows}["features.0-3"]
    assert first.parameters == 3 * 64 * 9 + 64 + 2 * 64
    assert first.macs == 3 * 64 * 9 * 224**2
    layers = {row.name for row in summarize(network("vgg11_bn"), IMAGENET, depth=2).rows}
    assert {"features.0", "features.28", "classifier.6"} <= layers


def test_blocks_that_differ_are_all_told() -> None:
    found = summarize(network("googlenet_compact"), (3, 28, 28))
    rows = {row.name: row.detail for row in found.rows}
    assert rows["inception1"] == "[1×1, 32 | 3×3, 32] · [1×1, 32 | 3×3, 48]"
    assert rows["inception2"] == "[1×1, 112 | 3×3, 48] … [1×1, 48 | 3×3, 96]"
    found = summarize(network("googlenet"), IMAGENET, depth=2)
    rows = {row.name: row.detail for row in found.rows}
    assert rows["inception3a.branch2"] == "[1×1, 96 · 3×3, 128]"


def really_kept(net: nn.Module, inputs: Tensor) -> int:
    """Bytes of the distinct storages that one forward pass on the processor keeps."""
    weights = {t.data_ptr() for t in (*net.parameters(), *net.buffers())}
    kept: dict[int, tuple[int, Tensor]] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = (storage.nbytes(), tensor)
        return tensor

    with saved_tensors_hooks(pack, lambda tensor: tensor):
        logits = net(inputs)
    assert logits.grad_fn is not None
    return sum(size for size, _ in kept.values())


@pytest.mark.parametrize("name", ["resnet20", "preact_resnet164", "seresnet18"])
@pytest.mark.parametrize("batch", [2, 5])
def test_memory_is_what_training_keeps(name: str, batch: int) -> None:
    net = build(replace(get_spec(name), num_classes=10)).train()
    found = summarize(net, CIFAR, batch=batch)
    kept = really_kept(net, torch.randn(batch, *CIFAR))
    norms = [m for m in net.modules() if isinstance(m, nn.BatchNorm2d)]
    statistics = sum(2 * 4 * norm.num_features for norm in norms)  # mean and deviation of a batch
    assert abs(found.activation_bytes - kept) <= statistics


def test_memory_of_a_chain_by_hand() -> None:
    chain = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Dropout(0.5))
    found = summarize(chain, (3, 4, 4), batch=2)
    # Input for the convolution's weights, the rectified output, and one byte a value of the mask.
    expected = {"input": 2 * 48 * 4, "0": 0, "1": 2 * 128 * 4, "2": 0, "3": 2 * 128}
    kept = {row.name: row.activation_bytes for row in found.rows}
    assert kept["3"] in (expected["3"], 4 * expected["3"])  # a mask may also be kept as float32
    assert {**kept, "3": 0} == {**expected, "3": 0}


def test_a_frozen_network_keeps_nothing() -> None:
    net = network("resnet20").requires_grad_(False)
    found = summarize(net, CIFAR)
    assert found.activation_bytes == found.trainable_parameters == 0
    assert found.parameters == 269_722


def test_weight_bytes_are_those_of_a_file() -> None:
    net = network("resnet20").half()
    state = net.state_dict().values()
    assert summarize(net, CIFAR).weight_bytes == sum(t.numel() * t.element_size() for t in state)


class Shared(nn.Module):
    """One layer called twice, one alias of it, one that evaluation does not call."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)
        self.alias = self.layer
        self.scale = nn.Parameter(torch.ones(4))
        self.auxiliary = nn.Sequential(nn.Linear(4, 2))

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.auxiliary(x)
        return self.layer(self.alias(x)) * self.scale


def test_shared_layers_count_once_and_unused_ones_are_named() -> None:
    found = summarize(Shared().train(), (4,))
    assert [(row.name, row.parameters, row.macs) for row in found.rows] == [
        ("input", 0, 0),
        ("layer", 20, 16),
        ("layer", 0, 16),
        ("", 4, 0),
    ]
    assert found.parameters == 20 + 4 + 10
    assert found.unused == ("auxiliary",)


def hooks_of(net: nn.Module) -> list[tuple[int, ...]]:
    return [(*m._forward_hooks, *m._forward_pre_hooks) for m in net.modules()]


def test_the_network_is_left_alone() -> None:
    net = build(get_spec("resnet20")).train()
    before = {key: value.clone() for key, value in net.state_dict().items()}
    hooks = hooks_of(net)
    summarize(net, CIFAR)
    assert all(torch.equal(before[key], value) for key, value in net.state_dict().items())
    assert all(module.training for module in net.modules())
    assert hooks == hooks_of(net)


@pytest.mark.parametrize("shape", [CIFAR, (4, 32, 32)])
def test_a_network_on_the_meta_device_is_left_alone_too(shape: tuple[int, ...]) -> None:
    net = network("wrn_16_8", drop_rate=0.3)
    net.layer1.eval()  # frozen, as it may be
    modes, hooks = [module.training for module in net.modules()], hooks_of(net)
    with nullcontext() if shape == CIFAR else pytest.raises(InputShapeError):
        summarize(net, shape)
    assert [module.training for module in net.modules()] == modes
    assert hooks == hooks_of(net)


def test_a_block_alone_receives_what_the_network_gives_it() -> None:
    net = network("resnet50")
    shape = block_input_shape(net, "layer2.0", IMAGENET)
    assert shape == (256, 56, 56)
    whole = summarize(net, IMAGENET, depth=2)
    alone = summarize(net.get_submodule("layer2.0"), shape)
    row = next(row for row in whole.rows if row.name == "layer2.0")
    assert (alone.macs, alone.parameters) == (row.macs, row.parameters)
    assert alone.rows[-1].output_shape == row.output_shape == (512, 28, 28)


def test_unknown_blocks_are_refused_with_near_names() -> None:
    with pytest.raises(UnknownNameError, match="layer1") as caught:
        block_input_shape(network("resnet20"), "layer11", CIFAR)
    assert "layer1" in caught.value.suggestions


@pytest.mark.parametrize(
    ("module", "shape", "said"),
    [
        (nn.Sequential(nn.Conv2d(3, 8, 3)), (4, 9, 9), "expected 3 channels, received 4, in 0"),
        (nn.Sequential(nn.Conv2d(3, 8, 3)), (3, 9), "channels, height and width, received 3×9"),
        (nn.Sequential(nn.Conv1d(3, 8, 3)), (3, 9, 9), "channels and time, received 3×9×9"),
        (nn.Sequential(nn.MaxPool2d(4)), (3, 2, 9), r"received 3×2×9, in 0 .*larger inputs"),
        (nn.Sequential(nn.Flatten(), nn.Linear(8, 2)), (3, 3), "expected 8 channels, received 9"),
        (nn.Sequential(nn.Conv2d(3, 8, 3)), (3, 0, 9), "sizes from 1 up"),
        (nn.Sequential(nn.Conv2d(3, 8, 3)), (), "sizes from 1 up"),
    ],
)
def test_wrong_inputs_are_one_line(module: nn.Module, shape: tuple[int, ...], said: str) -> None:
    with pytest.raises(InputShapeError, match=said) as caught:
        summarize(module, shape)
    assert "\n" not in str(caught.value)


def test_networks_of_the_catalog_refuse_wrong_channels() -> None:
    with pytest.raises(InputShapeError):
        summarize(network("resnet20"), (4, 32, 32))


def test_text_has_a_line_a_row_and_the_totals() -> None:
    found: Summary = summarize(network("resnet20"), CIFAR)
    lines = str(found).splitlines()
    assert len(lines) == len(found.rows) + 2
    assert "269,722" in lines[-1]
    assert f"{found.macs:,}" in lines[-1]
