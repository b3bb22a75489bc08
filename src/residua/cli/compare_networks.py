"""`residua compare-networks`: networks side by side, in costs and in measured speed."""

from __future__ import annotations

import re
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro
from tyro.conf import arg

from residua.cli import console
from residua.errors import UnknownNameError, UsageError
from residua.training.config import Precision

if TYPE_CHECKING:
    from collections.abc import Callable

    from residua.evaluation.speed import Speed, Spread
    from residua.networks.catalog import Spec
    from residua.run.comparison import Row, Setting


@tyro.conf.configure(tyro.conf.FlagCreatePairsOff)
@dataclass(frozen=True, kw_only=True)
class CompareNetworks:
    """Compare networks: parameters, multiply-adds, memory, and speed on this machine.

    Every network computes once in each round. Speeds are medians over the rounds with their
    quartiles; ratios are to the first network.
    """

    networks: Annotated[
        tyro.conf.Positional[tuple[str, ...]], arg(metavar="NETWORK...", help_behavior_hint="")
    ]
    """Names of `residua list networks`, or patterns such as 'resnet*'."""
    input: Annotated[tuple[int, ...], arg(metavar="C H W", help_behavior_hint="")] = ()
    """Channels, height and width, as 3 224 224; or channels and time, as 1 1000. By default each
    network's as in its paper."""
    classes: Annotated[int | None, arg(metavar="N", help_behavior_hint="")] = None
    """Logits; by default each network's as in its paper."""
    batch: Annotated[int | None, arg(metavar="N", help_behavior_hint="")] = None
    """Samples that are computed together; by default as many as need a GiB for activations, at
    most 64 (on a GPU 16 GiB and 256)."""
    repeats: int = 10
    """Rounds."""
    threads: Annotated[int | None, arg(metavar="N", help_behavior_hint="")] = None
    """Threads of the processor; by default as many as it has cores."""
    precision: Precision = "auto"
    """Arithmetic; auto as in training: bf16 autocast where it is native, else float32."""
    device: str = "auto"
    """cpu, cuda ...; auto takes a GPU where there is one."""
    no_speed: bool = False
    """Measure nothing; print what follows from the layers."""
    plot: Annotated[Path | None, arg(metavar="FILE", help_behavior_hint="")] = None
    """Draw published accuracy against multiply-adds into this file: .png or .svg."""
    json: bool = False
    """Print JSON."""

    def run(self) -> int:
        self._check()
        names = self._names()
        if self.plot is not None:
            from residua.report.scatter import check_plot

            check_plot(self.plot, names)
        from residua.run.comparison import costs, usual_input

        specs = [self._spec(name) for name in names]
        rows = [costs(spec, self.input or usual_input(spec)) for spec in specs]
        setting = None
        if not self.no_speed:
            rows, setting = self._measured(specs, rows)
        if self.plot is not None:
            _draw(self.plot, names, rows)
        if self.json:
            console.print_json({"networks": rows, "setting": setting})
        else:
            _print(rows, setting)
        return 0

    def _check(self) -> None:
        for option in ("classes", "batch", "repeats", "threads"):
            value = getattr(self, option)
            if value is not None and value < 1:
                raise UsageError(f"--{option} does not fit", expected="at least 1", received=value)
        if len(self.input) not in (0, 2, 3):
            received = list(self.input)
            raise UsageError("--input does not fit", expected="2 or 3 numbers", received=received)

    def _names(self) -> list[str]:
        from residua.networks.catalog import SPECS, get_spec, list_models

        if not self.networks:
            expected = "names or patterns of networks, such as resnet18 'vgg*'"
            raise UsageError("nothing to compare", expected=expected)
        found: list[str] = []
        for name in self.networks:
            matching = list_models(name) if re.search(r"[*?\[]", name) else [get_spec(name).name]
            if not matching:
                raise UnknownNameError("network", name, SPECS)
            found += matching
        return list(dict.fromkeys(found))

    def _spec(self, name: str) -> Spec:
        from residua.networks.catalog import get_spec

        spec = get_spec(name)
        if self.input:
            spec = replace(spec, in_chans=self.input[0], rank=len(self.input) - 1)
        return replace(spec, num_classes=self.classes or spec.num_classes)

    def _measured(self, specs: Sequence[Spec], rows: Sequence[Row]) -> tuple[list[Row], Setting]:
        from residua.run.comparison import measure_speeds

        with _progress(len(rows), self.repeats) as progress:
            return measure_speeds(
                specs,
                rows,
                batch=self.batch,
                rounds=self.repeats,
                threads=self.threads,
                precision=self.precision,
                device=self.device,
                progress=progress,
            )


