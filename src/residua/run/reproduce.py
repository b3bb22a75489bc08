"""Published rows, run again: one run a seed, the results added to what is stored, the page anew."""

from __future__ import annotations

import json
import math
import platform
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import torch

from residua.batch import Split
from residua.data.open import open_dataset
from residua.errors import FormatError
from residua.networks.catalog import get_spec
from residua.recipes.recipe import Recipe
from residua.recipes.rows import Row
from residua.report.reproduction import (
    Copy,
    Measurement,
    Record,
    SeedResult,
    load_record,
    save_record,
)
from residua.report.reproduction_page import write_page
from residua.run.asked import asked
from residua.run.comparison import costs
from residua.run.deadline import Deadline
from residua.run.folder import RunFolder
from residua.run.store import load_scores, load_summary
from residua.run.terminal import Terminal
from residua.training.config import Precision
from residua.training.record import MetricsFile
from residua.training.score_kinds import SCORE_KINDS

CORES_MACS = 70e9
"""Multiply-adds a second of two cores with bf16: resnet20 at 28 pixels trains 750 pictures a second
(`residua.recipes.presets.he2015_cifar`)."""

UPDATE_SECONDS = 0.05
"""What an update takes besides, however small its samples are: multiscale_resnet1d on series of 24
steps takes 0.06 s of one core, of which multiply-adds are a twentieth."""

_JPEG = b"\xff\xd8\xff"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the runs of rows lie and compute.

    Attributes:
        out: Folder of the runs: ``ROW/seed-S``, or ``ROW/short-seed-S``.
        results: Folder of the results; the page is written beside it.
        data: Path of the data, where it is not found by the row's name for it.
    """

    out: Path
    results: Path
    data: str | None = None
    device: str = "auto"
    threads: int | None = None
    precision: Precision = "auto"


def reproduce(
    row: Row,
    place: Place,
    *,
    seeds: Sequence[int],
    terminal: Terminal,
    short: bool = False,
    deadline: Deadline | None = None,
) -> Record:
    """Runs ``row`` with each seed, and stores each result as soon as it is there.

    What is complete is not trained again; what was interrupted goes on.

    Raises:
        InterruptedRunError: Time is up, or a signal came. The same call goes on.
        ResiduaError: Of any kind; what was stored until then stays.
    """
    copy = copy_of(_recipe(row, 0, place, short=short))
    record = load_or_make(row, place.results)
    for seed in seeds:
        if deadline is not None:
            deadline.check()
        terminal.say(f"row      {row.name}{', short' if short else ''}, seed {seed}")
        folder = place.out / row.name / f"{'short-' if short else ''}seed-{seed}"
        run = asked(_recipe(row, seed, place, short=short), folder, terminal)
        new = measurement(row, run, copy=copy, short=short)
        if terminal.is_main:
            record = load_or_make(row, place.results).with_measurement(new)
            save_record(place.results, record)
            write_page(place.results)
    return record


def _recipe(row: Row, seed: int, place: Place, *, short: bool) -> Recipe:
    recipe = row.seeded(seed, short=short)
    return replace(
        recipe,
        data=replace(recipe.data, path=place.data or row.data),
        training=replace(
            recipe.training,
            device=place.device,
            threads=place.threads,
            precision=place.precision,
        ),
    )


def copy_of(recipe: Recipe) -> Copy:
    """Whether the pictures are those that were published: JPEG files are told by their first bytes.

    Raises:
        DataError, UnknownNameError: The data cannot be opened.
    """
    dataset = open_dataset(recipe.data)
    rows = dataset.rows(Split.TRAIN)
    raw = dataset.reader.read(int(rows[0])) if len(rows) else b""
    return "jpeg" if isinstance(raw, bytes) and raw.startswith(_JPEG) else "original"


def load_or_make(row: Row, results: Path) -> Record:
    """What is stored of ``row``, with what the table says of it today.

    Raises:
        FormatError: The file holds no results.
    """
    path = results / f"{row.name}.json"
    made = Record(
        name=row.name,
        network=row.network,
        data=row.data,
        published=row.published,
        source=row.source,
        note=row.note,
    )
    if not path.exists():
        return made
    stored = load_record(path).measurements
    return replace(made, measurements=tuple(map(_of_this_release, stored)))


def _of_this_release(stored: Measurement) -> Measurement:
    """With the defaults of options that are newer than the result; a recipe with options that are
    gone stays as it is."""
    try:
        recipe = Recipe.from_json(stored.recipe, where="results")
    except FormatError:
        return stored
    return replace(stored, recipe=_plain(recipe))


def _plain(recipe: Recipe) -> dict[str, Any]:
    """As it comes back from a file, where tuples are lists."""
    return json.loads(json.dumps(recipe.to_json()))


def measurement(row: Row, run: RunFolder, *, copy: Copy, short: bool) -> Measurement:
    """What the complete ``run`` of ``row`` gave.

    Raises:
        FormatError: The run has no score on the split that the row asks for.
    """
    summary = load_summary(run.summary)
    score = _score(row, run, summary)
    return Measurement(
        variant="short" if short else "full",
        changes=row.short.text if short else "",
        copy=copy,
        metric=score.metric,
        higher_is_better=score.higher_is_better,
        percent=score.percent,
        hardware=hardware(str(summary["device"])),
        recipe=_plain(row.variant(short=short)),
        seeds=(_seed_result(run, summary, score),),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Score:
    """The one number of a run, and what it is."""

    metric: str
    value: float
    n: int
    percent: bool = True
    higher_is_better: bool = True


def _score(row: Row, run: RunFolder, summary: dict[str, Any]) -> _Score:
    found = _on_test(run) if row.metric == "test" else _on_validation(summary)
    if found is None or not math.isfinite(found.value):
        raise FormatError(
            f"the run has no score on its {row.metric} split",
            expected=f"one for row '{row.name}'",
            where=run.root,
        )
    return found


def _on_test(run: RunFolder) -> _Score | None:
    scores = load_scores(run.evaluations, Split.TEST.value)
    if scores is None:
        return None
    headline = scores.headline
    return _Score(
        metric=f"test {headline.name}",
        value=headline.value,
        n=scores.n,
        percent=headline.percent,
        higher_is_better=headline.higher_is_better,
    )


def _on_validation(summary: dict[str, Any]) -> _Score | None:
    """Of a pre-training, whose summary has its one score under the score's name."""
    found: dict[str, Any] = summary.get("validation") or {}
    for name, kind in SCORE_KINDS.items():
        if found.get(name) is not None:
            metric, n = f"validation {kind.title}", int(found["n"])
            return _Score(metric=metric, value=float(found[name]), n=n, percent=kind.percent)
    return None


