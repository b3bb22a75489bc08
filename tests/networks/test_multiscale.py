"""The multi-scale 1-D ResNets against formulas, the published code's sizes, and short series."""

from dataclasses import replace
from math import ceil, prod

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from residua.errors import InputShapeError, UsageError
from residua.networks.catalog import build, get_spec
from residua.networks.multiscale import MultiScaleResNet
from residua.networks.specs.multiscale import MultiScaleSpec
from residua.networks.summary import summarize
from residua.networks.weights import load_state

NAMES = ("multiscale_resnet1d", "multiscale_resnet1d_2018")


def spec_of(name: str, **changes: object) -> MultiScaleSpec:
    spec = get_spec(name)
    assert isinstance(spec, MultiScaleSpec)
    return replace(spec, **changes)


def small(name: str = NAMES[0], **changes: object) -> MultiScaleResNet:
    """Narrow, in float64, with norms that do something."""
    torch.manual_seed(0)
    spec = spec_of(name, **{"widths": (4, 6, 8), "stem_width": 4, **changes})
    network = build(spec).double().eval()
    assert isinstance(network, MultiScaleResNet)
    generator = torch.Generator().manual_seed(1)
    for key, value in network.state_dict().items():
        if value.is_floating_point():
            noise = torch.rand(value.shape, generator=generator, dtype=torch.float64)
            value.copy_(noise + 0.5 if key.endswith("var") else noise - 0.3)
    return network


def signals(length: int, batch: int = 3) -> Tensor:
    generator = torch.Generator().manual_seed(2)
    return torch.randn(batch, 1, length, generator=generator, dtype=torch.float64)


def norm(x: Tensor, state: dict[str, Tensor], key: str) -> Tensor:
    mean, var, scale, shift = (
        state[f"{key}.{part}"][:, None]
        for part in ("running_mean", "running_var", "weight", "bias")
    )
    return (x - mean) / (var + 1e-5).sqrt() * scale + shift


def stem(x: Tensor, state: dict[str, Tensor], strides: tuple[int, int]) -> Tensor:
    x = norm(F.conv1d(x, state["conv1.weight"], None, strides[0], 3), state, "bn1").relu()
    return F.max_pool1d(x, 3, strides[1], 1) if strides[1] > 1 else x


def published(network: MultiScaleResNet, x: Tensor) -> Tensor:
    """The network of the published code: padding 1 everywhere, cut identities, fixed windows."""
    state = network.state_dict()
    x, answers = stem(x, state, (2, 2)), []
    for branch, window in ((1, 16), (2, 11), (3, 6)):
        y = x
        for stage in range(3):
            key = f"scales.branch{branch}.{stage}.0."
            z = F.conv1d(y, state[f"{key}conv1.weight"], None, 2, 1)
            z = norm(z, state, f"{key}bn1").relu()
            z = norm(F.conv1d(z, state[f"{key}conv2.weight"], None, 1, 1), state, f"{key}bn2")
            h = F.conv1d(y, state[f"{key}downsample.0.weight"], None, 2)
            h = norm(h, state, f"{key}downsample.1")
            y = (z + h[:, :, : z.shape[2]]).relu()
        answers.append(F.avg_pool1d(y, window, 1))
    return torch.cat(answers, 1)[:, :, 0] @ state["fc.weight"].T + state["fc.bias"]


def test_both_have_the_published_number_of_parameters_at_six_classes() -> None:
    for name in NAMES:
        with torch.device("meta"):
            network = build(get_spec(name))
        assert network.spec.num_classes == 6
        assert sum(parameter.numel() for parameter in network.parameters()) == 2_114_502


def test_the_published_layout_is_the_published_formula() -> None:
    network = small(NAMES[1])
    torch.testing.assert_close(network(signals(512)), published(network, signals(512)))


def test_the_published_names_load() -> None:
    network = small(NAMES[1])
    theirs: dict[str, Tensor] = {}
    for key, value in network.state_dict().items():
        if key.startswith("scales."):
            _, branch, stage, rest = key.split(".", 3)
            kernel = {"branch1": 3, "branch2": 5, "branch3": 7}[branch]
            key = f"layer{kernel}x{kernel}_{int(stage) + 1}.{rest}"
        theirs[key] = value.clone()
    assert "layer5x5_2.0.conv1.weight" in theirs
    for name in NAMES:
        other = build(replace(network.spec, name=name, **_layout(name))).double().eval()
        load_state(other, theirs, where="theirs")
        found = other.state_dict()
        key = (
            "scales.branch2.1.0.conv1.weight"
            if name == NAMES[1]
            else "layer2.branch5.0.conv1.weight"
        )
        assert torch.equal(found[key], theirs["layer5x5_2.0.conv1.weight"])


def _layout(name: str) -> dict[str, object]:
    spec = spec_of(name)
    return {"layout": spec.layout, "scale_shortcuts": spec.scale_shortcuts}


