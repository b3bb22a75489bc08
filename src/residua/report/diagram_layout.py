"""Where everything in a diagram goes. Units are pixels of the SVG; y grows downwards.

Every drawn thing first says its size, then draws itself at a position. Flow runs from top to bottom
within a group and from left to right through the groups, in several rows where that gives larger
letters on a slide.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from residua.networks.trace import Shape
from residua.report.diagram import Auxiliary, Block, Cell, Diagram, Group, Part, Split
from residua.report.diagram_marks import Canvas, Point, text_width

CELL_HEIGHT = 24
_GAP = 8  # between cells of a block
_FORK = 12  # from a fork to the cells, and from the cells to the join
_JOIN = 18
_LANE = 22  # of a shortcut
_CARD = 9  # around the content of a block
_TITLE = 22
_STACK = 5  # by which the cards below a folded one stand out
_ARROW = 20  # between blocks
_LABELLED = 32  # between blocks, with a shape
_SIDE = 11  # around the content of a group
_LANE_TOP = 16  # from a group's title to its first block
_COLUMN_GAP = 84  # between groups
_ROW_GAP = 56
_SLIDE = (1600, 900)


@dataclass(frozen=True, slots=True)
class Size:
    """Width, height, and how far from the left the flow runs."""

    width: float
    height: float
    axis: float

    @property
    def right(self) -> float:
        return self.width - self.axis


def shape_label(shape: Shape) -> str:
    """``56×56×256``: sizes, then channels, as text books have it."""
    return "×".join(str(size) for size in (*shape[1:], shape[0]))


def block_id(group: Group, position: int) -> str:
    """What a page calls the block at ``position`` of ``group``."""
    return f"block-{group.name}-{position}"


def part_size(part: Part) -> Size:
    if isinstance(part, Cell):
        width = max(70.0, text_width(part.text) + 16)
        return Size(width, CELL_HEIGHT, width / 2)
    sizes = [series_size(branch) for branch in part.branches]
    height = 2 * _FORK + max(size.height for size in sizes) + _JOIN
    if _is_fan(part):
        width = max(sum(max(size.width, 30) for size in sizes) + 12 * (len(sizes) - 1), 90)
        return Size(width, height, width / 2)
    lanes = sum(_lane_width(branch, part) for branch in part.branches[1:])
    half = 0 if part.symbol in "+×−" else text_width(part.symbol) / 2 + 8
    main = sizes[0]
    axis = max(main.axis, half)
    return Size(axis + max(main.right, half) + lanes, height, axis)


def series_size(parts: Sequence[Part]) -> Size:
    sizes = [part_size(part) for part in parts]
    axis = max((size.axis for size in sizes), default=0)
    right = max((size.right for size in sizes), default=0)
    height = sum(size.height for size in sizes) + _GAP * max(0, len(sizes) - 1)
    return Size(axis + right, height, axis)


def _is_fan(split: Split) -> bool:
    """Branches of equal standing, as in an inception module."""
    return split.symbol == "concat" and not split.dense and len(split.branches) > 1


def _lane_width(branch: Sequence[Part], split: Split) -> float:
    if branch:
        return series_size(branch).width + 16
    return _LANE + (14 if split.dense else 0)


def draw_series(parts: Sequence[Part], x: float, y: float, to: Canvas) -> None:
    """``x`` is that of the flow, ``y`` the upper edge."""
    for position, part in enumerate(parts):
        if position:
            to.flow([(x, y), (x, y + _GAP)], arrow=False)
            y += _GAP
        if isinstance(part, Cell):
            size = part_size(part)
            to.cell(x - size.axis, y, size.width, CELL_HEIGHT, part.text, part.kind)
        elif _is_fan(part):
            _draw_fan(part, x, y, to)
        else:
            _draw_shortcuts(part, x, y, to)
        y += part_size(part).height


def _draw_fan(split: Split, x: float, y: float, to: Canvas) -> None:
    size = part_size(split)
    top, bottom = y + _FORK, y + size.height - _JOIN
    widths = [max(series_size(branch).width, 30) for branch in split.branches]
    left = x - (sum(widths) + 12 * (len(widths) - 1)) / 2
    starts = list(accumulate(widths, lambda at, width: at + width + 12, initial=left))
    for branch, start, width in zip(split.branches, starts, widths, strict=False):
        inner = series_size(branch)
        at = start + (inner.axis if branch else width / 2)
        to.flow([(x, y), (x, y + 4), (at, y + 4), (at, top)], arrow=False)
        draw_series(branch, at, top, to)
        to.flow([(at, top + inner.height), (at, bottom)], arrow=False)
    to.join(x - size.width / 2, bottom, size.width, _JOIN, split.symbol)


def _draw_shortcuts(split: Split, x: float, y: float, to: Canvas) -> None:
    size, main = part_size(split), series_size(split.branches[0])
    top, bottom = y + _FORK, y + size.height - _JOIN
    to.flow([(x, y), (x, top)], arrow=False)
    draw_series(split.branches[0], x, top, to)
    to.flow([(x, top + main.height), (x, bottom)], arrow=False)
    half = _JOIN / 2
    if split.symbol not in "+×−":
        half = text_width(split.symbol) / 2 + 8
    middle, lane = bottom + _JOIN / 2, x + max(main.right, half)
    for branch in split.branches[1:]:
        width = _lane_width(branch, split)
        start, end = (x, y + 3), (x + half, middle)
        if branch:
            inner = series_size(branch)
            at = lane + 16 + inner.axis
            above = top + max(0, (bottom - _FORK - top - inner.height) / 2)
            to.shortcut([start, (at, y + 3), (at, above)], "projection", arrow=False)
            draw_series(branch, at, above, to)
            path = [(at, above + inner.height), (at, middle), end]
            to.shortcut(path, "projection", arrow=True)
        else:
            kind = "dense" if split.dense else "identity"
            for offset in (0, 9, 18) if split.dense else (6,):
                at = lane + 12 + offset
                up = start[1] - offset / 3
                to.shortcut([(x, up), (at, up), (at, middle), end], kind, arrow=not offset % 18)
        lane += width
    to.dot(x, y + 3)
    if split.symbol in "+×−":
        to.junction(x, middle, _JOIN / 2, split.symbol)
    else:
        to.join(x - half, bottom, 2 * half, _JOIN, split.symbol)


def block_size(block: Block) -> Size:
    inner = series_size(block.parts)
    if not block.title:
        return inner
    times = text_width(_times(block), bold=True) + 10 if block.repeats > 1 else 0
    width = max(inner.width, text_width(block.title, 11, bold=True) + times) + 2 * _CARD
    stack = _STACK if block.repeats > 1 else 0
    spare = (width - inner.width - 2 * _CARD) / 2
    height = inner.height + _TITLE + _CARD + 2
    return Size(width + stack, height + stack, _CARD + spare + inner.axis)


def _times(block: Block) -> str:
    return f"{block.repeats:,} ×"


def draw_block(block: Block, x: float, y: float, to: Canvas) -> float:
    """Returns where its flow leaves: the lower edge of its uppermost card."""
    size = block_size(block)
    if not block.title:
        draw_series(block.parts, x, y, to)
        return y + size.height
    stack = _STACK if block.repeats > 1 else 0
    left, width, height = x - size.axis, size.width - stack, size.height - stack
    if stack:
        to.card(left + stack, y + stack, width, height)
    to.card(left, y, width, height)
    to.text(left + 10, y + 15, block.title, 11, bold=True)
    if stack:
        to.text(left + width - 10, y + 15, _times(block), bold=True, anchor="end")
    draw_series(block.parts, x, y + _TITLE, to)
    return y + height


@dataclass(frozen=True, slots=True)
class Panel:
    """A group with what branches off it, measured.

    Attributes:
        tops: Upper edge of each block, from that of the panel.
        sides: For each auxiliary classifier its left and upper edge.
    """

    group: Group
    auxiliaries: tuple[Auxiliary, ...]
    size: Size
    tops: tuple[float, ...]
    sides: tuple[tuple[float, float], ...]

    @property
    def entry(self) -> float:
        return _TITLE + _LANE_TOP / 2


def panel(group: Group, auxiliaries: Sequence[Auxiliary], before: Shape) -> Panel:
    """``before`` is the shape of what the group receives."""
    sizes = [block_size(block) for block in group.blocks]
    shapes = [before, *(block.output_shape for block in group.blocks)]
    axis = max(size.axis for size in sizes)
    right = max(size.right for size in sizes)
    tops, y = list[float](), _TITLE + _LANE_TOP + 6.0
    for position, size in enumerate(sizes):
        if position and shapes[position] != shapes[position - 1]:
            y += _LABELLED
            right = max(right, text_width(shape_label(shapes[position]), 11) + 12)
        elif position:
            y += _ARROW
        tops.append(y)
        y += size.height
    sides, free, beside = list[tuple[float, float]](), 0.0, 0.0
    column = _SIDE + axis + right + 26
    for auxiliary in auxiliaries:
        b, size = auxiliary.after[1], block_size(auxiliary.block)
        free = max(free, tops[b] + sizes[b].height - 6)
        sides.append((column, free))
        free += size.height + 14
        beside = max(beside, 26 + size.width)
    titled = text_width(group.name, 13, bold=True)
    width = max(axis + right + beside, titled) + 2 * _SIDE
    height = max(y + _LANE_TOP + 8, free + 6)
    return Panel(
        group, tuple(auxiliaries), Size(width, height, _SIDE + axis), tuple(tops), tuple(sides)
    )


def draw_panel(made: Panel, left: float, top: float, before: Shape, to: Canvas) -> float:
    """Returns the y at which its flow leaves."""
    to.group(left, top, made.size.width, made.size.height, made.group.name)
    x, y = left + made.size.axis, top + made.entry
    shapes = [before, *(block.output_shape for block in made.group.blocks)]
    ends = list[float]()
    for position, block in enumerate(made.group.blocks):
        upper = top + made.tops[position]
        if position:
            to.flow([(x, y), (x, upper)])
            if shapes[position] != shapes[position - 1]:
                to.text(x + 7, upper - 9, shape_label(shapes[position]), 11, soft=True)
        else:
            to.flow([(left, y), (x, y), (x, upper)])
        inner = Canvas()
        y = draw_block(block, x, upper, inner)
        to.block(inner, block_id(made.group, position), block.title or made.group.name)
        ends.append(y)
    for auxiliary, (side, down) in zip(made.auxiliaries, made.sides, strict=True):
        size, at = block_size(auxiliary.block), left + side
        start = ends[auxiliary.after[1]] + 6
        enter = at + size.axis
        if down + top > start + 8:
            to.shortcut(
                [(x, start), (at - 12, start), (at - 12, top + down + 12), (at, top + down + 12)],
                "auxiliary",
            )
        else:
            to.shortcut([(x, start), (at, start)], "auxiliary")
        inner = Canvas()
        draw_block(auxiliary.block, enter, top + down, inner)
        to.block(inner, f"block-{auxiliary.block.title}", auxiliary.block.title)
    return y


def lay_out(shown: Diagram, to: Canvas) -> tuple[float, float]:
    """Draws all of ``shown`` onto ``to`` from (0, 0); returns its width and height."""
    shapes = [shown.input_shape, *(group.blocks[-1].output_shape for group in shown.groups)]
    panels = [
        panel(group, [a for a in shown.auxiliaries if a.after[0] == g], shapes[g])
        for g, group in enumerate(shown.groups)
    ]
    end = _end_width(shown.input_shape)
    to.end(0, panels[0].entry - 20, end, 40, "input", shape_label(shapes[0]))
    to.flow([(end, panels[0].entry), (end + 36, panels[0].entry)], arrow=False)
    x, y, width, g = end + 36, 0.0, 0.0, 0
    for count in _rows([made.size for made in panels]):
        height = max(made.size.height for made in panels[g : g + count])
        for position, made in enumerate(panels[g : g + count], start=1):
            below = draw_panel(made, x, y, shapes[g], to)
            right, leave, g = x + made.size.width, y + made.size.height - 12, g + 1
            path, label = [(x + made.size.axis, below), (x + made.size.axis, leave)], shapes[g]
            if g == len(panels):
                x = _draw_output(path, right, shape_label(shown.output_shape), to)
            elif position == count:
                back, enter = y + height + _ROW_GAP / 2, y + height + _ROW_GAP + panels[g].entry
                path += [(right + 20, leave), (right + 20, back), (-20, back), (-20, enter)]
                to.flow([*path, (0, enter)], arrow=False)
                to.label(right / 2, back, shape_label(label))
                x = right + 20
            else:
                gap, enter = _gap_width(label), y + panels[g].entry
                middle, x = right + gap / 2, right + gap
                to.flow([*path, (middle, leave), (middle, enter), (x, enter)], arrow=False)
                to.label(middle, (leave + enter) / 2, shape_label(label))
        width, x, y = max(width, x), 0.0, y + height + _ROW_GAP
    return width, y - _ROW_GAP


def _draw_output(path: list[Point], right: float, words: str, to: Canvas) -> float:
    """The logits, to the right of the last group; returns where they end."""
    left, y = right + 40, path[-1][1]
    width = max(64.0, text_width(words) + 16)
    to.flow([*path, (left, y)])
    to.end(left, y - 20, width, 40, "logits", words)
    return left + width


def _gap_width(shape: Shape) -> float:
    return max(70.0, text_width(shape_label(shape), 11) + 20)


def _end_width(shape: Shape) -> float:
    return max(64.0, text_width(shape_label(shape)) + 16)


def _rows(sizes: Sequence[Size]) -> list[int]:
    """How many groups each row holds, so that everything is largest on a slide."""

    def extent(rows: list[int]) -> tuple[float, float]:
        ends = list(accumulate(rows, initial=0))
        chosen = [sizes[a:b] for a, b in pairwise(ends)]
        widths = [sum(s.width + _COLUMN_GAP for s in row) for row in chosen]
        heights = [max(s.height for s in row) + _ROW_GAP for row in chosen]
        return max(widths) + 160, sum(heights) + 120

    def scale(rows: list[int]) -> float:
        width, height = extent(rows)
        return min(1, _SLIDE[0] / width, _SLIDE[1] / height)

    options = [_split_evenly([s.width + _COLUMN_GAP for s in sizes], n) for n in (1, 2, 3, 4)]
    best = max(options, key=scale)
    return options[0] if scale(options[0]) > 0.8 * scale(best) else best


def _split_evenly(widths: Sequence[float], count: int) -> list[int]:
    """Rows filled in order, none much wider than the ``count``-th part of all."""
    target, rows, filled = sum(widths) / count, [0], 0.0
    for width in widths:
        if rows[-1] and filled + width / 2 > target * len(rows) and len(rows) < count:
            rows.append(0)
        rows[-1] += 1
        filled += width
    return rows
