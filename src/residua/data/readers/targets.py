"""What samples are labelled with, as text -> classes, sets of classes, or quantities.

Legend: n samples, k classes or quantities.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from residua.batch import Split, Task
from residua.data.dataset import Problem, Table
from residua.data.readers.shared import natural_order, shorten
from residua.errors import LabelError

SEPARATOR = "|"
"""Between the names of a cell that has several."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A sample as its file describes it.

    Attributes:
        key: Its name in the table.
        label: One text; for regression one a quantity.
        split: Official split.
        group: What must not be torn apart; empty if the sample stands alone.
    """

    key: str
    label: tuple[str, ...]
    split: Split | None = None
    group: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """What a source says of its labels.

    Attributes:
        task: None: several names in one cell mean multi-label, broken numbers below the name of
            a target mean regression.
        classes: Class names where the source declares them.
        quantities: Names of the label's parts where they are called targets.
    """

    task: Task | None = None
    classes: tuple[str, ...] | None = None
    quantities: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class Targets:
    """The table of the samples ``kept`` (ascending positions); why the others are not."""

    task: Task
    classes: tuple[str, ...]
    table: Table
    kept: npt.NDArray[np.int64]
    problems: Sequence[Problem]


def encode_targets(cases: Sequence[Case], meaning: Meaning, *, strict: bool) -> Targets:
    """Classes are those of the training samples (and of samples without a split, as these may be
    drawn for training), in the declared order, else in natural order. A sample of another class
    and a target that is no number are left out and told.

    Raises:
        LabelError: ``strict``, and a sample would be left out.
    """
    task = meaning.task or _task(cases, meaning)
    if task is Task.CLASSIFICATION and meaning.classes is None:
        cases = _spelt_as_integers(cases)
    encode = {Task.REGRESSION: _quantities, Task.MULTILABEL: _sets}.get(task, _classes)
    kept, problems = _sort_out(cases, _check(task, cases, meaning), strict=strict)
    rows = [cases[row] for row in kept]
    classes, labels, values = encode(rows, meaning)
    groups = [case.group or case.key for case in rows] if any(c.group for c in rows) else None
    table = Table(
        keys=[case.key for case in rows],
        labels=labels,
        splits=[case.split for case in rows],
        groups=groups,
        values=values,
    )
    return Targets(task=task, classes=classes, table=table, kept=kept, problems=problems)


def _task(cases: Sequence[Case], meaning: Meaning) -> Task:
    if len(meaning.quantities) > 1:
        return Task.REGRESSION
    texts = [case.label[0] for case in cases]
    if any(SEPARATOR in text for text in texts):
        return Task.MULTILABEL
    # one that is no number is a damaged cell, not a sign of classes
    numbers = [text for text in texts if _number(text) is not None]
    broken = any(not float(text).is_integer() for text in numbers)
    if meaning.quantities and broken and 2 * len(numbers) > len(texts):
        return Task.REGRESSION
    return Task.CLASSIFICATION


def _number(text: str) -> float | None:
    """A finite number, or None."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and "_" not in text else None


def _names(case: Case) -> list[str]:
    parts = (part.strip() for part in case.label[0].split(SEPARATOR))
    return list(dict.fromkeys(part for part in parts if part))


def _only_name(case: Case) -> list[str]:
    return [case.label[0]]


def _teaches(case: Case) -> bool:
    return case.split in (None, Split.TRAIN)


def _check(
    task: Task, cases: Sequence[Case], meaning: Meaning
) -> Callable[[Case], LabelError | None]:
    """A function that says what is wrong with a case, if anything is."""
    if task is Task.REGRESSION:
        return _check_numbers
    split = _only_name if task is Task.CLASSIFICATION else _names
    known = {name for case in cases if _teaches(case) for name in split(case)}
    if meaning.classes is not None:
        known &= set(meaning.classes)
    else:
        known = known or {name for case in cases for name in split(case)}
    shown = shorten(natural_order(known))

    def check(case: Case) -> LabelError | None:
        unknown = [name for name in split(case) if name not in known]
        if task is Task.CLASSIFICATION and not case.label[0]:
            return LabelError("no label", where=case.key)
        if not unknown:
            return None
        what = f"class '{unknown[0]}' is not among the training classes"
        return LabelError(what, expected=f"one of {shown}", where=case.key)

    return check


def _check_numbers(case: Case) -> LabelError | None:
    for text in case.label:
        if _number(text) is None:
            what = "a target is no finite number"
            return LabelError(what, received=f"'{text}'", where=case.key)
    return None


def _sort_out(
    cases: Sequence[Case], check: Callable[[Case], LabelError | None], *, strict: bool
) -> tuple[npt.NDArray[np.int64], list[Problem]]:
    kept: list[int] = []
    problems: list[Problem] = []
    for row, case in enumerate(cases):
        if not (error := check(case)):
            kept.append(row)
        elif strict:
            raise error
        else:
            problems.append(left_out(case.key, error))
    return np.array(kept, dtype=np.int64), problems


def left_out(key: str, error: LabelError | Exception) -> Problem:
    """Why a sample is not in the table, without naming it twice."""
    if isinstance(error, LabelError):
        error = LabelError(error.what, expected=error.expected, received=error.received)
    return Problem(key=key, reason=f"left out: {error}")


_Encoded = tuple[tuple[str, ...], npt.NDArray[np.int64], npt.NDArray[np.float32] | None]


def _ordered(found: set[str], meaning: Meaning) -> tuple[str, ...]:
    if meaning.classes is not None:
        return tuple(name for name in meaning.classes if name in found)
    return tuple(natural_order(found))


def _classes(cases: Sequence[Case], meaning: Meaning) -> _Encoded:
    classes = _ordered({case.label[0] for case in cases}, meaning)
    index = {name: position for position, name in enumerate(classes)}
    labels = np.array([index[case.label[0]] for case in cases], dtype=np.int64)
    return classes, labels, None


def _sets(cases: Sequence[Case], meaning: Meaning) -> _Encoded:
    classes = _ordered({name for case in cases for name in _names(case)}, meaning)
    index = {name: position for position, name in enumerate(classes)}
    values = np.zeros((len(cases), len(classes)), dtype=np.float32)
    for row, case in enumerate(cases):
        values[row, [index[name] for name in _names(case)]] = 1
    return classes, _none(cases), values


def _quantities(cases: Sequence[Case], meaning: Meaning) -> _Encoded:
    count = len(cases[0].label) if cases else 1
    names = meaning.quantities or tuple(
        ["target"] if count == 1 else [f"target {i + 1}" for i in range(count)]
    )
    values = [[float(text) for text in case.label] for case in cases]
    return names, _none(cases), np.array(values, dtype=np.float32).reshape(len(cases), len(names))


def _none(cases: Sequence[Case]) -> npt.NDArray[np.int64]:
    return np.full(len(cases), -1, dtype=np.int64)


def _spelt_as_integers(cases: Sequence[Case]) -> list[Case]:
    """``1.0`` and ``1.0000000e+00`` -> ``1`` if all labels are whole numbers: `pandas` and old UCR
    files write class numbers so."""
    texts = {case.label[0] for case in cases if case.label[0]}
    numbers = {text: _number(text) for text in texts}
    if any(number is None or not number.is_integer() for number in numbers.values()):
        return list(cases)
    if all(text.removeprefix("-").isdigit() for text in texts):
        return list(cases)
    names = {text: str(int(number)) for text, number in numbers.items() if number is not None}
    return [replace(case, label=(names.get(case.label[0], ""),)) for case in cases]
