"""Training speed and accuracy on Fashion-MNIST, beside a plain PyTorch float32 loop.

    python benchmarks/fashion_mnist.py [--network resnet20] [--epochs 5] [--rounds 5] [--steps 40]

Needs the data: the folder of the official files, found under $RESIDUA_DATA or downloaded.

First, speed: our loop (with decoding, augmentation, metrics, checks) and a plain loop over the same
network in turn, in one process, so that a machine that changes its speed changes both. The plain
loop is kind to itself: its pictures lie normalised in memory, and it augments nothing. Then the
share of our step that is not the network. Then a whole run with its accuracy, unless --epochs is 0.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Annotated

import torch
import tyro
from torch import nn

from residua.augment.draws import draws_for
from residua.batch import Split
from residua.data.config import DataConfig
from residua.data.loader import Loader, Step
from residua.networks.catalog import create_model
from residua.recipes.presets import preset
from residua.recipes.recipe import Recipe
from residua.run.run import Run
from residua.run.session import Session
from residua.run.terminal import Terminal
from residua.run.train import train
from residua.training.config import TrainingConfig
from residua.training.distributed import joined_ranks

BATCH = 128


def endless(loader: Loader) -> Iterator[Step]:
    for epoch in count():
        yield from loader.epoch(epoch)


def ours(session: Session) -> Callable[[], None]:
    trainer = session.trainer()
    trainer.method.train()
    steps, wrapped = endless(trainer.loader), trainer.wrapped()

    def step() -> None:
        trainer.update(wrapped, next(steps))

    return step


def plain(session: Session) -> Callable[[], None]:
    """Contiguous float32, torch's SGD, pictures ready in memory."""
    batches = []
    for step in session.loader(Split.TRAIN).epoch(0):
        part = step.parts[0]
        batches.append((session.preprocess.on_device(part.inputs), part.targets))
        if len(batches) == 64:
            break
    network = create_model(session.recipe.network.network, num_classes=10, in_chans=1).train()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9, nesterov=True)
    loss, number = nn.CrossEntropyLoss(), count()

    def step() -> None:
        inputs, targets = batches[next(number) % len(batches)]
        optimizer.zero_grad()
        loss(network(inputs), targets).backward()
        optimizer.step()

    return step


def seconds(step: Callable[[], None], steps: int) -> float:
    started = time.perf_counter()
    for _ in range(steps):
        step()
    return (time.perf_counter() - started) / steps


def overhead(session: Session, steps: int) -> float:
    """Seconds a step for loading, moving and augmenting alone."""
    trainer = session.trainer()
    batches = endless(trainer.loader)

    def step() -> None:
        batch = next(batches).parts[0]
        views = trainer.method.augment(batch, draws_for(batch, seed=0, epoch=0))  # type: ignore
        session.preprocess.normalise(views.inputs)

    seconds(step, 10)
    return seconds(step, steps)


def compare(recipe: Recipe, rounds: int, steps: int) -> None:
    with joined_ranks("cpu", None) as ranks:
        session = Session.prepare(recipe, ranks, terminal=Terminal())
        loops = {"residua": ours(session), "plain float32": plain(session)}
        times: dict[str, list[float]] = {name: [] for name in loops}
        for step in loops.values():
            seconds(step, 5)
        for _ in range(rounds):
            for name, step in loops.items():
                times[name].append(seconds(step, steps))
        for name, found in times.items():
            print(f"{name:<14} {BATCH / statistics.median(found):8,.0f} images/s (median)")
        pairs = zip(times["plain float32"], times["residua"], strict=True)
        ratios = sorted(p / r for p, r in pairs)
        median = statistics.median(ratios)
        print(f"ratio          {median:8.2f} (median; {ratios[0]:.2f} to {ratios[-1]:.2f})")
        share = overhead(session, steps) / statistics.median(times["residua"])
        print(f"loading and augmenting: {share:.1%} of a step; {torch.get_num_threads()} threads, "
              f"{session.arithmetic.name}")  # fmt: skip


def main(
    network: str = "resnet20",
    epochs: int = 5,
    rounds: int = 5,
    steps: int = 40,
    data: Annotated[str, tyro.conf.arg(help="path or known name")] = "fashion-mnist",
) -> None:
    """Prints images per second of both loops, their ratio, and the accuracy of a short run."""
    base = preset("fast")
    recipe = replace(
        base,
        data=DataConfig(path=data),
        network=replace(base.network, network=network),
        training=TrainingConfig(epochs=max(1, epochs), batch_size=BATCH),
    )
    compare(recipe, rounds, steps)
    if epochs:
        with tempfile.TemporaryDirectory() as folder:
            run = Run(train(recipe, Path(folder) / "run", Terminal()).root)
            test = run.summary["test"]
            print(f"test accuracy {test['accuracy']:.4f} in {run.summary['seconds']:.0f} s")


if __name__ == "__main__":
    tyro.cli(main)
