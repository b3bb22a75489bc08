"""`residua evaluate`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro
from tyro.conf import arg

from residua.cli import console


@dataclass(frozen=True, kw_only=True)
class Evaluate:
    """Score a run on a split of its data, or on other data with the same classes."""

    run_folder: Annotated[tyro.conf.Positional[Path], arg(metavar="RUN", help_behavior_hint="")]
    """A run folder, or a checkpoint folder."""
    data: Annotated[
        tyro.conf.Positional[str | None], arg(metavar="[DATA]", help_behavior_hint="")
    ] = None
    """Another data set; by default what the run was trained on."""
    split: Annotated[str | None, arg(metavar="NAME", help_behavior_hint="")] = None
    """train, validation, test or all; by default test, or all of data that names no test split."""
    probe: Literal["knn", "linear"] | None = None
    """Score the features in place of the classifier, which pre-trained networks lack: by the
    nearest training samples (knn), or by a linear classifier that is fitted to them (linear). With
    DATA its own training samples and classes are used."""
    device: str = "auto"
    """cpu, cuda ...; auto takes a GPU where there is one."""
    json: bool = False
    """Print all scores as JSON on standard output."""

    def run(self) -> int:
        from residua.evaluation.describe import score_table, summary_lines
        from residua.run.classifier import Classifier
        from residua.run.probe import probe
        from residua.run.terminal import Terminal

        terminal = Terminal(to_stderr=True)
        classifier = Classifier.open(
            self.run_folder,
            device=self.device,
            terminal=terminal,
            headless=self.probe is not None,
        )
        if self.probe is None:
            scores, _ = classifier.evaluate(self.split, self.data)
        else:
            scores, _ = probe(classifier, self.probe, split=self.split, data=self.data)
        if self.json:
            console.print_json(scores.to_json())
            return 0
        out = console.stdout()
        for line in summary_lines(scores):
            out.print(line)
        table = score_table(scores)
        if table is not None:
            out.print(table)
        return 0
