"""`residua predict`."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from tyro.conf import arg

from residua.errors import UsageError
from residua.evaluation.results import Prediction


@dataclass(frozen=True, kw_only=True)
class Predict:
    """Answer for files: one line a sample, in the order given.

    The class and its probability; all labels that are likelier than not; quantities; or the
    transcript and its probability. Unreadable samples are named, the others answered, and the exit
    code is 1.
    """

    run_folder: Annotated[tyro.conf.Positional[Path], arg(metavar="RUN", help_behavior_hint="")]
    """A run folder, or a checkpoint folder."""
    inputs: Annotated[
        tyro.conf.Positional[tuple[str, ...]], arg(metavar="INPUT...", help_behavior_hint="")
    ]
    """Files, folders, globs, or - for a list of them on standard input."""
    batch_size: int = 32
    """Samples that go through the network together."""
    device: str = "auto"
    """cpu, cuda ...; auto takes a GPU where there is one."""
    json: bool = False
    """Print one JSON object a line."""

    def run(self) -> int:
        from residua.run.classifier import Classifier
        from residua.run.terminal import Terminal

        if not self.inputs:
            raise UsageError("nothing to classify", expected="files, folders, globs, or -")
        if self.batch_size < 1:
            raise UsageError("wrong batch_size", expected=">= 1", received=self.batch_size)
        terminal = Terminal(to_stderr=True)
        classifier = Classifier.open(self.run_folder, device=self.device, terminal=terminal)
        failures = 0
        for prediction in classifier.predict(self.inputs, batch_size=self.batch_size):
            failures += prediction.error is not None
            self._print(prediction)
        if failures:
            print(f"residua: {failures} of the inputs could not be read", file=sys.stderr)
        return 1 if failures else 0

    def _print(self, prediction: Prediction) -> None:
        if self.json:
            print(json.dumps(prediction.to_json(), ensure_ascii=False), flush=True)
        elif prediction.error is not None:
            print(f"{prediction.path}\terror: {prediction.error}", flush=True)
        else:
            print(f"{prediction.path}\t{prediction.line}", flush=True)
