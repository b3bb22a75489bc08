"""What a network gives for one sample, as an answer in the words and units of the data.

Legend: k classes or quantities, t steps.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from residua.batch import Schema, Task
from residua.evaluation.decoding import beam_search
from residua.evaluation.metrics import log_softmax
from residua.evaluation.regression import in_units
from residua.evaluation.results import Prediction
from residua.evaluation.transcription import BEAM, joined

Float64s = npt.NDArray[np.float64]


def answer(outputs: Float64s, schema: Schema, *, temperature: float, top: int) -> Prediction:
    """The answer, without the name of the sample.

    Args:
        outputs: ``[k]``; of a network with a CTC head ``[k, t]``.
        schema: Task, names and units.
        temperature: Divides the logits of classes.
        top: How many classes are listed at most.
    """
    match schema.task:
        case Task.CLASSIFICATION:
            return _class(np.exp(log_softmax(outputs[None] / temperature)[0]), schema.classes, top)
        case Task.MULTILABEL:
            return _labels(np.exp(-np.logaddexp(0.0, -outputs)), schema.classes, top)
        case Task.REGRESSION:
            values: list[float] = in_units(outputs, schema).tolist()
            pairs = tuple(zip(schema.classes, values, strict=True))
            return Prediction(path="", task=schema.task, values=pairs)
        case Task.CTC:
            return _transcript(outputs, schema.classes)


def _class(shares: Float64s, classes: Sequence[str], top: int) -> Prediction:
    pairs = _likeliest(shares, classes)[:top]
    return Prediction(path="", label=pairs[0][0], probability=pairs[0][1], top=pairs)


def _labels(shares: Float64s, classes: Sequence[str], top: int) -> Prediction:
    pairs = _likeliest(shares, classes)
    likely = tuple(pair for pair in pairs if pair[1] > 0.5)
    return Prediction(path="", task=Task.MULTILABEL, labels=likely, top=pairs[:top])


def _likeliest(shares: Float64s, classes: Sequence[str]) -> tuple[tuple[str, float], ...]:
    best: list[int] = np.argsort(-shares, kind="stable").tolist()
    return tuple((classes[i], float(shares[i])) for i in best)


def _transcript(logits: Float64s, classes: Sequence[str]) -> Prediction:
    best = beam_search(log_softmax(logits.T), width=BEAM)[0]
    tokens = tuple(classes[token] for token in best.tokens)
    return Prediction(
        path="",
        task=Task.CTC,
        tokens=tokens,
        text=joined(tokens, classes),
        probability=min(1.0, float(np.exp(best.log_probability))),
    )
