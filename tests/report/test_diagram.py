"""What a diagram shows of networks whose structure is known from their papers."""

from functools import cache

import pytest
import torch
from torch import Tensor, nn

from residua.networks.catalog import build, get_spec
from residua.networks.trace import trace
from residua.report.diagram import Block, Cell, Diagram, Part, Split, diagram
from residua.report.diagram_graph import Graph, Join


@cache
def drawn(name: str, rank: int = 2) -> Diagram:
    spec = get_spec(name)
    with torch.device("meta"):
        net = build(spec)
    shape = (spec.in_chans, spec.usual_size, spec.usual_size)
    return diagram(trace(net, shape, auxiliary=bool(net.auxiliary_names)), title=name)


def outline(parts: tuple[Part, ...]) -> list[object]:
    """Words; branches as (symbol, their words)."""
    return [
        part.text if isinstance(part, Cell) else (part.symbol, *map(outline, part.branches))
        for part in parts
    ]


def blocks(name: str, stage: str) -> tuple[Block, ...]:
    return next(group.blocks for group in drawn(name).groups if group.name == stage)


def test_resnet50_is_the_table_of_the_paper() -> None:
    found = drawn("resnet50")
    assert [group.name for group in found.groups] == [
        "stem", "layer1", "layer2", "layer3", "layer4", "head",
    ]  # fmt: skip
    first, rest = blocks("resnet50", "layer3")
    main = ["1×1 conv, 256", "3×3 conv, 256, /2", "1×1 conv, 1024"]
    assert outline(first.parts) == [("+", main, ["1×1 conv, 1024, /2"])]
    plain = ["1×1 conv, 256", "3×3 conv, 256", "1×1 conv, 1024"]
    assert outline(rest.parts) == [("+", plain, [])]
    assert (first.title, first.repeats, rest.repeats) == ("Bottleneck", 1, 5)
    assert rest.output_shape == (1024, 14, 14)
    assert [outline(b.parts) for b in blocks("resnet50", "head")] == [
        ["global average"],
        ["fc, 1000"],
    ]


@pytest.mark.parametrize(
    ("name", "counts"),
    [("resnet20", [3, 1, 2, 1, 2]), ("resnet1202", [200, 1, 199, 1, 199])],
)
def test_equal_blocks_are_folded(name: str, counts: list[int]) -> None:
    groups = drawn(name).groups[1:-1]
    assert [block.repeats for group in groups for block in group.blocks] == counts


def test_option_a_shortcuts_are_no_identities() -> None:
    first = blocks("resnet20", "layer2")[0]
    assert outline(first.parts) == [
        ("+", ["3×3 conv, 32, /2", "3×3 conv, 32"], ["pad shortcut, /2"])
    ]


def test_plain_networks_have_no_shortcuts() -> None:
    for group in drawn("plain20").groups:
        assert not any(isinstance(part, Split) for b in group.blocks for part in b.parts)


def test_gates_multiply() -> None:
    block = blocks("seresnet18", "layer1")[-1]
    convs = ["3×3 conv, 64", "3×3 conv, 64"]
    assert outline(block.parts) == [("+", [*convs, ("×", ["gate 64→8→64"], [])], [])]


def test_inception_modules_have_branches_side_by_side() -> None:
    block = blocks("googlenet_2014", "inception3")[1]
    assert outline(block.parts) == [
        (
            "concat",
            ["1×1 conv, 64"],
            ["1×1 conv, 96", "3×3 conv, 128"],
            ["1×1 conv, 16", "5×5 conv, 32"],
            ["3×3 max pool", "1×1 conv, 32"],
        )
    ]  # Szegedy et al., 2015, table 1, row 3a


def test_auxiliary_classifiers_branch_off_where_the_paper_says() -> None:
    found = drawn("googlenet_2014")
    inside = [(a.block.title, found.groups[a.after[0]].name, a.after[1]) for a in found.auxiliaries]
    names = [block.title for block in blocks("googlenet_2014", "inception4")]
    offset = names.index("Inception")
    assert inside == [("aux1", "inception4", offset), ("aux2", "inception4", offset + 3)]  # 4a, 4d
    assert outline(found.auxiliaries[0].block.parts)[0] == "5×5 average pool, /3"
    assert found.output_shape == (1000,)


def test_residual_inception_blocks_nest() -> None:
    block = blocks("inception_resnet_v2", "inception_b")[-1]
    (split,) = block.parts
    assert isinstance(split, Split)
    assert (split.symbol, block.repeats) == ("+", 20)
    main, identity = (outline(branch) for branch in split.branches)
    assert main == [
        ("concat", ["1×1 conv, 192"], ["1×1 conv, 128", "1×7 conv, 160", "7×1 conv, 192"]),
        "1×1 conv, 1088",
    ]
    assert identity == []


@pytest.mark.parametrize(
    ("name", "counts", "channels"),
    [
        ("densenet121", [6, 12, 24, 16], [256, 512, 1024, 1024]),
        ("densenet_40_12", [12, 12, 12], [160, 304, 448]),
    ],
)
def test_dense_layers_are_one_block_that_reads_all(
    name: str, counts: list[int], channels: list[int]
) -> None:
    dense = [
        block
        for group in drawn(name).groups
        for block in group.blocks
        if isinstance(block.parts[0], Split) and block.parts[0].dense
    ]
    assert [block.repeats for block in dense] == counts
    assert [block.output_shape[0] for block in dense] == channels


def test_every_call_belongs_to_one_block() -> None:
    for name in ("resnet18", "googlenet", "densenet121", "vgg11", "nin"):
        found = drawn(name)
        all_blocks = [b for group in found.groups for b in group.blocks]
        all_blocks += [auxiliary.block for auxiliary in found.auxiliaries]
        calls = [
            inner for b in all_blocks for c in b.calls for outer in c for inner in outer.walk()
        ]
        assert len(calls) == len(set(calls))
        with torch.device("meta"):
            net = build(get_spec(name))
        weighted = {name for name, m in net.named_modules() if [*m.parameters(recurse=False)]}
        assert weighted <= {call.name for call in calls}


class Branching(nn.Module):
    """x1 + conv(conv(x1) * x2) beside a branch that is shared by two additions."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = (nn.Conv1d(1, 1, 1) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        first = self.a(x)
        second = torch.cat([self.b(first), x], 1)[:, :1]
        return self.c(second) + first


def test_branches_are_found_in_the_data_flow() -> None:
    traced = trace(Branching(), (1, 5))
    graph = Graph(traced.ops)
    (last,) = [item for item in graph.series(traced.root) if isinstance(item, Join)]
    assert last.node.ops[-1].name == "add"

    def layers(items: tuple[object, ...]) -> list[object]:
        found: list[object] = []
        for item in items:
            if isinstance(item, Join):
                found.append([layers(branch) for branch in item.branches])
            elif item.is_layer:  # pyright: ignore[reportAttributeAccessIssue]
                found.append(item.call.name)  # pyright: ignore[reportAttributeAccessIssue]
        return found

    # both additions begin at the input, since x itself goes around the first layer
    assert layers((last,)) == [[[[["a", "b"], []], "c"], ["a"]]]


def test_feeders_skip_what_is_no_module() -> None:
    traced = trace(Branching(), (1, 5))
    a, b, c = traced.root.calls
    assert Graph(traced.ops).feeders((a, b, c)) == {a: set(), b: {a}, c: {b}}
    assert Graph(traced.ops).feeders((a, c)) == {a: set(), c: {a}}
