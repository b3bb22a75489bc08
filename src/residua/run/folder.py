"""What lies where in a run folder."""

from __future__ import annotations

import os
import re
from collections.abc import Generator
from contextlib import contextmanager, suppress
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
            UsageError: If it holds a run already, or cannot be made or written.
        """
        folder = RunFolder(path)
        if folder.recipe.exists():
            raise UsageError(
                f"{path} already holds a run",
                fix=f"Choose another --run, or go on with: residua resume {path}",
            )
        if path.exists() and not path.is_dir():
            raise UsageError("a run needs a folder", received=f"the file {path}")
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(
                "the run folder cannot be made",
                received=error.strerror,
                where=path,
                fix="Choose another --run",
            ) from error
        if not os.access(path, os.W_OK):
            raise UsageError(
                "the run folder cannot be written", where=path, fix="Choose another --run"
            )
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
            found = "a file" if path.is_file() else found
            raise CheckpointError(
                f"{path} is not a run", received=found, fix="Give the folder that train printed"
            )
        return folder


@contextmanager
def removed_if_empty(folder: Path) -> Generator[None]:
    """Leaves no empty folder behind when what was to be written there fails."""
    try:
        yield
    except BaseException:
        with suppress(OSError):
            folder.rmdir()
        raise


def next_free(parent: Path, data: str, network: str) -> Path:
    """``parent/DATA-NETWORK-N`` with the least N that is free."""
    stem = Path(data).stem if Path(data).suffix in (".csv", ".parquet") else Path(data).name
    name = re.sub(r"[^\w.+-]+", "_", f"{stem or 'data'}-{network}")
    number = 1
    while (parent / f"{name}-{number}").exists():
        number += 1
    return parent / f"{name}-{number}"
