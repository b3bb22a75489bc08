"""Few labels a class: what learning without labels adds, on pictures, a series problem and sound.

    python benchmarks/few_labels.py [--parts fashion series digits] [--seeds 5] [--out DIR]

Needs Fashion-MNIST, the UCR archive's .ts files and the Free Spoken Digit Dataset below
$RESIDUA_DATA (or --data). Each part is a grid of `residua label-efficiency`: the supervised arm
with the recipe's own augmentation (scratch), a linear probe of features learnt without labels
(ssl), AdaMatch (semi) and a linear probe of a network as it is drawn (frozen-random), all at the
same seeds and labels; those that train make the same number of updates. Prints each table; says
whether the paired intervals of ssl and semi lie above zero. With --out the runs stay, and a second
call goes on.

The archive's training splits hold few series beside the labelled ones, so the problem's two splits
are put together and split anew: 30 % for the test, the rest to learn from. Of JapaneseVowels two
labels a class are known: with ten, the supervised arm is right 99 times of 100.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import tyro

from residua.batch import Modality
from residua.data.open import open_reader
from residua.data.readers.folder import FolderReader
from residua.data.readers.grouped import speakers, write_groups
from residua.methods.config import PretrainConfig, SemiConfig
from residua.recipes.presets import audio, fast, series
from residua.recipes.pretraining import pretraining
from residua.recipes.recipe import Recipe
from residua.recipes.views import contrastive_views
from residua.run.grid_results import GridResults, markdown
from residua.run.label_arms import arms_named
from residua.run.label_efficiency import run_grid
from residua.run.label_grid import Grid
from residua.training.config import OptimizerConfig

Part = Literal["fashion", "series", "digits"]


@dataclass(frozen=True, kw_only=True)
class Options:
    """Accuracy from few labels, paired with the supervised arm."""

    data: Path = Path(os.environ.get("RESIDUA_DATA", "data"))
    """Folder with fashion-mnist, ucr and spoken-digits."""
    parts: tuple[Part, ...] = ("fashion", "series", "digits")
    """What is measured."""
    labels: int | None = None
    """Of each class; by default 10, of the series problem 2."""
    seeds: int = 5
    """Of weights, order and choice of labels."""
    problem: str = "JapaneseVowels"
    """The part series: a folder of the archive."""
    size: int = 14
    """The part fashion: sides of the pictures, of 28 in the files."""
    updates: int | None = None
    """Of each arm that trains; by default 600, of the series problem 400."""
    pretrain_updates: int | None = None
    """Of each pre-training; by default 1,000 (fashion), else 400."""
    arms: str = "scratch,ssl,semi,frozen-random"
    """As in `residua label-efficiency`."""
    threads: int = 2
    """Of the processor."""
    out: Path | None = None
    """Keep the runs here."""


def fashion(options: Options, folder: Path) -> Recipe:
    """20,000 pictures to learn from, 100 of them with labels."""
    base, path = fast(), str(options.data / "fashion-mnist")
    return replace(
        base,
        data=replace(base.data, path=path, limit=2000, size=(options.size, options.size)),
        network=replace(base.network, network="resnet20"),
        augment=replace(base.augment, padding=2),
        training=replace(base.training, batch_size=32),
    )


def problem(options: Options, folder: Path) -> Recipe:
    """One problem of the archive, split anew, with a network that is quick."""
    base = series()
    path = merged(options.data / "ucr" / options.problem, folder)
    return replace(
        base,
        data=replace(base.data, path=str(path), test_fraction=0.3),
        network=replace(base.network, network="resnet1d_wang"),
    )


def merged(source: Path, folder: Path) -> Path:
    """One file of both splits: the header of the first, and the lines of both."""
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{source.name}.ts"
    texts = [(source / f"{source.name}_{split}.ts").read_text() for split in ("TRAIN", "TEST")]
    head, mark, _ = texts[0].partition("@data\n")
    lines = [text.partition("@data\n")[2].strip("\n") for text in texts]
    target.write_text(head + mark + "\n".join(lines) + "\n")
    return target


def digits(options: Options, folder: Path) -> Recipe:
    """Spoken digits, on the official split, with a network that is quick."""
    base, reader = audio(), open_reader(str(options.data / "spoken-digits"))
    assert isinstance(reader, FolderReader)
    folder.mkdir(parents=True, exist_ok=True)
    manifest = folder / "speakers.csv"
    write_groups(manifest, reader, speakers(reader.table.keys))
    return replace(
        base,
        data=replace(base.data, path=str(manifest)),
        network=replace(base.network, network="xresnet1d18"),
    )


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One part: its data and network, labels of each class, updates of an arm that trains and of a
    pre-training, and how that goes; None is what `residua pretrain` does."""

    recipe: Callable[[Options, Path], Recipe]
    labels: int
    updates: int
    pretraining_updates: int
    pretraining: Recipe | None = None