@pytest.mark.parametrize("shortcuts", [True, False])
def test_the_default_is_its_formula(shortcuts: bool) -> None:
    """m_k = relu(F_k(x_k) + h_k(x_k)) + m of the next smaller kernel, in every stage."""
    network = small(scale_shortcuts=shortcuts, depths=(1, 2, 1))
    state, x = network.state_dict(), signals(45)
    maps = [stem(x, state, (2, 2))] * 3
    for stage, depth in enumerate((1, 2, 1), start=1):
        found: list[Tensor] = []
        for kernel, y in zip((3, 5, 7), maps, strict=True):
            for block in range(depth):
                key, stride = f"layer{stage}.branch{kernel}.{block}.", 1 if block else 2
                z = F.conv1d(y, state[f"{key}conv1.weight"], None, stride, kernel // 2)
                z = norm(z, state, f"{key}bn1").relu()
                z = F.conv1d(z, state[f"{key}conv2.weight"], None, 1, kernel // 2)
                if block == 0:
                    y = F.conv1d(y, state[f"{key}downsample.0.weight"], None, 2)
                    y = norm(y, state, f"{key}downsample.1")
                y = (norm(z, state, f"{key}bn2") + y).relu()
            found.append(y + found[-1] if found and shortcuts else y)
        maps = found
    seen = torch.cat(maps, 1)
    torch.testing.assert_close(network.forward_features(x), seen)
    expected = seen.mean(2) @ state["fc.weight"].T + state["fc.bias"]
    torch.testing.assert_close(network(x), expected)


def test_shapes_and_fields_at_the_published_length() -> None:
    with torch.device("meta"):
        rows = {row.name: row for row in summarize(build(get_spec(NAMES[0])), (1, 512)).rows}
    assert rows["maxpool"].output_shape == (64, 128)
    assert [rows[f"layer{i}"].output_shape for i in (1, 2, 3)] == [(192, 64), (384, 32), (768, 16)]
    field, jump = 7 + 2 * 2, 4  # stem: 7 stride 2, then 3 stride 2
    for stage in (1, 2, 3):  # the longest kernel: 7 at the old and at the doubled step
        field, jump = field + 6 * jump + 6 * 2 * jump, 2 * jump
        assert rows[f"layer{stage}"].field == (field,)


@pytest.mark.parametrize(
    ("length", "strides"),
    [
        (1, (1, 1, 1, 1, 1)),
        (24, (1, 1, 1, 1, 1)),
        (511, (1, 1, 1, 1, 1)),
        (512, (1, 1, 1, 1, 2)),
        (1023, (1, 1, 1, 1, 2)),
        (1024, (1, 1, 1, 2, 2)),
        (1460, (1, 1, 1, 2, 2)),
        (8191, (2, 1, 2, 2, 2)),
        (8192, (2, 2, 2, 2, 2)),
        (10**6, (2, 2, 2, 2, 2)),
    ],
)
def test_strides_follow_the_length(length: int, strides: tuple[int, ...]) -> None:
    adapted = spec_of(NAMES[0]).adapted(length=length)
    assert adapted.strides == strides
    assert spec_of(NAMES[1]).adapted(length=length) == spec_of(NAMES[1])
    assert get_spec("resnet18").adapted(length=length) == get_spec("resnet18")


@settings(max_examples=30, deadline=None)
@given(length=st.integers(1, 700), shortest=st.integers(1, 40))
def test_the_last_map_is_long_enough_and_no_stride_is_given_up_in_vain(
    length: int, shortest: int
) -> None:
    spec = spec_of(NAMES[0], shortest_map=shortest).adapted(length=length)
    assert ceil(length / prod(spec.strides)) >= min(shortest, length)
    if spec.strides != (2,) * 5:
        assert 2 * prod(spec.strides) * shortest > length
    assert spec.adapted(length=length) == spec


@pytest.mark.parametrize("length", [1, 2, 3, 7, 24, 29])
def test_short_series_train_and_weights_do_not_depend_on_strides(length: int) -> None:
    network = small()
    assert isinstance(network.spec, MultiScaleSpec)
    short = build(network.spec.adapted(length=length)).double()
    short.load_state_dict(network.state_dict())
    assert short.forward_features(signals(length)).shape == (3, 24, length)
    short(signals(length)).square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in short.parameters())


@pytest.mark.parametrize("name", NAMES)
def test_padding_changes_no_logit(name: str) -> None:
    network = small(name)
    lengths = torch.tensor([360, 341, 352])
    x = signals(360)
    for sample, length in zip(x, lengths, strict=True):
        sample[:, length:] = float("nan")
    found = network(x, lengths=lengths)
    for i, length in enumerate(lengths):
        torch.testing.assert_close(found[i : i + 1], network(x[i : i + 1, :, :length]))


def test_one_value_a_channel_is_refused_in_training() -> None:
    for name, length in ((NAMES[0], 32), (NAMES[1], 368)):
        network = small(name).train()
        with pytest.raises(InputShapeError, match=f"length above {length}"):
            network(signals(length, batch=1))
        network(signals(length + 1, batch=1))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kernels": (3, 4)}, "kernels: expected odd sizes"),
        ({"kernels": ()}, "kernels: expected odd sizes"),
        ({"strides": (2, 2)}, "strides: expected 5 numbers"),
        ({"depths": (1, 1)}, "depths: expected as many as widths"),
        ({"layout": "2018"}, "scale_shortcuts: expected False"),
        ({"rank": 2}, "rank: expected 1, for signals"),
        ({"dropout": 1.0}, "dropout: expected in"),
    ],
)
def test_impossible_specs_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        spec_of(NAMES[0], **changes)
