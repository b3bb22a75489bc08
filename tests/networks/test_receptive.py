"""Receptive fields against gradients in float64, and against published values."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from residua.networks.blocks import PadShortcut, SqueezeExcitation
from residua.networks.catalog import build, get_spec
from residua.networks.receptive import field_text
from residua.networks.specs.resnet import ResNetSpec
from residua.networks.summary import summarize
from residua.networks.trace import trace


def seen(module: nn.Module, shape: tuple[int, ...]) -> tuple[int, ...]:
    """How far the gradient of one element in the middle of the output reaches into the input.

    With weights of one and positive inputs nothing cancels and no ReLU is closed. The maximum,
    whose gradient has one place, is replaced by the average over the same window.
    """
    module = averaging(module).double().eval()
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            parameter.fill_(0.0 if name.endswith("bias") else 0.1)
    inputs = torch.rand((1, *shape), dtype=torch.float64, requires_grad=True)
    output = module(inputs)
    middle = tuple(size // 2 for size in output.shape[2:])
    output[(0, 0, *middle)].backward()
    assert inputs.grad is not None
    touched = inputs.grad[0].abs().sum(0).nonzero()
    extent = touched.max(0).values - touched.min(0).values + 1
    return tuple(int(size) for size in extent)


def averaging(module: nn.Module) -> nn.Module:
    for name, child in module.named_children():
        averaging(child)
        if isinstance(child, nn.MaxPool1d | nn.MaxPool2d):
            kind = nn.AvgPool1d if isinstance(child, nn.MaxPool1d) else nn.AvgPool2d
            same = kind(child.kernel_size, child.stride, child.padding, child.ceil_mode)  # pyright: ignore[reportArgumentType]
            module.add_module(name, same)
    return module


def field(module: nn.Module, shape: tuple[int, ...]) -> tuple[int | None, ...]:
    return trace(module, shape).root.field


class Plus(nn.Module):
    """Branches, added or concatenated."""

    def __init__(self, *branches: nn.Module, joined: str = "add") -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)
        self.joined = joined

    def forward(self, x: Tensor) -> Tensor:
        outputs = [branch(x) for branch in self.branches]
        return torch.cat(outputs, 1) if self.joined == "cat" else sum(outputs, torch.zeros(()))


class Does(nn.Module):
    """A function as a module."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


def conv(kernel: int | tuple[int, int], stride: int = 1, pad: int = 0, dilation: int = 1):
    return nn.Conv2d(2, 2, kernel, stride, pad, dilation)


CASES: dict[str, nn.Module] = {
    "rectangular": nn.Sequential(conv((1, 7)), nn.ReLU(), conv((3, 2), 2)),
    "dilated": nn.Sequential(conv(3, 2, 1), conv(3, 1, 2, dilation=2), conv(5, 3)),
    "pools": nn.Sequential(nn.MaxPool2d(3, 2, 1), conv(3), nn.AvgPool2d(2), nn.MaxPool2d(3, 2)),
    "ceil": nn.Sequential(nn.MaxPool2d(3, 2, ceil_mode=True), conv(2), nn.BatchNorm2d(2)),
    "residual": Plus(nn.Sequential(conv(3, 2, 1), conv(3, 1, 1)), PadShortcut(2, 2, 2)),
    "misaligned": Plus(
        nn.Sequential(conv(2), conv(2)), Does(lambda x: x[:, :, 2:, 2:]), joined="cat"
    ),
    "shifted": Plus(conv(3, 1, 0), Does(lambda x: F.pad(x, (-2, 0, 0, -2)))),
    "slices": nn.Sequential(Does(lambda x: x[:, :, 1::3, ::2]), conv(3)),
    "padded": nn.Sequential(Does(lambda x: F.pad(x, (2, 1, 0, 3))), conv(4, 2)),
    "functional": Does(lambda x: F.avg_pool2d(F.relu(x), 3, 2) * 0.5),
    "response": nn.Sequential(conv(3), nn.LocalResponseNorm(3), conv(3, 2)),
    "transposed": nn.Sequential(Does(lambda x: x.transpose(2, 3)), conv((5, 2))),
    "channels": nn.Sequential(
        Does(lambda x: torch.cat([x[:, 0].unsqueeze(1) * 2, x[:, 1:]], 1)), conv(3)
    ),
    "windows": nn.Sequential(conv(3, 2), nn.AdaptiveAvgPool2d(7)),
}


