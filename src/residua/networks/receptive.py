"""The receptive field: which part of the input an element of a feature map can depend on.

Along one axis it is an interval. Where an output element at position i sees the inputs from
``low + i * jump`` to ``high + i * jump``, a window of k elements, dilated by d, at stride s, after
p padding ones, gives (Araujo, Norris & Sim, "Computing Receptive Fields of Convolutional Neural
Networks", Distill 2019):

    low' = low - p * jump    high' = high + ((k - 1) * d - p) * jump    jump' = s * jump

Where branches meet, by addition, multiplication or concatenation, it is the hull of theirs. What
pools over a whole map, or mixes its positions as a linear layer does, sees the whole input.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import cast

from residua.networks.flow import Op, Value

Field = tuple[int | None, ...]
"""Its size along each axis of the input, in input elements; None where it is the whole axis."""


@dataclass(frozen=True, slots=True)
class Reach:
    """What the elements of a tensor see along one axis of the input.

    Attributes:
        axis: The dimension of the tensor whose positions are those of the axis; None if there is
            none left.
        low, high, jump: See above.
        whole: Every element sees the whole axis.
    """

    axis: int | None
    low: float = 0
    high: float = 0
    jump: float = 1
    whole: bool = False

    def window(self, size: int, *, stride: float, dilation: int = 1, padding: int = 0) -> Reach:
        low = self.low - padding * self.jump
        high = self.high + ((size - 1) * dilation - padding) * self.jump
        return replace(self, low=low, high=high, jump=stride * self.jump)


def receptive_fields(ops: Sequence[Op]) -> dict[Op, Field]:
    """The field of every operation of a trace, whose first one is the input ``[b, c, *s]``."""
    reached: dict[Op, tuple[Reach, ...]] = {}
    for op in ops:
        if op.sources:
            reached[op] = _after(op, reached)
        else:
            reached[op] = tuple(Reach(axis) for axis in range(2, len(op.shape)))
    return {op: tuple(_size(reach) for reach in reaches) for op, reaches in reached.items()}


def field_text(field: Field) -> str:
    """``43``, ``43×7`` where the axes differ, ``all`` for the whole input."""
    sizes = ["all" if size is None else str(size) for size in field]
    return sizes[0] if len(set(sizes)) == 1 else "×".join(sizes)


def _size(reach: Reach) -> int | None:
    return None if reach.whole else ceil(reach.high - reach.low) + 1


def _after(op: Op, reached: dict[Op, tuple[Reach, ...]]) -> tuple[Reach, ...]:
    """What the output of ``op`` sees along each axis."""
    inputs = [(v.shape, reached[v.maker]) for v in _makers(op.arguments.values()) if v.maker]
    axes = range(len(inputs[0][1]))
    return tuple(
        _hull([_step(op, shape, reaches[axis], reaches) for shape, reaches in inputs])
        for axis in axes
    )


def _makers(arguments: Iterable[object]) -> list[Value]:
    found: list[Value] = []
    for argument in arguments:
        if isinstance(argument, Value):
            found.append(argument)
        elif isinstance(argument, tuple):
            found += _makers(cast(tuple[object, ...], argument))
    return [value for value in found if value.maker is not None]


def _hull(reaches: list[Reach]) -> Reach:
    first = max(reaches, key=lambda reach: (reach.axis is not None, -reach.jump))
    return replace(
        first,
        low=min(reach.low for reach in reaches),
        high=max(reach.high for reach in reaches),
        whole=any(reach.whole for reach in reaches),
    )


def _step(op: Op, shape: tuple[int, ...], reach: Reach, all_axes: tuple[Reach, ...]) -> Reach:
    """One input of ``op``, of ``shape``, along one axis."""
    if reach.axis is None:
        return reach
    match op.name:
        case "convolution":
            return _convolved(op, shape, reach)
        case name if name.startswith(("max_pool", "avg_pool")):
            return _pooled(op, shape, reach)
        case "_adaptive_avg_pool2d" | "_adaptive_avg_pool3d" | "adaptive_max_pool2d":
            return _adapted(op, shape, reach)
        case "mean" | "sum" | "amax" | "amin" | "var" | "norm":
            return _reduced(op, shape, reach)
        case "constant_pad_nd":
            padding = cast(tuple[int, ...], op.arguments["pad"])
            before = 2 * (len(shape) - 1 - reach.axis)
            return (
                reach.window(1, stride=1, padding=padding[before])
                if (before < len(padding))
                else reach
            )
        case "slice":
            return _sliced(op, shape, reach)
        case _:
            return _moved(op, shape, reach, all_axes)


def _per_axis(op: Op, name: str, position: int, default: int) -> int:
    """One number of a setting that may be a single one, or left out, for all axes."""
    given = op.arguments.get(name, ())
    numbers = (given,) if isinstance(given, int) else cast(tuple[int, ...], given)
    if not numbers:
        return default
    return numbers[0] if len(numbers) == 1 else numbers[position]


def _convolved(op: Op, shape: tuple[int, ...], reach: Reach) -> Reach:
    assert reach.axis is not None
    position = reach.axis - 2
    if position < 0 or op.arguments["transposed"]:
        return replace(reach, whole=True)
    return reach.window(
        cast(Value, op.arguments["weight"]).shape[reach.axis],
        stride=_per_axis(op, "stride", position, 1),
        dilation=_per_axis(op, "dilation", position, 1),
        padding=_per_axis(op, "padding", position, 0),
    )


def _pooled(op: Op, shape: tuple[int, ...], reach: Reach) -> Reach:
    """Kernels cover the last dimensions, as many as the operation's name says."""
    assert reach.axis is not None
    axes = int(op.name.partition("pool")[2][0])
    position = reach.axis - len(shape) + axes
    if position < 0:
        return reach
    kernel = _per_axis(op, "kernel_size", position, 1)
    return reach.window(
        kernel,
        stride=_per_axis(op, "stride", position, kernel),
        dilation=_per_axis(op, "dilation", position, 1),
        padding=_per_axis(op, "padding", position, 0),
    )


