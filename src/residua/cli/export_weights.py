"""`residua export-weights`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro
from tyro.conf import arg


@dataclass(frozen=True, kw_only=True)
class ExportWeights:
    """Write a run's weights as a safetensors file with torchvision's or timm's names and shapes.

    The file says what it is: network, classes, mean and std, licence, and what it was learnt from.
    `--start` reads it back, as it reads theirs.
    """

    run_folder: Annotated[tyro.conf.Positional[Path], arg(metavar="RUN", help_behavior_hint="")]
    """A run folder, or a checkpoint folder."""
    layout: Literal["torchvision", "timm"] = "torchvision"
    """Whose names; of networks that the package lacks, the error says who has them."""
    out: Annotated[Path, arg(metavar="FILE.safetensors")]
    """The file to write."""

    def run(self) -> int:
        from residua.errors import UsageError
        from residua.networks.pretrained.export import export_state, write_weights
        from residua.run.start import card_of, check_classifier, open_checkpoint
        from residua.run.terminal import Terminal

        if self.out.suffix != ".safetensors":
            raise UsageError(
                "weights are written as safetensors",
                expected="a name that ends in .safetensors",
                received=self.out,
            )
        terminal = Terminal(to_stderr=True)
        found = open_checkpoint(self.run_folder, warn=terminal.warn)
        check_classifier(found, source=str(self.run_folder))
        state = export_state(found.network(), self.layout)
        write_weights(self.out, state, card_of(found, source=str(self.run_folder)))
        print(self.out)
        return 0
