"""HTML that is escaped by construction: only `Html` goes into a page as it is."""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape

DASH = "–"
_VOID = {"img", "input", "meta", "source"}
_KEPT_ROWS = 14
_TALL_ROWS = 30


class Html(str):
    """Text that is markup already. A plain ``str`` becomes text wherever it is put."""

    __slots__ = ()


def text(value: str) -> Html:
    return value if isinstance(value, Html) else Html(escape(value))


def element(name: str, attributes: Mapping[str, str] | None = None, *children: str) -> Html:
    """``<name attributes>children</name>``, everything escaped but what is `Html`."""
    pairs = (attributes or {}).items()
    opening = name + "".join(f' {key}="{escape(value)}"' for key, value in pairs)
    if name in _VOID:
        return Html(f"<{opening}>")
    return Html(f"<{opening}>{join(children)}</{name}>")


def join(parts: Iterable[str]) -> Html:
    return Html("".join(text(part) for part in parts))


def data_uri(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


def name(words: str) -> Html:
    """A class or file name that may be broken at its separators."""
    return Html(re.sub(r"([_/.-]+)(?=\w)", r"\1<wbr>", escape(words)))


def known(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def number(value: float | None, digits: int = 3) -> str:
    """``value`` with ``digits`` decimals, or a dash."""
    return DASH if value is None or not math.isfinite(value) else f"{value:,.{digits}f}"


def percent(share: float | None, unit: str = " %") -> str:
    """``share`` of 1 as percents. Only what is exactly 0 or 1 reads 0.0 or 100.0."""
    if share is None or not math.isfinite(share):
        return DASH
    digits = 1
    while digits < 6 and share not in (0, 1) and float(f"{100 * share:.{digits}f}") in (0, 100):
        digits += 1
    return f"{100 * share:.{digits}f}{unit}"


def plural(n: int, noun: str) -> str:
    """``1 picture``, ``2,000 pictures``, from the plural ``noun``."""
    return f"{n:,} {noun.removesuffix('s') if n == 1 else noun}"


def table(
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    caption: str = "",
    names: int = 1,
    sortable: bool = False,
) -> Html:
    """A table whose first column names the row.

    Args:
        head: Titles of the columns; empty for none.
        rows: Cells of each row.
        caption: Heading of the table.
        names: The first so many columns hold words; the others numbers, which are set flush right.
        sortable: Whether the page's script sorts it by a click on a title.
    """

    def kind(column: int) -> dict[str, str]:
        return {} if column < names else {"class": "n"}

    def body_row(cells: Sequence[str]) -> Html:
        first = element("th", {"scope": "row"}, cells[0])
        others = (element("td", kind(i), cell) for i, cell in enumerate(cells[1:], start=1))
        return element("tr", None, first, *others)

    titles = (element("th", {"scope": "col", **kind(i)}, title) for i, title in enumerate(head))
    whole = element(
        "table",
        {"class": "sortable"} if sortable else None,
        element("caption", None, caption) if caption else "",
        element("thead", None, element("tr", None, *titles)) if head else "",
        element("tbody", None, *(body_row(row) for row in rows)),
    )
    size = " keep" if len(rows) <= _KEPT_ROWS else " tall" if len(rows) > _TALL_ROWS else ""
    return element("div", {"class": "scroll" + size, "tabindex": "0"}, whole)
