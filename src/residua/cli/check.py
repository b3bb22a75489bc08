"""`residua check`: what is in a data set, and what is wrong with it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import tyro
from tyro.conf import arg

from residua.batch import Modality, Task
from residua.cli import console
from residua.data.config import DataConfig
from residua.errors import DataError

if TYPE_CHECKING:
    from rich.table import Table

    from residua.data.dataset import Dataset
    from residua.data.findings import Audit, Finding, SeriesFacts, Spread
    from residua.data.storage import Progress

_DATA = DataConfig()
_MOST_CLASSES = 20
_MOST_EXAMPLES = 5
_MOST_LINES = 10
_NOUNS = {
    Modality.IMAGE: "pictures",
    Modality.SIGNAL: "series",
    Modality.SOUND: "clips",
    Modality.TEXT: "texts",
}
_TARGETS = {Task.MULTILABEL: "labels", Task.REGRESSION: "quantities", Task.CTC: "tokens"}


@tyro.conf.configure(tyro.conf.FlagCreatePairsOff)
@dataclass(frozen=True, kw_only=True)
class Check:
    """Look at every sample of a data set, and say what would spoil a run.

    Counts per class and split, sizes or lengths, unreadable files, missing values, constant series,
    silent and clipped sound, exact and near duplicates within and across splits, equal samples with
    different labels, groups in several splits, rare and missing classes. The exit code is 1 if
    there is an error. Nothing is written.
    """

    data: Annotated[tyro.conf.Positional[str], arg(metavar="DATA", help_behavior_hint="")]
    """What `residua train` takes: a folder, a file, or a known name."""
    strict: bool = False
    """Unreadable files are errors; otherwise warnings, as training skips them."""
    similarity: Annotated[float | None, arg(metavar="0-1", help_behavior_hint="")] = None
    """Correlation from which two samples are near duplicates; by default it follows from how alike
    the samples are. 1 does not look for near duplicates."""
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
        with _progress(dataset.schema.modality) as progress:
            found = audit(
                dataset, strict=self.strict, similarity=self.similarity, progress=progress
            )
        if self.json:
            console.print_json(found.to_json())
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
def _progress(modality: Modality) -> Generator[Progress | None]:
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

    columns = (
        TextColumn(_NOUNS[modality]),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=terminal, transient=True) as bar:
        task = bar.add_task("")
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _print(found: Audit) -> None:
    out = console.stdout()
    out.print(_first_line(found))
    for line in [*_picture_lines(found), *_series_lines(found)]:
        out.print(line)
    out.print(_quantity_table(found) if found.quantities else _class_table(found))
    for line in _finding_lines(found):
        out.print(line)
    errors, warnings = (
        sum(finding.severity == severity for finding in found.findings)
        for severity in ("error", "warning")
    )
    out.print(f"{_count(errors, 'error')}, {_count(warnings, 'warning')}")


def _first_line(found: Audit) -> str:
    kind = ""
    if found.modality is Modality.IMAGE:
        kind = {1: "grey ", 3: "colour "}[found.channels]
    targets = len(found.quantities or found.classes)
    noun = _TARGETS.get(found.task, "classes")
    if noun == "quantities" and targets == 1:
        noun = "quantity"
    return f"{found.name}: {found.n:,} {kind}{_NOUNS[found.modality]}, {targets:,} {noun}"


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


def _series_lines(found: Audit) -> list[str]:
    s = found.series
    if s is None:
        return []
    lines = [f"lengths: {_lengths(found.modality, s)}"]
    if found.modality is Modality.SIGNAL:
        names = "" if not s.channel_names else f": {_channels(s)}"
        lines.append(f"channels: {found.channels}{names}")
        if s.with_missing:
            missing = f"{s.with_missing:,} of {s.n:,} series ({s.missing_share:.2%} of all values)"
            lines.append(f"missing values: in {missing}")
    if s.transcripts:
        least, median, largest = s.transcripts
        lines.append(f"transcripts: {least:,}-{median:,}-{largest:,} tokens (least-median-largest)")
    return lines


def _lengths(modality: Modality, s: SeriesFacts) -> str:
    noun = "bytes" if modality is Modality.TEXT else "steps"
    least, median, largest = s.lengths
    same = least == largest
    text = f"all {least:,} {noun}" if same else f"{least:,}-{median:,}-{largest:,} {noun}"
    if s.seconds is None or s.total_seconds is None:
        return text + ("" if same else " (least-median-largest)")
    times = (
        f"{s.seconds[0]:.3g} s" if same else "-".join(f"{each:.3g}" for each in s.seconds) + " s"
    )
    rates = " and ".join(f"{float(rate):,g} Hz" for rate in s.rates)
    order = "" if same else " (least-median-largest)"
    return f"{text}, {times}{order} at {rates}; {_duration(s.total_seconds)} in all"


def _duration(seconds: float) -> str:
    for size, unit in ((3600.0, "h"), (60.0, "min")):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"


def _channels(s: SeriesFacts) -> str:
    units = s.units or ("",) * len(s.channel_names)
    named = [f"{n} [{u}]" if u else n for n, u in zip(s.channel_names, units, strict=True)]
    left = len(named) - _MOST_CLASSES
    return ", ".join(named[:_MOST_CLASSES]) + (f" and {left:,} more" if left > 0 else "")


def _quantity_table(found: Audit) -> Table:
    """Mean, deviation and range of each quantity in each split."""
    names = _split_names(found)
    columns: list[tuple[str, Literal["left", "right"]]] = [("quantity", "left")]
    columns.extend((name, "right") for name in names)
    table = console.table(*columns)
    for each in found.quantities:
        table.add_row(each.name, *map(_spread, each.spreads))
    table.add_section()
    table.add_row("mean ± sd, range; n", *(f"{split.n:,}" for split in found.splits))
    return table


def _spread(spread: Spread) -> str:
    if spread.mean is None:
        return "unknown"
    return f"{spread.mean:.4g} ± {spread.sd:.3g}, {spread.least:.4g} to {spread.largest:.4g}"


def _split_names(found: Audit) -> list[str]:
    return [split.name if split.official else f"{split.name} (drawn)" for split in found.splits]


def _class_table(found: Audit) -> Table:
    """All classes in their order, or, of many, the rarest in the first split."""
    noun = {Task.MULTILABEL: "label", Task.CTC: "token"}.get(found.task, "class")
    classes, heading = found.classes, noun
    if len(classes) > _MOST_CLASSES:
        heading = f"{noun} (the {_MOST_CLASSES} rarest)"
        classes = sorted(classes, key=lambda each: each.counts[:1])[:_MOST_CLASSES]
    columns: list[tuple[str, Literal["left", "right"]]] = [(heading, "left")]
    columns.extend((name, "right") for name in _split_names(found))
    table = console.table(*columns)
    for each in classes:
        table.add_row(each.name, *(f"{count:,}" for count in each.counts))
    table.add_section()
    all_of_them = "samples" if noun != "class" else f"all {len(found.classes):,}"
    table.add_row(all_of_them, *(f"{split.n:,}" for split in found.splits))
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
