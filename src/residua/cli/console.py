"""How the verbs print: tables and lines for people, JSON for programs, numbers that read well."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:  # rich takes a tenth of a second, which --json does not need
    from rich.console import Console
    from rich.table import Table

_UNCUT = 10_000
"""Columns of a pipe or file: nothing is wrapped or cut there."""


def stdout() -> Console:
    """Results. On a terminal it wraps and colours; elsewhere it writes plain whole lines."""
    return _console(stderr=False)


def stderr() -> Console:
    """Everything that is no result."""
    return _console(stderr=True)


def _console(*, stderr: bool) -> Console:
    from rich.console import Console

    console = Console(stderr=stderr, highlight=False, markup=False)
    if not console.is_terminal:
        console.width = _UNCUT
    return console


def table(*columns: tuple[str, Literal["left", "right"]]) -> Table:
    """An empty table; a column is (heading, side). First and right-hand ones are never wrapped."""
    from rich import box
    from rich.table import Table

    made = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for position, (heading, side) in enumerate(columns):
        made.add_column(heading, justify=side, no_wrap=position == 0 or side == "right")
    return made


def print_json(value: object) -> None:
    """One JSON document on standard output; dataclasses become objects."""
    sys.stdout.write(json.dumps(value, default=_plain, ensure_ascii=False, indent=2) + "\n")


def _plain(value: object) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    return str(value)


def format_count(number: int) -> str:
    """``25,557,032``"""
    return f"{number:,}"


def format_scaled(number: float) -> str:
    """Three digits of a number from 0 up, and a decimal prefix: ``4.09 G``, ``118 M``, ``640``."""
    return _scaled(number, 1000, ("", "k", "M", "G", "T", "P"))


def format_bytes(number: float) -> str:
    """Three digits of a number from 0 up, and a binary unit: ``42.3 MiB``."""
    return _scaled(number, 1024, ("B", "KiB", "MiB", "GiB", "TiB"))


def _scaled(number: float, base: int, units: Sequence[str]) -> str:
    unit = 0
    while unit < len(units) - 1 and max(number, _rounded(number)) >= base:
        number, unit = number / base, unit + 1
    if unit == 0:
        return f"{number:g} {units[0]}".rstrip()
    decimals = max(0, 3 - len(str(int(_rounded(number)))))
    return f"{number:.{decimals}f} {units[unit]}"


def _rounded(number: float) -> float:
    """``number`` to three digits."""
    return float(f"{number:.3g}")
