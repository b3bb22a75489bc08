"""`residua resume`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from tyro.conf import arg

from residua.cli import console


@dataclass(frozen=True, kw_only=True)
class Resume:
    """Go on with a run that was interrupted, as if it had not been.

    On a processor the final weights are bitwise those of an uninterrupted run.
    """

    folder: Annotated[tyro.conf.Positional[Path], arg(metavar="RUN", help_behavior_hint="")]
    """The run folder."""
    quiet: bool = False
    """Say nothing but warnings."""
    chart: bool = True
    """Draw loss and accuracy as a chart while training, in a terminal."""
    json: bool = False
    """Print summary.json on standard output, messages on standard error."""

    def run(self) -> int:
        from residua.run.store import load_summary
        from residua.run.terminal import Terminal
        from residua.run.train import resume

        terminal = Terminal(quiet=self.quiet, to_stderr=self.json, chart=self.chart)
        run = resume(self.folder, terminal)
        if self.json and terminal.is_main:
            console.print_json(load_summary(run.summary))
        return 0
