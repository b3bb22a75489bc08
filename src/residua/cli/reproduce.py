"""`residua reproduce`: published rows, run again, and the page of what came out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro
from tyro.conf import arg

from residua.cli import console
from residua.errors import UsageError
from residua.training.config import Precision

if TYPE_CHECKING:
    from residua.recipes.rows import Row
    from residua.report.reproduction import Record
    from residua.run.terminal import Terminal


@tyro.conf.configure(tyro.conf.FlagCreatePairsOff)
@dataclass(frozen=True, kw_only=True)
class Reproduce:
    """Run a published row again, and add what came out to the reproduction table.

    A row is a network, its data, its recipe and the published figure. Every seed is a run folder of
    its own; what was interrupted goes on with the same command, what is complete is not trained
    again. `residua reproduce --list` shows the rows.
    """

    name: Annotated[tyro.conf.Positional[str], arg(metavar="[ROW]", help_behavior_hint="")] = ""
    """A row, or a pattern such as 'fashion-*': several rows, cheapest first."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """One run each; also which samples keep their labels."""
    short: bool = False
    """A version for a few minutes of a processor, marked as such in the table."""
    minutes: Annotated[float | None, arg(metavar="M", help_behavior_hint="")] = None
    """Stop after so long, saved, with exit code 130; the same command goes on."""
    data: Annotated[str | None, arg(metavar="PATH", help_behavior_hint="")] = None
    """The data, where it does not lie below $RESIDUA_DATA under the row's name for it."""
    out: Annotated[Path, arg(metavar="DIR")] = Path("runs/reproduce")
    """Folder of the runs: ROW/seed-S, or ROW/short-seed-S."""
    results: Annotated[Path, arg(metavar="DIR")] = Path("docs/reproduction")
    """Folder of the results, one JSON file a row; the page is written beside it, as DIR.md."""
    device: str = "auto"
    """cpu, cuda ...; auto takes a GPU where there is one."""
    threads: Annotated[int | None, arg(metavar="N", help_behavior_hint="")] = None
    """Threads of the processor; by default as many as it has cores."""
    precision: Precision = "auto"
    """auto: bf16 autocast where the processor computes it natively, else float32."""
    list: bool = False
    """Show the rows: what, published figure, source, data, hours."""
    quiet: bool = False
    """Say nothing but warnings."""
    json: bool = False
    """Print JSON on standard output, messages on standard error."""

    def run(self) -> int:
        from residua.recipes.row_table import ROWS
        from residua.recipes.rows import find_rows

        if self.list:
            rows = find_rows(self.name or "*", ROWS)
            (_list_json if self.json else _list)(rows)
            return 0
        self._check()
        records = self._reproduced(find_rows(self.name, ROWS))
        if self.json:
            console.print_json(records)
        return 0

    def _check(self) -> None:
        if not self.name:
            expected = "a row of residua reproduce --list"
            raise UsageError("no row was named", expected=expected)
        if not self.seeds or min(self.seeds) < 0 or len(set(self.seeds)) < len(self.seeds):
            expected = "different numbers of 0 or more"
            raise UsageError("wrong seeds", expected=expected, received=list(self.seeds))

    def _reproduced(self, rows: Sequence[Row]) -> Sequence[Record]:
        from residua.run.deadline import Deadline
        from residua.run.reproduce import Place, estimated_hours, reproduce
        from residua.run.terminal import Terminal

        place = Place(
            out=self.out,
            results=self.results,
            data=self.data,
            device=self.device,
            threads=self.threads,
            precision=self.precision,
        )
        terminal = Terminal(quiet=self.quiet, to_stderr=self.json)
        records: tuple[Record, ...] = ()
        with Deadline(self.minutes) as deadline:
            for row in sorted(rows, key=lambda row: estimated_hours(row, short=self.short)):
                record = reproduce(
                    row,
                    place,
                    seeds=self.seeds,
                    short=self.short,
                    terminal=terminal,
                    deadline=deadline,
                )
                _say(record, terminal)
                records = (*records, record)
        terminal.say(f"page     {self.results.with_name(self.results.name + '.md')}")
        return records


def _say(record: Record, terminal: Terminal) -> None:
    from residua.report.reproduction_page import measured_text, published_text

    for each in record.measurements:
        published = published_text(record.published, percent=each.percent)
        beside = f"; published {published}" if each.is_comparable and record.published else ""
        what = each.changes or "whole"
        what += ", JPEG copy" if each.copy == "jpeg" else ""
        found = f"{each.metric} {measured_text(each)}, n={len(each.seeds)}"
        terminal.say(f"result   {record.name} ({what}): {found}{beside}; {each.hardware}")


def _list_json(rows: Sequence[Row]) -> None:
    from residua.run.reproduce import estimated_hours

    console.print_json(
        [
            {
                "name": row.name,
                "network": row.network,
                "data": row.data,
                "published": row.published,
                "source": row.source,
                "note": row.note,
                "short": row.short.text,
                "hours_on_two_cores": estimated_hours(row),
                "short_hours_on_two_cores": estimated_hours(row, short=True),
            }
            for row in rows
        ]
    )


def _list(rows: Sequence[Row]) -> None:
    from residua.report.reproduction_page import published_text
    from residua.run.reproduce import CORES_MACS, UPDATE_SECONDS, estimated_hours

    out = console.stdout()
    table = console.table(
        ("row", "left"),
        ("data", "left"),
        ("published", "right"),
        ("hours", "right"),
        ("short", "right"),
        ("source", "left"),
    )
    for row in rows:
        hours, short = (_hours(estimated_hours(row, short=short)) for short in (False, True))
        table.add_row(row.name, row.data, published_text(row.published), hours, short, row.source)
    out.print(table)
    out.print(
        f"\nhours of a seed on two cores, and of its short version: estimated at "
        f"{CORES_MACS / 1e9:g} G multiply-adds a second and {UPDATE_SECONDS:g} s an update; a GPU "
        "needs a small part of it"
    )


def _hours(hours: float) -> str:
    """``570``, ``4.1``, ``0.024``"""
    return f"{hours:,.0f}" if hours >= 10 else f"{hours:.2g}"
