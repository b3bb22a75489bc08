"""What `residua.data.audit` returns: plain values that travel as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from residua.batch import Modality, Task

Severity = Literal["error", "warning", "info"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is worth knowing.

    Attributes:
        severity: ``error`` spoils a run or its numbers, ``warning`` may.
        code: A short fixed name for programs.
        message: One line for people.
        keys: The samples concerned; those that belong together form one tuple.
    """

    severity: Severity
    code: str
    message: str
    keys: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitCount:
    """A split: whether the source names it or it was drawn, and its samples."""

    name: str
    official: bool
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassCount:
    """A class (of transcripts: a token) and how often it occurs in each split, in the order of
    `Audit.splits`."""

    name: str
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """The known values of a quantity in one split; None where there are none."""

    n: int
    mean: float | None
    sd: float | None
    least: float | None
    largest: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """A target of regression, in each split in the order of `Audit.splits`."""

    name: str
    spreads: tuple[Spread, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureFacts:
    """The readable pictures.

    Attributes:
        n: How many there are.
        heights, widths: Least, median, largest.
        sizes: How many different sizes.
        usual_size: Height and width of the most frequent size.
        usual_n: How many pictures have it.
        modes: For each mode as stored ("RGB", "L", "CMYK"), how many have it.
    """

    n: int
    heights: tuple[int, int, int]
    widths: tuple[int, int, int]
    sizes: int
    usual_size: tuple[int, int]
    usual_n: int
    modes: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesFacts:
    """The readable signals, clips or texts.

    Attributes:
        n: How many there are.
        lengths: Least, median, largest number of steps; of texts, bytes.
        rate: Steps per second of the data set; None where nobody knows.
        rates: For each rate in Hz as stored, how many have it.
        seconds: Least, median, largest duration; None without a rate.
        total_seconds: Of all of them.
        channel_names, units: One a channel, where the source has them.
        with_missing: How many lack values.
        missing_share: Missing among all values, from 0 to 1.
        constant: How many do not change at all.
        clipped: Of clips, how many stay at full scale.
        transcripts: Least, median, largest number of tokens; None for other tasks.
    """

    n: int
    lengths: tuple[int, int, int]
    rate: float | None
    rates: dict[str, int]
    seconds: tuple[float, float, float] | None
    total_seconds: float | None
    channel_names: tuple[str, ...]
    units: tuple[str, ...]
    with_missing: int
    missing_share: float
    constant: int
    clipped: int
    transcripts: tuple[int, int, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """A data set and what was found in it.

    Attributes:
        facts: None where no sample can be read.
        quantities: Of regression, which has no classes.
        findings: Errors first.
    """

    name: str
    modality: Modality = Modality.IMAGE
    task: Task = Task.CLASSIFICATION
    n: int
    channels: int
    splits: tuple[SplitCount, ...]
    classes: tuple[ClassCount, ...]
    quantities: tuple[Quantity, ...] = ()
    facts: PictureFacts | SeriesFacts | None
    findings: tuple[Finding, ...]

    @property
    def pictures(self) -> PictureFacts | None:
        """`facts`, if they are of pictures."""
        return self.facts if isinstance(self.facts, PictureFacts) else None

    @property
    def series(self) -> SeriesFacts | None:
        """`facts`, if they are of anything else."""
        return self.facts if isinstance(self.facts, SeriesFacts) else None

    @property
    def ok(self) -> bool:
        """Whether nothing was found that would spoil a run."""
        return all(finding.severity != "error" for finding in self.findings)

    def to_json(self) -> dict[str, Any]:
        """Plain values, with ``facts`` under the name ``pictures`` or ``series``."""
        values = asdict(self)
        facts, findings = values.pop("facts"), values.pop("findings")
        if self.modality is Modality.IMAGE:
            del values["modality"], values["task"], values["quantities"]
            return {"ok": self.ok, **values, "pictures": facts, "findings": findings}
        return {"ok": self.ok, **values, "series": facts, "findings": findings}
