"""`residua events`: what a network finds in a long recording, as it goes."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from tyro.conf import arg


@dataclass(frozen=True, kw_only=True)
class Events:
    """Find events in a long recording: start, end, label and probability, one line each.

    The recording is read window by window, in memory that does not grow with it, and an event is
    written as soon as it has ended: 24 hours of ECG need no more than one.
    """

    run_folder: Annotated[tyro.conf.Positional[Path], arg(metavar="RUN", help_behavior_hint="")]
    """A run folder, or a checkpoint folder, of signals or sound."""
    recording: Annotated[
        tyro.conf.Positional[Path], arg(metavar="RECORDING", help_behavior_hint="")
    ]
    """A WFDB record, .edf, .bdf, .wav, .flac, .npy or .csv file."""
    window: float | None = None
    """Seconds that the network sees at once; by default what it was trained on."""
    step: float | None = None
    """Seconds from one window to the next; by default half a window."""
    threshold: float = 0.5
    """Probability from which a class begins an event."""
    release: float | None = None
    """Probability below which the event ends; by default the threshold."""
    at_least: float = 0.0
    """Seconds; shorter events are dropped."""
    ignore: tuple[str, ...] = ()
    """Classes that make no events, such as normal beats."""
    rate: float | None = None
    """Steps per second, for files that do not say it (.npy, .csv)."""
    batch_size: int = 16
    """Windows that go through the network together."""
    device: str = "auto"
    """cpu, cuda ...; auto takes a GPU where there is one."""
    json: bool = False
    """Print one JSON object a line instead of CSV."""

    def run(self) -> int:
        from residua.batch import Task
        from residua.evaluation.events import EventRules, write_events
        from residua.run.classifier import Classifier
        from residua.run.long import events_in
        from residua.run.terminal import Terminal

        terminal = Terminal(to_stderr=True)
        classifier = Classifier.open(self.run_folder, device=self.device, terminal=terminal)
        rules = EventRules(
            threshold=self.threshold,
            release=self.release,
            exclusive=classifier.checkpoint.schema.task is Task.CLASSIFICATION,
            at_least=self.at_least,
            ignore=self.ignore,
        )
        events = events_in(
            classifier,
            self.recording,
            window=self.window,
            step=self.step,
            rules=rules,
            rate=self.rate,
            batch_size=self.batch_size,
        )
        write_events(events, sys.stdout, form="jsonl" if self.json else "csv")
        return 0
