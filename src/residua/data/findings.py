"""What `residua.data.audit` returns: plain values that travel as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

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
    """A class and its samples in each split, in the order of `Audit.splits`."""

    name: str
    counts: tuple[int, ...]


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
class Audit:
    """A data set and what was found in it.

    Attributes:
        pictures: None where no picture can be read.
        findings: Errors first.
    """

    name: str
    n: int
    channels: int
    splits: tuple[SplitCount, ...]
    classes: tuple[ClassCount, ...]
    pictures: PictureFacts | None
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing was found that would spoil a run."""
        return all(finding.severity != "error" for finding in self.findings)
