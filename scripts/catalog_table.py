"""Writes docs/catalog.md, every network in a table, and docs/accuracy-macs.png.

python scripts/catalog_table.py            writes both
python scripts/catalog_table.py --check    exits 1 if the table is not up to date
"""

from __future__ import annotations

import io
import re
import sys
from functools import partial
from pathlib import Path

from residua.cli.console import format_bytes, format_scaled
from residua.networks.catalog import FACTS, SPECS, Spec
from residua.report.groups import GROUPS, grouped
from residua.run.comparison import Row, costs, usual_input

DOCS = Path(__file__).parents[1] / "docs"
PAGE, PICTURE = DOCS / "catalog.md", DOCS / "accuracy-macs.png"

INTRODUCTION = """\
# All networks

Written by `python scripts/catalog_table.py`. `residua compare-networks NAME ...` prints these costs
for any input and measures speed; `residua summary NAME` opens one network.

- **parameters**: weights and biases, auxiliary classifiers included.
- **MACs**: multiply-adds of convolutions and matrix products for one sample of the size given.
- **memory**: what training keeps of one sample for backward, in float32. MACs and memory are
  without auxiliary classifiers.
- **top-1**: published accuracy in percent, one crop; on what data and by whom. It compares networks
  only where data and recipe are the same.
- **also in**: packages with the same network; "only here": neither torchvision nor timm has it.

![Published accuracy against multiply-adds](accuracy-macs.png)
"""

HEADING = """\
| network | what it is | input | parameters | MACs | memory | top-1 | data | by | also in |
| --- | --- | --- | ---: | ---: | ---: | ---: | --- | --- | --- |
"""


def page(rows: dict[str, Row]) -> str:
    """The whole of docs/catalog.md."""
    about = {group.title: group.about for group in GROUPS.values()}
    parts = [INTRODUCTION]
    for title, specs in grouped(SPECS.values()).items():
        papers = "; ".join(dict.fromkeys(link(paper(spec.reference)) for spec in specs))
        lines = "\n".join(line(spec, rows[spec.name]) for spec in specs)
        parts.append(f"## {title}\n\n{about.get(title, '')}\n{papers}.\n\n{HEADING}{lines}\n")
    return "\n".join(parts)


def line(spec: Spec, row: Row) -> str:
    return "| " + " | ".join([*static_cells(spec), *cost_cells(row), *published_cells(spec)]) + " |"


def static_cells(spec: Spec) -> list[str]:
    shape = "×".join(map(str, usual_input(spec)))
    return [f"`{spec.name}`", spec.outline, shape, f"{FACTS[spec.name].parameters:,}"]


def cost_cells(row: Row) -> list[str]:
    return [format_scaled(row.macs), format_bytes(row.activation_bytes)]


def published_cells(spec: Spec) -> list[str]:
    facts = FACTS[spec.name]
    elsewhere = ", ".join(facts.elsewhere) or "only here"
    if facts.top1 is None:
        return ["–", "", "", elsewhere]
    return [f"{facts.top1:.2f}", facts.data, link(paper(facts.source)), elsewhere]


def paper(reference: str) -> str:
    """``He et al., 2016a, arXiv:1512.03385``: authors, year and number of the first paper."""
    match = re.match(r"(.+?, \d{4}\w?)\b(?:.*?(arXiv:[\d.]+\d))?", reference)
    return ", ".join(filter(None, match.groups())) if match else reference


def link(text: str) -> str:
    """The paper's number as a link to it."""
    return re.sub(r"arXiv:([\d.]+\d)", r"[arXiv:\1](https://arxiv.org/abs/\1)", text)


def picture(rows: dict[str, Row]) -> bytes:
    """The scatter plot with few colours, which halves the size of the file."""
    from PIL import Image

    from residua.report.plots import LIGHT, render
    from residua.report.scatter import known_points, scatter

    points = known_points(rows, lambda name: rows[name].macs)
    image = Image.open(io.BytesIO(render(partial(scatter, points=points), LIGHT))).convert("RGB")
    few = image.quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    buffer = io.BytesIO()
    few.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def main() -> int:
    rows = {spec.name: costs(spec, usual_input(spec)) for spec in SPECS.values()}
    text = page(rows)
    if "--check" in sys.argv:
        current = PAGE.is_file() and PAGE.read_text(encoding="utf-8") == text
        if not current:
            print("docs/catalog.md is out of date: run python scripts/catalog_table.py")
        return int(not current)
    PAGE.write_text(text, encoding="utf-8")
    PICTURE.write_bytes(picture(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
