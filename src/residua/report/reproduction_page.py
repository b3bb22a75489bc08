"""docs/reproduction.md: published and measured results side by side, from the stored runs alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from residua.files import write_atomically
from residua.report.reproduction import Measurement, Record, load_records

HEAD = """# Published results, measured again

Every number below is computed from the files in [{folder}/]({folder}/); nothing on this page is
typed. `residua reproduce --list` shows all rows with their figures, sources and costs.

    residua reproduce fashion-resnet18 --seeds 0 1 2             a whole row
    residua reproduce fashion-resnet18 --short                   a version for a few minutes
    residua reproduce 'fashion-*' --minutes 9                    several, cheapest first, in pieces

A row trains one run a seed below `runs/reproduce/`, reads the test split once a run, adds the
result to `{folder}/ROW.json` and writes this page anew. A run that was stopped goes on with the
same command. New rows are added to `src/residua/recipes/row_table.py`.

± is the standard deviation over n seeds (n - 1 in the denominator); minutes are those of the
training steps of one seed.
"""

_Cell = Callable[[Record, Measurement], str]
_Column = tuple[str, str, _Cell]


def write_page(folder: Path) -> Path:
    """Writes the page of all results in ``folder`` beside it: ``docs/reproduction.md`` of
    ``docs/reproduction/``.

    Raises:
        FormatError: A file in ``folder`` holds no results.
    """
    path = folder.with_name(folder.name + ".md")
    write_atomically(path, page(load_records(folder), folder=folder.name))
    return path


def page(records: Sequence[Record], *, folder: str) -> str:
    """The page as Markdown, a function of the results alone.

    Args:
        records: What was measured.
        folder: Name of the folder that holds them, relative to the page.
    """
    found = sorted(
        ((record, each) for record in records for each in record.measurements),
        key=lambda pair: (pair[0].data, pair[0].name, pair[1].hardware),
    )
    full = [pair for pair in found if pair[1].is_comparable]
    short = [pair for pair in found if pair[1].variant == "short"]
    jpeg = [pair for pair in found if pair[1].copy == "jpeg" and pair[1].variant == "full"]
    sections = (
        ("Whole rows", _WHOLE, "", full),
        ("Short versions", _SHORT, _ABOUT_SHORT, short),
        ("On pictures that were compressed with loss", _JPEG, _ABOUT_JPEG, jpeg),
    )
    parts = [HEAD.format(folder=folder)]
    for heading, columns, about, pairs in sections:
        parts += [f"## {heading}\n", *([about] if about else []), _table(columns, pairs)]
    notes = [f"- `{record.name}`: {record.note}\n" for record in _noted(found)]
    if notes:
        parts += ["## Notes\n", "".join(notes)]
    return "\n".join(parts)


_ABOUT_SHORT = """Fewer epochs, samples or pixels: these runs show that a row works, and are
compared with each other only. No published figure applies to them.
"""

_ABOUT_JPEG = """This copy of the data was encoded as JPEG after its publication. Published figures
are of the original pixels and not comparable: these rows are compared with each other only.
"""


def _noted(found: Sequence[tuple[Record, Measurement]]) -> list[Record]:
    return list({record.name: record for record, _ in found if record.note}.values())


def _table(columns: Sequence[_Column], pairs: Sequence[tuple[Record, Measurement]]) -> str:
    if not pairs:
        return "None yet.\n"
    return "\n".join(_lines(columns, pairs)) + "\n"


def _lines(
    columns: Sequence[_Column], pairs: Sequence[tuple[Record, Measurement]]
) -> Iterator[str]:
    yield "| " + " | ".join(heading for heading, _, _ in columns) + " |"
    yield "| " + " | ".join(side for _, side, _ in columns) + " |"
    for record, each in pairs:
        cells = (cell(record, each).replace("|", r"\|") for _, _, cell in columns)
        yield "| " + " | ".join(cells) + " |"


def _said(value: float, percent: bool) -> str:
    return f"{100 * value:.2f} %" if percent else f"{value:.4f}"


def measured_text(each: Measurement) -> str:
    """``93.41 % ± 0.12``; without spread of one seed."""
    mean = _said(each.mean, each.percent)
    if each.deviation is None:
        return mean
    spread = f"{100 * each.deviation:.2f}" if each.percent else f"{each.deviation:.4f}"
    return f"{mean} ± {spread}"


def published_text(published: Sequence[float], *, percent: bool = True) -> str:
    """``96.7 %``, or ``89 to 92 %``; a dash where nothing was published."""
    if not published:
        return "–"
    figures = (f"{100 * value:.4g}" if percent else f"{value:.4g}" for value in published)
    return " to ".join(figures) + (" %" if percent else "")


def _published(record: Record, each: Measurement) -> str:
    return published_text(record.published, percent=each.percent)


def _not_comparable(record: Record, each: Measurement) -> str:
    figure = _published(record, each)
    return figure if figure == "–" else f"({figure}, not comparable)"


_ROW: _Column = ("row", "---", lambda record, each: f"`{record.name}`")
_NETWORK: _Column = ("network", "---", lambda record, each: f"`{record.network}`")
_DATA: _Column = ("data", "---", lambda record, each: record.data)
_METRIC: _Column = ("measured", "---", lambda record, each: each.metric)
_MEAN: _Column = ("here", "---:", lambda record, each: measured_text(each))
_SEEDS: _Column = ("n", "---:", lambda record, each: str(len(each.seeds)))
_MINUTES: _Column = ("minutes a seed", "---:", lambda record, each: f"{each.minutes:.1f}")
_HARDWARE: _Column = ("hardware", "---", lambda record, each: each.hardware)
_SOURCE: _Column = ("published by", "---", lambda record, each: record.source or "–")
_CHANGES: _Column = ("shortened to", "---", lambda record, each: _changes(each))


def _changes(each: Measurement) -> str:
    return each.changes + (", JPEG copy" if each.copy == "jpeg" else "")


_LEFT = (_ROW, _NETWORK, _DATA, _METRIC)
_COST = (_SEEDS, _MINUTES, _HARDWARE)
_WHOLE = (*_LEFT, ("published", "---:", _published), _MEAN, *_COST, _SOURCE)
_SHORT = (*_LEFT, _CHANGES, _MEAN, *_COST)
_JPEG = (*_LEFT, ("published, original", "---:", _not_comparable), _MEAN, *_COST)
