"""`residua report`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from tyro.conf import arg


@dataclass(frozen=True, kw_only=True)
class Report:
    """Write a run's report, one self-contained HTML file, and its plots as PNG files."""

    folder: Annotated[tyro.conf.Positional[Path], arg(metavar="RUN", help_behavior_hint="")]
    """The run folder."""

    def run(self) -> int:
        from residua.run.run import Run
        from residua.run.terminal import Terminal

        print(Run(self.folder, terminal=Terminal(to_stderr=True)).report())
        return 0