@contextmanager
def _progress(networks: int, rounds: int) -> Generator[Callable[[int], None]]:
    """A bar on standard error, where that is a terminal."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    out = console.stderr()
    text = f"measuring {networks} {'network' if networks == 1 else 'networks'}"
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    elapsed = TimeElapsedColumn()
    with Progress(
        *columns, elapsed, console=out, transient=True, disable=not out.is_terminal
    ) as bar:
        task = bar.add_task(f"{text}: warm-up", total=rounds)
        yield lambda done: bar.update(task, completed=done, description=f"{text}: rounds")


def _draw(path: Path, names: Sequence[str], rows: Sequence[Row]) -> None:
    """Published accuracies belong to the papers' inputs and classes, whatever was asked for."""
    from residua.networks.catalog import get_spec
    from residua.report.scatter import known_points, write_scatter
    from residua.run.comparison import costs, usual_input

    known = {(row.name, row.input, row.classes): row.macs for row in rows}

    def macs(name: str) -> int:
        spec = get_spec(name)
        shape = usual_input(spec)
        found = known.get((name, shape, spec.num_classes))
        return costs(spec, shape).macs if found is None else found

    points = known_points(names, macs)
    write_scatter(path, points)
    drawn = {point.name for point in points}
    left_out = [name for name in names if name not in drawn]
    note = f" (no accuracy was published of {', '.join(left_out)})" if left_out else ""
    console.stderr().print(f"plot  {path}{note}")


def _print(rows: Sequence[Row], setting: Setting | None) -> None:
    from residua.networks.trace import shape_text

    out = console.stdout()
    table = console.table(
        ("network", "left"),
        ("input", "right"),
        ("parameters", "right"),
        ("weights", "right"),
        ("MACs", "right"),
        ("memory", "right"),
    )
    for row in rows:
        table.add_row(
            row.name,
            shape_text(row.input),
            console.format_count(row.parameters),
            f"{row.weight_bytes / 2**20:.1f} MiB",
            console.format_scaled(row.macs),
            console.format_bytes(row.activation_bytes),
        )
    out.print(table)
    out.print(
        "\na sample in float32: multiply-adds, and memory for the activations that training keeps"
    )
    if setting is not None:
        out.print()
        _print_speeds(rows, setting)


def _print_speeds(rows: Sequence[Row], setting: Setting) -> None:
    out = console.stdout()
    table = console.table(
        ("samples a second", "left"),
        ("forward", "right"),
        ("ratio", "right"),
        ("and backward", "right"),
        ("ratio", "right"),
    )
    for row in rows:
        if row.speed is not None:
            table.add_row(row.name, *_speed_cells(row.speed))
    out.print(table)
    out.print(
        f"\n{setting.device}, {setting.layout}, batch {setting.batch}, torch {setting.torch}; "
        f"medians of {setting.rounds} rounds (quartiles)"
    )
    if len({row.input for row in rows}) > 1:
        out.print("the inputs differ: --input measures all networks on the same")
    if noise := _noise(rows):
        out.print(f"half of the rounds lie up to {noise:.0%} apart: the machine is busy")


def _speed_cells(speed: Speed) -> tuple[str, ...]:
    return (
        _spread_text(speed.forward),
        f"{speed.forward_ratio.median:.2f}×",
        _spread_text(speed.training),
        f"{speed.training_ratio.median:.2f}×",
    )


def _spread_text(spread: Spread) -> str:
    """``412 (398–420)``"""
    median, low, high = (_three_digits(v) for v in (spread.median, spread.low, spread.high))
    return f"{median} ({low}–{high})"


def _three_digits(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _noise(rows: Sequence[Row]) -> float:
    """The largest distance of quartiles as a share of the median; 0 up to a tenth."""
    spreads = [s for row in rows if row.speed for s in (row.speed.forward, row.speed.training)]
    widest = max(((s.high - s.low) / s.median for s in spreads), default=0.0)
    return widest if widest > 0.1 else 0.0
