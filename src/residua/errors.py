"""Every error that residua raises for its users.

ResiduaError                      exit code 1
├── UsageError                    exit code 2: the command or call itself is wrong
│   ├── UnknownNameError          no such network, recipe, split ...; near names are suggested
│   └── MissingExtraError         an optional dependency is not installed
├── DataError                     a data set, a file or a sample
│   ├── DataNotFoundError         nothing there
│   ├── FormatError               something is there, but not what was expected
│   ├── UnreadableSampleError     one sample cannot be decoded
│   └── LabelError                classes, labels and splits that do not fit together
├── NetworkError
│   ├── InputShapeError           inputs that the network cannot take
│   └── WeightsError              a state dict that does not fit the network
├── CheckpointError               a checkpoint that is missing or is not one
│   └── CorruptCheckpointError    its checksum does not hold
└── TrainingError
    ├── NonFiniteError            a loss or gradient that is not a number, before the update
    ├── DiskFullError             nothing more can be written; what was there is intact
    └── InterruptedRunError       a signal ended the run; exit code 130 (SIGINT) or 143 (SIGTERM)

A message is one line: what went wrong, what was expected, what was received, where, what to do.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ResiduaError(Exception):
    """The root of the tree. ``str(error)`` is the one line that the user reads.

    Args:
        what: What went wrong, in a few words.
        expected: What would have been right.
        received: What was found instead.
        where: The file, row, sample, layer or option.
        fix: What to do about it, as an imperative.
    """

    exit_code = 1

    def __init__(
        self,
        what: str,
        *,
        expected: object = None,
        received: object = None,
        where: object = None,
        fix: str = "",
    ) -> None:
        self.what = what
        self.expected = expected
        self.received = received
        self.where = where
        self.fix = fix
        super().__init__(self._line())

    def _line(self) -> str:
        facts = [
            f"{name} {value}"
            for name, value in (
                ("expected", self.expected),
                ("received", self.received),
                ("in", self.where),
            )
            if value is not None
        ]
        line = self.what + (": " + ", ".join(facts) if facts else "")
        line = line + (f". {self.fix}" if self.fix else "")
        return " ".join(line.split())


class UsageError(ResiduaError):
    exit_code = 2


class UnknownNameError(UsageError):
    """A name that is in no catalog; the nearest known names are suggested."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        names = sorted(set(known))
        near = difflib.get_close_matches(name.lower(), names, n=4, cutoff=0.5)
        shown = near or names[:8]
        hint = "Did you mean " if near else "Known names: "
        end = "?" if near else (", ..." if len(names) > len(shown) else "")
        super().__init__(f"unknown {kind} '{name}'", fix=hint + ", ".join(shown) + end)
        self.name = name
        self.suggestions = tuple(near)


class MissingExtraError(UsageError):
    """An optional dependency is needed and not installed."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs the package '{package}'",
            fix=f"Install it with: pip install 'residua[{extra}]'",
        )


class DataError(ResiduaError): ...


class DataNotFoundError(DataError): ...


class FormatError(DataError): ...


class UnreadableSampleError(DataError): ...


class LabelError(DataError): ...


class NetworkError(ResiduaError): ...


class InputShapeError(NetworkError): ...


class WeightsError(NetworkError): ...


class CheckpointError(ResiduaError): ...


class CorruptCheckpointError(CheckpointError): ...


class TrainingError(ResiduaError): ...


class NonFiniteError(TrainingError): ...


class DiskFullError(TrainingError): ...


class InterruptedRunError(TrainingError):
    """A signal ended the run, and everything was saved."""

    def __init__(self, signal: int, *, step: int, fix: str = "") -> None:
        super().__init__(f"interrupted and saved after step {step}", fix=fix)
        self.signal = signal
        self.step = step
        self.exit_code = 128 + signal
