"""A network as a table: output shapes, parameters, multiply-adds, memory.

The default view is the table of text books (He et al., "Deep Residual Learning for Image
Recognition", CVPR 2016, table 1): a row a layer, and one for each stage of equal blocks.
In every view each cost is in exactly one row, so that the columns add up to the totals.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from torch import nn

from residua.errors import UnknownNameError
from residua.networks.network import Network
from residua.networks.receptive import Field, field_text
from residua.networks.trace import Call, Shape, shape_text, trace


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerRow:
    """One row of the table: a layer, a block, a stage, or what a block does outside its layers.

    Attributes:
        name: Dotted name in the network; ``features.0-2`` for layers that have but numbers.
        type: Class; ``3 × Bottleneck`` for a stage; the stage of numbered layers.
        output_shape: Without the batch.
        detail: Kernel, channels, stride and groups: ``3×3, 64, stride 2``.
        parameters: Elements of weights and biases.
        macs: Multiply-adds of convolutions and matrix products.
        activation_bytes: What of its outputs autograd keeps for backward.
        field: Receptive field of an element of the output: its size along each axis of the input,
            None where that is the whole axis.
    """

    name: str
    type: str
    output_shape: Shape
    detail: str
    parameters: int
    macs: int
    activation_bytes: int
    field: Field


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """A network at one input shape.

    Attributes:
        type: Class of the network.
        input_shape: ``(c, h, w)`` or ``(c, t)``.
        batch: Samples that macs and activations are for.
        rows: The table, in the order of computation.
        parameters, trainable_parameters: Elements; shared ones count once.
        macs: Multiply-adds (half the floating-point operations) of all convolutions and matrix
            products; norms, activations and pooling are not counted, as in most papers.
        activation_bytes: All tensors that autograd keeps for backward, inputs included and weights
            not: what training needs beside weights, gradients and optimizer state.
        weight_bytes: Parameters and buffers, the size of a file of them.
        unused: Modules with parameters that evaluation does not call, such as auxiliary heads.
    """

    type: str
    input_shape: Shape
    batch: int
    rows: tuple[LayerRow, ...]
    parameters: int
    trainable_parameters: int
    macs: int
    activation_bytes: int
    weight_bytes: int
    unused: tuple[str, ...]

    def __str__(self) -> str:
        total = f"{self.parameters:,}", f"{self.macs:,}", f"{self.activation_bytes:,}"
        words = ("layer", "type", "output", "detail", "field")
        head = (*words, "parameters", "MACs", "activation bytes")
        lines = [head, *map(_cells, self.rows), ("total", "", "", "", "", *total)]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        return "\n".join(
            "  ".join(
                cell.rjust(width) if column > 3 else cell.ljust(width)
                for column, (cell, width) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in lines
        )


def summarize(
    module: nn.Module, input_shape: Shape, *, depth: int | None = None, batch: int = 1
) -> Summary:
    """Lay ``module`` out as a table, without computing or allocating anything.

    Args:
        module: Any network or block, on any device; it is not changed.
        input_shape: ``(c, h, w)`` or ``(c, t)``.
        depth: How many levels of modules to open: 1 gives the network's children, with numbered
            layers in a row a stage, a large number every layer. By default the text-book view.
        batch: Samples.

    Raises:
        InputShapeError: The network cannot take such inputs.
    """
    traced = trace(module, input_shape, batch=batch)
    root, parameters = traced.root, list(module.parameters())
    rows = _stages(root) if depth == 1 and isinstance(module, Network) else _rows(root, depth)
    return Summary(
        type=type(module).__name__,
        input_shape=input_shape,
        batch=batch,
        rows=(_input_row(input_shape, traced.input_bytes), *rows),
        parameters=sum(parameter.numel() for parameter in parameters),
        trainable_parameters=sum(p.numel() for p in parameters if p.requires_grad),
        macs=root.total_macs,
        activation_bytes=root.total_saved_bytes + traced.input_bytes,
        weight_bytes=sum(t.numel() * t.element_size() for t in (*parameters, *module.buffers())),
        unused=tuple(_unused(root.module, {call.module for call in root.walk()})),
    )


def block_input_shape(module: nn.Module, block: str, input_shape: Shape) -> Shape:
    """The shape of what ``block`` (a dotted name) receives when the network gets ``input_shape``.

    Raises:
        UnknownNameError: The network has no such block, or evaluation does not call it.
        InputShapeError: The network cannot take such inputs.
    """
    calls = list(trace(module, input_shape).root.walk())
    shapes = {call.name: call.input_shape for call in reversed(calls)}  # the first call counts
    if block not in shapes:
        raise UnknownNameError("block", block, filter(None, shapes))
    return shapes[block]


def _input_row(shape: Shape, kept: int) -> LayerRow:
    return LayerRow(
        name="input",
        type="",
        output_shape=shape,
        detail="",
        parameters=0,
        macs=0,
        activation_bytes=kept,
        field=(1,) * (len(shape) - 1),
    )


def _rows(call: Call, depth: int | None) -> Iterator[LayerRow]:
    """The calls inside ``call`` as rows, and last what it does outside them."""
    if not call.calls:
        yield _row(call)
        return
    for inner in call.calls:
        if _opens(inner, depth):
            yield from _rows(inner, None if depth is None else depth - 1)
        elif not _does_nothing(inner):
            yield _row(inner)
    yield from _own(call)


def _own(call: Call) -> Iterator[LayerRow]:
    """What a call does itself, if that costs anything."""
    if call.parameters or call.macs or call.saved_bytes:
        yield LayerRow(
            name=call.name,
            type=type(call.module).__name__,
            output_shape=call.output_shape,
            detail="outside its layers",
            parameters=call.parameters,
            macs=call.macs,
            activation_bytes=call.saved_bytes,
            field=call.field,
        )


def _stages(root: Call) -> Iterator[LayerRow]:
    """The children of a network; numbered ones, as AlexNet's and VGG's, in a row a stage."""
    assert isinstance(root.module, Network)
    stages = {module: s.name for s in root.module.stages() for module in s.modules}

    def place(call: Call) -> tuple[str | None, str]:
        container, _, number = call.name.rpartition(".")
        return stages.get(call.module), container if number.isdigit() else call.name

    for (stage, container), group in groupby(root.calls, key=place):
        calls = list(group)
        if len(calls) > 1:
            yield _numbered(calls, root.module.get_submodule(container), container, stage)
        elif not _does_nothing(calls[0]):
            yield _row(calls[0])
    yield from _own(root)


def _numbered(calls: list[Call], container: nn.Module, name: str, stage: str | None) -> LayerRow:
    """Layers of one container as one row."""
    first, last = (call.name.rpartition(".")[2] for call in (calls[0], calls[-1]))
    whole = len(calls) == len(list(container.children()))
    texts = [_layer_text(call.module) for call in calls if not isinstance(call.module, _Pool)]
    return LayerRow(
        name=name if whole else f"{name}.{first}-{last}",
        type=stage if stage and not whole else type(container).__name__,
        output_shape=calls[-1].output_shape,
        detail=f"[{' · '.join(filter(None, texts))}]",
        parameters=sum(call.total_parameters for call in calls),
        macs=sum(call.total_macs for call in calls),
        activation_bytes=sum(call.total_saved_bytes for call in calls),
        field=calls[-1].field,
    )


def _opens(call: Call, depth: int | None) -> bool:
    if not call.calls:
        return False
    if depth is not None:
        return depth > 1
    return isinstance(call.module, nn.Sequential) and not _is_stage(call)


def _is_stage(call: Call) -> bool:
    """A sequence of blocks of one class."""
    kinds = {type(inner.module) for inner in call.calls}
    return len(kinds) == 1 and all(inner.calls for inner in call.calls)


def _does_nothing(call: Call) -> bool:
    return isinstance(call.module, nn.Identity) and not call.saved_bytes


def _row(call: Call) -> LayerRow:
    kind, blocks = type(call.module).__name__, [call]
    if isinstance(call.module, nn.Sequential) and call.calls and _is_stage(call):
        blocks = call.calls
        kind = f"{len(blocks)} × {type(blocks[0].module).__name__}"
    return LayerRow(
        name=call.name,
        type=kind,
        output_shape=call.output_shape,
        detail=_texts(blocks),
        parameters=call.total_parameters,
        macs=call.total_macs,
        activation_bytes=call.total_saved_bytes,
        field=call.field,
    )


def _texts(blocks: Sequence[Call]) -> str:
    """What equal blocks are; each where they differ, or the first and the last of many."""
    texts = [_block_text(b) if b.calls else _layer_text(b.module) for b in blocks]
    if len(set(texts)) == 1:
        return texts[0]
    joined = " · ".join(texts)
    if len(joined) > _LONGEST // 2:
        joined = f"{texts[0]} … {texts[-1]}"
    return joined if joined.startswith("[") else f"[{joined}]"


def _block_text(block: Call) -> str:
    """``[1×1, 64 · 3×3, 64 · 1×1, 256]``: the convolutions of the main path, or of all branches
    side by side: ``[(1×1, 64 | 1×1, 64 · 3×3, 64) · 1×1, 256]``; ``3 × [...]`` for equal blocks."""
    recurrent = [call.module for call in block.walk() if isinstance(call.module, nn.LSTM)]
    if recurrent:
        return f"{len(recurrent)} × {_units(recurrent[-1])}"
    inner = [call for call in block.calls if len(_layers(call)) > 1 and not _is_aside(call, block)]
    if len({type(call.module) for call in inner}) == 1 < len(inner) and not _is_branch(inner[0]):
        return f"{len(inner)} × {_block_text(inner[-1])}"
    layers = _layers(block)
    if len(layers) == 1:
        return _layer_text(layers[0][1])
    branches: dict[str, list[str]] = {}
    before: list[str] = []
    after: list[str] = []
    for part, layer in layers:
        if part.startswith("branch"):
            branches.setdefault(part, []).append(_layer_text(layer))
        else:
            (after if branches else before).append(_layer_text(layer, stride=False))
    side_by_side = " | ".join(" · ".join(texts) for texts in branches.values())
    if branches and (before or after):
        side_by_side = f"({side_by_side})"
    text = " · ".join([*before, *[side_by_side] * bool(branches), *after])
    if len(text) > _LONGEST:
        return f"{len(layers)} convolutions" + f" in {len(branches)} branches" * bool(branches)
    return f"[{text}]" if text else ""


_LONGEST = 120
"""Characters of a row's description; instead of a longer one the convolutions are counted."""


