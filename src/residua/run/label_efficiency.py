"""The grid behind a label-efficiency curve: arms x numbers of labels x seeds, a run each.

OUT/grid.json                              what all cells share
OUT/pretrain/seed-S/                       a run folder, shared by all numbers of labels
OUT/runs/ARM/labels-N/seed-S/              a run folder a cell
OUT/results.json, table.md, table.csv      after every cell; what is missing is said
OUT/curve.png, curve.svg, curve-dark.*     at the end
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Protocol

from residua.errors import DiskFullError, InterruptedRunError, TrainingError
from residua.recipes.recipe import Recipe
from residua.report.label_curve import Curve, CurvePoint, write_label_curve
from residua.run.completed import completed
from residua.run.fitted import fitted
from residua.run.folder import RunFolder
from residua.run.grid_results import (
    GridResults,
    Outcome,
    make_results,
    outcome_line,
    read_outcome,
    write_results,
)
from residua.run.label_arms import Cell, Setting, arm_named, pretraining
from residua.run.label_grid import Grid, Ready, prepared, settle
from residua.run.terminal import Terminal


class GridObserver(Protocol):
    """Whoever watches a grid. A job is a pre-training or a cell; ``left`` are seconds, if known."""

    def begin(self, what: str, *, done: int, total: int, left: float | None) -> None: ...

    def end(self, line: str, *, done: int, total: int, left: float | None) -> None: ...


# ---- the grid -----------------------------------------------------------------------------------


def run_grid(grid: Grid, folder: Path, observer: GridObserver) -> GridResults:
    """Makes what is missing of ``grid`` in ``folder``, and writes table and plot.

    A cell whose training fails is left out and said; the others go on.

    Raises:
        UsageError: ``folder`` holds another grid, or an option does not fit.
        LabelError: The data has not that many labels.
        InterruptedRunError: After a signal; the same call goes on.
    """
    grid.check()
    ready = prepared(grid)
    settle(ready, folder)
    work = _Work(ready, folder, observer)
    work.store()
    try:
        work.do()
    except InterruptedRunError as error:
        fix = "The same command goes on"
        raise InterruptedRunError(error.signal, step=error.step, fix=fix) from None
    results = work.results()
    draw_results(folder, results, data=ready.data)
    return results


# ---- its work -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Job:
    """A pre-training (without cell) or a cell."""

    kind: str
    seed: int
    cell: Cell | None = None


class _Work:
    """The jobs of a grid, seed by seed, so that pairs are complete early."""

    def __init__(self, ready: Ready, folder: Path, observer: GridObserver) -> None:
        self.ready, self.grid, self.folder = ready, ready.grid, folder
        self.observer = observer
        self.terminal = Terminal(quiet=True)
        self.outcomes: dict[Cell, Outcome] = {}
        self.reasons: dict[Cell, str] = {}
        self.failed: dict[int, str] = {}
        self.seconds: dict[str, list[float]] = {}
        for cell in self.grid.cells:
            if self._is_done(cell):
                self.outcomes[cell] = self._read(cell)

    def do(self) -> None:
        jobs = list(self._jobs())
        waiting = [job for job in jobs if not self._run(job).summary.exists()]
        while waiting:
            job, done = waiting[0], len(jobs) - len(waiting)
            self.observer.begin(
                self._text(job), done=done, total=len(jobs), left=self._left(waiting)
            )
            started = monotonic()
            line = self._done(job)
            self.seconds.setdefault(job.kind, []).append(monotonic() - started)
            waiting = waiting[1:]
            self.store()
            self.observer.end(line, done=done + 1, total=len(jobs), left=self._left(waiting))

    def results(self) -> GridResults:
        return make_results(self.grid.cells, self.outcomes, self.reasons)

    def store(self) -> None:
        write_results(self.folder, self.results())

    def _jobs(self) -> Iterator[_Job]:
        pretrains = any(arm.pretrains for arm in self.grid.arms)
        for seed in range(self.grid.seeds):
            if pretrains:
                yield _Job("pre-training", seed)
            for cell in self.grid.cells:
                if cell.seed == seed:
                    yield _Job(cell.arm, seed, cell)

    def _done(self, job: _Job) -> str:
        """Does the job, and says in a line what came out."""
        try:
            if job.cell is None:
                completed(self._pretraining(job.seed), self._run(job).root, self.terminal)
                return f"{self._text(job)}: done"
            return self._done_cell(job.cell)
        except TrainingError as error:
            if isinstance(error, InterruptedRunError | DiskFullError):
                raise
            if job.cell is None:
                self.failed[job.seed] = str(error)
            else:
                self.reasons[job.cell] = str(error)
            return f"{self._text(job)}: failed: {error}"

    def _done_cell(self, cell: Cell) -> str:
        arm = arm_named(cell.arm)
        if arm.pretrains and cell.seed in self.failed:
            raise TrainingError(f"pre-training failed: {self.failed[cell.seed]}")
        start = self._pretrained(cell.seed).root if arm.pretrains else None
        recipe = arm.recipe(
            Setting(
                base=self.grid.base,
                labels=cell.labels,
                seed=cell.seed,
                pretrained=start,
                stages=self.ready.stages,
                ssl_mode=self.grid.ssl_mode,
            )
        )
        done = fitted if self.grid.ssl_mode in arm.fits else completed
        done(recipe, self.folder / cell.folder, self.terminal)
        self.outcomes[cell] = self._read(cell)
        return outcome_line(self.outcomes[cell])

    def _pretraining(self, seed: int) -> Recipe:
        return pretraining(self.grid.base, self.ready.pretraining, seed)

    def _pretrained(self, seed: int) -> RunFolder:
        return RunFolder(self.folder / "pretrain" / f"seed-{seed}")

    def _run(self, job: _Job) -> RunFolder:
        if job.cell is None:
            return self._pretrained(job.seed)
        return RunFolder(self.folder / job.cell.folder)

    def _is_done(self, cell: Cell) -> bool:
        return RunFolder(self.folder / cell.folder).summary.exists()

    def _read(self, cell: Cell) -> Outcome:
        pretrained = self._pretrained(cell.seed) if arm_named(cell.arm).pretrains else None
        return read_outcome(cell, RunFolder(self.folder / cell.folder), pretrained)

    def _text(self, job: _Job) -> str:
        if job.cell is not None:
            return job.cell.text
        return f"pre-training ({self.ready.pretraining.pretrain.pretrain}), seed {job.seed}"

    def _left(self, waiting: list[_Job]) -> float | None:
        """Seconds that the jobs will take if each takes what its kind has taken so far."""
        known = {kind: sum(each) / len(each) for kind, each in self.seconds.items()}
        if not known:
            return None
        usual = sum(known.values()) / len(known)
        return sum(known.get(job.kind, usual) for job in waiting)


# ---- the plot -----------------------------------------------------------------------------------


def draw_results(folder: Path, results: GridResults, *, data: str) -> None:
    """Writes the curve of every arm; what is missing stands in the picture too."""
    curves = [
        Curve(
            name=name,
            points=tuple(
                CurvePoint(labels=row.labels, mean=row.mean, low=row.low, high=row.high)
                for row in results.rows
                if row.arm == name and row.mean is not None
            ),
        )
        for name in dict.fromkeys(row.arm for row in results.rows)
    ]
    missing = len(results.missing)
    note = "" if results.complete else f"not complete: {missing} cells are missing"
    write_label_curve(folder, curves, data=data, note=note)
