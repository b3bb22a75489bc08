"""What lies where in a run folder."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from residua.errors import CheckpointError, UsageError


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The files of one run, below ``root``."""

    root: Path

    @property
    def recipe(self) -> Path:
        return self.root / "recipe.json"

    @property
    def metrics(self) -> Path:
        return self.root / "metrics.jsonl"

    @property
    def summary(self) -> Path:
        """Written last: a run that has it is complete."""
        return self.root / "summary.json"

    @property
    def checkpoints(self) -> Path:
        return self.root / "checkpoints"

    @property
    def final(self) -> Path:
        """The checkpoint to use and to ship."""
        return self.checkpoints / "final"

    @property
    def evaluations(self) -> Path:
        return self.root / "evaluation"

    @property
    def report(self) -> Path:
        return self.root / "report"

    @property
    def tensorboard(self) -> Path:
        return self.root / "tensorboard"

    @staticmethod
    def create(path: Path) -> RunFolder:
        """A folder for a new run.

        Raises:
            UsageError: If it holds a run already.
        """
        folder = RunFolder(path)
        if folder.recipe.exists():
            raise UsageError(
                f"{path} already holds a run",
                fix=f"Choose another --run, or go on with: residua resume {path}",
            )
        if path.exists() and not path.is_dir():
            raise UsageError("a run needs a folder", received=f"the file {path}")
        path.mkdir(parents=True, exist_ok=True)
        return folder

    @staticmethod
    def open(path: Path) -> RunFolder:
        """The folder of an existing run.

        Raises:
            CheckpointError: If there is none.
        """
        folder = RunFolder(path)
        if not folder.recipe.is_file():
            found = "no such folder" if not path.exists() else "no recipe.json in it"
            raise CheckpointError(
                f"{path} is not a run", received=found, fix="Give the folder that train printed"
            )
        return folder


def next_free(parent: Path, data: str, network: str) -> Path:
    """``parent/DATA-NETWORK-N`` with the least N that is free."""
    stem = Path(data).stem if Path(data).suffix in (".csv", ".parquet") else Path(data).name
    name = re.sub(r"[^\w.+-]+", "_", f"{stem or 'data'}-{network}")
    number = 1
    while (parent / f"{name}-{number}").exists():
        number += 1
    return parent / f"{name}-{number}"
