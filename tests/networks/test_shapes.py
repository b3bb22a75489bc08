"""Shapes are those of torch's own rules for the meta device, and its errors are kept."""

import subprocess
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any
from unittest.mock import patch

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor

from residua.networks import shapes
from residua.networks.trace import trace

ATEN = torch.ops.aten
FLOATS = torch.float32, torch.float64, torch.bfloat16
small = st.integers(1, 4)


def meta(*sizes: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.empty(sizes, dtype=dtype, device="meta")


def outcome(call: Any, func: Any, args: Sequence[object]) -> object:
    """Shapes and dtypes, or the error."""
    try:
        output = call(func, args, {})
    except (RuntimeError, ValueError, IndexError) as error:
        return str(error).partition("\n")[0]
    tensors = output if isinstance(output, tuple) else (output,)
    return [(tuple(t.shape), t.dtype, t.is_meta) for t in tensors]


def assert_same(func: Any, *args: object) -> None:
    own = outcome(shapes.call, func, args)
    assert own == outcome(lambda f, a, k: f(*a, **k), func, args)


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_convolution(data: st.DataObject) -> None:
    rank, groups = data.draw(st.integers(1, 2)), data.draw(st.integers(1, 3))
    draw = lambda low, high: [data.draw(st.integers(low, high)) for _ in range(rank)]  # noqa: E731
    channels = groups * data.draw(small)
    x = meta(data.draw(small), channels, *draw(1, 12))
    wrong = data.draw(st.sampled_from([0, 0, 0, 1]))
    weight = meta(groups * 2, channels // groups + wrong, *draw(1, 5))
    bias = data.draw(st.sampled_from([None, meta(groups * 2)]))
    stride, padding, dilation = draw(1, 3), draw(0, 3), draw(1, 2)
    args = x, weight, bias, stride, padding, dilation, False, [0] * rank, groups
    assert_same(ATEN.convolution.default, *args)


@settings(max_examples=80, deadline=None)
@given(st.data(), st.booleans())
def test_pools(data: st.DataObject, ceil_mode: bool) -> None:
    draw = lambda low, high: [data.draw(st.integers(low, high)) for _ in range(2)]  # noqa: E731
    x = meta(2, 3, *draw(1, 12))
    kernel, stride, padding = draw(1, 5), draw(1, 3), draw(0, 2)
    assert_same(ATEN.avg_pool2d.default, x, kernel, stride, padding, ceil_mode)
    dilation = draw(1, 2)
    assert_same(
        ATEN.max_pool2d_with_indices.default, x, kernel, stride, padding, dilation, ceil_mode
    )
    assert_same(ATEN._adaptive_avg_pool2d.default, x, draw(1, 4))


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.integers(1, 3), min_size=1, max_size=4),
    st.lists(st.integers(1, 3), max_size=4),
    st.sampled_from(FLOATS),
    st.sampled_from(FLOATS),
)
def test_elementwise(a: list[int], b: list[int], first: torch.dtype, second: torch.dtype) -> None:
    for func in (ATEN.add.Tensor, ATEN.mul.Tensor, ATEN.div.Tensor):
        assert_same(func, meta(*a, dtype=first), meta(*b, dtype=second))
        assert_same(func, meta(*a, dtype=first), 2.5)


@settings(max_examples=60, deadline=None)
@given(st.data(), st.booleans())
def test_means_joins_and_products(data: st.DataObject, keepdim: bool) -> None:
    sizes = data.draw(st.lists(small, min_size=2, max_size=4))
    dims = data.draw(st.lists(st.integers(-len(sizes), len(sizes) - 1), min_size=1, max_size=2))
    assume(len({dim % len(sizes) for dim in dims}) == len(dims))
    assert_same(ATEN.mean.dim, meta(*sizes), dims, keepdim)
    other = [data.draw(small) if data.draw(st.booleans()) else size for size in sizes]
    assert_same(ATEN.cat.default, [meta(*sizes), meta(*other)], data.draw(st.integers(0, 2)))
    assert_same(ATEN.addmm.default, meta(3), meta(*sizes), meta(other[-1], 3))


@settings(max_examples=60, deadline=None)
@given(st.data(), st.booleans())
def test_recurrent_and_gated(data: st.DataObject, keepdim: bool) -> None:
    sizes = data.draw(st.lists(small, min_size=2, max_size=4))
    x, dim = meta(*sizes), data.draw(st.integers(-len(sizes), len(sizes) - 1))
    for func in (ATEN.relu.default, ATEN.tanh.default):
        assert_same(func, x)
    assert_same(ATEN.hardtanh.default, x, 0.0, 20.0)
    assert_same(ATEN.glu.default, x, dim)
    assert_same(ATEN.cumsum.default, x, dim)
    assert_same(ATEN.amax.default, x, [dim], keepdim)
    assert_same(ATEN.mm.default, x, meta(data.draw(small), 3))


def test_an_lstm_costs_what_its_loop_over_time_does() -> None:
    layer = torch.nn.LSTM(5, 4, num_layers=2, batch_first=True, bidirectional=True, device="meta")
    found = trace(layer, (7, 5), batch=3).root
    assert found.output_shape == (7, 8)
    assert found.field == (None,)
    assert found.total_macs == 3 * 7 * 2 * 16 * ((5 + 4) + (8 + 4))
    with patch.object(shapes, "lstms_without_loops", nullcontext):
        looped = trace(layer, (7, 5), batch=3).root
    assert found.total_macs == looped.total_macs
    assert 0.9 < found.total_saved_bytes / looped.total_saved_bytes < 1.1
    assert "forward" not in vars(layer)


@pytest.mark.parametrize("dtype", FLOATS)
def test_batch_norm_in_evaluation(dtype: torch.dtype) -> None:
    x, c = meta(2, 3, 4, 4, dtype=dtype), meta(3)
    assert_same(ATEN.native_batch_norm.default, x, c, c, c, c, False, 0.1, 1e-5)
    assert_same(ATEN.native_batch_norm.default, x, c, c, c, c, True, 0.1, 1e-5)


def test_values_elsewhere_are_computed() -> None:
    x = torch.tensor([1.0, 2.0])
    assert shapes.call(ATEN.mul.Tensor, (x, x), {}).tolist() == [1.0, 4.0]
    assert shapes.call(ATEN.div_.Scalar, (x, 2.0), {}).tolist() == [0.5, 1.0]


def test_the_compiler_is_not_imported() -> None:
    """It takes longer than everything else that a summary does."""
    code = (
        "import sys, torch;"
        "from residua.networks.catalog import build, get_spec;"
        "from residua.networks.summary import summarize;"
        "from dataclasses import replace;"
        "names = 'alexnet_2012', 'googlenet', 'densenet121', 'resnet20', 'seresnet18', 'crnn';\n"
        "for name in names:\n"
        "    spec = replace(get_spec(name), in_chans=3)\n"
        "    with torch.device('meta'): network = build(spec)\n"
        "    summarize(network, (3, 224, 224))\n"
        "sys.exit(','.join({'torch._dynamo', 'sympy'} & set(sys.modules)) or None)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stderr.strip()) == (0, "")
