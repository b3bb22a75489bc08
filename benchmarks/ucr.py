"""Accuracy on UCR/UEA problems against published figures: every seed counts, none is chosen.

    python benchmarks/ucr.py [--network NAME] [--problems GunPoint ...] [--seeds 0 1 2]

Needs the archive's .ts files, one folder a problem, below $RESIDUA_DATA/ucr (or --data). Trains on
the whole training split, without validation, for the recipe's number of updates; scores the weights
of the last epoch on the test split, once.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import tyro

import residua
from residua.recipes.presets import series
from residua.recipes.recipe import Recipe

PUBLISHED = {
    "GunPoint": (0.991, 0.008),
    "ItalyPowerDemand": (0.962, 0.003),
    "ArrowHead": (0.838, 0.024),
    "OSULeaf": (0.980, 0.006),
    "ACSF1": (0.916, 0.026),
    "BasicMotions": (1.0, None),
    "JapaneseVowels": (0.97, None),
}
"""Mean and standard deviation of five trainings of ResNet on the archive's default split
(hfawaz/dl-4-tsc, results/results-ucr-128.csv). BasicMotions: MSD-IRIMAS/LITE; JapaneseVowels: the
.97 of FCN and InceptionTime; both without a spread."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """Accuracy on UCR/UEA problems against published figures."""

    data: Path = Path(os.environ.get("RESIDUA_DATA", "data")) / "ucr"
    """Folder of the problems."""
    network: str = "auto"
    """A name of `residua list networks`."""
    problems: tuple[str, ...] = tuple(PUBLISHED)
    """Folders below --data."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Seeds of weights, order and augmentation."""
    threads: int = 1
    """Of the processor; the minutes are its own, whatever else the machine does."""
    updates: int | None = None
    """In place of the recipe's number of updates."""
    lr: float | None = None
    """In place of the recipe's learning rate."""


def recipe(options: Options) -> Recipe:
    base = series()
    training = base.training.asked(updates=options.updates is not None)
    return replace(
        base,
        data=replace(base.data, validation_fraction=0.0),
        network=replace(base.network, network=options.network),
        training=replace(
            training,
            keep="last",
            threads=options.threads,
            updates=options.updates or training.updates,
            optimizer=replace(training.optimizer, lr=options.lr or training.optimizer.lr),
        ),
    )


def accuracy(options: Options, problem: str, seed: int) -> float:
    """Test accuracy of the last epoch."""
    with tempfile.TemporaryDirectory() as folder:
        run = residua.train(
            options.data / problem,
            recipe=recipe(options),
            seed=seed,
            run=Path(folder) / "run",
            quiet=True,
        )
        return run.evaluate("test").accuracy


def main(options: Options) -> None:
    print(
        f"{'problem':18} {'mean':>6} {'sd':>6}  {'of seeds':24} {'published':>15}"
        f" {'within one sd':>13} {'min a seed':>10}"
    )
    for problem in options.problems:
        start = time.process_time()
        found = [accuracy(options, problem, seed) for seed in options.seeds]
        minutes = (time.process_time() - start) / 60 / len(found)
        spread = statistics.stdev(found) if len(found) > 1 else float("nan")
        each = " ".join(f"{value:.3f}" for value in found)
        print(
            f"{problem:18} {statistics.mean(found):6.3f} {spread:6.3f}  {each:24}"
            f" {compared(problem, statistics.mean(found))} {minutes:10.1f}",
            flush=True,
        )


def compared(problem: str, accuracy: float) -> str:
    """The published figure, and whether ours is at most one published deviation below it."""
    if problem not in PUBLISHED:
        return f"{'-':>15} {'-':>13}"
    mean, spread = PUBLISHED[problem]
    holds = "yes" if accuracy >= mean - (spread or 0) else "no"
    return f"{mean:8.3f} {f'+-{spread:.3f}' if spread else '':7} {holds:>12}"


if __name__ == "__main__":
    main(tyro.cli(Options))
