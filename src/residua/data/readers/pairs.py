"""Which files of series belong together: ``NAME_TRAIN.ts`` and ``NAME_TEST.ts``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from residua.batch import Split
from residua.data.readers.series import SeriesFiles
from residua.data.readers.shared import SPLIT_NAMES, shorten
from residua.errors import FormatError

SERIES_SUFFIXES = (".ts", ".arff", ".tsv", ".csv", ".npz")
"""Where a problem comes in several formats, as in the archives, the first one is taken."""

_SPLIT = re.compile(r"(?:(?P<name>.*?)[ _.-])?(?P<split>[a-z]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Named:
    path: Path
    problem: str
    split: Split | None


def find_series(folder: Path, problem: str | None = None) -> SeriesFiles | None:
    """The files of ``problem`` in ``folder``; by default of the one that is called as the folder,
    else of the only one there. None if there are none.

    Raises:
        FormatError: There are several problems, none of which is called as the folder.
    """
    named = [_named(path) for path in sorted(folder.iterdir()) if _is_series(path)]
    problems = {each.problem.lower(): each.problem for each in named}
    wanted = (problem or folder.resolve().name).lower()
    if problem is None and wanted not in problems and named:
        wanted = _only(folder, problems)
    chosen = [each for each in named if each.problem.lower() == wanted]
    if not chosen:
        return None
    suffix = min((each.path.suffix.lower() for each in chosen), key=SERIES_SUFFIXES.index)
    chosen = [each for each in chosen if each.path.suffix.lower() == suffix]
    if any(each.split for each in chosen):
        chosen = [each for each in chosen if each.split]
    order = list(Split)
    parts = sorted(chosen, key=lambda each: order.index(each.split or Split.TRAIN))
    return SeriesFiles(
        root=folder,
        name=chosen[0].problem or folder.resolve().name,
        parts=tuple((each.path, each.split) for each in parts),
    )


def one_file(path: Path) -> SeriesFiles:
    """A file alone: its name says nothing of its split, as there is no other."""
    return SeriesFiles(root=path.parent, name=path.stem, parts=((path, None),))


def split_in(stem: str) -> tuple[str, Split | None]:
    """``GunPoint_TRAIN`` -> GunPoint, train; ``test`` -> nothing, test; ``signals`` -> signals."""
    match = _SPLIT.fullmatch(stem)
    split = SPLIT_NAMES.get(match["split"].lower()) if match else None
    return (match["name"] or "", split) if match and split else (stem, None)


def _is_series(path: Path) -> bool:
    known = path.suffix.lower() in SERIES_SUFFIXES
    return known and not path.name.startswith(".") and path.is_file()


def _named(path: Path) -> _Named:
    problem, split = split_in(path.stem)
    return _Named(path=path, problem=problem, split=split)


def _only(folder: Path, problems: dict[str, str]) -> str:
    if len(problems) == 1:
        return next(iter(problems))
    if "" in problems:  # train.csv and test.csv beside files with notes
        return ""
    raise FormatError(
        "the folder holds several data sets",
        expected="one, or one called as the folder",
        received=shorten(sorted(problems.values())),
        where=folder,
        fix=f"Name one, as {folder / min(problems.values())}",
    )
