"""A run: what Python callers and the command line hold in their hands."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from residua.evaluation.results import Prediction
from residua.evaluation.scores import Scores
from residua.recipes.recipe import Recipe
from residua.run.classifier import Classifier
from residua.run.folder import RunFolder
from residua.run.store import load_summary
from residua.run.terminal import Terminal


class Run:
    """A finished or interrupted run.

    Args:
        path: Its folder.
        device: Where `evaluate` and `predict` compute; auto takes a GPU where there is one.

    Raises:
        CheckpointError: If ``path`` is not a run.
    """

    def __init__(
        self, path: str | Path, *, device: str = "auto", terminal: Terminal | None = None
    ) -> None:
        self.folder = RunFolder.open(Path(path))
        self.device = device
        self.terminal = terminal or Terminal(quiet=True)

    def __repr__(self) -> str:
        return f"Run({str(self.folder.root)!r})"

    @cached_property
    def recipe(self) -> Recipe:
        return Recipe.load(self.folder.recipe)

    @property
    def summary(self) -> dict[str, Any]:
        """summary.json: network, data, cost and scores; empty while the run is not complete."""
        return load_summary(self.folder.summary)

    @cached_property
    def classifier(self) -> Classifier:
        """The trained network with its preprocessing and labels."""
        return Classifier.open(self.folder.root, device=self.device, terminal=self.terminal)

    def evaluate(self, split: str | None = None, data: str | None = None) -> Scores:
        """Scores on a split of its own data (test by default), or on another data set."""
        return self.classifier.evaluate(split, data)[0]

    def predict(self, inputs: str | Iterable[str]) -> Iterator[Prediction]:
        """Answers for files, folders or globs, in order."""
        return self.classifier.predict(inputs)

    def report(self) -> Path:
        """Writes the report and returns the HTML file."""
        from residua.run.reporting import write_run_report

        return write_run_report(self.folder, self.terminal)
