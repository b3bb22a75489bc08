"""Series in numpy arrays: X ``[n, t]`` or ``[n, c, t]`` and y, in a .npz archive or .npy files.

Arrays are told by name: ``X_train``, ``y_train``, ``X_test``, ``y_test``; ``x``/``data`` and
``y``/``labels``/``target``; if wanted ``groups``. An archive may also say ``rate``, ``channels``,
``units`` and ``classes``. NaN is a missing value; where all channels end with it, the series is
shorter.

Legend: n samples, c channels, t steps, k classes or quantities.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from residua.batch import Modality, Schema, Split, Task
from residua.data.dataset import Problem
from residua.data.readers.array_files import ArrayFile, find_arrays
from residua.data.readers.series import (
    HELD,
    Findings,
    SeriesFiles,
    SeriesReader,
    Signal,
    held,
    single,
    trimmed,
)
from residua.data.readers.shared import SPLIT_NAMES, shorten
from residua.data.readers.targets import SEPARATOR, Case, Meaning, encode_targets
from residua.errors import FormatError, UnreadableSampleError

_INPUTS = ("x", "data", "inputs", "signals", "series", "features")
_LABELS = ("y", "label", "labels", "target", "targets")
_GROUPS = ("group", "groups", "subjects", "patients")
_ROLES = {
    **dict.fromkeys(_INPUTS, "x"),
    **dict.fromkeys(_LABELS, "y"),
    **dict.fromkeys(_GROUPS, "g"),
}
_WORDS = "|".join(SPLIT_NAMES)
_NAME = re.compile(rf"(?:(?P<before>{_WORDS})_?)?(?P<role>[a-z]+?)(?:_?(?P<after>{_WORDS}))?")
_RATES = ("rate", "fs", "sampling_rate", "sample_rate")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    x: ArrayFile
    y: ArrayFile
    groups: ArrayFile | None
    split: Split | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Rows:
    """Rows that are read when they are wanted.

    Attributes:
        places: int64 ``[n, 2]`` array and row in it.
    """

    arrays: Sequence[ArrayFile]
    places: npt.NDArray[np.int64]

    def values(self, row: int) -> Signal:
        number, index = (int(each) for each in self.places[row])
        array = self.arrays[number]
        values = array.row(index)
        if values.size < np.prod(array.shape[1:]):
            raise UnreadableSampleError("the file ends before the sample does")
        return _series(values.reshape(array.shape[1:]))

    def select(self, rows: npt.NDArray[np.int64]) -> Rows:
        return replace(self, places=self.places[rows])


def find_array_files(folder: Path) -> list[Path]:
    """The .npy files of ``folder`` that are called as arrays of a data set, if X is among them."""
    files = [path for path in sorted(folder.glob("*.npy")) if _role(path.stem)]
    return files if any(_role(path.stem)[0] == "x" for path in files) else []


def beside(path: Path) -> list[Path]:
    """A file of X alone, with its y (and groups) beside it."""
    role, split = _role(path.stem)
    if role != "x":
        raise FormatError(
            "the file holds no series",
            expected="X.npy or X_train.npy with y.npy or y_train.npy beside it, or a .npz",
            received=path.name,
            where=path.parent,
        )
    others = [each for each in find_array_files(path.parent) if _role(each.stem)[0] != "x"]
    return [path, *(each for each in others if _role(each.stem)[1] is split)]


def open_arrays(files: SeriesFiles, *, strict: bool = False) -> SeriesReader:
    """One archive, archives a split, or .npy files.

    Raises:
        FormatError: X or y is missing, of another shape than expected, or not of numbers.
        LabelError: ``strict``, and a test class is not among the training classes.
        UnreadableSampleError: ``strict``, and a series holds an infinite value.
    """
    found: dict[tuple[str, Split | None], ArrayFile] = {}
    extras: dict[str, ArrayFile] = {}
    for path, split in files.parts:
        for name, array in find_arrays(path).items():
            role, own = _role(name)
            if role:
                found[role, own or split] = array
            else:
                extras[name.lower()] = array
    parts = _parts(found, files)
    findings = Findings(strict=strict)
    channels = _channels(parts, files.root)
    notes = _suspicions(parts)
    cases, places, samples = _cases(parts, findings, small=_small(parts))
    findings.check_any(len(cases), files.paths[0])
    names = _words(extras, "classes", "class_names", "target_names")
    meaning = _meaning([part.y for part in parts], names)
    if names and meaning.task is not Task.REGRESSION:
        cases = [_with_names(case, names) for case in cases]
    targets = encode_targets(cases, meaning, strict=strict)
    if samples is None:
        source = Rows(arrays=[part.x for part in parts], places=places[targets.kept])
    else:
        source = held([samples[int(i)] for i in targets.kept])
    return SeriesReader(
        kind="arrays",
        files=files,
        schema=Schema(
            modality=Modality.SIGNAL,
            task=targets.task,
            channels=channels,
            classes=targets.classes,
            rate=_rate(extras, files.root),
            channel_names=_one_each(_words(extras, "channels", "channel_names"), channels, files),
            units=_one_each(_words(extras, "units"), channels, files),
        ),
        table=targets.table,
        problems=[*notes, *findings.problems, *targets.problems],
        source=source,
    )


def _role(name: str) -> tuple[str, Split | None]:
    match = _NAME.fullmatch(name.lower())
    role = _ROLES.get(match["role"], "") if match else ""
    if not match or not role:
        return "", None
    return role, SPLIT_NAMES.get(match["before"] or match["after"] or "")


def _parts(found: Mapping[tuple[str, Split | None], ArrayFile], files: SeriesFiles) -> list[_Part]:
    splits = [split for split in (None, *Split) if ("x", split) in found]
    parts: list[_Part] = []
    for split in splits:
        x, y = found["x", split], found.get(("y", split))
        if y is None:
            raise FormatError(
                f"{x.name} has no labels",
                expected="y_train beside X_train" if split else "y beside X",
                received=shorten(array.name for array in found.values()),
                where=files.paths[0] if len(files.paths) == 1 else files.root,
            )
        parts.append(_Part(x=x, y=y, groups=found.get(("g", split)), split=split))
    if not parts:
        raise FormatError(
            "there are no series",
            expected="arrays X and y, or X_train, y_train, X_test and y_test",
            received=shorten(name for path in files.paths for name in find_arrays(path)) or "none",
            where=files.paths[0],
        )
    return parts


def _channels(parts: Sequence[_Part], root: Path) -> int:
    for part in parts:
        _check_shape(part.x)
        for other in (part.y, part.groups):
            if other and (not other.shape or other.shape[0] != part.x.shape[0]):
                raise FormatError(
                    f"{part.x.name} and {other.name} do not fit together",
                    expected=f"{part.x.shape[0]} entries",
                    received=f"shape {list(other.shape)}",
                    where=root,
                )
    counts = {part.x.shape[1] if len(part.x.shape) == 3 else 1 for part in parts}
    if len(counts) > 1:
        what = "the splits differ in channels"
        raise FormatError(what, received=shorten(sorted(counts)), where=root)
    return counts.pop()


def _check_shape(x: ArrayFile) -> None:
    expected = "numbers of shape [samples, steps] or [samples, channels, steps]"
    received = f"{x.name}: {x.dtype} {list(x.shape)}"
    fix = ""
    if len(x.shape) == 3 and x.dtype == np.uint8:
        fix = "If these are no pictures but series, save them as float32"
    elif len(x.shape) == 3 and x.shape[2] == 1 < x.shape[1]:
        fix = "Save X.transpose(0, 2, 1): channels come before steps"
    elif len(x.shape) in (2, 3) and x.dtype.kind in "fiub" and 0 not in x.shape[1:]:
        return
    what = "the array holds no series"
    raise FormatError(what, expected=expected, received=received, where=x.path, fix=fix)


def _suspicions(parts: Sequence[_Part]) -> list[Problem]:
    return [
        Problem(
            key=part.x.name,
            reason=f"read as {part.x.shape[1]} channels of {part.x.shape[2]} steps each: if it is"
            " the other way round, save X.transpose(0, 2, 1)",
        )
        for part in parts
        if len(part.x.shape) == 3 and part.x.shape[1] > part.x.shape[2]
    ]


def _small(parts: Sequence[_Part]) -> bool:
    size = sum(int(np.prod(part.x.shape)) * part.x.dtype.itemsize for part in parts)
    return size <= HELD or not all(part.x.has_places for part in parts)


def _cases(
    parts: Sequence[_Part], findings: Findings, *, small: bool
) -> tuple[list[Case], npt.NDArray[np.int64], list[Signal] | None]:
    cases: list[Case] = []
    places: list[tuple[int, int]] = []
    samples: list[Signal] = []
    for number, part in enumerate(parts):
        labels = _texts(part.y.load())
        groups = _texts(part.groups.load()) if part.groups else None
        values = part.x.load() if small else None
        for row, label in enumerate(labels):
            key = f"{part.x.name}#{row}"
            if values is not None:
                try:
                    samples.append(_series(values[row]))
                except UnreadableSampleError as error:
                    findings.leave_out(error, key)
                    continue
            group = groups[row][0] if groups else ""
            cases.append(Case(key=key, label=label, split=part.split, group=group))
            places.append((number, row))
    table = np.array(places, dtype=np.int64).reshape(-1, 2)
    return cases, table, samples if small else None


def _series(values: npt.NDArray[Any]) -> Signal:
    return trimmed(single(np.atleast_2d(values)))


def _texts(labels: npt.NDArray[Any]) -> list[tuple[str, ...]]:
    """Each entry as the text or texts of a table: ``[n]`` and ``[n, 1]`` one, one-hot one, several
    of 0 and 1 joined, other numbers one a column."""
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim == 1:
        return [(text,) for text in _column(labels)]
    flat = labels.reshape(len(labels), -1)
    if not _is_binary(flat):
        return list(zip(*(_column(column) for column in flat.T), strict=True))
    rows = (np.flatnonzero(row).tolist() for row in flat)
    return [(SEPARATOR.join(map(str, row)),) for row in rows]


def _is_binary(labels: npt.NDArray[Any]) -> bool:
    return labels.dtype.kind in "iubf" and bool(np.isin(labels, (0, 1)).all())


def _column(values: npt.NDArray[Any]) -> list[str]:
    if values.dtype.kind == "S":
        values = np.char.decode(values, "utf-8", "replace")
    if values.dtype.kind == "f" and not _is_broken(values):  # classes that were saved as floats
        return [str(int(value)) if np.isfinite(value) else "" for value in values.tolist()]
    return [str(value).strip() for value in values.tolist()]


def _meaning(labels: Sequence[ArrayFile], names: tuple[str, ...]) -> Meaning:
    """Broken numbers are quantities; so are several columns that are not 0 and 1."""
    arrays = [label.load() for label in labels]
    if any(_is_broken(each) for each in arrays):
        return Meaning(task=Task.REGRESSION, quantities=names)
    if all(each.ndim == 1 or each.shape[1:] == (1,) for each in arrays):
        numeric = all(each.dtype.kind in "iubf" for each in arrays)
        return Meaning(task=Task.CLASSIFICATION if numeric else None, classes=names or None)
    if all(_is_binary(each) for each in arrays):
        one_hot = all(bool((each.sum(axis=1) == 1).all()) for each in arrays)
        task = Task.CLASSIFICATION if one_hot else Task.MULTILABEL
        return Meaning(task=task, classes=names or None)
    return Meaning(task=Task.REGRESSION, quantities=names)


def _is_broken(values: npt.NDArray[Any]) -> bool:
    """Whether a number has a fraction."""
    if values.dtype.kind != "f":
        return False
    finite = values[np.isfinite(values)]
    return bool((finite != np.round(finite)).any())


def _with_names(case: Case, names: Sequence[str]) -> Case:
    """Class numbers from 0 are positions in ``names``."""
    parts = case.label[0].split(SEPARATOR)
    words = [
        names[int(part)] if part.isdigit() and int(part) < len(names) else part for part in parts
    ]
    return replace(case, label=(SEPARATOR.join(words),))


def _words(extras: Mapping[str, ArrayFile], *names: str) -> tuple[str, ...]:
    array = next((extras[name] for name in names if name in extras), None)
    return tuple(_column(array.load().reshape(-1))) if array else ()


def _one_each(words: tuple[str, ...], channels: int, files: SeriesFiles) -> tuple[str, ...]:
    if words and len(words) != channels:
        what, where = "not one name or unit a channel", files.paths[0]
        raise FormatError(what, expected=channels, received=shorten(words), where=where)
    return words


def _rate(extras: Mapping[str, ArrayFile], root: Path) -> float | None:
    array = next((extras[name] for name in _RATES if name in extras), None)
    if array is None:
        return None
    values = array.load()
    if values.size != 1 or values.dtype.kind not in "iuf" or not 0 < float(values.item()) < np.inf:
        what, expected = "the rate is no rate", "one number above 0, in samples per second"
        raise FormatError(what, expected=expected, received=values, where=root / array.name)
    return float(values.item())