@pytest.mark.parametrize("name", CASES)
def test_fields_are_where_gradients_reach(name: str) -> None:
    assert field(CASES[name], (2, 57, 57)) == seen(CASES[name], (2, 57, 57))


layers = st.tuples(*(st.integers(1, top) for top in (4, 3, 3)), st.integers(0, 2))


@settings(deadline=None, max_examples=30)
@given(st.lists(layers, min_size=1, max_size=4))
def test_chains_of_any_convolutions(chain: list[tuple[int, int, int, int]]) -> None:
    modules = [nn.Conv1d(1, 1, k, s, p, d) for k, s, d, p in chain]
    net = nn.Sequential(*modules)
    assert field(net, (1, 800)) == seen(net, (1, 800))


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        (nn.AdaptiveAvgPool2d(1), (None, None)),
        (nn.Sequential(conv(3), nn.Flatten(), nn.Linear(450, 5)), (None, None)),
        (nn.Sequential(conv(3, 1, 1), SqueezeExcitation(2, 2, 1)), (None, None)),
        (Does(lambda x: x.mean((2, 3))), (None, None)),
        (nn.Sequential(conv(3, 1, 1), Does(lambda x: x.mean(3))), (3, None)),
        (Does(lambda x: x.softmax(1)), (1, 1)),
        (Does(lambda x: x.softmax(2)), (None, 1)),
    ],
)
def test_what_pools_everything_sees_everything(
    module: nn.Module, expected: tuple[int | None, ...]
) -> None:
    assert field(module, (2, 17, 17)) == expected


@pytest.mark.parametrize("name", ["resnet20", "plain20", "preact_resnet110", "resnet20_b"])
def test_networks_see_what_their_gradients_reach(name: str) -> None:
    """The last map's middle; inputs are larger than the field."""
    spec = get_spec(name)
    assert isinstance(spec, ResNetSpec)
    spec = replace(spec, depths=(2,) * len(spec.depths))
    net = build(spec)
    with torch.device("meta"):
        fields = {row.name: row.field for row in summarize(build(spec), (3, 33, 33)).rows}
    size = fields["layer2"][0]
    assert size is not None
    front = nn.Sequential(net.conv1, net.bn1, net.relu, net.layer1, net.layer2)  # pyright: ignore[reportArgumentType]
    inputs = (3, size + 9, size + 9)
    assert seen(front, inputs) == fields["layer2"]


@pytest.mark.parametrize(
    ("name", "layer", "size"),
    [
        ("vgg16", -2, 212),  # Araujo et al., 2019, table 1
        ("alexnet", -2, 195),
        ("resnet50_v1", "layer4", 483),
        ("resnet50", "layer4", 427),  # stride in the 3x3: three jumps are halved
        ("resnet18", "conv1", 7),
        ("resnet18", "maxpool", 11),
        ("resnet18", "layer1", 43),
        ("resnet18", "layer4", 435),
        ("resnet18", "avgpool", None),
        ("resnet18", "fc", None),
    ],
)
def test_published_fields(name: str, layer: str | int, size: int | None) -> None:
    with torch.device("meta"):
        net = build(get_spec(name))
    rows = summarize(net, (3, 224, 224), depth=9).rows
    if isinstance(layer, str):
        rows = summarize(net, (3, 224, 224)).rows
        assert next(row.field for row in rows if row.name == layer) == (size, size)
        return
    pools = [row for row in rows if row.type.startswith("MaxPool")]
    assert pools[-1].field == (size, size)
    if name == "vgg16":
        convs = [row for row in rows if row.type == "Conv2d"]
        assert convs[-1].field == (196, 196)


def test_text_is_one_number_where_axes_agree() -> None:
    assert field_text((43, 43)) == field_text((43,)) == "43"
    assert field_text((43, 7)) == "43×7"
    assert field_text((None, None)) == "all"
    assert field_text((3, None)) == "3×all"
    assert field_text(()) == ""
