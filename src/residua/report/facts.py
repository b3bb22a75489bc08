"""The parts of the page that hold facts: the run, its epochs, its data, its recipe."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from residua.report.markup import DASH, Html, element, join, name, number, percent, plural, table

if TYPE_CHECKING:
    from residua.report.contents import Fact, Json, ReportContents

_PROBLEMS = 200


def run(contents: ReportContents) -> Html:
    command = element("pre", None, contents.command) if contents.command else ""
    again = element("p", {"class": "soft"}, "The same run again:") if contents.command else ""
    return join((fact_list(contents.facts), again, command))


def fact_list(facts: Sequence[Fact]) -> Html:
    pairs = (
        element("div", None, element("dt", None, f.label), element("dd", None, f.value))
        for f in facts
    )
    return element("dl", {"class": "facts"}, *pairs)


def epoch_table(contents: ReportContents) -> Html:
    kind = contents.score

    def shown(score: float | None) -> str:
        return percent(score, "") if kind.percent else number(score, 3)

    rows = [
        (
            str(r.epoch),
            f"{r.step:,}",
            DASH if r.lr is None else f"{r.lr:.3g}",
            number(r.train_loss, 4),
            shown(r.train_accuracy),
            number(r.validation_loss, 4),
            shown(r.validation_accuracy),
            number(r.seconds, 1),
        )
        for r in contents.history
    ]
    title = kind.title + (" [%]" if kind.percent else "")
    measures = ["Training loss", title, "Validation loss", title]
    head = ["Epoch", "Step", "Rate", *measures, "Time [s]"]
    note = ""
    if contents.selected_epoch is not None:
        note = f"The dotted line marks epoch {contents.selected_epoch}, whose weights were kept. "
    note += "Training values are means over the epoch, under augmentation."
    values = element(
        "details", {"class": "screen"}, element("summary", None, "Values"), table(head, rows)
    )
    return join((element("p", {"class": "soft"}, note), values))


def data_tables(contents: ReportContents) -> Html:
    rows = [
        (
            s.split.capitalize(),
            s.origin,
            f"{sum(s.counts):,}",
            f"{sum(n > 0 for n in s.counts):,}",
            f"{min(s.counts, default=0):,}",
            f"{max(s.counts, default=0):,}",
        )
        for s in contents.splits
    ]
    head = ["Split", "Origin", contents.noun.capitalize(), "Classes", "Smallest", "Largest class"]
    totals = table(head, rows, names=2) if rows else ""
    per_class = [
        (name(class_name), *(f"{s.counts[i]:,}" for s in contents.splits))
        for i, class_name in enumerate(contents.classes)
    ]
    heads = ["Class", *(s.split.capitalize() for s in contents.splits)]
    counts = element(
        "details",
        {"class": "screen"},
        element("summary", None, "Counts of each class"),
        table(heads, per_class, sortable=True),
    )
    return join((totals, counts if rows else "", _problems(contents)))


def _problems(contents: ReportContents) -> Html:
    if not contents.problems:
        return Html("")
    rows = [(name(p.key), p.reason) for p in contents.problems[:_PROBLEMS]]
    left = len(contents.problems) - len(rows)
    more = element("p", {"class": "soft"}, f"and {left:,} more") if left else ""
    caption = f"Left out: {plural(len(contents.problems), contents.noun)}"
    return join((table(["Sample", "Reason"], rows, caption=caption, names=2), more))


def recipe_tables(recipe: Mapping[str, Json]) -> Html:
    groups = [
        element("div", None, table([], rows, caption=path or "general", names=2))
        for path, rows in _groups(recipe, "")
    ]
    return element("div", {"class": "recipe"}, *groups)


def _groups(values: Mapping[str, Json], path: str) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Pairs (path of a group, its lines), depth first."""
    lines = [(key, _value(v)) for key, v in values.items() if not isinstance(v, Mapping)]
    if lines:
        yield path, lines
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _groups(value, f"{path} · {key}" if path else key)


def _value(value: Json) -> str:
    if value is None or value == "":
        return DASH
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(_value(each) for each in value) or DASH
    return str(value)
