"""What was measured of the rows of the reproduction table: values, their files, and sums over
seeds."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, Literal

import cattrs
from cattrs.v import format_exception

from residua.errors import FormatError
from residua.files import write_atomically

Variant = Literal["full", "short"]
Copy = Literal["original", "jpeg"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedResult:
    """One run.

    Attributes:
        value: The row's metric.
        n: Samples that it was measured on.
        minutes: In training steps.
        passes: Training samples that were seen, repetitions counted.
        peak_memory_bytes: Of the device's memory on a GPU, of the process on a processor.
        torch: Its version.
    """

    seed: int
    value: float
    n: int
    minutes: float
    passes: int
    peak_memory_bytes: int
    torch: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """All runs of one recipe on one kind of hardware.

    Attributes:
        changes: Of the short variant, in words.
        copy: ``jpeg`` where the pictures were compressed with loss after they were published.
        metric: What was measured, on which split.
        higher_is_better: Else lower is.
        percent: Whether it is a share that people read in percent.
        hardware: Device, threads, precision and processor, in words.
        recipe: Plain JSON of the recipe, without what differs from run to run.
    """

    variant: Variant
    changes: str
    copy: Copy
    metric: str
    higher_is_better: bool
    percent: bool
    hardware: str
    recipe: dict[str, Any]
    seeds: tuple[SeedResult, ...]

    @property
    def mean(self) -> float:
        return fmean(result.value for result in self.seeds)

    @property
    def deviation(self) -> float | None:
        """The standard deviation over seeds (n - 1); None of one seed."""
        return stdev(result.value for result in self.seeds) if len(self.seeds) > 1 else None

    @property
    def minutes(self) -> float:
        return fmean(result.minutes for result in self.seeds)

    @property
    def is_comparable(self) -> bool:
        """Whether a published figure may stand beside it."""
        return self.variant == "full" and self.copy == "original"

    def is_like(self, other: Measurement) -> bool:
        """Whether the runs differ in nothing but the seed."""
        return replace(self, seeds=()) == replace(other, seeds=())

    def joined(self, other: Measurement) -> Measurement:
        """With the seeds of ``other``, whose results replace those of the same seeds here."""
        newer = {result.seed: result for result in (*self.seeds, *other.seeds)}
        return replace(self, seeds=tuple(newer[seed] for seed in sorted(newer)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One file: a row and what was measured of it."""

    name: str
    network: str
    data: str
    published: tuple[float, ...]
    source: str
    note: str
    measurements: tuple[Measurement, ...] = ()

    def with_measurement(self, new: Measurement) -> Record:
        """The record with ``new`` appended, or joined with the runs that it continues."""
        for place, old in enumerate(self.measurements):
            if old.is_like(new):
                before, after = self.measurements[:place], self.measurements[place + 1 :]
                return replace(self, measurements=(*before, old.joined(new), *after))
        return replace(self, measurements=(*self.measurements, new))


def save_record(folder: Path, record: Record) -> Path:
    """Writes ``folder/NAME.json``."""
    path = folder / f"{record.name}.json"
    write_atomically(path, json.dumps(_CONVERTER.unstructure(record), indent=1) + "\n")
    return path


def load_record(path: Path) -> Record:
    """The inverse of `save_record`.

    Raises:
        FormatError: The file is something else.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise FormatError("cannot read results", received=error, where=path) from error
    if not isinstance(content, dict):
        raise FormatError("these are no results", expected="an object", where=path)
    try:
        return _CONVERTER.structure(content, Record)
    except cattrs.BaseValidationError as error:
        reasons = "; ".join(cattrs.transform_error(error, format_exception=format_exception))
        raise FormatError(f"these are no results: {reasons}", where=path) from error


def load_records(folder: Path) -> list[Record]:
    """All results in ``folder``, by name.

    Raises:
        FormatError: One of the files is something else.
    """
    return [load_record(path) for path in sorted(folder.glob("*.json"))]


def _make_converter() -> cattrs.Converter:
    return cattrs.Converter(forbid_extra_keys=True)


_CONVERTER = _make_converter()
