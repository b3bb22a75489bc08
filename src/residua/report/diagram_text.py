"""What a diagram writes into the box of a layer, in the notation of He et al., 2016a, figure 3."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, cast

from torch import nn
from torch.nn.modules import activation
from torch.nn.modules.batchnorm import _NormBase  # pyright: ignore[reportPrivateUsage]
from torch.nn.modules.conv import _ConvNd  # pyright: ignore[reportPrivateUsage]
from torch.nn.modules.dropout import _DropoutNd  # pyright: ignore[reportPrivateUsage]

from residua.networks.flow import Op, Value
from residua.networks.trace import shape_text
from residua.report.diagram_graph import Node

Kind = Literal["conv", "pool", "linear", "gate", "other"]

_HIDDEN = (_NormBase, nn.GroupNorm, nn.LayerNorm, nn.Identity, nn.Flatten, nn.Softmax)
_POINTWISE = {"add", "clone", "div", "mul", "pow", "relu", "sigmoid", "sub", "silu", "view"}


@dataclass(frozen=True, slots=True)
class Label:
    """Words, kind, and the channels that come out where the layer has weights."""

    text: str
    kind: Kind
    outputs: int | None = None


def label(node: Node) -> Label | None:
    """What to write for ``node``; None for what is not drawn: norms, activations, reshaping."""
    if not node.is_layer:
        return _of_op(node.ops[-1])
    module = node.call.module
    if isinstance(module, _HIDDEN) or type(module).__module__ == activation.__name__:
        return None
    if isinstance(module, _DropoutNd):
        return Label(f"dropout {module.p:g}", "other")
    if isinstance(module, _ConvNd | nn.Linear) or _is_pool(module):
        return next((found for op in node.ops if (found := _of_op(op)) is not None), None)
    return _of_module(node)


def _is_pool(module: nn.Module) -> bool:
    return type(module).__module__ == nn.modules.pooling.__name__


def _of_module(node: Node) -> Label | None:
    """A layer of its own class: its name in words, if it does more than arithmetic on elements."""
    call = node.call
    if call.input_shape == call.output_shape and {op.name for op in node.ops} <= _POINTWISE:
        return None
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", type(call.module).__name__).lower()
    before, after = call.input_shape[1:], call.output_shape[1:]
    if after and len(before) == len(after) and before[0] >= 2 * after[0]:
        words += f", /{round(before[0] / after[0])}"
    return Label(words, "other")


def _of_op(op: Op) -> Label | None:
    name = op.name
    if name == "convolution":
        return _convolution(op)
    if name.startswith(("max_pool", "avg_pool")):
        kind = "max pool" if name.startswith("max") else "average pool"
        return Label(f"{shape_text(_window(op))} {kind}{_step(op)}", "pool")
    if name.startswith(("_adaptive_avg", "adaptive_max")):
        return _adaptive(op)
    if name == "mean" and len(_input(op).shape) > 2:
        return Label("global average", "pool")
    if name in ("addmm", "mm", "linear"):
        return Label(f"fc, {op.shape[-1]}", "linear", op.shape[-1])
    return None


def _input(op: Op) -> Value:
    values = [value for value in op.arguments.values() if isinstance(value, Value)]
    return next(value for value in values if value.maker is not None)


def _convolution(op: Op) -> Label:
    weight, groups = cast(Value, op.arguments["weight"]).shape, cast(int, op.arguments["groups"])
    kernel, outputs = shape_text(weight[2:]), weight[0]
    if groups == 1:
        return Label(f"{kernel} conv, {outputs}{_step(op)}", "conv", outputs)
    if weight[1] == 1:
        return Label(f"{kernel} depthwise, {outputs}{_step(op)}", "conv", outputs)
    return Label(f"{kernel} conv, {outputs}, {groups} groups{_step(op)}", "conv", outputs)


def _adaptive(op: Op) -> Label | None:
    before, after = _input(op).shape[2:], op.shape[2:]
    if before == after and max(before) > 1:
        return None
    kind = "max" if "max" in op.name else "average"
    if max(after) == 1:
        return Label(f"global {kind}", "pool")
    return Label(f"{kind} pool to {shape_text(_spatial(op, after))}", "pool")


def _spatial(op: Op, sizes: tuple[int, ...]) -> tuple[int, ...]:
    """``sizes`` less the axis of one that PyTorch adds to signals."""
    return sizes[1:] if _is_signal(op) else sizes


def _is_signal(op: Op) -> bool:
    maker = _input(op).maker
    return maker is not None and maker.name == "unsqueeze" and maker.call is op.call


def _window(op: Op) -> tuple[int, ...]:
    given = cast("int | tuple[int, ...]", op.arguments["kernel_size"])
    sizes = (given,) if isinstance(given, int) else given
    axes = int(op.name.partition("pool")[2][0])
    return _spatial(op, sizes if len(sizes) == axes else sizes * axes)


def _step(op: Op) -> str:
    """``, /2`` for stride 2; pools that say none step by their window."""
    given = op.arguments["stride"] or op.arguments["kernel_size"]
    steps = [given] if isinstance(given, int) else list(cast(tuple[int, ...], given))
    if len(steps) > 1 and _is_signal(op):
        steps = steps[1:]
    if set(steps) == {1}:
        return ""
    return f", /{steps[0]}" if len(set(steps)) == 1 else f", /{shape_text(tuple(steps))}"
