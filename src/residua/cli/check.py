"""`residua check`: what is in a data set, and what is wrong with it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import tyro
from tyro.conf import arg

from residua.cli import console
from residua.data.config import DataConfig
from residua.errors import DataError

if TYPE_CHECKING:
    from rich.table import Table

    from residua.data.dataset import Dataset
    from residua.data.findings import Audit, Finding
    from residua.data.storage import Progress

_DATA = DataConfig()
_MOST_CLASSES = 20
_MOST_EXAMPLES = 5
_MOST_LINES = 10


@tyro.conf.configure(tyro.conf.FlagCreatePairsOff)
@dataclass(frozen=True, kw_only=True)
class Check:
    """Look at every picture of a data set, and say what would spoil a run.

    Counts per class and split, sizes, unreadable files, exact and near duplicates within and
    across splits, equal pictures with different labels, rare and missing classes. The exit code is
    1 if there is an error. Nothing is written.
    """

    data: Annotated[tyro.conf.Positional[str], arg(metavar="DATA", help_behavior_hint="")]
    """What `residua train` takes: a folder, a file, or a known name."""
    strict: bool = False
    """Unreadable files are errors; otherwise warnings, as training skips them."""
    similarity: Annotated[float | None, arg(metavar="0-1", help_behavior_hint="")] = None
    """Correlation from which two pictures are near duplicates; by default it follows from how alike
    the pictures are. 1 does not look for near duplicates."""
    validation_fraction: float = _DATA.validation_fraction
    """As for `residua train`, like the next two: they say where the splits are."""
    test_fraction: float = _DATA.test_fraction
    """Share that is held out for the final test where there is no official test split."""
    split_seed: int = _DATA.split_seed
    """Another seed gives another split."""
    json: bool = False
    """Print JSON, with all samples concerned."""

    def run(self) -> int:
        from residua.data.audit import audit

        try:
            dataset = self._open()
        except DataError as error:
            if not self.json:
                raise
            finding = {"severity": "error", "code": "unusable", "message": str(error), "keys": []}
            console.print_json({"name": self.data, "ok": False, "findings": [finding]})
            return 1
        with _progress() as progress:
            found = audit(
                dataset, strict=self.strict, similarity=self.similarity, progress=progress
            )
        if self.json:
            console.print_json({"ok": found.ok, **asdict(found)})
        else:
            _print(found)
        return 0 if found.ok else 1

    def _open(self) -> Dataset:
        from residua.data.open import open_dataset

        return open_dataset(
            DataConfig(
                path=self.data,
                strict=self.strict,
                validation_fraction=self.validation_fraction,
                test_fraction=self.test_fraction,
                split_seed=self.split_seed,
            )
        )


@contextmanager
def _progress() -> Generator[Progress | None]:
    """A bar on standard error, where that is a terminal."""
    terminal = console.stderr()
    if not terminal.is_terminal:
        yield None
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (TextColumn("pictures"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=terminal, transient=True) as bar:
        task = bar.add_task("")
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _print(found: Audit) -> None:
    out = console.stdout()
    kind = {1: "grey", 3: "colour"}[found.channels]
    out.print(f"{found.name}: {found.n:,} {kind} pictures, {len(found.classes):,} classes")
    for line in _picture_lines(found):
        out.print(line)
    out.print(_class_table(found))
    for line in _finding_lines(found):
        out.print(line)
    errors, warnings = (
        sum(finding.severity == severity for finding in found.findings)
        for severity in ("error", "warning")
    )
    out.print(f"{_count(errors, 'error')}, {_count(warnings, 'warning')}")


def _count(number: int, noun: str) -> str:
    return f"{number or 'no'} {noun}{'' if number == 1 else 's'}"


def _picture_lines(found: Audit) -> list[str]:
    p = found.pictures
    if p is None:
        return []
    height, width = p.usual_size
    if p.sizes == 1:
        sizes = f"all {height} x {width} (height x width)"
    else:
        ranges = ["-".join(f"{value:,}" for value in each) for each in (p.heights, p.widths)]
        sizes = (
            f"{p.sizes:,} sizes; {p.usual_n / p.n:.0%} are {height} x {width} (height x width); "
            f"least-median-largest height {ranges[0]}, width {ranges[1]}"
        )
    modes = ", ".join(f"{mode} {count:,}" for mode, count in p.modes.items())
    return [f"sizes: {sizes}", f"stored as: {modes}"]


def _class_table(found: Audit) -> Table:
    """All classes in their order, or, of many, the rarest in the first split."""
    classes, heading = found.classes, "class"
    if len(classes) > _MOST_CLASSES:
        heading = f"class (the {_MOST_CLASSES} rarest)"
        classes = sorted(classes, key=lambda each: each.counts[:1])[:_MOST_CLASSES]
    columns: list[tuple[str, Literal["left", "right"]]] = [(heading, "left")]
    names = (split.name if split.official else f"{split.name} (drawn)" for split in found.splits)
    columns.extend((name, "right") for name in names)
    table = console.table(*columns)
    for each in classes:
        table.add_row(each.name, *(f"{count:,}" for count in each.counts))
    table.add_section()
    table.add_row(f"all {len(found.classes):,}", *(f"{split.n:,}" for split in found.splits))
    return table


def _finding_lines(found: Audit) -> list[str]:
    """The findings by kind, so that a thousand unreadable files do not bury the rest."""
    by_kind: dict[tuple[str, str], list[Finding]] = defaultdict(list)
    for finding in found.findings:
        by_kind[finding.severity, finding.code].append(finding)
    lines: list[str] = []
    for (severity, code), findings in by_kind.items():
        for finding in findings[:_MOST_LINES]:
            lines.append(f"{severity}: {finding.message}  [{code}]")
            if finding.keys and code not in ("unreadable", "left-out"):
                lines += _examples(finding)
        if len(findings) > _MOST_LINES:
            lines.append(f"{severity}: and {len(findings) - _MOST_LINES:,} more  [{code}]")
    return lines


def _examples(finding: Finding) -> list[str]:
    sign = " ~ " if finding.code == "near-duplicates" else " = "
    lines = ["    " + sign.join(group) for group in finding.keys[:_MOST_EXAMPLES]]
    left = len(finding.keys) - _MOST_EXAMPLES
    return [*lines, f"    and {left:,} more (all with --json)"] if left > 0 else lines
