"""`residua draw`: a network as a picture, or as a page whose blocks open to their layers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro
from tyro.conf import arg

from residua.cli.console import format_count, format_scaled
from residua.errors import ResiduaError, UsageError

if TYPE_CHECKING:
    from residua.networks.network import Network
    from residua.networks.trace import Trace


@tyro.conf.configure(tyro.conf.FlagCreatePairsOff)
@dataclass(frozen=True, kw_only=True)
class Draw:
    """Write a network as an SVG picture: stages, blocks, layers, shapes, shortcuts, branches.

    Equal blocks are drawn once, so that the deepest networks fit a slide.
    """

    network: Annotated[tyro.conf.Positional[str], arg(metavar="NETWORK", help_behavior_hint="")]
    """A name of `residua list networks`."""
    input: Annotated[tuple[int, ...], arg(metavar="C H W", help_behavior_hint="")] = ()
    """Channels, height and width, as 3 224 224; or channels and time, as 1 1000. By default as in
    the network's paper."""
    classes: Annotated[int | None, arg(metavar="N", help_behavior_hint="")] = None
    """Logits; by default as in the paper."""
    rank: Annotated[int | None, arg(metavar="1|2", help_behavior_hint="")] = None
    """2 for pictures, 1 for signals; by default what --input says, else as in the paper."""
    out: Annotated[Path | None, arg(metavar="FILE", help_behavior_hint="")] = None
    """The file; by default the network's name with .svg (or .html) in the current folder. A name
    that ends with .html asks for the page."""
    html: bool = False
    """Write a page instead: the picture, and below it blocks that open to their layers."""

    def run(self) -> int:
        from residua.cli.summary import network_on_meta
        from residua.files import write_atomically
        from residua.networks.trace import trace
        from residua.report.diagram import diagram
        from residua.report.diagram_page import page
        from residua.report.diagram_svg import svg

        is_page = self.html or (self.out is not None and self.out.suffix == ".html")
        path = self.out or Path(self.network + (".html" if is_page else ".svg"))
        if is_page and path.suffix == ".svg":
            raise UsageError("--out does not fit --html", expected="a .html file", received=path)
        network, shape = network_on_meta(
            self.network, input=self.input, rank=self.rank, classes=self.classes
        )
        traced = trace(network, shape, auxiliary=bool(network.auxiliary_names))
        shown = diagram(traced, title=self.network, subtitle=_subtitle(network, traced))
        try:
            write_atomically(path, page(shown) if is_page else svg(shown))
        except OSError as error:
            raise ResiduaError("cannot write", received=error.strerror, where=path) from error
        print(path)
        return 0


def _subtitle(network: Network, traced: Trace) -> str:
    """Costs of evaluation, and the paper."""
    inside = {call for call in traced.root.walk() if call.name in network.auxiliary_names}
    macs = traced.root.total_macs - sum(call.total_macs for call in inside)
    count = sum(parameter.numel() for parameter in network.parameters())
    auxiliary = sum(call.total_parameters for call in inside)
    more = f" (and {format_count(auxiliary)} of auxiliary classifiers)" if auxiliary else ""
    costs = f"{format_count(count - auxiliary)} parameters{more} · {format_scaled(macs)} MACs"
    return f"{costs} · {network.spec.reference}"
