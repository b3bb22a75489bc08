"""What a diagram of a network shows: groups of blocks, blocks of layers, equal ones folded.

It is read off a trace: stages from `Network.stages`, connections from the data flow. Nothing here
knows any network by its name, and nothing has a position yet (see `diagram_layout`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise
from typing import cast

from torch import nn

from residua.networks.building import collecting_nothing
from residua.networks.network import Network
from residua.networks.trace import Call, Shape, Trace
from residua.report.diagram_graph import Graph, Join, Node
from residua.report.diagram_text import Kind, label

_MANY = 5
"""So many equal single layers in a row are folded as blocks are."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A layer as a box with words."""

    text: str
    kind: Kind
    outputs: int | None = None


@dataclass(frozen=True, slots=True)
class Split:
    """Branches side by side, the main one first, and what joins them: ``+ × concat``.

    ``dense`` marks a block that reads the outputs of all blocks before it.
    """

    symbol: str
    branches: tuple[tuple[Cell | Split, ...], ...]
    dense: bool = False


Part = Cell | Split


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Block:
    """A block, or a layer that stands alone.

    Attributes:
        title: Its class; empty for a layer that stands alone.
        parts: What is drawn of it, in order.
        calls: For each of the equal blocks that were folded into this one, its calls; layers that
            are not drawn are with the block before them.
        output_shape: ``(c, h, w)``, of the last one.
    """

    title: str
    parts: tuple[Part, ...]
    calls: tuple[tuple[Call, ...], ...]
    output_shape: Shape

    @property
    def repeats(self) -> int:
        return len(self.calls)


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A stage of the network."""

    name: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Auxiliary:
    """A classifier for training alone, titled by its name, and the (group, block) that feeds it."""

    block: Block
    after: tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagram:
    """A network at one input shape, as it will be drawn."""

    title: str
    subtitle: str
    input_shape: Shape
    output_shape: Shape
    groups: tuple[Group, ...]
    auxiliaries: tuple[Auxiliary, ...]


@collecting_nothing()
def diagram(traced: Trace, *, title: str, subtitle: str = "") -> Diagram:
    """The diagram of a trace, which is one of a `Network`."""
    network = cast(Network, traced.root.module)
    graph, calls = Graph(traced.ops), {call.module: call for call in traced.root.walk()}
    groups = list[Group]()
    for stage in network.stages():
        called = [call for module in stage.modules for call in _called(module, calls)]
        opened = [inner for call in called for inner in _open(call, graph)]
        blocks = tuple(_folded(_blocks(opened, graph)))
        if blocks:
            groups.append(Group(name=stage.name, blocks=blocks))
    groups = _joined(groups)
    found = tuple(_auxiliaries(network, calls, graph, groups))
    return Diagram(
        title=title,
        subtitle=subtitle,
        input_shape=traced.root.input_shape,
        output_shape=traced.root.output_shape,
        groups=tuple(groups),
        auxiliaries=found,
    )


def _joined(groups: Sequence[Group]) -> list[Group]:
    """Dense blocks give what the next block receives: the outputs of all of them together."""
    flat = [block for group in groups for block in group.blocks]
    following = {a: b.calls[0][0].input_shape for a, b in pairwise(flat) if _is_dense(a)}
    return [
        replace(
            group,
            blocks=tuple(
                replace(block, output_shape=following.get(block, block.output_shape))
                for block in group.blocks
            ),
        )
        for group in groups
    ]


def _called(module: nn.Module, calls: dict[nn.Module, Call]) -> Iterator[Call]:
    """The call of ``module``, or of its parts where `stages` has wrapped them anew."""
    if module in calls:
        yield calls[module]
    else:
        for child in module.children():
            yield from _called(child, calls)


def _open(call: Call, graph: Graph) -> Iterator[Call]:
    """The blocks that ``call`` is a chain of, or itself."""
    if call.calls and (_is_sequence(call.module) or _is_chain(call, graph)):
        for inner in call.calls:
            yield from _open(inner, graph)
    else:
        yield call


def _is_sequence(module: nn.Module) -> bool:
    return type(module).forward is nn.Sequential.forward


def _is_chain(call: Call, graph: Graph) -> bool:
    """Blocks of one class, each fed by the one before it (and, if dense, by others)."""
    inner = call.calls
    alike = len({type(c.module) for c in inner}) == 1 and all(c.calls for c in inner)
    if len(inner) < 2 or not alike:
        return False
    feeders = graph.feeders(inner)
    return all(before in feeders[after] for before, after in pairwise(inner))


def _blocks(calls: Sequence[Call], graph: Graph) -> list[Block]:
    """A block for each call of which something is drawn."""
    made, waiting, feeders = list[Block](), list[Call](), graph.feeders(calls)
    for call in calls:
        parts = tuple(_parts(graph.series(call)))
        if not parts and made:
            made[-1] = replace(made[-1], calls=((*made[-1].calls[0], call),))
        elif not parts:
            waiting.append(call)
        else:
            if len(feeders[call]) > 1:
                parts = _dense(parts)
            shape, group = call.output_shape, ((*waiting, call),)
            title = type(call.module).__name__ if call.calls else ""
            made.append(Block(title=title, parts=parts, calls=group, output_shape=shape))
            waiting.clear()
    for position in reversed(range(len(made) - 1)):  # the first ones have not much before them
        block, after = made[position], made[position + 1]
        if _is_dense(after) and block.title == after.title and not _is_dense(block):
            made[position] = replace(block, parts=_dense(block.parts))
    return made


def _dense(parts: tuple[Part, ...]) -> tuple[Part, ...]:
    """``parts`` beside arcs that stand for all that came before."""
    last = parts[-1]
    if len(parts) == 1 and isinstance(last, Split) and last.symbol == "concat":
        return (replace(last, dense=True),)
    return (Split("concat", (parts, ()), dense=True),)


def _is_dense(block: Block) -> bool:
    first = block.parts[0]
    return isinstance(first, Split) and first.dense


def _folded(blocks: Sequence[Block]) -> Iterator[Block]:
    """Equal neighbours as one."""
    for (title, parts), run in groupby(blocks, key=lambda block: (block.title, block.parts)):
        equal = list(run)
        alone = len(parts) == 1 and isinstance(parts[0], Cell)
        if alone and len(equal) < _MANY:
            yield from (replace(block, title="") for block in equal)
        else:
            calls = tuple(call for block in equal for call in block.calls)
            yield replace(equal[-1], title=title, calls=calls)


def _parts(series: Sequence[Node | Join]) -> Iterator[Part]:
    for item in series:
        if isinstance(item, Node):
            found = label(item)
            if found is not None:
                yield Cell(found.text, found.kind, found.outputs)
            continue
        branches = tuple(tuple(_parts(branch)) for branch in item.branches)
        if any(branches):
            yield _split(_symbol(item.node), branches)


_SYMBOLS = {"add": "+", "mul": "×", "cat": "concat", "sub": "−"}


def _symbol(node: Node) -> str:
    joining = [op.name for op in node.ops if len(op.sources) > 1] or [node.ops[-1].name]
    return _SYMBOLS.get(joining[-1], joining[-1])


def _split(symbol: str, branches: tuple[tuple[Part, ...], ...]) -> Split:
    """The main branch, which has most layers, goes first where another is a shortcut."""
    if symbol == "×":
        branches = tuple(_gate(branch) for branch in branches)
    if symbol != "concat" or not all(branches):
        branches = tuple(sorted(branches, key=lambda branch: -_size(branch)))
    return Split(symbol, branches)


def _gate(branch: tuple[Part, ...]) -> tuple[Part, ...]:
    """A gate computed from the global average as one cell: ``gate 256→16→256``."""
    if len(branch) < 2 or not all(isinstance(part, Cell) for part in branch):
        return branch
    first, *layers = cast(tuple[Cell, ...], branch)
    if first.text != "global average":
        return branch
    widths = [layers[-1].outputs, *(layer.outputs for layer in layers)]
    return (Cell("gate " + "→".join(map(str, widths)), "gate"),)


def _size(parts: tuple[Part, ...]) -> int:
    return sum(1 if isinstance(part, Cell) else sum(map(_size, part.branches)) for part in parts)


def _auxiliaries(
    network: Network, calls: dict[nn.Module, Call], graph: Graph, groups: Sequence[Group]
) -> Iterator[Auxiliary]:
    places = {
        call: (g, b)
        for g, group in enumerate(groups)
        for b, block in enumerate(group.blocks)
        for equal in block.calls
        for call in equal
    }
    for name in network.auxiliary_names:
        call = calls.get(network.get_submodule(name))
        feeders = graph.feeders([*places, call])[call] if call else ()
        if call is None or not feeders:
            continue
        block = Block(
            title=name,
            parts=tuple(_parts(graph.series(call))),
            calls=((call,),),
            output_shape=call.output_shape,
        )
        yield Auxiliary(block=block, after=max(places[feeder] for feeder in feeders))
