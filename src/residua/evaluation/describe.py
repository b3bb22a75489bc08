"""Scores of any task as a terminal shows them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from residua.evaluation import evaluate
from residua.evaluation.results import Evaluation
from residua.evaluation.scores import (
    LabelScores,
    MultilabelScores,
    QuantityScores,
    RegressionScores,
    Scores,
    SequenceScores,
)

if TYPE_CHECKING:
    from rich.table import Table


def summary_lines(scores: Scores) -> tuple[str, ...]:
    """Three lines of plain text: the headline; the other scores; the speed."""
    if isinstance(scores, Evaluation):
        return evaluate.summary_lines(scores)
    head = scores.headline
    first = f"{scores.split} {head.name} {head.text}, n={scores.n:,}"
    if head.value != head.value:
        first = f"{scores.split} {head.name} not defined, n={scores.n:,}"
    speed = f"{scores.samples_per_second:,.0f} samples/s on {scores.device}"
    return first, f"{_others(scores)}, loss {scores.loss:.3f}", speed


def _others(scores: MultilabelScores | RegressionScores | SequenceScores) -> str:
    match scores:
        case MultilabelScores():
            precision = _number(scores.macro_average_precision)
            return (
                f"macro average precision {precision}, macro F1 {_percent(scores.macro_f1)}, "
                f"all labels right {_with_interval(scores.exact_match, scores.exact_match_ci95)}"
            )
        case RegressionScores():
            return "; ".join(map(_quantity, scores.quantities[:3]))
        case SequenceScores():
            rate, interval = scores.word_error_rate, scores.word_error_rate_ci95
            words = ""
            if rate is not None and interval is not None:
                words = f"word error rate {_with_interval(rate, interval)}, "
            exact = _with_interval(scores.exact_match, scores.exact_match_ci95)
            return (
                f"{words}{scores.substitutions:,} substitutions, {scores.insertions:,} insertions, "
                f"{scores.deletions:,} deletions of {scores.tokens:,} tokens, without error {exact}"
            )


def _quantity(row: QuantityScores) -> str:
    return (
        f"{row.name}: MAE {_range(row.mae, row.mae_ci95)}, RMSE {_range(row.rmse, row.rmse_ci95)}"
    )


def _range(value: float, interval: tuple[float, float]) -> str:
    low, high = interval
    return f"{value:.4g} [{low:.4g}, {high:.4g}]"


def _with_interval(share: float, interval: tuple[float, float]) -> str:
    low, high = interval
    return f"{share:.1%} [{100 * low:.1f}, {100 * high:.1f}]"


def score_table(scores: Scores, limit: int = 20) -> Table | None:
    """A row a class, label or quantity, for a terminal; None where there is no such thing. Of more
    than ``limit`` the worst."""
    match scores:
        case Evaluation():
            return evaluate.class_table(scores, limit)
        case MultilabelScores():
            return _label_table(scores.labels, limit)
        case RegressionScores():
            return _quantity_table(scores.quantities, limit)
        case SequenceScores():
            return None


def _label_table(rows: Sequence[LabelScores], limit: int) -> Table:
    title = None
    rows = [row for row in rows if row.n]
    if len(rows) > limit:
        title = f"the {limit} of {len(rows)} labels with the lowest average precision"
        rows = sorted(rows, key=lambda row: row.average_precision or 0.0)[:limit]
    cells = (
        (
            *(row.name, f"{row.n:,}", _number(row.auc), _number(row.average_precision)),
            *(f"{rate:.1%}" for rate in (row.precision, row.recall, row.f1)),
        )
        for row in rows
    )
    columns = ("n", "ROC AUC", "average precision", "precision", "recall", "F1")
    return _table(("label", *columns), cells, title)


def _quantity_table(rows: Sequence[QuantityScores], limit: int) -> Table:
    title = None
    if len(rows) > limit:
        title = f"the {limit} of {len(rows)} quantities with the lowest R2"
        rows = sorted(rows, key=lambda row: -1e9 if row.r2 is None else row.r2)[:limit]
    cells = (
        (row.name, f"{row.n:,}", f"{row.mae:.4g}", f"{row.rmse:.4g}", _number(row.r2))
        for row in rows
    )
    return _table(("quantity", "n", "MAE", "RMSE", "R2"), cells, title)


def _table(head: Sequence[str], rows: Iterable[tuple[str, ...]], title: str | None) -> Table:
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    table.add_column(head[0])
    for column in head[1:]:
        table.add_column(column, justify="right")
    for name, *cells in rows:
        table.add_row(name.replace("[", "\\["), *cells)
    return table


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"