def _seed_result(run: RunFolder, summary: dict[str, Any], score: _Score) -> SeedResult:
    return SeedResult(
        seed=int(summary["seed"]),
        value=score.value,
        n=score.n,
        minutes=float(summary["seconds"]) / 60,
        passes=sum(record.train.n for record in MetricsFile(run.metrics).read()),
        peak_memory_bytes=int(summary["peak_memory_bytes"]),
        torch=torch.__version__,
    )


def hardware(device: str) -> str:
    """``cpu, 2 threads, bf16 (AMD EPYC)``: what `describe_device` says, and which processor."""
    return f"{device} ({processor()})" if device.startswith("cpu") else device


def processor() -> str:
    """The processor's name: that of Linux, or what Python knows."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def estimated_hours(row: Row, *, short: bool = False) -> float:
    """Hours of one seed on two cores: forward and twice that backward by multiply-adds, and what
    every update takes."""
    size = row.short.size if short else None
    shape = (row.input[0], *size) if size else row.input
    computing = 3 * _macs(row.network, shape) * row.passes(short=short) / CORES_MACS
    return (computing + UPDATE_SECONDS * row.updates(short=short)) / 3600


@cache
def _macs(network: str, shape: tuple[int, ...]) -> int:
    spec = replace(get_spec(network), in_chans=shape[0], rank=len(shape) - 1)
    return costs(spec, shape).macs
