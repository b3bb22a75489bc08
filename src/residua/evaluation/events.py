"""From the answers to the windows of a long recording to events, as they come.

Legend: k classes.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TextIO

import numpy as np
import numpy.typing as npt

from residua.errors import UsageError

Answer = tuple[int, npt.NDArray[np.floating]]
"""The first step of a window, and the probabilities ``[k]`` of its classes."""

EventFormat = Literal["csv", "jsonl"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A stretch of a recording with one label.

    Attributes:
        start, end: Seconds from the recording's start.
        label: The class.
        probability: Mean over the windows.
        windows: How many there were.
    """

    start: float
    end: float
    label: str
    probability: float
    windows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRules:
    """When an event begins, goes on and counts.

    Attributes:
        threshold: A class begins an event where its probability reaches this.
        release: The event goes on while it reaches this; by default the threshold.
        exclusive: Classes exclude each other: an event begins only with the most probable class,
            and ends where another class begins one. Otherwise (multi-label) each is by itself.
        at_least: Seconds; shorter events are dropped.
        ignore: Classes that make no events, such as normal beats.
    """

    threshold: float = 0.5
    release: float | None = None
    exclusive: bool = True
    at_least: float = 0.0
    ignore: tuple[str, ...] = ()

    def check(self, classes: Sequence[str]) -> None:
        """Raises `UsageError` for the first value that is out of its range."""
        low = self.threshold if self.release is None else self.release
        if not 0 < low <= self.threshold <= 1:
            received = f"{self.threshold} and {low}"
            expected = "0 < release <= threshold <= 1"
            raise UsageError("wrong thresholds", expected=expected, received=received)
        if self.at_least < 0:
            raise UsageError("wrong shortest event", expected=">= 0 s", received=self.at_least)
        for name in self.ignore:
            if name not in classes:
                raise UsageError(
                    "cannot ignore what is no class", expected=", ".join(classes), received=name
                )


@dataclass(slots=True, kw_only=True)
class _Open:
    """An event that goes on."""

    start: float
    total: float = 0.0
    windows: int = 0


def find_events(
    answers: Iterable[Answer],
    *,
    classes: Sequence[str],
    rate: float,
    length: int,
    steps: int,
    rules: EventRules | None = None,
) -> Iterator[Event]:
    """Adjacent windows with one label as one event.

    A window speaks for the steps that are nearer to its middle than to those of its neighbours,
    the first and last one also for the edges of the recording, but none for what it has not seen:
    so events neither overlap (of exclusive classes) nor leave out anything between two windows. An
    event is given away with the first window that it does not go on in; nothing is kept but
    the events that go on.

    Args:
        answers: Windows in ascending order.
        classes: ``k`` names.
        rate: Steps per second.
        length: Steps of a window.
        steps: Steps of the recording.
        rules: By default those of exclusive classes at threshold 0.5.

    Raises:
        UsageError: Rules out of range.
    """
    rules = rules or EventRules()
    rules.check(classes)
    going: dict[int, _Open] = {}
    last: int | None = None

    def close(which: Iterable[int], end: float) -> Iterator[Event]:
        done = [_closed(going.pop(each), classes[each], end / rate) for each in sorted(which)]
        yield from (each for each in done if each.end - each.start >= rules.at_least)

    for first, probabilities in answers:
        begin, end = _border(last, first, length)
        if begin > end:  # no window has seen what lies between
            yield from close(list(going), end)
        active = _active(probabilities, going, classes, rules)
        yield from close(going.keys() - active, end)
        for each in active:
            event = going.setdefault(each, _Open(start=begin / rate))
            event.total += float(probabilities[each])
            event.windows += 1
        last = first
    if last is not None:
        yield from close(list(going), min(last + length, steps))


def _border(last: int | None, first: int, length: int) -> tuple[float, float]:
    """Where the window from ``first`` on begins to speak, and the one before it ends, in steps."""
    if last is None:
        return first, first
    middle = (last + first + length) / 2
    return max(middle, first), min(middle, last + length)


def _active(
    probabilities: npt.NDArray[np.floating],
    going: dict[int, _Open],
    classes: Sequence[str],
    rules: EventRules,
) -> list[int]:
    """The classes that this window has events of."""
    low = rules.threshold if rules.release is None else rules.release
    if rules.exclusive:
        best = int(np.argmax(probabilities))
        stays = [each for each in going if probabilities[each] >= low]
        found = [best] if probabilities[best] >= rules.threshold else stays
    else:
        limits = [low if each in going else rules.threshold for each in range(len(classes))]
        found = [each for each, limit in enumerate(limits) if probabilities[each] >= limit]
    return [each for each in found if classes[each] not in rules.ignore]


def _closed(event: _Open, label: str, end: float) -> Event:
    return Event(
        start=event.start,
        end=end,
        label=label,
        probability=event.total / event.windows,
        windows=event.windows,
    )


def write_events(events: Iterable[Event], file: TextIO, form: EventFormat = "csv") -> int:
    """Writes each event when it comes, and returns how many came.

    A line a event: ``start_seconds,end_seconds,label,probability``, or the same as a JSON object.
    """
    table = csv.writer(file, lineterminator="\n")
    if form == "csv":
        table.writerow(("start_seconds", "end_seconds", "label", "probability"))
    count = 0
    for event in events:
        count += 1
        start, end = round(event.start, 6), round(event.end, 6)
        probability = round(event.probability, 6)
        if form == "csv":
            table.writerow((start, end, event.label, probability))
        else:
            line = {"start_seconds": start, "end_seconds": end, "label": event.label}
            file.write(json.dumps(line | {"probability": probability}, ensure_ascii=False) + "\n")
        file.flush()
    return count
