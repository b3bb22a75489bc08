"""The parts of the page that hold scores: headline, splits, confusion, calibration, classes.

Legend: k classes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from residua.report.markup import (
    DASH,
    Html,
    element,
    join,
    known,
    name,
    number,
    percent,
    plural,
    table,
)
from residua.report.plots import WRITTEN_CLASSES, cell_strength

if TYPE_CHECKING:
    from residua.evaluation.results import ClassScores, Evaluation
    from residua.report.contents import ReportContents

_PAIRS = 20


def headline(contents: ReportContents) -> Html:
    """The number, its interval, what it was measured on, and how the weights were chosen."""
    scores = contents.headline
    if scores is None or not scores.n:
        return element("p", {"class": "score"}, "Not evaluated")
    interval = element("small", None, f"95 % interval {_interval(scores)}")
    of = f"accuracy on {plural(scores.n, f'{scores.split} {contents.noun}')} of {contents.data}"
    return join(
        (
            element("p", {"class": "score"}, percent(scores.accuracy), " ", interval),
            element("p", {"class": "of"}, of),
            element("p", {"class": "soft"}, " ".join(_context(contents, scores))),
        )
    )


def _interval(scores: Evaluation) -> str:
    low, high = (percent(bound, "") for bound in scores.accuracy_ci95)
    return f"[{low}, {high}]"


def _context(contents: ReportContents, scores: Evaluation) -> Iterator[str]:
    if contents.selection:
        yield contents.selection
    if contents.test is None:
        yield (
            "There is no test split. Where validation also chose the weights or the settings, "
            "this number is optimistic."
        )
    most = max(sum(row) for row in scores.confusion) / scores.n
    yield f"Always answering the most frequent class would give {percent(most)}."


def split_table(contents: ReportContents) -> Html:
    """Every score of validation and test, side by side."""
    splits = [s for s in (contents.validation, contents.test) if s is not None]
    rows = [
        (contents.noun.capitalize(), *(f"{s.n:,}" for s in splits)),
        ("Accuracy", *(percent(s.accuracy) for s in splits)),
        ("95 % interval (Wilson)", *(_interval(s) for s in splits)),
        ("Accuracy within the top 5", *(percent(s.top5) for s in splits)),
        ("Cross-entropy [nats]", *(number(s.loss, 4) for s in splits)),
        ("Macro precision", *(percent(s.macro_precision) for s in splits)),
        ("Macro recall", *(percent(s.macro_recall) for s in splits)),
        ("Macro F1", *(percent(s.macro_f1) for s in splits)),
        ("Calibration error", *(percent(s.calibration_error) for s in splits)),
        ("… with temperature", *(percent(s.calibrated_error) for s in splits)),
        ("Speed [1/s]", *(number(s.samples_per_second, 0) for s in splits)),
    ]
    shown = [row for row in rows if any(cell != DASH for cell in row[1:])]
    return table(["", *(s.split.capitalize() for s in splits)], shown)


def confusion_table(scores: Evaluation, classes: Sequence[str]) -> Html:
    """The confusion matrix as a table, for few classes."""
    counts = np.asarray(scores.confusion, dtype=np.int64)
    strength = cell_strength(counts)

    def cell(row: int, column: int) -> Html:
        s, n = float(strength[row, column]), int(counts[row, column])
        kind = "c" + (" r" if row == column else "") + (" strong" if s > 0.6 else "")
        style = {"class": kind} | ({"style": f"--s:{s:.2f}"} if n else {})
        return element("td", style, f"{n:,}" if n else "·")

    k = len(classes)
    heads = (element("th", {"scope": "col"}, title) for title in classes)
    corner = element("td", None, "true ↓ predicted →")
    rows = (
        element("tr", None, element("th", {"scope": "row"}, title), *(cell(i, j) for j in range(k)))
        for i, title in enumerate(classes)
    )
    whole = element(
        "table",
        None,
        element("thead", None, element("tr", None, corner, *heads)),
        element("tbody", None, *rows),
    )
    return element("div", {"class": "scroll matrix keep", "tabindex": "0"}, whole)


def confused_pairs(scores: Evaluation, classes: Sequence[str]) -> Html:
    """The most frequent mistakes, as a table."""
    counts = np.array(scores.confusion, dtype=np.int64)
    totals = counts.sum(axis=1)
    np.fill_diagonal(counts, 0)
    order = np.argsort(-counts, axis=None, kind="stable")[:_PAIRS]
    pairs = [divmod(int(place), len(classes)) for place in order]
    rows = [
        (name(classes[t]), name(classes[p]), f"{counts[t, p]:,}", percent(counts[t, p] / totals[t]))
        for t, p in pairs
        if counts[t, p]
    ]
    head = ["True class", "Taken for", "Times", "Of its class"]
    return table(head, rows, caption="Most confused pairs", names=2) if rows else Html("")


def calibration_text(scores: Evaluation) -> Html:
    """What the reliability plot says, in words."""
    error = percent(scores.calibration_error)
    sentences = [
        f"Expected calibration error (15 bins): {error}: the mean distance between how sure the "
        "network is and how often it is right."
    ]
    if known(scores.temperature) and known(scores.calibrated_error):
        sentences.append(
            f"Dividing the logits by the temperature {number(scores.temperature, 3)}, fitted on "
            f"validation, makes it {percent(scores.calibrated_error)}; the answers stay the same."
        )
    sentences.append(
        "Points below the diagonal are answers given too surely, points above too cautiously. The "
        "lower panel counts the samples in each bin (logarithmic above 10)."
    )
    return element("p", None, " ".join(sentences))


def class_table(contents: ReportContents, scores: Evaluation) -> Html:
    """A row a class: in the order of the classes, or the worst first where there are many."""
    train = next((s.counts for s in contents.splits if s.split == "train"), ())
    counts = np.array(scores.confusion, dtype=np.int64)
    np.fill_diagonal(counts, 0)

    def row(index: int, c: ClassScores) -> list[str]:
        wrong = int(counts[index].argmax())
        times = int(counts[index, wrong])
        taken = join((name(contents.classes[wrong]), f" ({times:,}×)")) if times else DASH
        sizes = [f"{train[index]:,}", f"{c.n:,}"] if train else [f"{c.n:,}"]
        rates = [percent(c.precision, ""), percent(c.recall, ""), _with_bar(c.f1)]
        return [name(c.name), taken, *sizes, *rates]

    indexed = list(enumerate(scores.classes))
    if len(indexed) > WRITTEN_CLASSES:
        indexed.sort(key=lambda pair: pair[1].f1 if known(pair[1].f1) else -1.0)
    sizes = ["Train", scores.split.capitalize()] if train else [scores.split.capitalize()]
    head = ["Class", "Most often taken for", *sizes, "Precision [%]", "Recall [%]", "F1 [%]"]
    return table(head, [row(i, c) for i, c in indexed], names=2, sortable=True)


def _with_bar(share: float) -> Html:
    width = f"width:{100 * share:.1f}%" if known(share) else "width:0"
    bar = element("span", {"class": "bar"}, element("i", {"style": width}))
    return join((bar, percent(share, "")))
