"""From a split to batches, as a function of (seed, epoch, step).

How samples are stored, how many processes decode them, how many ranks share them and where an
epoch is taken up again decide who does the work and when, never what is in a batch.

Legend: n samples of the split, b samples of a batch.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from residua.batch import Batch, Split
from residua.data.config import DataConfig
from residua.data.dataset import Dataset, Problem, Table
from residua.data.forms import Form
from residua.data.prefetch import prefetch
from residua.data.rows import Rows
from residua.data.sampling import EpochPlan, epoch_plan, shard, steps_per_epoch
from residua.data.storage import Gathered, Progress, Storage, cores
from residua.data.stream import StreamStorage, open_storage
from residua.errors import DataError, LabelError, ResiduaError, UnreadableSampleError

_MOST_WORKERS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What one rank computes for one update.

    Attributes:
        parts: One batch a backward pass, in order.
        total: Samples of the update over all ranks and parts, by which the loss is divided. Counts
            samples that turn out to be unreadable, since other ranks cannot know of them.
    """

    parts: tuple[Batch, ...]
    total: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EvaluationBatch:
    """Samples in the order of the table.

    Attributes:
        batch: The samples.
        rows: int64 ``[b]`` their rows in the table.
    """

    batch: Batch
    rows: Rows


class Loader:
    """The batches of one split.

    Args:
        dataset: The data set.
        split: The split of it.
        form: The form in which samples are handed out.
        config: Cache, workers, strictness.
        batch_size: Samples of one update, over all ranks and accumulation steps.
        seed: The run's seed.
        rank, world: This process, and how many share the batches.
        accumulate: Parts into which a rank's share is divided.
        balance: Draw all classes equally often.
        repeated: Times that a sample comes in its batch, see `epoch_plan`.
        pin: Hand out page-locked memory, for a GPU.
        stored: Ascending rows, those of the split among them, that are kept in one storage: another
            choice among the same rows then finds them decoded. By default those of the split.
        progress: Called with (done, total) while a cache is built.
        on_problem: Called once for each sample that cannot be read, when it is met.

    Raises:
        LabelError: A split without samples.
        UnreadableSampleError: With ``config.strict``, here or while iterating.
        DiskFullError: No space for the cache.
    """

    def __init__(
        self,
        dataset: Dataset,
        split: Split,
        form: Form,
        config: DataConfig,
        *,
        batch_size: int,
        seed: int = 0,
        rank: int = 0,
        world: int = 1,
        accumulate: int = 1,
        balance: bool = False,
        repeated: int = 1,
        pin: bool = False,
        stored: Rows | None = None,
        progress: Progress | None = None,
        on_problem: Callable[[Problem], None] | None = None,
    ) -> None:
        rows = dataset.rows(split)
        if not len(rows):
            raise LabelError(f"the {split} split is empty", where=dataset.name)
        self._rows = rows
        self._table = dataset.table
        self.batch_size = batch_size
        self.seed = seed
        self._rank, self._world, self._accumulate = rank, world, accumulate
        self.balance = balance
        self.repeated = repeated
        self._pin = pin
        self._on_problem = on_problem
        self._problems: dict[str, Problem] = {}
        self.steps_per_epoch = steps_per_epoch(len(rows), batch_size)
        stored = rows if stored is None else stored
        self._storage = open_storage(dataset.reader, stored, form, config, progress=progress)
        # What a cache hands out needs no decoding: a thread does, without processes.
        streams = isinstance(self._storage, StreamStorage)
        self._workers = _workers(config) if streams else 0
        self._note(self._own(self._storage.problems))

    @property
    def num_samples(self) -> int:
        """Samples of the split, unreadable ones included."""
        return len(self._rows)

    @property
    def rows(self) -> Rows:
        """Ascending rows of the split."""
        return self._rows

    @property
    def ids(self) -> Rows:
        """int64 ``[n]``, the sample ids of ``rows``."""
        return self._table.ids[self._rows]

    @property
    def problems(self) -> tuple[Problem, ...]:
        """The unreadable samples met so far, each once."""
        return tuple(self._problems.values())

    def epoch(self, epoch: int, start_step: int = 0) -> Generator[Step]:
        """This rank's share of each update of an epoch.

        Args:
            epoch: The epoch, from 0.
            start_step: The first update that is wanted; those before cost nothing.

        Raises:
            UsageError: Batches too small to be shared.
            UnreadableSampleError: With ``strict``; or no sample of a batch can be read.
        """
        with closing(self.shares(self._plan(epoch), start_step)) as shares:
            for step, share in enumerate(shares, start_step):
                yield replace(share, parts=with_samples(share.parts, epoch, step))

    def shares(self, plan: EpochPlan, start_step: int = 0) -> Generator[Step]:
        """As `epoch`, with the batches of ``plan``, and with parts that are empty where none of
        their samples can be read."""
        wanted = [self._parts(plan, step) for step in range(start_step, plan.steps)]
        gathered = self._gathered([plan.rows[part] for parts in wanted for part in parts])
        with closing(gathered):
            for step, parts in enumerate(wanted, start_step):
                whole = plan.batch(step)
                yield Step(
                    parts=tuple(self._batch(next(gathered), plan, part) for part in parts),
                    total=whole.stop - whole.start,
                )

    def evaluation(self, batch_size: int) -> Generator[EvaluationBatch]:
        """Each sample once. The ranks' shares, one after the other, are in the table's order."""
        start = self._rank * self.num_samples // self._world
        stop = (self._rank + 1) * self.num_samples // self._world
        plan = EpochPlan(rows=self._rows, repeats=None, steps=1)
        parts = [slice(i, min(i + batch_size, stop)) for i in range(start, stop, batch_size)]
        gathered = self._gathered([plan.rows[part] for part in parts])
        with closing(gathered):
            for part, found in zip(parts, gathered, strict=True):
                batch = self._batch(found, plan, part)
                if len(batch):
                    yield EvaluationBatch(batch=batch, rows=plan.rows[part][found.ok])

    def _plan(self, epoch: int) -> EpochPlan:
        return epoch_plan(
            self._rows,
            self._table.ids[self._rows],
            self._table.labels[self._rows],
            seed=self.seed,
            epoch=epoch,
            batch_size=self.batch_size,
            balance=self.balance,
            repeated=self.repeated,
        )

    def _parts(self, plan: EpochPlan, step: int) -> list[slice]:
        """Where the parts of this rank lie in the plan."""
        batch, unit = plan.batch(step), plan.unit
        parts = shard(
            (batch.stop - batch.start) // unit,
            rank=self._rank,
            world=self._world,
            accumulate=self._accumulate,
        )
        start = batch.start
        return [slice(start + unit * part.start, start + unit * part.stop) for part in parts]

    def _gathered(self, parts: Sequence[Rows]) -> Generator[Gathered]:
        """The samples of each part, in order, made ahead by processes or by a thread."""
        if self._workers and parts:
            return _from_processes(self._storage, parts, self._workers, pin=self._pin)
        return prefetch(_from_here(self._storage, parts, pin=self._pin))

    def _batch(self, found: Gathered, plan: EpochPlan, part: slice) -> Batch:
        self._note(found.problems)
        rows = plan.rows[part][found.ok]
        repeats = None if plan.repeats is None else plan.repeats[part][found.ok]
        targets, target_lengths = targets_of(self._table, rows)
        groups = self._table.group_numbers
        return Batch(
            inputs=found.stack.values,
            targets=self._tensor(targets),
            ids=self._tensor(self._table.ids[rows]),
            aspects=found.stack.aspects,
            lengths=found.stack.lengths,
            repeats=None if repeats is None else self._tensor(repeats),
            target_lengths=None if target_lengths is None else self._tensor(target_lengths),
            groups=None if groups is None else self._tensor(groups[rows]),
        )

    def _tensor(self, values: npt.NDArray[np.generic]) -> torch.Tensor:
        tensor = torch.from_numpy(values)
        return tensor.pin_memory() if self._pin else tensor

    def _own(self, problems: Sequence[Problem]) -> list[Problem]:
        """Those of the split, of all that are stored."""
        own = {self._table.keys[row] for row in self._rows.tolist()} if problems else set[str]()
        return [problem for problem in problems if problem.key in own]

    def _note(self, problems: Sequence[Problem]) -> None:
        for problem in problems:
            if problem.key not in self._problems:
                self._problems[problem.key] = problem
                if self._on_problem is not None:
                    self._on_problem(problem)