def _layers(block: Call) -> list[tuple[str, nn.Module]]:
    """The convolutions that describe ``block``, each with the part of it that it belongs to."""
    return [
        (_within(call, block)[0], call.module)
        for call in block.walk()
        if isinstance(call.module, _Conv)
        and not _is_aside(call, block)
        and not _is_higher_term(call)
    ]


def _within(call: Call, block: Call) -> list[str]:
    """The name of ``call`` in parts, less that of ``block`` around it."""
    prefix = f"{block.name}." * bool(block.name)
    return call.name.removeprefix(prefix).split(".")


def _is_aside(call: Call, block: Call) -> bool:
    """Whether it belongs to a shortcut or gate inside ``block``."""
    return not {"downsample", "shortcut", "gate"}.isdisjoint(_within(call, block))


def _is_branch(call: Call) -> bool:
    return call.name.rpartition(".")[2].startswith("branch")


def _is_higher_term(call: Call) -> bool:
    """Of a polynomial convolution, whose first term stands for all."""
    return ".terms." in call.name and not call.name.endswith(".terms.0")


_Conv = nn.Conv1d | nn.Conv2d | nn.Conv3d
_Pool = nn.MaxPool1d | nn.MaxPool2d | nn.AvgPool1d | nn.AvgPool2d


