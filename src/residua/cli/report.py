"""`residua report`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import tyro


@dataclass(frozen=True, kw_only=True)
class Report:
    """Write a run's report, one self-contained HTML file, and its plots as PNG files."""

    folder: tyro.conf.Positional[Path]
    """The run folder."""

    def run(self) -> int:
        from residua.run.run import Run
        from residua.run.terminal import Terminal

        print(Run(self.folder, terminal=Terminal(to_stderr=True)).report())
        return 0
