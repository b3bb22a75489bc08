"""Pages of runs that learnt something other than classes."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from residua.evaluation.scores import (
    LabelScores,
    MultilabelScores,
    QuantityScores,
    RegressionScores,
    Scores,
    SequenceScores,
)
from residua.report.contents import EpochRecord, ReportContents
from residua.report.html import write_report

COMMON = {"split": "test", "n": 50, "loss": 0.5123, "samples_per_second": 1.0, "device": "cpu"}
LABEL = LabelScores(
    name="<wave>", n=7, auc=0.912, average_precision=0.81, precision=0.7, recall=0.6, f1=0.65
)
QUANTITY = QuantityScores(
    name="flow", n=50, mae=12.34, mae_ci95=(11.5, 13.5), rmse=20.0, rmse_ci95=(18.0, 22.5),
    r2=0.875, r2_ci95=(0.8, 0.9),
)  # fmt: skip
PAGES: list[tuple[Scores, tuple[str, ...]]] = [
    (
        MultilabelScores(
            **COMMON, macro_auc=0.912, macro_auc_ci95=(0.85, 0.95), macro_average_precision=0.81,
            macro_f1=0.65, exact_match=0.4, exact_match_ci95=(0.3, 0.5), labels=(LABEL,),
        ),
        ("macro ROC AUC on 50 test", "[0.850, 0.950]", "&lt;wave&gt;", "ROC AUC", "labels right"),
    ),
    (
        RegressionScores(**COMMON, r2=0.875, r2_ci95=(0.8, 0.9), quantities=(QUANTITY,)),
        ("R2 on 50 test", "[0.800, 0.900]", "12.34", "[11.5, 13.5]", "flow"),
    ),
    (
        SequenceScores(
            **COMMON, token_error_rate=0.105, token_error_rate_ci95=(0.09, 0.12),
            word_error_rate=0.31, word_error_rate_ci95=(0.2, 0.4), substitutions=5, insertions=6,
            deletions=1, tokens=1114, exact_match=0.5, exact_match_ci95=(0.4, 0.6), beam=16,
        ),
        ("token error rate on 50 test", "10.5 %", "[9.0, 12.0]", "31.0 %", "1,114"),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("scores", "words"), PAGES, ids=["labels", "numbers", "text"])
def test_the_page_says_the_scores_of_its_task(
    scores: Scores,
    words: tuple[str, ...],
    make_contents: Callable[..., ReportContents],
    tmp_path: Path,
) -> None:
    contents = replace(
        make_contents(3, epochs=1, shown=0),
        history=(),
        test=scores,
        validation=replace(scores, split="validation", n=20),
    )
    page = write_report(contents, tmp_path).read_text(encoding="utf-8")
    for word in words[:4]:
        assert word in page
    assert 'id="confusion"' not in page
    assert 'id="calibration"' not in page
    assert not (tmp_path / "plots").exists()


def test_curves_are_called_by_what_they_show() -> None:
    from residua.report.plots import LIGHT, curves

    history = [
        EpochRecord(
            epoch=i, step=i, lr=0.1, train_loss=1.0, train_accuracy=0.1 * i, validation_loss=1.0,
            validation_accuracy=-0.2 * i, train_score="r2", validation_score="r2",
        )
        for i in (1, 2)
    ]  # fmt: skip
    axes = {axis.get_title(): axis for axis in curves(LIGHT, history).axes}
    assert axes["R2"].get_ylabel() == "R2"
    assert min(axes["R2"].lines[1].get_ydata()) == pytest.approx(-0.4)
