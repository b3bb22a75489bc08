"""What a run says to the person who started it."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from residua.batch import Modality, Split
from residua.run.chart import LiveChart
from residua.run.task import TARGETS
from residua.training.meter import Meter
from residua.training.progress import Display, Observer, Silent
from residua.training.record import EpochRecord

if TYPE_CHECKING:
    from residua.data.dataset import Problem
    from residua.evaluation.scores import Scores
    from residua.run.folder import RunFolder
    from residua.run.session import Session
    from residua.training.distributed import Ranks
    from residua.training.loop import Trainer

_NAMED_PROBLEMS = 10
_MISSING = {
    Split.VALIDATION: "the weights will be those of the last epoch, not calibrated",
    Split.TEST: "nothing is held out that could score the result",
}


class Terminal:
    """Prints for one run; under several ranks only the main one speaks.

    Args:
        quiet: Say nothing but warnings.
        to_stderr: Keep standard output free, for JSON.
        chart: Draw loss and accuracy while a network trains, where there is a real terminal.
    """

    def __init__(self, *, quiet: bool = False, to_stderr: bool = False, chart: bool = True) -> None:
        self.console = Console(stderr=to_stderr, quiet=quiet, highlight=False)
        self.is_main = True
        self._chart = chart
        self._left_out: set[str] = set()
        self._bar: Progress | None = None
        self._tasks: dict[str, TaskID] = {}

    def close(self) -> None:
        """Takes a bar that is not done off the screen, so that the cursor shows again."""
        if self._bar is not None:
            self._bar.stop()
            self._bar, self._tasks = None, {}

    def join(self, ranks: Ranks) -> None:
        """Falls silent on all ranks but the main one."""
        self.is_main = ranks.is_main
        self.console.quiet = self.console.quiet or not ranks.is_main

    def say(self, line: str) -> None:
        self.console.print(line, markup=False, soft_wrap=True)

    def warn(self, line: str) -> None:
        """On standard error; where a chart or a bar is live, above it."""
        if self.is_main:
            # not by a rich console: that would write past the live display, into it
            printable = line.encode("utf-8", "backslashreplace").decode("utf-8")
            print(f"warning: {printable}", file=sys.stderr)

    def problem(self, problem: Problem) -> None:
        """Names a sample that is left out, once; of many, the first ones."""
        if problem.key in self._left_out:
            return
        self._left_out.add(problem.key)
        if len(self._left_out) <= _NAMED_PROBLEMS:
            reason = problem.reason
            self.warn(
                f"left out: {reason}" if problem.key in reason else f"{problem.key}: {reason}"
            )
        elif len(self._left_out) == _NAMED_PROBLEMS + 1:
            self.warn("left out more; `residua check` names all of them")

    def progress(self, what: str, done: int, total: int) -> None:
        """A bar for work before training, such as decoding."""
        if self.console.quiet or not self.console.is_terminal:
            return
        if self._bar is None:
            columns = (TextColumn("{task.description}"), BarColumn(24), MofNCompleteColumn())
            self._bar = Progress(
                *columns,
                console=self.console,
                transient=True,
                redirect_stderr=sys.stderr.isatty(),  # a log of the errors stays one
            )
            self._bar.start()
        if what not in self._tasks:
            self._tasks[what] = self._bar.add_task(what, total=total)
        self._bar.update(self._tasks[what], completed=done)
        if done >= total:
            self.close()

    def announce(self, session: Session, trainer: Trainer, run: RunFolder) -> None:
        """What is about to be trained on what, and where it goes."""
        recipe, schema = session.recipe, session.schema
        counts = ", ".join(
            f"{len(session.dataset.rows(split)):,} {split.value}"
            + ("" if split in (*session.dataset.official, Split.UNLABELLED) else " (drawn)")
            for split in Split
            if len(session.dataset.rows(split))
        )
        network = trainer.method.network
        parameters = sum(parameter.numel() for parameter in network.parameters())
        training, optimizer = recipe.training, recipe.training.optimizer
        augment, world = recipe.augment, session.ranks.world
        pictures = schema.modality is Modality.IMAGE
        changes = f"crop {augment.crop}, flip {augment.flip}, " if pictures else ""
        targets = f"{schema.num_classes} {TARGETS[schema.task]}"
        self.say(f"data     {session.dataset.name}: {targets}; {counts}")
        self.say(
            f"network  {recipe.network.network}: {parameters:,} parameters, "
            f"input {session.preprocess.describe()}"
        )
        self.say(
            f"training {training.epochs} epochs of {trainer.loader.steps_per_epoch} updates, batch "
            f"{training.batch_size}, {optimizer.optimizer} lr {optimizer.peak_lr:g}, "
            f"{training.schedule.schedule}, {changes}"
            f"{trainer.arithmetic.name} on {session.ranks.device.type}"
            + (f" x {world} ranks" if world > 1 else "")
        )
        for split, meaning in _MISSING.items():
            if not len(session.dataset.rows(split)):
                self.say(f"note     no {split.value} split: {meaning}")
        if trainer.position.step:
            self.say(f"resuming after step {trainer.position.step}")
        self.say(f"run      {run.root}")

    @contextmanager
    def watching(
        self,
        session: Session,
        sinks: Sequence[Callable[[EpochRecord], None]],
        before: Sequence[EpochRecord] = (),
    ) -> Generator[Observer]:
        """An observer that shows progress and passes each epoch's record to ``sinks``.

        Args:
            session: The run.
            sinks: Who writes records down.
            before: The epochs so far, when a run is resumed.
        """
        device, epochs = session.ranks.device, session.recipe.training.epochs
        if self.console.quiet:
            yield _Recording(Silent(), sinks)
            return
        chart = LiveChart(before) if self._chart and _is_screen(self.console) else None
        if chart is not None:
            sinks = (*sinks, chart.add)
        with Display(self.console, epochs=epochs, device=device, chart=chart) as display:
            yield _Recording(display, sinks)

    def results(self, found: Mapping[Split, Scores]) -> None:
        """The scores at the end."""
        from residua.evaluation.describe import summary_lines

        for scores in found.values():
            for line in summary_lines(scores):
                self.say(line)


def _is_screen(console: Console) -> bool:
    """A terminal in front of somebody; FORCE_COLOR makes rich take a log of CI for one."""
    return console.is_interactive and not console.is_dumb_terminal and console.file.isatty()


class _Recording:
    """An observer that also hands each record to whoever writes it down, first of all."""

    def __init__(self, observer: Observer, sinks: Sequence[Callable[[EpochRecord], None]]) -> None:
        self._observer = observer
        self._sinks = sinks

    def start(self, *, total_steps: int, done: int) -> None:
        self._observer.start(total_steps=total_steps, done=done)

    def step(self, epoch: int, step: int, samples: int, meter: Meter) -> None:
        self._observer.step(epoch, step, samples, meter)

    def epoch(self, record: EpochRecord) -> None:
        for sink in self._sinks:
            sink(record)
        self._observer.epoch(record)


def command_line() -> str:
    """How this process was called, for the report."""
    return shlex.join(["residua", *sys.argv[1:]])
