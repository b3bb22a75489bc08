"""A diagram as one SVG file that needs nothing else, in light and dark."""

from __future__ import annotations

from collections.abc import Iterator

from residua.report.diagram import Block, Cell, Diagram, Part, Split
from residua.report.diagram_layout import lay_out, shape_label
from residua.report.diagram_marks import FONT, INK, LINES, PAINTS, SOFT, Canvas, Line, n, text_width
from residua.report.markup import Html, element

_MARGIN = 32
_HEAD = 64


def svg(shown: Diagram, *, links: bool = False) -> str:
    """The picture: the network from left to right, its name above, a legend below.

    ``links`` makes blocks lead to their places in the page that holds the picture.
    """
    body, legend, head = Canvas(links=links), Canvas(), Canvas()
    width, height = lay_out(shown, body)
    width, above = max(width, 420), 0
    if not links:  # the page has its own heading
        head.text(0, 20, shown.title, 22, bold=True)
        head.text(0, 42, shown.subtitle, 13, soft=True)
        titled = text_width(shown.title, 22, bold=True), text_width(shown.subtitle, 13)
        width, above = max(width, *titled), _HEAD
    bottom = height + _draw_legend(shown, width, legend)
    size = width + 2 * _MARGIN, bottom + above + 2 * _MARGIN
    paper = {"width": "100%", "height": "100%", "class": "d-paper", "fill": PAINTS["paper"].fill}
    whole = element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "viewBox": f"0 0 {n(size[0])} {n(size[1])}",
            "width": n(size[0]),
            "height": n(size[1]),
            "font-family": FONT,
            "font-size": "12",
            "role": "group" if links else "img",
            "aria-label": f"{shown.title}: {_description(shown)}",
        },
        element("title", None, shown.title),
        element("desc", None, _description(shown)),
        element("style", None, Html(_dark_style())),
        element("rect", paper),
        _at(_MARGIN, _MARGIN, head),
        _at(_MARGIN, _MARGIN + above, body),
        _at(_MARGIN, _MARGIN + above + height, legend),
    )
    return whole + "\n"


def _at(x: float, y: float, canvas: Canvas) -> Html:
    return element("g", {"transform": f"translate({n(x)} {n(y)})"}, canvas.markup())


def _dark_style() -> str:
    rules = [
        f".d-{name}{{fill:{p.dark_fill};stroke:{p.dark_stroke}}}" for name, p in PAINTS.items()
    ]
    rules += [f".d-ink{{fill:{INK[1]}}}.d-soft,.d-dot,.d-flow-head{{fill:{SOFT[1]}}}"]
    rules += [f".d-flow{{stroke:{SOFT[1]}}}"]
    for name, (_, dark, _) in LINES.items():
        rules.append(f".d-{name}{{stroke:{dark}}}.d-{name}-head{{fill:{dark}}}")
    return "@media screen and (prefers-color-scheme:dark){" + "".join(rules) + "}"


def _description(shown: Diagram) -> str:
    stages = [
        f"{group.name} ({', '.join(words(block) for block in group.blocks)})"
        for group in shown.groups
    ]
    stages += [f"auxiliary classifier {a.block.title}" for a in shown.auxiliaries]
    return f"input {shape_label(shown.input_shape)}; " + "; ".join(stages) + "."


def words(block: Block) -> str:
    """A block in a line: ``3 × Bottleneck: 1×1 conv, 64 · 3×3 conv, 64 · 1×1 conv, 256``."""
    cells = [cell.text for cell in _cells(block.parts)]
    if not block.title:
        return " · ".join(cells)
    times = f"{block.repeats:,} × " if block.repeats > 1 else ""
    return f"{times}{block.title}: {' · '.join(cells)}"


def _cells(parts: tuple[Part, ...]) -> Iterator[Cell]:
    for part in parts:
        if isinstance(part, Cell):
            yield part
        else:
            for branch in part.branches:
                yield from _cells(branch)


def _splits(parts: tuple[Part, ...]) -> Iterator[Split]:
    for part in parts:
        if isinstance(part, Split):
            yield part
            for branch in part.branches:
                yield from _splits(branch)


_KINDS = {
    "conv": "convolution",
    "pool": "pooling",
    "linear": "fully connected (fc)",
    "gate": "gate: squeeze and excitation",
    "other": "other layers",
}


def _draw_legend(shown: Diagram, width: float, to: Canvas) -> float:
    """Returns its height."""
    blocks = [block for group in shown.groups for block in group.blocks]
    blocks += [auxiliary.block for auxiliary in shown.auxiliaries]
    kinds = {cell.kind for block in blocks for cell in _cells(block.parts)}
    x, y = 0.0, 40.0
    for kind in (kind for kind in _KINDS if kind in kinds):
        x, y = _next(x, y, 26 + text_width(_KINDS[kind]), width)
        to.rectangle(x, y - 11, 18, 14, kind, 4)
        to.text(x + 25, y, _KINDS[kind])
        x += 26 + text_width(_KINDS[kind]) + 20
    for line, words in _lines(shown, blocks):
        x, y = _next(x, y, 42 + text_width(words), width)
        to.shortcut([(x, y - 4), (x + 32, y - 4)], line)
        to.text(x + 40, y, words)
        x += 42 + text_width(words) + 20
    line = ""
    for note in (*_notes(shown, blocks), ""):
        if line and (not note or text_width(f"{line} {note}") > width):
            y += 24
            to.text(0, y, line, soft=True)
            line = ""
        line = f"{line} {note}".strip()
    return y + 8


def _next(x: float, y: float, needed: float, width: float) -> tuple[float, float]:
    return (0.0, y + 24) if x and x + needed > width else (x, y)


def _lines(shown: Diagram, blocks: list[Block]) -> Iterator[tuple[Line, str]]:
    splits = [split for block in blocks for split in _splits(block.parts)]
    short = [s for s in splits if s.symbol != "concat"]
    if any(not branch for split in short for branch in split.branches):
        yield "identity", "identity shortcut"
    changed = [branch for split in short if all(split.branches) for branch in split.branches[1:]]
    if changed:
        convolves = any(cell.kind == "conv" for branch in changed for cell in _cells(branch))
        yield "projection", "projection shortcut" if convolves else "shortcut with layers"
    if any(split.dense for split in splits):
        yield "dense", "each layer reads the output of all before it"
    if shown.auxiliaries:
        yield "auxiliary", "auxiliary classifier, for training alone"


def _notes(shown: Diagram, blocks: list[Block]) -> Iterator[str]:
    yield "Batch norms and activations are not drawn."
    if any(", /" in cell.text for block in blocks for cell in _cells(block.parts)):
        yield "/2 is stride 2."
    axes = "height × width" if len(shown.input_shape) == 3 else "time"
    yield f"Arrows carry {axes} × channels."
    repeated = [block for block in blocks if block.repeats > 1]
    if repeated:
        yield f"{repeated[0].repeats:,} × stands for as many equal blocks in a row."
