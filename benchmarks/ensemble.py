"""An update of InceptionTime's five networks: grouped as one network, against one after the other.

    python benchmarks/ensemble.py [--lengths 150 500] [--threads 1 2] [--repeats 10]

Both are timed in turn, forward, backward and optimizer, on the same batch; medians are printed, on
the wall clock and of processor time.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
import tyro
from torch import Tensor

from residua.networks.catalog import create_model
from residua.networks.network import Network


@dataclass(frozen=True, kw_only=True)
class Options:
    """Five InceptionTime networks as one, or one by one."""

    lengths: tuple[int, ...] = (150, 500)
    """Steps of the series."""
    threads: tuple[int, ...] = (1, 2)
    """Of the processor."""
    batch: int = 16
    """Series of an update."""
    repeats: int = 10
    """Of each measurement."""


def members(network: Network, x: Tensor) -> Tensor:
    """Logits of each member, ``[members * b, classes]``."""
    if not network.auxiliary_names:
        return network(x)
    _, *each = network(x, auxiliary=True)
    return torch.cat(each)


def update(networks: list[Network], x: Tensor, target: Tensor) -> Callable[[], None]:
    optimizers = [torch.optim.AdamW(network.parameters(), fused=True) for network in networks]

    def make() -> None:
        for network, optimizer in zip(networks, optimizers, strict=True):
            optimizer.zero_grad()
            with torch.autocast("cpu", torch.bfloat16):
                logits = members(network, x)
            copies = len(logits) // len(target)
            (copies * F.cross_entropy(logits.float(), target.repeat(copies))).backward()
            optimizer.step()

    return make


def seconds(work: Callable[[], None]) -> tuple[float, float]:
    wall, processor = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - processor


def networks(name: str, count: int) -> list[Network]:
    return [create_model(name, rank=1, in_chans=1, num_classes=6).train() for _ in range(count)]


def main(options: Options) -> None:
    print(f"{'steps':>6} {'threads':>8} {'':>10} {'grouped':>8} {'in turn':>8} {'ratio':>6}")
    for length in options.lengths:
        x, target = torch.randn(options.batch, 1, length), torch.randint(6, (options.batch,))
        grouped = update(networks("inception_time_x5", 1), x, target)
        in_turn = update(networks("inception_time", 5), x, target)
        for threads in options.threads:
            torch.set_num_threads(threads)
            grouped(), in_turn()
            pairs = [(seconds(grouped), seconds(in_turn)) for _ in range(options.repeats)]
            for index, what in enumerate(("wall", "processor")):
                ours, theirs = (
                    statistics.median(pair[side][index] for pair in pairs) for side in (0, 1)
                )
                print(
                    f"{length:6} {threads:8} {what:>10} {ours:8.3f} {theirs:8.3f}"
                    f" {ours / theirs:6.2f}",
                    flush=True,
                )


if __name__ == "__main__":
    main(tyro.cli(Options))
