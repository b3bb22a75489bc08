"""Class folders: one folder a class, with or without a folder a split above them.

``root/{train,val|valid|validation,test}/CLASS/**/*.jpg`` or ``root/CLASS/**/*.jpg``, or
sound files in the same places.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from residua.batch import Schema, Split
from residua.data.dataset import Problem, Raw, Table
from residua.data.readers.kinds import KINDS, PICTURES, FileKind
from residua.data.readers.shared import (
    SPLIT_NAMES,
    encode_labels,
    files_identity,
    read_file,
    shorten,
    spaced,
)
from residua.errors import DataError, FormatError, LabelError

_DEBRIS = frozenset({"__macosx", "@eadir", "__pycache__", "lost+found"})
_RUN = "recipe.json"  # in the folder of a run, whose pictures are no samples
_ENOUGH = 1000  # files that say what kind of samples a folder holds


@dataclass(frozen=True, kw_only=True, eq=False)
class FolderReader:
    """The files of class folders; keys are paths relative to ``root``."""

    root: Path
    name: str
    schema: Schema
    table: Table
    problems: Sequence[Problem]

    def identity(self) -> str:
        return files_identity("folder", self.root, self.table.keys)

    def read(self, row: int) -> Raw:
        key = self.table.keys[row]
        return read_file(self.root / key, key)

    def scan(self, rows: Sequence[int]) -> Iterator[tuple[int, Raw | DataError]]:
        for row in map(int, rows):
            try:
                yield row, self.read(row)
            except DataError as error:
                yield row, error


@dataclass(frozen=True, slots=True, kw_only=True)
class _Class:
    name: str
    split: Split | None
    files: list[str]


def split_folders(root: Path) -> dict[str, Split]:
    """The folders of ``root`` that are splits, by their names; empty if the layout has none.

    A class may be called "train": a folder is a split only if it holds folders itself.
    """
    names = {name: SPLIT_NAMES.get(name.lower()) for name in _subfolders(root)}
    splits = {name: split for name, split in names.items() if split and _subfolders(root / name)}
    return splits if Split.TRAIN in splits.values() or len(splits) == len(names) else {}


def kind_of_files(root: Path, kinds: Sequence[FileKind] = KINDS) -> FileKind | None:
    """The commonest kind among the first thousand samples in the folders of ``root``, at any depth;
    None if there are no samples. A cover beside the sound files does not make an image folder."""
    counts: Counter[FileKind] = Counter()
    for name in _subfolders(root):
        counts.update(islice(_kinds(root, name, kinds), _ENOUGH - counts.total()))
    return max(kinds, key=counts.__getitem__) if counts else None


def kind_below(root: Path, kinds: Sequence[FileKind] = KINDS) -> FileKind | None:
    """As `kind_of_files`, with what lies in ``root`` itself."""
    counts = Counter(islice(_kinds(root, "", kinds), _ENOUGH))
    return max(kinds, key=counts.__getitem__) if counts else None


def files_below(root: Path, kind: FileKind) -> list[str]:
    """Sorted paths, relative to ``root``, of the samples in it at any depth."""
    return _files(root, "", kind)


def _kinds(root: Path, place: str, kinds: Sequence[FileKind]) -> Iterator[FileKind]:
    def wanted(name: str) -> bool:
        return any(kind.has(name) for kind in kinds)

    for path in _walk(root, place, wanted, nested=True, above=()):
        yield next(kind for kind in kinds if kind.has(path.rpartition("/")[2]))


def open_folder(root: Path, kind: FileKind = PICTURES) -> FolderReader:
    """Lists the files and looks at a few headers.

    Raises:
        FormatError: There are no folders in ``root``, or splits without folders for the classes.
        LabelError: A class without samples, a class that only the test knows, one class only.
        UnreadableSampleError: The headers of sound files cannot be read.
    """
    problems: list[Problem] = []
    classes = _find_classes(root, kind, problems)
    keys = [file for each in classes for file in each.files]
    names = [each.name for each in classes for _ in each.files]
    splits = [each.split for each in classes for _ in each.files]
    class_names, labels = encode_labels(names, splits, keys, root)
    if len(class_names) < 2:
        raise LabelError(
            "there is only one class",
            expected=f"at least two folders with {kind.nouns}, one a class",
            received=shorten(class_names),
            where=root,
        )
    schema, warnings = kind.describe([root / keys[row] for row in spaced(len(keys))], class_names)
    return FolderReader(
        root=root,
        name=root.resolve().name,
        schema=schema,
        table=Table(keys=keys, labels=labels, splits=splits),
        problems=[*problems, *warnings],
    )


def _find_classes(root: Path, kind: FileKind, problems: list[Problem]) -> list[_Class]:
    """All classes of all splits, sorted by folder; what is left out is told in ``problems``."""
    splits = split_folders(root)
    found: list[_Class] = []
    for name in _subfolders(root) if splits else [""]:
        if splits and name not in splits:
            reason = (
                "is a split without class folders"
                if name.lower() in SPLIT_NAMES
                else (f"lies beside {', '.join(splits)} and is not a split")
            )
            problems.append(Problem(key=name, reason=f"left out: it {reason}"))
            continue
        found += _classes_of(root, name, splits.get(name), kind, problems)
    return found


def _classes_of(
    root: Path, branch: str, split: Split | None, kind: FileKind, problems: list[Problem]
) -> list[_Class]:
    folder = root / branch
    names = _subfolders(folder)
    _check_layout(root, folder, names, kind)
    stray = _files(root, branch, kind, nested=False)
    problems += [Problem(key=key, reason="left out: it lies in no class folder") for key in stray]
    found: list[_Class] = []
    for name in names:
        place = f"{branch}/{name}" if branch else name
        each = _Class(name=name, split=split, files=_files(root, place, kind))
        if each.files:
            found.append(each)
        elif split in (None, Split.TRAIN):
            raise LabelError(
                f"class '{name}' is empty",
                expected=f"at least one {kind.noun}",
                where=root / place,
                fix=f"Add {kind.nouns} or remove the folder",
            )
        else:
            problems.append(Problem(key=place, reason=f"the class folder holds no {kind.nouns}"))
    return found


def _check_layout(root: Path, folder: Path, names: list[str], kind: FileKind) -> None:
    """Samples in train/ and test/ without class folders must not become two classes."""
    only_splits = bool(names) and all(name.lower() in SPLIT_NAMES for name in names)
    if names and not (folder == root and only_splits):
        return
    layouts = f"CLASS/*{kind.usual} or train/CLASS/*{kind.usual}"
    raise FormatError(
        "there are no class folders",
        expected=f"one folder with {kind.nouns} a class, as {layouts}",
        received=f"{kind.nouns} directly in {', '.join(names)}" if names else "no folders",
        where=folder,
    )


def _subfolders(folder: Path) -> list[str]:
    """Sorted names of the folders in ``folder``, without hidden ones and system debris."""
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries if _is_folder(entry))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    if entry.name.startswith(".") or entry.name.lower() in _DEBRIS:
        return False
    return entry.is_dir() and not os.path.exists(os.path.join(entry.path, _RUN))  # noqa: PTH110, PTH118


def _files(root: Path, branch: str, kind: FileKind, *, nested: bool = True) -> list[str]:
    """Sorted paths, relative to ``root``, of the samples in ``branch``."""
    return sorted(_walk(root, branch, kind.has, nested=nested, above=()))


def _walk(
    root: Path, place: str, wanted: Callable[[str], bool], *, nested: bool, above: tuple[str, ...]
) -> Iterator[str]:
    """Files by their names; a broken link counts, so that reading it names it."""
    real = os.path.realpath(root / place)
    if real in above:  # a link to a folder that it lies in
        return
    with os.scandir(root / place) as entries:
        for entry in entries:
            path = f"{place}/{entry.name}" if place else entry.name
            if wanted(entry.name) and not entry.is_dir():
                yield path
            elif nested and _is_folder(entry):
                yield from _walk(root, path, wanted, nested=True, above=(*above, real))
