"""The scores of every task, which share an interface: `Scores`.

Rates are shares of 1, intervals hold 95%. Scores of classification are
`residua.evaluation.results.Evaluation`.

Legend: k classes or quantities.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, cast

import cattrs

from residua.batch import Task
from residua.errors import FormatError
from residua.evaluation.results import Evaluation, Headline

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelScores:
    """One label of many, which each sample has or has not.

    Attributes:
        n: Samples that have it.
        auc: Area under the curve of true over false positives; None where no sample has the label,
            or all have.
        average_precision: None where no sample has the label.
        precision, recall, f1: Of the answers that are likelier than not.
    """

    name: str
    n: int
    auc: float | None
    average_precision: float | None
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MultilabelScores:
    """Scores of one split.

    Attributes:
        loss: Binary cross-entropy of a label in nats.
        macro_auc, macro_average_precision, macro_f1: Means over labels for which they are defined;
            None without any.
        macro_auc_ci95: From the variance of DeLong et al. (1988), samples drawn anew.
        exact_match: Share of samples with all labels right, and its Wilson interval.
        samples_per_second: Loading and network together.
    """

    task: ClassVar[Task] = Task.MULTILABEL

    split: str
    n: int
    loss: float
    macro_auc: float | None
    macro_auc_ci95: Interval | None
    macro_average_precision: float | None
    macro_f1: float | None
    exact_match: float
    exact_match_ci95: Interval
    labels: tuple[LabelScores, ...]
    samples_per_second: float
    device: str

    @property
    def headline(self) -> Headline:
        return Headline(
            name="macro ROC AUC",
            value=_or_nan(self.macro_auc),
            interval=self.macro_auc_ci95 or (math.nan, math.nan),
            percent=False,
        )

    def short(self) -> dict[str, Any]:
        return _without(self.to_json(), "labels")

    def to_json(self) -> dict[str, Any]:
        return _tagged(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantityScores:
    """One quantity in the data's units. Intervals come from drawing samples anew.

    Attributes:
        n: Samples of which it is known.
        mae: Mean absolute error.
        rmse: Root of the mean squared error.
        r2: Share of the variance in the split that is explained; None where there is none.
    """

    name: str
    n: int
    mae: float
    mae_ci95: Interval
    rmse: float
    rmse_ci95: Interval
    r2: float | None
    r2_ci95: Interval | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RegressionScores:
    """Scores of one split.

    Attributes:
        loss: Mean squared error of the quantities in standard deviations of the training targets.
        r2: Mean over the quantities that vary in the split; None without any.
        samples_per_second: Loading and network together.
    """

    task: ClassVar[Task] = Task.REGRESSION

    split: str
    n: int
    loss: float
    r2: float | None
    r2_ci95: Interval | None
    quantities: tuple[QuantityScores, ...]
    samples_per_second: float
    device: str

    @property
    def headline(self) -> Headline:
        interval = self.r2_ci95 or (math.nan, math.nan)
        return Headline(name="R2", value=_or_nan(self.r2), interval=interval, percent=False)

    def short(self) -> dict[str, Any]:
        return self.to_json()

    def to_json(self) -> dict[str, Any]:
        return _tagged(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class SequenceScores:
    """Scores of one split of transcriptions.

    Attributes:
        loss: Mean of ``-log p(targets)`` in nats over samples whose targets the output can hold.
        token_error_rate: Edits over tokens of the targets; may be above 1.
        token_error_rate_ci95: From drawing samples anew.
        word_error_rate: The same of the words between blanks; None where no token is a blank.
        substitutions, insertions, deletions: Of tokens, that turn the targets into the answers.
        tokens: Of all targets.
        exact_match: Share of samples without an error, and its Wilson interval.
        beam: Prefixes that the search kept; 0 where each step was decided alone.
        samples_per_second: Loading and network together, without decoding.
    """

    task: ClassVar[Task] = Task.CTC

    split: str
    n: int
    loss: float
    token_error_rate: float
    token_error_rate_ci95: Interval
    word_error_rate: float | None
    word_error_rate_ci95: Interval | None
    substitutions: int
    insertions: int
    deletions: int
    tokens: int
    exact_match: float
    exact_match_ci95: Interval
    beam: int
    samples_per_second: float
    device: str

    @property
    def headline(self) -> Headline:
        return Headline(
            name="token error rate",
            value=self.token_error_rate,
            interval=self.token_error_rate_ci95,
            higher_is_better=False,
        )

    def short(self) -> dict[str, Any]:
        return self.to_json()

    def to_json(self) -> dict[str, Any]:
        return _tagged(self)


Scores = Evaluation | MultilabelScores | RegressionScores | SequenceScores
"""Have `task`, `split`, `n`, `loss`, `samples_per_second`, `device`; `headline`, the number that
stands for all; `to_json`, and `short` for a summary."""

_KINDS = {kind.task: kind for kind in (MultilabelScores, RegressionScores, SequenceScores)}


def scores_from_json(value: Any) -> Scores:
    """The inverse of ``to_json`` of any scores.

    Raises:
        FormatError: These are no scores.
    """
    if not isinstance(value, dict):
        raise FormatError("these are not the scores of an evaluation", received=type(value))
    value = cast("dict[str, Any]", value)
    task = value.get("task", Task.CLASSIFICATION.value)
    if task == Task.CLASSIFICATION.value:
        return Evaluation.from_json(value)
    plain = {name: item for name, item in value.items() if name != "task"}
    try:
        return _CONVERTER.structure(plain, _KINDS[Task(task)])
    except (ValueError, cattrs.BaseValidationError) as error:
        raise FormatError("these are not the scores of an evaluation", received=error) from None


def _tagged(scores: MultilabelScores | RegressionScores | SequenceScores) -> dict[str, Any]:
    return {"task": scores.task.value, **asdict(scores)}


def _without(value: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: item for key, item in value.items() if key != name}


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value


def _make_converter() -> cattrs.Converter:
    return cattrs.Converter(forbid_extra_keys=True)


_CONVERTER = _make_converter()
