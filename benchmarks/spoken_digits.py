"""Spoken digits: the official split, speakers who were never heard, and joined digits.

    python benchmarks/spoken_digits.py [--seeds 0 1 2] [--parts official speakers joined]

Needs the Free Spoken Digit Dataset as class folders, train/DIGIT/*.wav and test/DIGIT/*.wav, at
$RESIDUA_DATA/spoken-digits or --data. Every run trains the weights of its last epoch without a look
at validation or test, and reads the test split once.

official: clips 0-4 of each speaker and digit are the test split, as the data set's own README says.
speakers: six runs, each tests on one speaker and learns from the other five.
joined: two to five clips of one split and one speaker, one after the other with pauses, are a clip
to transcribe; CTC, token error rate of the beam search.
"""

from __future__ import annotations

import csv
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import soundfile
import tyro

import residua
from residua.data.readers.folder import open_folder
from residua.data.readers.grouped import speakers, write_leave_one_out
from residua.data.readers.kinds import SOUNDS
from residua.recipes.presets import audio
from residua.recipes.recipe import Recipe
from residua.run.run import Run

Part = Literal["official", "speakers", "joined"]


@dataclass(frozen=True, kw_only=True)
class Options:
    """Accuracy on spoken digits, and token error on joined ones."""

    data: Path = Path(os.environ.get("RESIDUA_DATA", "data")) / "spoken-digits"
    """Folder with train/ and test/."""
    network: str = "crnn_small"
    """A name of `residua list networks`."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Seeds of weights, order and augmentation."""
    threads: int = 1
    """Of the processor; the minutes are its own, whatever else the machine does."""
    parts: tuple[Part, ...] = ("official", "speakers", "joined")
    """What is measured."""
    updates: int | None = None
    """In place of the recipe's number of updates."""
    joined: int = 3000
    """Training sequences of the part joined; a tenth as many for the test."""


def recipe(options: Options) -> Recipe:
    base = audio()
    training = base.training
    return replace(
        base,
        data=replace(base.data, validation_fraction=0.0),
        network=replace(base.network, network=options.network),
        training=replace(
            training,
            keep="last",
            threads=options.threads,
            updates=options.updates or training.updates,
        ),
    )


def trained(options: Options, data: Path, seed: int, score: Callable[[Run], float]) -> float:
    """``score`` of a run that is thrown away afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        run = residua.train(
            data, recipe=recipe(options), seed=seed, run=Path(folder) / "run", quiet=True
        )
        return score(run)


def accuracy(run: Run) -> float:
    return run.evaluate("test").accuracy


def token_error(run: Run) -> float:
    return run.evaluate("test").token_error_rate  # pyright: ignore


def official(options: Options) -> None:
    each = [trained(options, options.data, seed, accuracy) for seed in options.seeds]
    report("official split", each)


def unheard(options: Options) -> None:
    reader = open_folder(options.data, SOUNDS)
    groups = speakers(reader.table.keys)
    found: list[float] = []
    for speaker in sorted(set(groups)):
        with tempfile.TemporaryDirectory() as folder:
            manifest = Path(folder) / "manifest.csv"
            write_leave_one_out(manifest, reader, groups, held_out=speaker)
            each = [trained(options, manifest, seed, accuracy) for seed in options.seeds]
        report(f"without {speaker}", each)
        found += each
    report("mean over speakers", found)


def joined(options: Options) -> None:
    with tempfile.TemporaryDirectory() as folder:
        manifest = write_joined(Path(folder), options)
        each = [trained(options, manifest, seed, token_error) for seed in options.seeds]
    report("joined, token error", each)


# ---- joined digits ------------------------------------------------------------------------------


def write_joined(folder: Path, options: Options) -> Path:
    """Sequences as WAV files and a manifest with the columns path, tokens, split, group."""
    draws = np.random.default_rng(0)
    with (folder / "manifest.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("path", "tokens", "split", "group"))
        for split, count in (("train", options.joined), ("test", options.joined // 10)):
            by_speaker = clips(options.data / split)
            for number in range(count):
                speaker = draws.choice(sorted(by_speaker))
                digits, wave = sequence(by_speaker[speaker], draws)
                name = f"{split}-{number:05d}.wav"
                soundfile.write(folder / name, wave, 8000, subtype="PCM_16")
                writer.writerow((name, " ".join(digits), split, speaker))
    return folder / "manifest.csv"


def clips(folder: Path) -> dict[str, list[tuple[str, np.ndarray]]]:
    """Digit and waveform of every clip, by speaker."""
    found: dict[str, list[tuple[str, np.ndarray]]] = {}
    for path in sorted(folder.glob("*/*.wav")):
        wave, rate = soundfile.read(path, dtype="float32")
        assert rate == 8000, path
        found.setdefault(speakers([path.name])[0], []).append((path.parent.name, wave))
    return found


def sequence(
    known: list[tuple[str, np.ndarray]], draws: np.random.Generator
) -> tuple[list[str], np.ndarray]:
    """Two to five clips with pauses of up to 0.3 s."""
    chosen = [known[i] for i in draws.integers(len(known), size=draws.integers(2, 6))]
    return [digit for digit, _ in chosen], np.concatenate(list(with_pauses(chosen, draws)))


def with_pauses(
    chosen: list[tuple[str, np.ndarray]], draws: np.random.Generator
) -> Iterator[np.ndarray]:
    for _, wave in chosen:
        yield np.zeros(draws.integers(2400), dtype=np.float32)
        yield wave


def report(name: str, each: list[float]) -> None:
    spread = statistics.stdev(each) if len(each) > 1 else float("nan")
    values = " ".join(f"{value:.3f}" for value in each)
    print(f"{name:24} {statistics.mean(each):6.3f} sd {spread:.3f}  ({values})", flush=True)


def main(options: Options) -> None:
    parts = {"official": official, "speakers": unheard, "joined": joined}
    for part in options.parts:
        start = time.process_time()
        parts[part](options)
        print(
            f"{part}: {(time.process_time() - start) / 60:.1f} minutes of processor time in all",
            flush=True,
        )


if __name__ == "__main__":
    main(tyro.cli(Options))
