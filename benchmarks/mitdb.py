"""MIT-BIH arrhythmia between patients: DS1 learns, DS2 is read once (de Chazal et al., 2004).

    python benchmarks/mitdb.py [--data FOLDER] [--seeds 0 1 2] [--updates 1200] [--balance]

Needs the records (.hea, .dat, .atr) at $RESIDUA_DATA/ecg-mitdb or --data, and the extra `ecg`.
Prints accuracy, and for each AAMI class sensitivity and positive predictivity (precision), beside
the accuracy of 0.862 that de Chazal's linear discriminants with hand-made features are quoted with.
The weights are those of the last epoch.
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
from residua.evaluation.results import Evaluation
from residua.recipes.presets import series
from residua.recipes.recipe import Recipe

PUBLISHED = 0.862


@dataclass(frozen=True, kw_only=True)
class Options:
    """Beats of patients who were never seen."""

    data: Path = Path(os.environ.get("RESIDUA_DATA", "data")) / "ecg-mitdb"
    """Folder of the records."""
    network: str = "auto"
    """A name of `residua list networks`."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Seeds of weights, order and augmentation."""
    threads: int = 1
    """Of the processor; the minutes are its own, whatever else the machine does."""
    updates: int = 1200
    """Updates of 128 beats."""
    shortest_map: int = 32
    """Of the network; a beat and its neighbours are 1,170 steps, so all strides stay."""
    balance: bool = False
    """Draw all classes equally often."""


def recipe(options: Options) -> Recipe:
    base = series()
    return replace(
        base,
        data=replace(base.data, validation_fraction=0.0),
        network=replace(
            base.network,
            network=options.network,
            shortest_map=options.shortest_map if options.network == "auto" else None,
        ),
        method=replace(base.method, balance="sampling" if options.balance else "none"),
        training=replace(
            base.training,
            keep="last",
            threads=options.threads,
            updates=options.updates,
            batch_size=128,
        ),
    )


def scores(options: Options, seed: int) -> Evaluation:
    with tempfile.TemporaryDirectory() as folder:
        run = residua.train(
            options.data, recipe=recipe(options), seed=seed, run=Path(folder) / "run", quiet=True
        )
        return run.evaluate("test")


def main(options: Options) -> None:
    start = time.process_time()
    found = [scores(options, seed) for seed in options.seeds]
    minutes = (time.process_time() - start) / 60 / len(found)
    each = [evaluation.accuracy for evaluation in found]
    spread = statistics.stdev(each) if len(each) > 1 else float("nan")
    print(f"accuracy {statistics.mean(each):.3f} sd {spread:.3f}, published {PUBLISHED}")
    print(f"{'class':6} {'beats':>7} {'sensitivity':>12} {'precision':>10}")
    for rows in zip(*(evaluation.classes for evaluation in found), strict=True):
        recall = statistics.mean(row.recall for row in rows)
        precision = statistics.mean(row.precision for row in rows)
        print(f"{rows[0].name:6} {rows[0].n:7} {recall:12.3f} {precision:10.3f}")
    print(f"{minutes:.1f} minutes of processor time a seed")


if __name__ == "__main__":
    main(tyro.cli(Options))
