"""Networks side by side: what each costs by its layers, and how fast it is on this machine.

Legend: b samples, c channels, ``*s`` one or two spatial axes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch

from residua.errors import UsageError
from residua.evaluation.predict import describe_device
from residua.evaluation.speed import Speed, Subject, measure, speeds
from residua.networks.catalog import Spec, build
from residua.networks.summary import summarize
from residua.networks.trace import Shape
from residua.training.config import Precision
from residua.training.distributed import available_cores, choose_device
from residua.training.precision import choose_arithmetic

_LARGEST_BATCH = {"cpu": 64, "cuda": 256}
_ACTIVATION_BYTES = {"cpu": 2**30, "cuda": 2**34}
"""What the activations of a batch may take where no batch size is asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One network of a comparison.

    Attributes:
        input: ``(c, *s)`` that the costs are for.
        weight_bytes: Parameters and buffers in float32.
        macs: Multiply-adds of a sample.
        activation_bytes: What training keeps of a sample for backward, in float32.
        speed: None where nothing was measured.
    """

    name: str
    input: Shape
    classes: int
    parameters: int
    weight_bytes: int
    macs: int
    activation_bytes: int
    speed: Speed | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What speeds were measured with: hardware and arithmetic in words, layout, b, rounds."""

    device: str
    layout: str
    batch: int
    rounds: int
    torch: str


def usual_input(spec: Spec) -> Shape:
    """The input of the network's paper: ``(c, h, w)``, or ``(c, t)`` where it is for signals."""
    return (spec.in_chans, *(spec.usual_size,) * spec.rank)


def costs(spec: Spec, input_shape: Shape) -> Row:
    """What ``spec`` costs, without computing anything.

    Raises:
        InputShapeError: The network cannot take such inputs.
    """
    with torch.device("meta"):
        network = build(spec)
    found = summarize(network, input_shape)
    return Row(
        name=spec.name,
        input=input_shape,
        classes=spec.num_classes,
        parameters=found.parameters,
        weight_bytes=found.weight_bytes,
        macs=found.macs,
        activation_bytes=found.activation_bytes,
    )


def measure_speeds(
    specs: Sequence[Spec],
    rows: Sequence[Row],
    *,
    batch: int | None = None,
    rounds: int = 10,
    threads: int | None = None,
    precision: Precision = "auto",
    device: str = "auto",
    progress: Callable[[int], None] = lambda done: None,
) -> tuple[list[Row], Setting]:
    """The rows with their speeds, in the layout and arithmetic that training would use here.

    Args:
        specs: The networks of ``rows``; all are built at once, freshly initialised.
        rows: Their costs; the inputs are random ones of that shape.
        batch: b; by default a power of two that keeps the activations of each network small.
        rounds: See `residua.evaluation.speed.measure`, as for ``progress``.
        threads: Of the processor; by default as many as it has cores.

    Raises:
        InputShapeError: A network cannot learn from such a batch.
        UsageError: The device does not exist, or has too little memory.
    """
    where = choose_device(device)
    torch.set_num_threads(threads or available_cores())
    arithmetic = choose_arithmetic(precision, where)
    size = batch or _fitting_batch(rows, where.type)
    subjects = [_subject(s, r.input, size, where) for s, r in zip(specs, rows, strict=True)]
    try:
        timed = measure(subjects, rounds=rounds, dtype=arithmetic.dtype, progress=progress)
    except torch.OutOfMemoryError as error:
        fix = "Use a smaller --batch"
        raise UsageError("too little memory", received=f"batch {size}", fix=fix) from error
    setting = Setting(
        device=describe_device(where, arithmetic.dtype),
        layout="channels_last" if all(len(row.input) == 3 for row in rows) else "contiguous",
        batch=size,
        rounds=rounds,
        torch=torch.__version__,
    )
    pairs = zip(rows, speeds(timed), strict=True)
    return [replace(row, speed=speed) for row, speed in pairs], setting


def _fitting_batch(rows: Sequence[Row], kind: str) -> int:
    kind = "cpu" if kind == "cpu" else "cuda"
    sample = max(row.activation_bytes for row in rows)
    batch = _LARGEST_BATCH[kind]
    while batch > 2 and batch * sample > _ACTIVATION_BYTES[kind]:
        batch //= 2
    return batch


def _subject(spec: Spec, shape: Shape, batch: int, device: torch.device) -> Subject:
    torch.manual_seed(0)
    network, inputs = build(spec).to(device), torch.randn(batch, *shape, device=device)
    if len(shape) == 3:
        network = network.to(memory_format=torch.channels_last)  # pyright: ignore
        inputs = inputs.contiguous(memory_format=torch.channels_last)
    return Subject(network=network, inputs=inputs)
