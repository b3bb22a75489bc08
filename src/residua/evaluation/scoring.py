"""From the predictions of any task to its scores."""

from __future__ import annotations

from residua.batch import Schema, Task
from residua.evaluation.evaluate import evaluate
from residua.evaluation.multilabel import evaluate_multilabel
from residua.evaluation.regression import evaluate_regression
from residua.evaluation.results import Predictions
from residua.evaluation.scores import Scores
from residua.evaluation.transcription import BEAM, evaluate_sequences


def score(
    predictions: Predictions,
    schema: Schema,
    split: str,
    *,
    temperature: float | None = None,
    quick: bool = False,
) -> Scores:
    """The scores of one split, by the task of ``schema``.

    Args:
        predictions: From `residua.evaluation.predict.predict_split`.
        schema: What the network was trained on.
        split: The name of the split, for the result.
        temperature: Of classification, from `residua.evaluation.calibration.fit_temperature`.
        quick: For after each epoch: no resampling, and no search for the best transcription.

    Raises:
        LabelError: Nothing is labelled, or targets and network do not fit.
        NetworkError: An output is not a finite number.
    """
    classes = schema.classes
    match schema.task:
        case Task.CLASSIFICATION:
            return evaluate(predictions, classes, split, temperature)
        case Task.MULTILABEL:
            return evaluate_multilabel(predictions, classes, split)
        case Task.REGRESSION:
            resamples = 0 if quick else 1000
            return evaluate_regression(predictions, schema, split, resamples=resamples)
        case Task.CTC:
            return evaluate_sequences(predictions, classes, split, beam=0 if quick else BEAM)