def targets_of(
    table: Table, rows: Rows
) -> tuple[npt.NDArray[np.generic], npt.NDArray[np.int64] | None]:
    """What `residua.batch.Batch` calls targets and target_lengths, of ``rows``."""
    if table.tokens is not None:
        sequences = [table.tokens[row] for row in rows.tolist()]
        lengths = np.array([len(each) for each in sequences], dtype=np.int64)
        targets = np.full((len(rows), int(lengths.max(initial=0))), -1, dtype=np.int64)
        for slot, each in zip(targets, sequences, strict=True):
            slot[: len(each)] = each
        return targets, lengths
    return (table.labels if table.values is None else table.values)[rows], None


def _workers(config: DataConfig) -> int:
    """As many processes as asked for, else one a core; ranks on one machine share the cores."""
    if config.workers is not None:
        return config.workers
    ranks_here = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))  # set by torchrun
    return max(1, min(cores() // ranks_here, _MOST_WORKERS))


def with_samples(parts: tuple[Batch, ...], epoch: int, step: int) -> tuple[Batch, ...]:
    """The parts that are not empty because all of their samples are unreadable."""
    readable = tuple(part for part in parts if len(part))
    if not readable:
        raise UnreadableSampleError(
            "none of the samples of a batch can be read", where=f"epoch {epoch}, step {step}"
        )
    return readable


def _from_here(storage: Storage, parts: Sequence[Rows], *, pin: bool) -> Iterator[Gathered]:
    for rows in parts:
        found = storage.gather(rows)
        yield found.pin_memory() if pin else found


class _Parts(TorchDataset[Gathered | ResiduaError]):
    """One part is one item, for torch's `DataLoader`, which hands them to processes in turn."""

    def __init__(self, storage: Storage, parts: Sequence[Rows]) -> None:
        self.storage = storage
        self.parts = parts

    def __len__(self) -> int:
        return len(self.parts)

    def __getitem__(self, index: int) -> Gathered | ResiduaError:
        """The part, or its error as a value: torch would turn a raised one into its traceback."""
        try:
            return self.storage.gather(self.parts[index])
        except ResiduaError as error:
            return error


def _from_processes(
    storage: Storage, parts: Sequence[Rows], workers: int, *, pin: bool
) -> Generator[Gathered]:
    loader = DataLoader(
        _Parts(storage, parts),
        batch_size=None,
        shuffle=False,
        num_workers=min(workers, len(parts)),
        pin_memory=pin,
        worker_init_fn=_leave_signals_to_parent,
        # Its own generator, because drawing the workers' seeds must not advance the global one.
        generator=torch.Generator(),
    )
    iterator: Iterator[Gathered | ResiduaError] = iter(loader)
    try:
        for found in iterator:
            if isinstance(found, ResiduaError):
                raise found
            yield found
    except RuntimeError as error:
        raise DataError(
            "a process that decodes samples has died",
            received=str(error).splitlines()[0],
            fix="Mostly memory ran out: use fewer --workers, or more shared memory (/dev/shm)",
        ) from error
    finally:
        # The processes end with their iterator, which the traceback of an error would keep.
        del iterator


def _leave_signals_to_parent(worker: int) -> None:
    """An interrupt reaches the whole process group, but only the parent knows what to save; and
    a handler inherited from it must not keep a worker from ending."""
    del worker
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
