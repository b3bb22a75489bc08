"""`residua list`: the networks, recipes, methods, data sets and exporters that have a name."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Annotated, Literal

import tyro
from tyro.conf import arg

from residua.cli import console
from residua.errors import UnknownNameError

if TYPE_CHECKING:
    from residua.networks.catalog import Spec


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A name and what it is, in a line."""

    name: str
    about: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkEntry:
    """A network as its paper has it.

    Attributes:
        blocks: Kind of block, blocks a stage, and what else sets it apart: groups and their width
            (32x4d), where bottlenecks stride (v1: first 1x1, v1.5: 3x3), kind of shortcut.
        input: Channels, height and width; channels and time of networks for signals.
        parameters: With that input and that number of classes.
    """

    name: str
    family: str
    blocks: str
    input: tuple[int, ...]
    classes: int
    parameters: int
    reference: str


@tyro.conf.configure(tyro.conf.FlagCreatePairsOff)
@dataclass(frozen=True, kw_only=True)
class List:
    """List what has a name: networks (the default), recipes, methods, data or exporters."""

    kind: Annotated[tyro.conf.Positional[str], arg(metavar="[KIND]", help_behavior_hint="")] = (
        "networks"
    )
    """networks, recipes, methods, data or exporters."""
    pattern: Annotated[
        tyro.conf.Positional[str], arg(metavar="[PATTERN]", help_behavior_hint="")
    ] = ""
    """Only names that contain this, or match it where it has a * or ?, as in 'resnext*'."""
    json: bool = False
    """Print JSON."""

    def run(self) -> int:
        kind, pattern = self.kind, self.pattern
        if kind not in KINDS and not pattern:  # residua list resnext
            kind, pattern = "networks", kind
        if kind not in KINDS:
            raise UnknownNameError("kind", kind, KINDS)
        found = _matching(kind, KINDS[kind](), pattern)
        if self.json:
            console.print_json([asdict(entry) for entry in found])
        else:
            _print(kind, found)
        return 0


def _matching(kind: str, entries: Sequence[_Any], pattern: str) -> list[_Any]:
    if not pattern:
        return list(entries)
    glob = pattern if re.search(r"[*?\[]", pattern) else f"*{pattern}*"
    found = [entry for entry in entries if fnmatchcase(entry.name, glob)]
    if not found:
        names = [entry.name for entry in entries]
        raise UnknownNameError(f"name in {kind}:", pattern.strip("*?"), [*names, *KINDS])
    return found


def _networks() -> Sequence[NetworkEntry]:
    from residua.networks.catalog import SPECS

    return [_network(spec) for spec in SPECS.values()]


def _network(spec: Spec) -> NetworkEntry:
    from residua.networks.catalog import FACTS

    return NetworkEntry(
        name=spec.name,
        family=spec.family,
        blocks=spec.outline,
        input=(spec.in_chans, *(spec.usual_size,) * spec.rank),
        classes=spec.num_classes,
        parameters=FACTS[spec.name].parameters,
        reference=spec.reference,
    )


def _recipes() -> Sequence[Entry]:
    from residua.recipes.presets import PRESETS

    return [Entry(name=name, about=_first_line(make)) for name, make in PRESETS.items()]


def _methods() -> Sequence[Entry]:
    from residua.methods.config import METHODS

    return [Entry(name=name, about=about) for name, about in METHODS.items()]


def _data() -> Sequence[Entry]:
    from residua.data.readers.known import KNOWN

    return [Entry(name=known.name, about=known.about) for known in KNOWN]


def _exporters() -> Sequence[Entry]:
    return []


def _first_line(documented: object) -> str:
    return (documented.__doc__ or "").strip().partition("\n")[0]


_Any = Entry | NetworkEntry

KINDS: dict[str, Callable[[], Sequence[_Any]]] = {
    "networks": _networks,
    "recipes": _recipes,
    "methods": _methods,
    "data": _data,
    "exporters": _exporters,
}


def _print(kind: str, found: Sequence[_Any]) -> None:
    out = console.stdout()
    if not found:
        out.print(f"there are no {kind} yet")
        return
    narrow = out.width < _WIDE
    if isinstance(found[0], Entry):
        table = console.table((kind, "left"), ("", "left"))
    else:
        table = console.table(*(_COLUMNS[:4] if narrow else _COLUMNS))
    for entry in found:
        cells = _cells(entry)
        table.add_row(*cells[: len(table.columns)])
    out.print(table)


_WIDE = 120
"""Columns that a terminal needs for all facts about networks; with less it shows the first four."""

_COLUMNS: tuple[tuple[str, Literal["left", "right"]], ...] = (
    ("network", "left"),
    ("blocks", "left"),
    ("parameters", "right"),
    ("input", "right"),
    ("classes", "right"),
    ("paper", "left"),
)


def _cells(entry: _Any) -> tuple[str, ...]:
    if isinstance(entry, Entry):
        return entry.name, entry.about
    return (
        entry.name,
        entry.blocks,
        console.format_count(entry.parameters),
        "×".join(map(str, entry.input)),
        console.format_count(entry.classes),
        _paper(entry.reference),
    )


def _paper(reference: str) -> str:
    """``He et al., 2016a, arXiv:1512.03385``: the authors, year and number of the first paper."""
    found = r"arXiv:[\d.]+\d|NIPS \d{4}|github\.com/[\w/-]+"
    match = re.match(rf"(.+?, \d{{4}}\w?)\b.*?({found})", reference)
    return f"{match[1]}, {match[2]}" if match else reference