def outlines() -> Recipe:
    """As `residua pretrain` sees small grey pictures, with what suits short runs: AdamW, and a
    temperature of 0.2."""
    usual = pretraining(Modality.IMAGE)
    views, _ = contrastive_views("simclr", small=True, channels=1)
    optimizer = OptimizerConfig(optimizer="adamw", lr=3e-3, weight_decay=0.01)
    return replace(
        usual,
        augment=views.augment,
        pretrain=replace(usual.pretrain, temperature=0.2),
        training=replace(usual.training, optimizer=optimizer),
    )


def high_temperature() -> Recipe:
    """As `residua pretrain` sees signals, at a temperature of 4: of few hundred series many are of
    one class, and a low temperature pushes those apart that are most alike (Wang & Liu, CVPR
    2021)."""
    usual = pretraining(Modality.SIGNAL)
    return replace(usual, pretrain=replace(usual.pretrain, temperature=4.0))


def same_speaker() -> Recipe:
    """As `residua pretrain` sees sound, at a temperature of 0.2; clips are told apart from others
    of the same speaker, or else the features would say who speaks before they say what (Cheng et
    al., 2020)."""
    usual = pretraining(Modality.SOUND)
    return replace(usual, pretrain=replace(usual.pretrain, negatives="group", temperature=0.2))


PLANS: Mapping[Part, Plan] = {
    "fashion": Plan(
        recipe=fashion, labels=10, updates=600, pretraining_updates=1000, pretraining=outlines()
    ),
    "series": Plan(
        recipe=problem,
        labels=2,
        updates=400,
        pretraining_updates=400,
        pretraining=high_temperature(),
    ),
    "digits": Plan(
        recipe=digits, labels=10, updates=600, pretraining_updates=400, pretraining=same_speaker()
    ),
}


def grid(options: Options, part: Part, folder: Path) -> Grid:
    """Nothing is validated: there is nothing to choose. ``folder`` is for data that is made."""
    plan = PLANS[part]
    base, updates = plan.recipe(options, folder), options.updates or plan.updates
    return Grid(
        base=replace(
            base,
            data=replace(base.data, validation_fraction=0.0),
            semi=SemiConfig(semi="adamatch", unlabelled_ratio=4),
            pretrain=PretrainConfig(pretrain="simclr"),
            training=replace(base.training, updates=updates, threads=options.threads),
        ),
        labels=(options.labels or plan.labels,),
        arms=arms_named(options.arms.split(",")),
        seeds=options.seeds,
        ssl_mode="probe",
        pretraining=plan.pretraining,
        pretrain_updates=options.pretrain_updates or plan.pretraining_updates,
    )


class Lines:
    """Prints what is done."""

    def begin(self, what: str, *, done: int, total: int, left: float | None) -> None: ...

    def end(self, line: str, *, done: int, total: int, left: float | None) -> None:
        print(f"  {done}/{total} {line}", flush=True)


def verdicts(results: GridResults) -> list[str]:
    """Whether each arm beats scratch: its paired interval lies above zero."""
    return [
        f"{row.arm} {'beats' if row.difference_low > 0 else 'does not surely beat'} scratch: "
        f"{100 * row.difference:+.1f} ({100 * row.difference_low:+.1f} to "
        f"{100 * row.difference_high:+.1f}) points, {row.pairs} pairs"
        for row in results.rows
        if row.difference is not None
        and row.difference_low is not None
        and row.difference_high is not None
    ]


def main(options: Options) -> None:
    for part in options.parts:
        print(f"{part}:", flush=True)
        started = time.monotonic()
        keep = tempfile.TemporaryDirectory() if options.out is None else nullcontext(options.out)
        with keep as folder:
            made = grid(options, part, Path(folder) / "data")
            results = run_grid(made, Path(folder) / part, Lines())
        print(markdown(results))
        print("\n".join(verdicts(results)))
        print(f"{(time.monotonic() - started) / 60:.1f} minutes on the wall clock\n", flush=True)


if __name__ == "__main__":
    main(tyro.cli(Options))
