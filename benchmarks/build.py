"""How long networks take to build on the meta device, and to lay out as a table.

    python benchmarks/build.py               every network of the catalog
    python benchmarks/build.py resnet1202    those that are named

Columns: seconds on the clock and on the processor to build (medians of 3), processor seconds of
`summarize` at the network's usual size. The clock runs on where other programs use the machine.
The slowest come first. Importing torch is not counted.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable

import torch

from residua.networks.catalog import SPECS, build, get_spec
from residua.networks.summary import summarize
from residua.run.comparison import usual_input

REPEATS = 3


def seconds(work: Callable[[], object]) -> tuple[float, float]:
    """On the clock, on the processor."""
    clock, processor = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - clock, time.process_time() - processor


def build_on_meta(name: str) -> torch.nn.Module:
    with torch.device("meta"):
        return build(get_spec(name))


def measure(name: str) -> tuple[float, float, float]:
    built = [seconds(lambda: build_on_meta(name)) for _ in range(REPEATS)]
    clock, processor = zip(*built, strict=True)
    network, shape = build_on_meta(name), usual_input(get_spec(name))
    _, laid_out = seconds(lambda: summarize(network, shape))
    return statistics.median(clock), statistics.median(processor), laid_out


def main() -> None:
    names = sys.argv[1:] or list(SPECS)
    measure(names[0])  # imports and tables that are made once
    rows = {name: measure(name) for name in names}
    print(f"{'network':24}{'build':>10}{'processor':>12}{'summary':>10}")
    for name in sorted(names, key=lambda name: -rows[name][0]):
        clock, processor, laid_out = rows[name]
        print(f"{name:24}{clock:10.3f}{processor:12.3f}{laid_out:10.2f}")
    slow = sum(row[0] >= 1 for row in rows.values())
    print(f"{len(rows)} networks on torch {torch.__version__}, {slow} of them in 1 s or more")


if __name__ == "__main__":
    main()
