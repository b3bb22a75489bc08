"""The connections inside a module as series and branches, from the data flow of its trace.

Nodes are the calls of single layers and the operations between them. A node that several others
feed joins branches, which begin at its immediate dominator: the last node that every way from the
module's input to the join goes through.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from residua.networks.flow import Op
from residua.networks.trace import Call

_TOO_MANY = 400
"""Nodes: what has more in a module is no tree of branches, and is drawn as a row."""


@dataclass(eq=False)
class Node:
    """A layer, or an operation outside of layers.

    Attributes:
        call: The layer's call; for an operation the call of the module that runs it.
        is_layer: Which of both.
        ops: What it does, in order.
        sources: The nodes that feed it.
    """

    call: Call
    is_layer: bool
    ops: list[Op] = field(default_factory=list[Op])
    sources: list[Node] = field(default_factory=list["Node"])


@dataclass(frozen=True)
class Join:
    """Branches that come together in a node; an empty one passes its input on."""

    node: Node
    branches: tuple[tuple[Node | Join, ...], ...]


class Graph:
    """All nodes of a trace."""

    def __init__(self, ops: Sequence[Op]) -> None:
        self.node_of: dict[Op, Node] = {}
        self.nodes: list[Node] = []
        layers: dict[Call, Node] = {}
        for op in ops:
            is_layer = not op.call.calls and op.name != "input"
            node = layers.get(op.call) if is_layer else None
            if node is None:
                node = Node(op.call, is_layer)
                self.nodes.append(node)
                if is_layer:
                    layers[op.call] = node
            node.ops.append(op)
            self.node_of[op] = node
            made = (self.node_of[source] for source in op.sources)
            node.sources += [s for s in made if s is not node and s not in node.sources]
        self.position = {node: i for i, node in enumerate(self.nodes)}
        self._by_call: dict[Call, list[Node]] = {}
        for node in self.nodes:
            self._by_call.setdefault(node.call, []).append(node)

    def inside(self, call: Call) -> list[Node]:
        """The nodes of ``call`` and of all that it calls, in order."""
        found = [node for inner in call.walk() for node in self._by_call.get(inner, ())]
        return sorted(found, key=self.position.__getitem__)

    def series(self, call: Call) -> tuple[Node | Join, ...]:
        """What leads from the input of ``call`` to its output."""
        nodes = self.inside(call)
        last = self.node_of[call.output] if call.output else None
        if last not in nodes:
            return ()
        if len(nodes) > _TOO_MANY:
            return tuple(node for node in nodes if node.is_layer)
        return _Parser(nodes).series(None, last)

    def feeders(self, calls: Sequence[Call]) -> dict[Call, set[Call]]:
        """For each of ``calls``, which others feed it without another of them in between."""
        inside = {call: self.inside(call) for call in calls}
        owner = {node: call for call, nodes in inside.items() for node in nodes}
        found: dict[Call, set[Call]] = {}
        for call, nodes in inside.items():
            waiting = [source for node in nodes for source in node.sources]
            found[call], seen = set(), set[Node]()
            while waiting:
                node = waiting.pop()
                if node in seen or owner.get(node) is call:
                    continue
                seen.add(node)
                if node in owner:
                    found[call].add(owner[node])
                else:
                    waiting += node.sources
        return found


class _Parser:
    """Series and branches among ``nodes``; None stands for all that comes before them."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        known = set(nodes)
        self.sources: dict[Node, list[Node | None]] = {
            node: list(dict.fromkeys(s if s in known else None for s in node.sources)) or [None]
            for node in nodes
        }
        self.dominator: dict[Node, Node | None] = {}
        self.depth: dict[Node | None, int] = {None: 0}
        for node in nodes:
            meeting = self.sources[node][0]
            for source in self.sources[node][1:]:
                meeting = self._meeting(meeting, source)
            self.dominator[node] = meeting
            self.depth[node] = self.depth[meeting] + 1

    def series(self, start: Node | None, end: Node | None) -> tuple[Node | Join, ...]:
        """From after ``start``, which dominates ``end``, to ``end``."""
        return tuple(self._backwards(start, end))[::-1]

    def _backwards(self, start: Node | None, end: Node | None) -> Iterator[Node | Join]:
        node = end
        while node is not None and node is not start:
            sources, before = self.sources[node], self.dominator[node]
            if len(sources) == 1:
                yield node
            else:
                yield Join(node, tuple(self.series(before, source) for source in sources))
            node = before

    def _meeting(self, a: Node | None, b: Node | None) -> Node | None:
        """The nearest node that dominates both."""
        while a is not b:
            if self.depth[a] >= self.depth[b]:
                assert a is not None
                a = self.dominator[a]
            else:
                assert b is not None
                b = self.dominator[b]
        return a
