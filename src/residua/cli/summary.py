"""`residua summary`: a network as a table."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Annotated

import tyro
from tyro.conf import arg

from residua.cli import console
from residua.errors import UsageError

if TYPE_CHECKING:
    from torch import nn

    from residua.networks import summary as networks
    from residua.networks.catalog import Spec
    from residua.networks.network import Network


@tyro.conf.configure(tyro.conf.FlagCreatePairsOff)
@dataclass(frozen=True, kw_only=True)
class Summary:
    """Print a network's layers with output shapes, parameters, multiply-adds and memory.

    Without options it is the table of text books: a row a layer, one for each stage of equal
    blocks. Nothing is computed, so that the largest networks take a few seconds.
    """

    network: Annotated[tyro.conf.Positional[str], arg(metavar="NETWORK", help_behavior_hint="")]
    """A name of `residua list networks`."""
    input: Annotated[tuple[int, ...], arg(metavar="C H W", help_behavior_hint="")] = ()
    """Channels, height and width, as 3 224 224; or channels and time, as 1 1000. By default as in
    the network's paper. With --block it is what the block receives."""
    classes: Annotated[int | None, arg(metavar="N", help_behavior_hint="")] = None
    """Logits; by default as in the paper."""
    rank: Annotated[int | None, arg(metavar="1|2", help_behavior_hint="")] = None
    """2 for pictures, 1 for signals; by default what --input says, else as in the paper."""
    block: Annotated[str | None, arg(metavar="NAME", help_behavior_hint="")] = None
    """Look at one block or stage alone, such as layer1.0, with the input that it receives in the
    network."""
    depth: Annotated[int | None, arg(metavar="N", help_behavior_hint="")] = None
    """Open this many levels of modules: 1 for stages, 2 for blocks, 3 for their layers."""
    all: bool = False
    """Open every layer."""
    json: bool = False
    """Print JSON."""

    def run(self) -> int:
        from residua.networks.summary import block_input_shape, summarize

        if self.depth is not None and self.depth < 1:
            raise UsageError("--depth does not fit", expected="at least 1", received=self.depth)
        network, shape = self._network()
        inner = network
        if self.block is not None:
            shape = self.input or block_input_shape(network, self.block, shape)
            inner = network.get_submodule(self.block)
        found = summarize(inner, shape, depth=1_000_000 if self.all else self.depth)
        title = self.network if self.block is None else f"{self.network}.{self.block}"
        if self.json:
            console.print_json({"network": title, **asdict(found)})
        else:
            _print(title, found)
        return 0

    def _network(self) -> tuple[nn.Module, tuple[int, ...]]:
        """The network on the meta device, and the shape of its input."""
        return network_on_meta(
            self.network,
            input=self.input,
            rank=self.rank,
            classes=self.classes,
            takes_input=self.block is None,
        )


def network_on_meta(
    name: str,
    *,
    input: tuple[int, ...],
    rank: int | None,
    classes: int | None,
    takes_input: bool = True,
) -> tuple[Network, tuple[int, ...]]:
    """The network that the options of a verb say, on the meta device, and the shape of its input.

    Args:
        takes_input: Whether ``input`` is the network's; else that of one of its blocks.

    Raises:
        UsageError: ``rank`` or ``input`` is none.
    """
    import torch

    from residua.networks.catalog import build, get_spec

    spec = get_spec(name)
    if rank not in (None, 1, 2):
        raise UsageError("--rank does not fit", expected="1 or 2", received=rank)
    shape = input or _usual_input(spec, rank or spec.rank)
    if len(shape) not in (2, 3) or (rank and len(shape) != rank + 1):
        numbers = f"{rank + 1} numbers" if rank else "2 or 3 numbers"
        raise UsageError("--input does not fit", expected=numbers, received=list(shape))
    chans = shape[0] if takes_input or not input else spec.in_chans
    count = spec.num_classes if classes is None else classes
    spec = replace(spec, num_classes=count, in_chans=chans, rank=len(shape) - 1)
    with torch.device("meta"):
        return build(spec), shape


def _usual_input(spec: Spec, rank: int) -> tuple[int, ...]:
    """The input of the paper; for signals to a network for pictures, a length that all can take."""
    return (1, 1000) if rank < spec.rank else (spec.in_chans, *(spec.usual_size,) * rank)


def _print(title: str, found: networks.Summary) -> None:
    from residua.networks.receptive import field_text
    from residua.networks.trace import shape_text

    out, shape = console.stdout(), shape_text(found.input_shape)
    out.print(f"{title} ({found.type}), input {shape}\n")
    table = console.table(
        ("layer", "left"),
        ("type, kernel, channels", "left"),
        ("output", "right"),
        ("field", "right"),
        ("parameters", "right"),
        ("MACs", "right"),
        ("memory", "right"),
    )
    for row in found.rows:
        table.add_row(
            row.name,
            f"{row.type} {row.detail}".strip(),
            shape_text(row.output_shape),
            field_text(row.field),
            console.format_count(row.parameters) if row.parameters else "",
            console.format_scaled(row.macs) if row.macs else "",
            console.format_bytes(row.activation_bytes) if row.activation_bytes else "",
        )
    out.print(table)
    out.print()
    for line in _totals(found):
        out.print(line)
    out.print("field       what an output element can depend on, in input elements along an axis")


def _totals(found: networks.Summary) -> list[str]:
    frozen = found.parameters - found.trainable_parameters
    some = f", {console.format_count(frozen)} of them frozen" if frozen else ""
    lines = [
        f"parameters  {console.format_count(found.parameters)}{some} "
        f"({console.format_bytes(found.weight_bytes)} with buffers)",
        f"MACs        {console.format_scaled(found.macs)} a sample "
        "(convolutions, matrix products; FLOPs are twice that)",
        f"memory      {console.format_bytes(found.activation_bytes)} a sample "
        "(activations that training keeps, in float32)",
    ]
    if found.unused:
        lines.append(f"not called  {', '.join(found.unused)}")
    return lines
