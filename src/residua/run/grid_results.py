"""From the complete runs of a grid to its table: means, paired differences to scratch, costs.

Legend: a cell is one run: an arm, a number of labels a class, a seed.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from residua.errors import FormatError
from residua.evaluation.paired import paired_interval
from residua.files import write_atomically
from residua.recipes.recipe import Recipe
from residua.run.folder import RunFolder
from residua.run.label_arms import Cell
from residua.run.store import load_summary
from residua.training.record import MetricsFile

REFERENCE = "scratch"
"""The arm that the others are compared with."""
LEVEL = 0.95
"""Of the intervals."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What runs took.

    Attributes:
        updates: Of the weights.
        passes: Samples that went forward through the network in training, or through its teacher;
            a sample of which two views are taken counts twice.
        seconds: In training steps, on the wall clock.
    """

    updates: int = 0
    passes: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A cell that is done.

    Attributes:
        accuracy: On the test split, from 0 to 1.
        n: Samples of the test split.
        cost: Of the run itself.
        pretraining: Of the run that it started from; the cells of a seed share it.
    """

    cell: Cell
    accuracy: float
    n: int
    cost: Cost
    pretraining: Cost


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """A cell that is not done, and why."""

    cell: Cell
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One arm at one number of labels. Accuracies and differences are shares, from 0 to 1.

    Attributes:
        labels: Of each class; None is all of them.
        seeds: Cells that are done, of ``expected``.
        sd: Standard deviation over the seeds; None of one seed, as are intervals.
        low, high: t-interval of the mean.
        difference: Mean over the ``pairs`` of this arm and scratch with the same labels and seed;
            None for scratch itself and for arms with all labels.
        difference_low, difference_high: Its paired t-interval.
        updates, pretraining_updates: Means over the seeds, as for what follows.
        passes, seconds: Pre-training included; see `Cost`.
    """

    arm: str
    labels: int | None
    seeds: int
    expected: int
    mean: float | None = None
    sd: float | None = None
    low: float | None = None
    high: float | None = None
    pairs: int = 0
    difference: float | None = None
    difference_low: float | None = None
    difference_high: float | None = None
    updates: float | None = None
    pretraining_updates: float | None = None
    passes: float | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GridResults:
    """All that a grid has found so far."""

    rows: tuple[Row, ...]
    outcomes: tuple[Outcome, ...]
    missing: tuple[Missing, ...]

    @property
    def complete(self) -> bool:
        return not self.missing

    @property
    def state(self) -> str:
        """What is missing, in one line; empty of a complete grid."""
        if self.complete:
            return ""
        total = len(self.outcomes) + len(self.missing)
        shown = "; ".join(f"{each.cell.text} ({each.reason})" for each in self.missing[:3])
        more = f"; and {len(self.missing) - 3} more" if len(self.missing) > 3 else ""
        return f"not complete: {len(self.missing)} of {total} cells are missing: {shown}{more}"

    @property
    def caveat(self) -> str:
        """What the rows cannot say, in one line; empty where there are intervals."""
        if max((row.expected for row in self.rows), default=0) > 1:
            return ""
        return "one seed says nothing of the spread: there are no intervals"

    def to_json(self) -> dict[str, Any]:
        """What `json.dumps` takes."""
        return {"complete": self.complete, "reference": REFERENCE, "level": LEVEL} | asdict(self)


# ---- from run folders ---------------------------------------------------------------------------


def read_outcome(cell: Cell, run: RunFolder, pretraining: RunFolder | None) -> Outcome:
    """What a complete run found and took.

    Raises:
        FormatError: If its summary has no accuracy on the test split, or a file is damaged.
    """
    test = load_summary(run.summary).get("test") or {}
    accuracy, n = test.get("accuracy"), test.get("n")
    if not isinstance(accuracy, int | float) or not isinstance(n, int):
        raise FormatError("no accuracy on the test split", where=run.summary)
    return Outcome(
        cell=cell,
        accuracy=float(accuracy),
        n=n,
        cost=read_cost(run),
        pretraining=Cost() if pretraining is None else read_cost(pretraining),
    )


def read_cost(run: RunFolder) -> Cost:
    """What a run took so far, from recipe.json and metrics.jsonl."""
    records = MetricsFile(run.metrics).read()
    if not records:
        return Cost()
    samples = sum(record.train.n for record in records)
    return Cost(
        updates=records[-1].step,
        passes=samples * passes_of_sample(Recipe.load(run.recipe)),
        seconds=sum(record.seconds for record in records),
    )


def passes_of_sample(recipe: Recipe) -> int:
    """Passes forward for each sample that the loss counts, with those of the unlabelled samples
    beside it. What stands here is what the methods in `residua.methods` do."""
    each = 2 if recipe.training.optimizer.sam else 1
    if recipe.pretrain.active:  # two views; of byol each through network and teacher
        return each * (4 if recipe.pretrain.pretrain == "byol" else 2)
    if not recipe.semi.active:
        return each
    # adamatch: labelled samples with the others and alone; mean-teacher: through both networks
    labelled = 2 if recipe.semi.semi in ("adamatch", "mean-teacher") else 1
    return each * (labelled + 2 * recipe.semi.unlabelled_ratio)


# ---- rows ---------------------------------------------------------------------------------------


def make_results(
    cells: Sequence[Cell], outcomes: Mapping[Cell, Outcome], reasons: Mapping[Cell, str]
) -> GridResults:
    """The rows of a grid, one for each arm and number of labels, in the order of its cells.

    Args:
        cells: All of the grid.
        outcomes: Of those that are done.
        reasons: Why others are not; one without a reason was not run yet.
    """
    found = {cell: outcomes[cell] for cell in cells if cell in outcomes}
    keys = dict.fromkeys((cell.arm, cell.labels) for cell in cells)
    missing = (
        Missing(cell=cell, reason=reasons.get(cell, "not run yet"))
        for cell in cells
        if cell not in found
    )
    return GridResults(
        rows=tuple(_row(arm, labels, cells, found) for arm, labels in keys),
        outcomes=tuple(found.values()),
        missing=tuple(missing),
    )


def _row(arm: str, labels: int | None, cells: Sequence[Cell], found: Mapping[Cell, Outcome]) -> Row:
    mine = [cell for cell in cells if (cell.arm, cell.labels) == (arm, labels)]
    done = [found[cell] for cell in mine if cell in found]
    if not done:
        return Row(arm=arm, labels=labels, seeds=0, expected=len(mine))
    accuracies = [each.accuracy for each in done]
    differences = _differences(done, found) if arm != REFERENCE else []
    mean, low, high = _interval(accuracies)
    difference, difference_low, difference_high = _interval(differences)
    return Row(
        arm=arm,
        labels=labels,
        seeds=len(done),
        expected=len(mine),
        mean=mean,
        sd=stdev(accuracies) if len(done) > 1 else None,
        low=low,
        high=high,
        pairs=len(differences),
        difference=difference,
        difference_low=difference_low,
        difference_high=difference_high,
        updates=fmean(each.cost.updates for each in done),
        pretraining_updates=fmean(each.pretraining.updates for each in done),
        passes=fmean(each.cost.passes + each.pretraining.passes for each in done),
        seconds=fmean(each.cost.seconds + each.pretraining.seconds for each in done),
    )


def _differences(done: Sequence[Outcome], found: Mapping[Cell, Outcome]) -> list[float]:
    """To scratch with the same labels and seed, where that is done too."""
    pairs = ((each, found.get(_reference(each.cell))) for each in done)
    return [mine.accuracy - other.accuracy for mine, other in pairs if other is not None]


def _reference(cell: Cell) -> Cell:
    return Cell(arm=REFERENCE, labels=cell.labels, seed=cell.seed)


def _interval(values: Sequence[float]) -> tuple[float | None, float | None, float | None]:
    """Mean and t-interval; one value has a mean alone."""
    if not values:
        return None, None, None
    mean, low, high = paired_interval(values, level=LEVEL)
    return (mean, low, high) if len(values) > 1 else (mean, None, None)


# ---- files --------------------------------------------------------------------------------------


def write_results(folder: Path, results: GridResults) -> None:
    """Writes ``results.json``, ``table.csv`` and ``table.md``: equal results are equal bytes."""
    write_atomically(folder / "results.json", json.dumps(results.to_json(), indent=1) + "\n")
    write_atomically(folder / "table.csv", _csv(results))
    write_atomically(folder / "table.md", markdown(results))


def _csv(results: GridResults) -> str:
    out = io.StringIO()
    names = [field.name for field in fields(Row)]
    writer = csv.DictWriter(out, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(row) for row in results.rows)
    return out.getvalue()


COLUMNS: tuple[tuple[str, Callable[[Row], str]], ...] = (
    ("arm", lambda row: row.arm),
    ("labels a class", lambda row: "all" if row.labels is None else str(row.labels)),
    ("seeds", lambda row: _seeds_text(row)),
    ("accuracy [%]", lambda row: _percent_text(row.mean, row.low, row.high)),
    ("sd", lambda row: _percent(row.sd)),
    (
        "difference to scratch",
        lambda row: _percent_text(
            row.difference, row.difference_low, row.difference_high, signed=True
        ),
    ),
    ("updates", lambda row: _number(row.updates)),
    ("pre-training", lambda row: _number(row.pretraining_updates or None)),
    ("passes", lambda row: _number(row.passes)),
    ("minutes", lambda row: "" if row.seconds is None else f"{row.seconds / 60:.1f}"),
)
"""Headings of the table, and what stands below them."""

NOTE = (
    f"Intervals: Student's t at {LEVEL:.0%} over the seeds; differences are paired by seed and "
    "labels, in percentage points. Passes: samples forward through the network or its teacher in "
    "training, each view counted; passes and minutes (of training steps, on the wall clock) "
    "include the whole pre-training."
)
"""What the numbers of the table are."""


def markdown(results: GridResults) -> str:
    """The table as a document; what is missing stands before it."""
    said = [text for text in (results.state, results.caveat) if text]
    head = "".join(f"**{text[:1].upper()}{text[1:]}.**\n\n" for text in said)
    lines = [
        _line([name for name, _ in COLUMNS]),
        _line(["---", *["---:"] * (len(COLUMNS) - 1)]),
        *(_line([text(row) for _, text in COLUMNS]) for row in results.rows),
    ]
    return f"# Label efficiency\n\n{head}" + "\n".join(lines) + f"\n\n{NOTE}\n"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _seeds_text(row: Row) -> str:
    """``5``, or ``3 of 5`` where some are missing."""
    return str(row.seeds) if row.seeds == row.expected else f"{row.seeds} of {row.expected}"


def _percent_text(
    mean: float | None, low: float | None, high: float | None, *, signed: bool = False
) -> str:
    """``61.3 (58.0 to 64.6)``"""
    if mean is None:
        return ""
    text = _percent(mean, signed=signed)
    if low is None or high is None:
        return text
    return f"{text} ({_percent(low, signed=signed)} to {_percent(high, signed=signed)})"


def _percent(share: float | None, *, signed: bool = False) -> str:
    if share is None:
        return ""
    return f"{100 * share:+.1f}" if signed else f"{100 * share:.1f}"


def _number(value: float | None) -> str:
    return "" if value is None or not math.isfinite(value) else f"{value:,.0f}"


def outcome_line(outcome: Outcome) -> str:
    """``semi, 10 labels a class, seed 3: 61.3 % of 10,000``"""
    return f"{outcome.cell.text}: {100 * outcome.accuracy:.1f} % of {outcome.n:,}"