def _layer_text(module: nn.Module, *, stride: bool = True) -> str:
    """Kernel, channels and stride of a layer, in the notation of He et al., table 1."""
    if isinstance(module, _Conv):
        step = _stride_text(module.stride) if stride else ""
        kernel = f"{shape_text(module.kernel_size)}, {module.out_channels}"
        return kernel + step + _groups_text(module)
    if isinstance(module, _Pool):
        kernel, rank = module.kernel_size, int(type(module).__name__[-2])
        sizes = kernel if isinstance(kernel, tuple) else (kernel,) * rank
        return shape_text(sizes) + _stride_text(module.stride)
    if isinstance(module, nn.Linear):
        return f"{module.in_features} → {module.out_features}"
    if isinstance(module, nn.LSTM):
        return f"{module.input_size} → {_units(module)}"
    return ""


def _units(lstm: nn.LSTM) -> str:
    """``2×1024`` where it runs both ways."""
    return f"{'2×' * lstm.bidirectional}{lstm.hidden_size}"


def _stride_text(stride: int | tuple[int, ...]) -> str:
    strides = (stride,) if isinstance(stride, int) else stride
    if len(set(strides)) == 1:
        return "" if strides[0] == 1 else f", stride {strides[0]}"
    return f", stride {shape_text(strides)}"


def _groups_text(conv: _Conv) -> str:
    if conv.groups == 1:
        return ""
    return ", depthwise" if conv.groups == conv.in_channels else f", {conv.groups} groups"


def _unused(module: nn.Module, called: set[nn.Module], prefix: str = "") -> Iterator[str]:
    """Outermost modules that have parameters and are not called."""
    for name, child in module.named_children():
        if not called.isdisjoint(child.modules()):
            yield from _unused(child, called, f"{prefix}{name}.")
        elif next(child.parameters(), None) is not None:
            yield prefix + name


def _cells(row: LayerRow) -> tuple[str, ...]:
    costs = f"{row.parameters:,}", f"{row.macs:,}", f"{row.activation_bytes:,}"
    shape, field = shape_text(row.output_shape), field_text(row.field)
    return row.name, row.type, shape, row.detail, field, *costs
