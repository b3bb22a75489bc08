"""The scores of training and validation, and how they are shown. Free of torch, for reports."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreKind:
    """How a score is shown.

    Attributes:
        short: For a line.
        title: For an axis or table.
        percent: Whether it is a share that people read in percent.
    """

    short: str
    title: str
    percent: bool = True

    def text(self, score: float | None) -> str:
        if score is None:
            return f"{self.short} {'-':>6}"
        return f"{self.short} {score:6.1%}" if self.percent else f"{self.short} {score:6.3f}"


SCORE_KINDS = {
    "accuracy": ScoreKind(short="acc", title="accuracy"),
    "label_accuracy": ScoreKind(short="labels", title="labels right", percent=False),
    "auc": ScoreKind(short="AUC", title="ROC AUC", percent=False),
    "r2": ScoreKind(short="R2", title="R2", percent=False),
    "agreement": ScoreKind(short="views", title="views matched"),
    "knn_accuracy": ScoreKind(short="kNN", title="kNN accuracy"),
    "token_accuracy": ScoreKind(short="tokens", title="1 - token error rate"),
}
"""Every score by its name in metrics.jsonl; of each more is better."""


def shown_together(names: set[str]) -> ScoreKind:
    """How scores are shown in one chart: training may have another one than validation."""
    found = [SCORE_KINDS[name] for name in sorted(names)]
    return ScoreKind(
        short=" / ".join(each.short for each in found),
        title=" / ".join(each.title for each in found),
        percent=all(each.percent for each in found),
    )
