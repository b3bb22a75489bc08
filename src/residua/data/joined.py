"""Samples without labels from a second source, beside those of a data set."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import blake2b

import numpy as np

from residua.batch import Modality, Schema, Split
from residua.data.dataset import Dataset, Problem, Raw, Reader, Table
from residua.data.signal_values import filled, resampled
from residua.errors import DataError, FormatError

_PREFIX = "unlabelled:"
_LEARNT = (None, Split.TRAIN, Split.UNLABELLED)


@dataclass(frozen=True, kw_only=True, eq=False)
class JoinedReader:
    """The rows of ``first``, then those of ``second``, which have no targets.

    Attributes:
        first: Says name, classes, channels and rate.
        second: Its signals are resampled to the rate of the first. Pictures and sound need nothing:
            their preprocessing makes one size, number of channels and rate of what it meets.
    """

    first: Reader
    second: Reader

    @property
    def name(self) -> str:
        return self.first.name

    @property
    def schema(self) -> Schema:
        return self.first.schema

    @cached_property
    def table(self) -> Table:
        return _joined(self.first.table, self.second.table)

    @property
    def problems(self) -> Sequence[Problem]:
        prefix = _prefix(self.first.table)
        others = [
            Problem(key=prefix + each.key, reason=each.reason) for each in self.second.problems
        ]
        return [*self.first.problems, *others, *_warnings(self.first.schema, self.second)]

    def identity(self) -> str:
        rates = (self.first.schema.rate, self.second.schema.rate) if self._resamples else ()
        facts = f"joined\0{self.first.identity()}\0{self.second.identity()}\0{rates}"
        return blake2b(facts.encode(), digest_size=16).hexdigest()

    def read(self, row: int) -> Raw:
        here = len(self.first.table)
        return self.first.read(row) if row < here else self._fitting(self.second.read(row - here))

    def scan(self, rows: Sequence[int]) -> Iterator[tuple[int, Raw | DataError]]:
        here = len(self.first.table)
        border = bisect_left(rows, here)
        if border:
            yield from self.first.scan(rows[:border])
        if border == len(rows):
            return
        for row, raw in self.second.scan([int(row) - here for row in rows[border:]]):
            yield row + here, raw if isinstance(raw, DataError) else self._fitting(raw)

    @property
    def _resamples(self) -> bool:
        first, second = self.first.schema, self.second.schema
        known = first.rate is not None and second.rate is not None
        return first.modality is Modality.SIGNAL and known and first.rate != second.rate

    def _fitting(self, raw: Raw) -> Raw:
        """At the rate of the first, where the source itself cannot say its own."""
        if not self._resamples or isinstance(raw, bytes) or raw.ndim != 2:
            return raw
        source, rate = self.second.schema.rate, self.first.schema.rate
        assert source is not None
        assert rate is not None
        values = filled(raw.astype(np.float32), "interpolate", self.second.name)
        return resampled(values, source, rate, self.second.name)


def join_unlabelled(dataset: Dataset, reader: Reader) -> Dataset:
    """``dataset`` with the samples of ``reader`` in `Split.UNLABELLED`, whatever their labels.

    Their keys begin with "unlabelled:". What ``reader`` itself names validation or test is not
    learnt from. Pictures may have any size and be grey or coloured: they are seen as those of the
    data set are, which alone decide size, channels, mean and deviation.

    Raises:
        FormatError: Other samples than those of the data set: of another modality, or signals with
            other channels or units; or none at all to learn from.
    """
    _check_schemas(dataset.schema, reader.schema, reader.name)
    joined = JoinedReader(first=dataset.reader, second=reader)
    learnt = np.array([split in _LEARNT for split in reader.table.splits], dtype=np.bool_)
    if not learnt.any():
        raise FormatError(
            "there are no unlabelled samples to learn from",
            received=f"{len(learnt)} samples of validation or test" if len(learnt) else "none",
            where=reader.name,
        )
    rows = np.flatnonzero(learnt) + len(dataset.table)
    unlabelled = np.union1d(dataset.rows(Split.UNLABELLED), rows)
    return replace(
        dataset,
        reader=joined,
        assignment={**dataset.assignment, Split.UNLABELLED: unlabelled},
        fitted=dataset.fitting_rows,
    )


def _prefix(table: Table) -> str:
    """One that no key of ``table`` has."""
    prefix = _PREFIX
    while any(key.startswith(prefix) for key in table.keys):
        prefix += ":"
    return prefix


def _joined(first: Table, second: Table) -> Table:
    prefix, more = _prefix(first), len(second)
    keys = [prefix + key for key in second.keys]
    groups, values, tokens = first.groups, first.values, first.tokens
    if values is not None:
        lacking = np.full((more, values.shape[1]), np.nan, dtype=np.float32)
        values = np.concatenate([values, lacking])
    return Table(
        keys=[*first.keys, *keys],
        labels=np.concatenate([first.labels, np.full(more, -1, dtype=np.int64)]),
        values=values,
        tokens=None if tokens is None else [*tokens, *[()] * more],
        splits=[*first.splits, *[Split.UNLABELLED] * more],
        groups=None if groups is None else [*groups, *keys],
    )


def _warnings(first: Schema, second: Reader) -> Iterator[Problem]:
    held = sum(split not in _LEARNT for split in second.table.splits)
    if held:
        reason = f"{held:,} samples of its validation and test splits are not learnt from"
        yield Problem(key=f"{_PREFIX}{second.name}", reason=reason)
    rate, own = first.rate, second.schema.rate
    if first.modality is Modality.SIGNAL and (rate is None) != (own is None):
        unknown = "the labelled" if rate is None else "the unlabelled"
        reason = f"the rate of {unknown} signals is not known: taken as {rate or own:g} Hz"
        yield Problem(key=f"{_PREFIX}rate", reason=reason)


def _check_schemas(first: Schema, second: Schema, where: str) -> None:
    if first.modality is not second.modality:
        raise FormatError(
            "the unlabelled samples are of another kind",
            expected=first.modality.value,
            received=second.modality.value,
            where=where,
        )
    if first.modality is not Modality.SIGNAL:
        return
    for what, expected, received in (
        ("channels", first.channels, second.channels),
        ("channel names", first.channel_names, second.channel_names),
        ("units", first.units, second.units),
    ):
        if expected and received and expected != received:
            raise FormatError(
                f"the unlabelled signals have other {what}",
                expected=_text(expected),
                received=_text(received),
                where=where,
            )


def _text(value: int | tuple[str, ...]) -> str:
    return str(value) if isinstance(value, int) else ", ".join(value)
