"""What validation says to the loop after each epoch: a loss, and one score, more is better."""

from __future__ import annotations

from residua.evaluation.results import Evaluation
from residua.evaluation.scores import MultilabelScores, RegressionScores, SequenceScores
from residua.evaluation.scores import Scores as Evaluated
from residua.training.meter import Scores


def validation_scores(found: Evaluated) -> Scores:
    """Loss and score by which epochs are compared."""
    match found:
        case Evaluation():
            name, score = "accuracy", found.accuracy
        case MultilabelScores():
            name, score = "auc", found.macro_auc
        case RegressionScores():
            name, score = "r2", found.r2
        case SequenceScores():
            name, score = "token_accuracy", 1 - found.token_error_rate
    return Scores(loss=found.loss, score=score, n=found.n, name=name)
