"""The parts of the page that hold scores: headline, splits, confusion, calibration, classes.

Legend: k classes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from residua.evaluation.results import Evaluation
from residua.evaluation.scores import (
    MultilabelScores,
    RegressionScores,
    Scores,
    SequenceScores,
)
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
    from residua.evaluation.results import ClassScores
    from residua.report.contents import ReportContents

_PAIRS = 20


def headline(contents: ReportContents) -> Html:
    """The number, its interval, what it was measured on, and how the weights were chosen."""
    scores = contents.headline
    if scores is None or not scores.n:
        return element("p", {"class": "score"}, "Not evaluated")
    interval = element("small", None, f"95 % interval {_interval(scores)}")
    on = f"{plural(scores.n, f'{scores.split} {contents.noun}')} of {contents.data}"
    return join(
        (
            element("p", {"class": "score"}, value(scores), " ", interval),
            element("p", {"class": "of"}, f"{scores.headline.name} on {on}"),
            element("p", {"class": "soft"}, " ".join(_context(contents, scores))),
        )
    )


def value(scores: Scores) -> str:
    """The headline's value, as people read it."""
    head = scores.headline
    return percent(head.value) if head.percent else number(head.value, 3)


def _interval(scores: Scores) -> str:
    return _range(scores.headline.interval, percents=scores.headline.percent)


def _range(interval: tuple[float, float] | None, *, percents: bool = True) -> str:
    if interval is None:
        return DASH
    low, high = (percent(x, "") if percents else number(x, 3) for x in interval)
    return f"[{low}, {high}]"


def _context(contents: ReportContents, scores: Scores) -> Iterator[str]:
    if contents.selection:
        yield contents.selection
    if contents.test is None:
        yield (
            "No test split was scored. Where validation also chose the weights or the settings, "
            "this number is optimistic."
        )
    match scores:
        case Evaluation():
            most = max(sum(row) for row in scores.confusion) / scores.n
            yield f"Always answering the most frequent class would give {percent(most)}."
        case MultilabelScores():
            yield "Answers that know nothing would give 0.5."
        case RegressionScores():
            yield "Always answering the mean of this split would give 0."
        case SequenceScores():
            yield "Saying nothing at all would give 100 %."


def split_table(contents: ReportContents) -> Html:
    """Every score of validation and test, side by side."""
    splits = [s for s in (contents.validation, contents.test) if s is not None]
    columns = [_score_rows(scores, contents.noun.capitalize()) for scores in splits]
    cells = zip(*columns, strict=True)  # the same rows for each split, as they are of one task
    rows = [(pairs[0][0], *(shown for _, shown in pairs)) for pairs in cells]
    shown = [row for row in rows if any(cell != DASH for cell in row[1:])]
    return table(["", *(s.split.capitalize() for s in splits)], shown)


def _score_rows(scores: Scores, noun: str) -> list[tuple[str, str]]:
    match scores:
        case Evaluation():
            rows = _class_rows(scores)
        case MultilabelScores():
            rows = _multilabel_rows(scores)
        case RegressionScores():
            rows = _regression_rows(scores)
        case SequenceScores():
            rows = _sequence_rows(scores)
    speed = number(scores.samples_per_second, 0)
    return [(noun, f"{scores.n:,}"), *rows, ("Speed [1/s]", speed)]


def _class_rows(s: Evaluation) -> list[tuple[str, str]]:
    return [
        ("Accuracy", percent(s.accuracy)),
        ("95 % interval (Wilson)", _interval(s)),
        ("Accuracy within the top 5", percent(s.top5)),
        ("Cross-entropy [nats]", number(s.loss, 4)),
        ("Macro precision", percent(s.macro_precision)),
        ("Macro recall", percent(s.macro_recall)),
        ("Macro F1", percent(s.macro_f1)),
        ("Calibration error", percent(s.calibration_error)),
        ("… with temperature", percent(s.calibrated_error)),
    ]


def _multilabel_rows(s: MultilabelScores) -> list[tuple[str, str]]:
    return [
        ("Macro ROC AUC", number(s.macro_auc, 3)),
        ("95 % interval (DeLong)", _interval(s)),
        ("Macro average precision", number(s.macro_average_precision, 3)),
        ("Macro F1", percent(s.macro_f1)),
        ("All labels right", percent(s.exact_match)),
        ("95 % interval (Wilson)", _range(s.exact_match_ci95)),
        ("Binary cross-entropy [nats]", number(s.loss, 4)),
    ]


def _regression_rows(s: RegressionScores) -> list[tuple[str, str]]:
    return [
        ("R2", number(s.r2, 3)),
        ("95 % interval (bootstrap)", _interval(s)),
        ("Squared error [training variance]", number(s.loss, 4)),
    ]


def _sequence_rows(s: SequenceScores) -> list[tuple[str, str]]:
    return [
        ("Token error rate", percent(s.token_error_rate)),
        ("95 % interval (bootstrap)", _interval(s)),
        ("Word error rate", percent(s.word_error_rate)),
        ("95 % interval (words)", _range(s.word_error_rate_ci95)),
        ("Substitutions", f"{s.substitutions:,}"),
        ("Insertions", f"{s.insertions:,}"),
        ("Deletions", f"{s.deletions:,}"),
        ("Tokens", f"{s.tokens:,}"),
        ("Without error", percent(s.exact_match)),
        ("95 % interval (Wilson)", _range(s.exact_match_ci95)),
        ("CTC loss [nats]", number(s.loss, 4)),
    ]


def target_table(scores: MultilabelScores | RegressionScores | SequenceScores) -> Html:
    """A row a label or quantity; empty where there are none."""
    match scores:
        case MultilabelScores():
            return _label_table(scores)
        case RegressionScores():
            return _quantity_table(scores)
        case SequenceScores():
            return Html("")


def _label_table(scores: MultilabelScores) -> Html:
    rows = [
        (
            name(row.name),
            f"{row.n:,}",
            number(row.auc, 3),
            number(row.average_precision, 3),
            percent(row.precision, ""),
            percent(row.recall, ""),
            _with_bar(row.f1),
        )
        for row in scores.labels
    ]
    rates = ["Precision [%]", "Recall [%]", "F1 [%]"]
    head = ["Label", scores.split.capitalize(), "ROC AUC", "Average precision", *rates]
    return table(head, rows, sortable=True)


def _quantity_table(scores: RegressionScores) -> Html:
    rows = [
        (
            name(row.name),
            f"{row.n:,}",
            f"{row.mae:.4g}",
            _pair(row.mae_ci95),
            f"{row.rmse:.4g}",
            _pair(row.rmse_ci95),
            number(row.r2, 3),
            _range(row.r2_ci95, percents=False),
        )
        for row in scores.quantities
    ]
    interval = "95 % interval"
    head = [
        "Quantity",
        scores.split.capitalize(),
        "MAE",
        interval,
        "RMSE",
        interval,
        "R2",
        interval,
    ]
    return table(head, rows, sortable=True)


def _pair(interval: tuple[float, float]) -> str:
    low, high = interval
    return f"[{low:.4g}, {high:.4g}]"


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
