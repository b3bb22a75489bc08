"""Image folders: one folder a class, with or without a folder a split above them.

``root/{train,val|valid|validation,test}/CLASS/**/*.jpg`` or ``root/CLASS/**/*.jpg``
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from residua.batch import Modality, Schema, Split
from residua.data.dataset import Problem, Raw, Table
from residua.data.decode import IMAGE_SUFFIXES
from residua.data.readers.shared import (
    SPLIT_NAMES,
    count_channels,
    encode_labels,
    files_identity,
    read_file,
    shorten,
    spaced,
)
from residua.errors import DataError, FormatError, LabelError

_DEBRIS = frozenset({"__macosx", "@eadir", "__pycache__", "lost+found"})


@dataclass(frozen=True, kw_only=True, eq=False)
class FolderReader:
    """The pictures of an image folder; keys are paths relative to ``root``."""

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
    pictures: list[str]


def split_folders(root: Path) -> dict[str, Split]:
    """The folders of ``root`` that are splits, by their names; empty if the layout has none.

    A class may be called "train": a folder is a split only if it holds folders itself.
    """
    names = {name: SPLIT_NAMES.get(name.lower()) for name in _subfolders(root)}
    splits = {name: split for name, split in names.items() if split and _subfolders(root / name)}
    return splits if Split.TRAIN in splits.values() or len(splits) == len(names) else {}


def has_pictures(root: Path) -> bool:
    """Whether any folder of ``root`` holds pictures, at any depth."""
    return any(True for name in _subfolders(root) for _ in _walk(root, name, nested=True, above=()))


def open_folder(root: Path) -> FolderReader:
    """Lists the files and looks at a few headers.

    Raises:
        FormatError: There are no folders in ``root``, or splits without folders for the classes.
        LabelError: A class without pictures, a class that only the test knows, one class only.
    """
    problems: list[Problem] = []
    classes = _find_classes(root, problems)
    keys = [picture for each in classes for picture in each.pictures]
    names = [each.name for each in classes for _ in each.pictures]
    splits = [each.split for each in classes for _ in each.pictures]
    class_names, labels = encode_labels(names, splits, keys, root)
    if len(class_names) < 2:
        raise LabelError(
            "there is only one class",
            expected="at least two folders with pictures, one a class",
            received=shorten(class_names),
            where=root,
        )
    channels = count_channels(root / keys[row] for row in spaced(len(keys)))
    return FolderReader(
        root=root,
        name=root.resolve().name,
        schema=Schema(modality=Modality.IMAGE, channels=channels, classes=class_names),
        table=Table(keys=keys, labels=labels, splits=splits),
        problems=problems,
    )


def _find_classes(root: Path, problems: list[Problem]) -> list[_Class]:
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
        found += _classes_of(root, name, splits.get(name), problems)
    return found


def _classes_of(
    root: Path, branch: str, split: Split | None, problems: list[Problem]
) -> list[_Class]:
    folder = root / branch
    names = _subfolders(folder)
    _check_layout(root, folder, names)
    stray = _pictures(root, branch, nested=False)
    problems += [Problem(key=key, reason="left out: it lies in no class folder") for key in stray]
    found: list[_Class] = []
    for name in names:
        place = f"{branch}/{name}" if branch else name
        each = _Class(name=name, split=split, pictures=_pictures(root, place))
        if each.pictures:
            found.append(each)
        elif split in (None, Split.TRAIN):
            raise LabelError(
                f"class '{name}' is empty",
                expected="at least one picture",
                where=root / place,
                fix="Add pictures or remove the folder",
            )
        else:
            problems.append(Problem(key=place, reason="the class folder holds no pictures"))
    return found


def _check_layout(root: Path, folder: Path, names: list[str]) -> None:
    """Pictures in train/ and test/ without class folders must not become two classes."""
    only_splits = bool(names) and all(name.lower() in SPLIT_NAMES for name in names)
    if names and not (folder == root and only_splits):
        return
    raise FormatError(
        "there are no class folders",
        expected="one folder with pictures a class, as CLASS/*.jpg or train/CLASS/*.jpg",
        received=f"pictures directly in {', '.join(names)}" if names else "no folders",
        where=folder,
    )


def _subfolders(folder: Path) -> list[str]:
    """Sorted names of the folders in ``folder``, without hidden ones and system debris."""
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries if _is_folder(entry))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    if entry.name.startswith(".") or entry.name.lower() in _DEBRIS:
        return False
    return entry.is_dir()


def _is_picture(entry: os.DirEntry[str]) -> bool:
    """By the name; a broken link counts, so that reading it names it."""
    if entry.name.startswith("."):
        return False
    return os.path.splitext(entry.name)[1].lower() in IMAGE_SUFFIXES and not entry.is_dir()  # noqa: PTH122


def _pictures(root: Path, branch: str, *, nested: bool = True) -> list[str]:
    """Sorted paths, relative to ``root``, of the pictures in ``branch``."""
    return sorted(_walk(root, branch, nested=nested, above=()))


def _walk(root: Path, place: str, *, nested: bool, above: tuple[str, ...]) -> Iterator[str]:
    real = os.path.realpath(root / place)
    if real in above:  # a link to a folder that it lies in
        return
    with os.scandir(root / place) as entries:
        for entry in entries:
            path = f"{place}/{entry.name}" if place else entry.name
            if _is_picture(entry):
                yield path
            elif nested and _is_folder(entry):
                yield from _walk(root, path, nested=True, above=(*above, real))