def _adapted(op: Op, shape: tuple[int, ...], reach: Reach) -> Reach:
    """Window i of n covers floor(i * size / n) up to ceil((i + 1) * size / n)."""
    assert reach.axis is not None
    size, outputs = shape[reach.axis], op.shape[reach.axis]
    if outputs == 1:
        return replace(reach, whole=True)
    windows = [ceil((i + 1) * size / outputs) - i * size // outputs for i in range(outputs)]
    return reach.window(max(windows), stride=size / outputs)


def _reduced(op: Op, shape: tuple[int, ...], reach: Reach) -> Reach:
    assert reach.axis is not None
    given = op.arguments.get("dim")
    dims = (given,) if isinstance(given, int) else cast("tuple[int, ...] | None", given)
    reduced = {dim % len(shape) for dim in dims or range(len(shape))}
    if reach.axis in reduced:
        return replace(reach, whole=True, axis=reach.axis if len(op.shape) == len(shape) else None)
    if len(op.shape) == len(shape):
        return reach
    return replace(reach, axis=reach.axis - sum(dim < reach.axis for dim in reduced))


def _sliced(op: Op, shape: tuple[int, ...], reach: Reach) -> Reach:
    if cast(int, op.arguments["dim"]) % len(shape) != reach.axis:
        return reach
    start = cast("int | None", op.arguments["start"]) or 0
    if start < 0 and reach.axis is not None:
        start += shape[reach.axis]
    return reach.window(1, stride=cast(int, op.arguments["step"]), padding=-start)


def _moved(op: Op, shape: tuple[int, ...], reach: Reach, all_axes: tuple[Reach, ...]) -> Reach:
    """Elementwise operations keep positions, views move them; all others mix them."""
    axis, dim = reach.axis, op.arguments.get("dim")
    assert axis is not None
    size = shape[axis]
    match op.name:
        case "unsqueeze":
            new = cast(int, dim) % len(op.shape)
            return replace(reach, axis=axis + (new <= axis))
        case "select":
            gone = cast(int, dim) % len(shape)
            if gone == axis:
                return replace(reach, axis=None)
            return replace(reach, axis=axis - (gone < axis))
        case "permute":
            dims = [d % len(shape) for d in cast(tuple[int, ...], op.arguments["dims"])]
            return replace(reach, axis=dims.index(axis))
        case "transpose":
            a, b = (cast(int, op.arguments[name]) % len(shape) for name in ("dim0", "dim1"))
            return replace(reach, axis={a: b, b: a}.get(axis, axis))
        case "cat" | "_softmax" | "_log_softmax" | "cumsum" if cast(int, dim) % len(shape) == axis:
            return replace(reach, whole=True)
        case _:
            pass
    tail = shape[min(r.axis for r in all_axes if r.axis is not None) :]
    kept = len(op.shape) - len(shape) + axis
    if op.shape[len(op.shape) - len(tail) :] == tail and kept >= 0:  # aligned at the end
        return replace(reach, axis=kept)
    if op.shape[: axis + 1] == shape[: axis + 1]:  # aligned at the start
        return reach
    if len(op.shape) == len(shape) and size in (1, op.shape[axis]):  # broadcast
        return reach
    return replace(reach, axis=None, whole=reach.whole or size > 1)
