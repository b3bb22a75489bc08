"""A page about a network: its diagram, and below it every block, which opens to its layers.

It loads nothing and runs nothing: blocks are native ``<details>``, and a click on a block of the
picture leads to its content, which the browser then opens.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files

from torch import nn

from residua.networks.receptive import field_text
from residua.networks.trace import Call, shape_text
from residua.report.diagram import Block, Diagram
from residua.report.diagram_layout import block_id, shape_label
from residua.report.diagram_svg import svg, words
from residua.report.markup import Html, element, name, table

_STYLE = """
.drawing { overflow-x: auto; margin: 1.5rem calc(50% - min(50vw - 1rem, 60rem)); }
.drawing svg { display: block; margin: auto; }
@media (min-width: 60rem) { .drawing svg { min-width: 60rem; max-width: 100%; height: auto; } }
h2 { margin: 2rem 0 .4rem; padding: 0; border: 0; }
.drawing a:focus-visible .d-card, .drawing a:hover .d-card { stroke-width: 2; }
.drawing a { text-decoration: none; }
.block { border-top: 1px solid var(--line); }
.block > summary { margin: 0; padding: .45rem 0; color: var(--ink); }
.block > summary b { font-weight: 600; }
.block > summary span { color: var(--soft); margin-left: .6rem; }
.block > div { padding: 0 0 1rem 1rem; scroll-margin-top: 4rem; }
.block td, .block th { white-space: nowrap; }
@media print {
  @page { size: A4 landscape; }
  .drawing { margin: 1rem 0; overflow: visible; }
  .drawing svg { min-width: 0; width: 100%; height: auto; }
  .block::details-content { content-visibility: visible; block-size: auto; }
  .block > summary { break-after: avoid; }
}
"""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def page(shown: Diagram) -> str:
    """The page as one HTML file."""
    style = files("residua.report").joinpath("style.css").read_text(encoding="utf-8")
    head = element(
        "head",
        None,
        element("meta", {"charset": "utf-8"}),
        element("meta", {"http-equiv": "Content-Security-Policy", "content": _POLICY}),
        element("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}),
        element("meta", {"name": "color-scheme", "content": "light dark"}),
        element("title", None, shown.title),
        element("style", None, Html(style + _STYLE)),
    )
    links = [element("a", {"href": f"#{group.name}"}, group.name) for group in shown.groups]
    header = element(
        "header",
        None,
        element("h1", None, shown.title),
        element("p", {"class": "soft"}, shown.subtitle),
        element("nav", {"aria-label": "Stages"}, *links),
    )
    drawing = element("div", {"class": "drawing", "tabindex": "0"}, Html(svg(shown, links=True)))
    note = element(
        "p",
        {"class": "soft"},
        "Open a block to see its layers. The field is the receptive field: what an element of the "
        "output can depend on, in input elements along an axis.",
    )
    main = element("main", None, drawing, note, *_sections(shown))
    footer = element("footer", None, "Made by residua")
    body = element("body", None, header, main, footer)
    return "<!doctype html>\n" + element("html", {"lang": "en"}, head, body) + "\n"


def _sections(shown: Diagram) -> Iterator[Html]:
    for group in shown.groups:
        blocks = [
            _block(block, block_id(group, position)) for position, block in enumerate(group.blocks)
        ]
        heading = element("h2", None, group.name)
        yield element("section", {"id": group.name}, heading, *blocks)
    if shown.auxiliaries:
        blocks = [_block(a.block, f"block-{a.block.title}") for a in shown.auxiliaries]
        heading = element("h2", None, "auxiliary classifiers")
        yield element("section", {"id": "auxiliary"}, heading, *blocks)


def _block(block: Block, anchor: str) -> Html:
    first = block.calls[0]
    macs = sum(call.total_macs for call in first)
    count = sum(call.total_parameters for call in first)
    costs = [f"{count:,} parameters"] if count else []
    costs += [f"{macs:,} MACs"] if macs else []
    facts = " · ".join((shape_label(block.output_shape), *costs))
    facts += " each" if block.repeats > 1 else ""
    title, said = element("b", None, words(block)), element("span", None, facts)
    summary = element("summary", None, title, " ", said)
    rows = [_row(call) for outer in first for call in outer.walk() if _shown(call)]
    head = ("Layer", "Kind", "Kernel", "Stride", "Output", "Field", "Parameters", "MACs")
    content = element("div", {"id": anchor}, table(head, rows, names=2), _equals(block))
    return element("details", {"class": "block"}, summary, content)


def _equals(block: Block) -> Html:
    """What to know of the blocks that were folded into one."""
    if block.repeats == 1:
        return Html("")
    first, last = block.calls[0][-1], block.calls[-1][0]
    others = block.calls[1][0].name
    until = f"{others} to {last.name}" if block.repeats > 2 else others
    fields = f"{field_text(first.field)} to {field_text(last.field)}"
    text = f"Equal to it: {until}. The field grows from {fields}."
    if first.field == last.field:
        text = f"Equal to it: {until}."
    return element("p", {"class": "soft"}, text)


def _shown(call: Call) -> bool:
    """Layers, and what a block computes with weights of its own."""
    if call.calls:
        return bool(call.macs or call.parameters)
    return not isinstance(call.module, nn.Identity)


def _row(call: Call) -> tuple[str, ...]:
    module = call.module
    return (
        name(call.name),
        type(module).__name__,
        _sizes(module, "kernel_size"),
        _sizes(module, "stride"),
        shape_label(call.output_shape),
        field_text(call.field),
        f"{call.parameters:,}" if call.parameters else "",
        f"{call.macs:,}" if call.macs else "",
    )


def _sizes(module: nn.Module, attribute: str) -> str:
    """``3×3``, or ``2`` where a pool says one number for all axes."""
    value = getattr(module, attribute, "")
    return shape_text(value) if isinstance(value, tuple) else str(value)
