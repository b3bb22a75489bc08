"""What a task asks of a run, and targets of other data in its terms."""

from dataclasses import replace

import numpy as np
import pytest

from residua.augment.config import AugmentConfig
from residua.batch import Modality, Schema, Split, Task
from residua.data.dataset import Dataset, Table
from residua.errors import LabelError, UsageError
from residua.evaluation.results import Predictions
from residua.evaluation.scores import MultilabelScores, RegressionScores, Scores, SequenceScores
from residua.methods.config import SupervisedConfig
from residua.recipes.presets import series
from residua.recipes.recipe import Recipe
from residua.run.task import for_task, with_units
from residua.run.translation import translation
from residua.run.validation import validation_scores


def schema(task: Task, *classes: str) -> Schema:
    return Schema(modality=Modality.SIGNAL, task=task, channels=1, classes=classes)


# ---- options ------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", [Task.MULTILABEL, Task.REGRESSION, Task.CTC])
def test_what_is_usual_for_classes_is_dropped_and_what_was_said_is_not(task: Task) -> None:
    assert series().method.label_smoothing > 0
    assert for_task(series(), schema(task)).method == SupervisedConfig()
    assert for_task(series(), schema(Task.CLASSIFICATION)) == series()
    for method in (SupervisedConfig(label_smoothing=0.3), SupervisedConfig(balance="loss")):
        with pytest.raises(UsageError, match=f"means nothing for {task.value}"):
            for_task(Recipe(method=method), schema(task))


def test_sequences_are_not_mixed() -> None:
    recipe = Recipe(augment=AugmentConfig(mixup=0.2))
    with pytest.raises(UsageError, match="--mixup"):
        for_task(recipe, schema(Task.CTC))
    assert for_task(recipe, schema(Task.REGRESSION)) == recipe


# ---- units --------------------------------------------------------------------------------------


class Source:
    """As much of a reader as is asked for."""

    name = "source"

    def __init__(self, values: list[list[float]]) -> None:
        n = len(values)
        self.schema = schema(Task.REGRESSION, "x", "y")
        self.table = Table(
            keys=[str(i) for i in range(n)],
            labels=np.full(n, -1),
            splits=[None] * n,
            values=np.array(values, dtype=np.float32),
        )


def dataset(values: list[list[float]], train: list[int]) -> Dataset:
    return Dataset(reader=Source(values), assignment={Split.TRAIN: np.array(train)})  # pyright: ignore


def test_units_are_those_of_the_training_split() -> None:
    found = with_units(dataset([[1, 10], [3, 30], [99, 99], [float("nan"), 50]], [0, 1, 3]))
    assert found.offsets == (2.0, 30.0)
    assert found.scales == pytest.approx((1.0, (800 / 3) ** 0.5))


def test_a_quantity_that_never_changes_cannot_be_learnt() -> None:
    with pytest.raises(LabelError, match=r"'y' is the same in all training samples.*received 0\.1"):
        with_units(dataset([[1, 0.1], [3, 0.1], [5, 7]], [0, 1]))


# ---- translation --------------------------------------------------------------------------------


def predictions(
    labels: list[int] | None = None,
    values: list[list[float]] | None = None,
    tokens: tuple[tuple[int, ...], ...] | None = None,
) -> Predictions:
    n = next(len(each) for each in (labels, values, tokens) if each is not None)
    return Predictions(
        keys=tuple(map(str, range(n))),
        rows=np.arange(n),
        labels=np.array(labels if labels is not None else [-1] * n),
        logits=np.zeros((n, 2), dtype=np.float32),
        seconds=1.0,
        device="cpu",
        values=None if values is None else np.array(values, dtype=np.float32),
        tokens=tokens,
    )


def test_classes_by_name() -> None:
    ours, theirs = (schema(Task.CLASSIFICATION, *names) for names in ("abc", "cb"))
    found = translation(theirs, ours, where="x")(predictions(labels=[0, 1, -1]))
    assert found.labels.tolist() == [2, 1, -1]
    with pytest.raises(LabelError, match="does not know 1 of the classes"):
        translation(schema(Task.CLASSIFICATION, "a", "z"), ours, where="x")


def test_labels_by_name_and_from_classes() -> None:
    ours = schema(Task.MULTILABEL, *"abc")
    several = translation(schema(Task.MULTILABEL, *"ca"), ours, where="x")
    values = several(predictions(values=[[1, 0], [1, 1]])).values
    assert values is not None
    assert values.tolist() == [[0, 0, 1], [1, 0, 1]]
    single = translation(schema(Task.CLASSIFICATION, *"ca"), ours, where="x")
    found = single(predictions(labels=[0, 1, -1]))
    assert found.values is not None
    assert found.values[:2].tolist() == [[0, 0, 1], [1, 0, 0]]
    assert np.isnan(found.values[2]).all()
    assert (found.labels == -1).all()


def test_quantities_by_name_and_from_whole_numbers() -> None:
    ours = schema(Task.REGRESSION, "x", "y")
    found = translation(schema(Task.REGRESSION, "y", "x"), ours, where="")(
        predictions(values=[[1, 2], [3, 4]])
    )
    assert found.values is not None
    assert found.values.tolist() == [[2, 1], [4, 3]]
    whole = schema(Task.CLASSIFICATION, "-3", "10")
    one = translation(whole, schema(Task.REGRESSION, "x"), where="")(predictions(labels=[1, 0]))
    assert one.values is not None
    assert one.values.tolist() == [[10], [-3]]
    with pytest.raises(LabelError, match="expected regression, received classification"):
        translation(whole, ours, where="")


def test_tokens_by_name() -> None:
    ours, theirs = schema(Task.CTC, *"abc"), schema(Task.CTC, *"cb")
    found = translation(theirs, ours, where="")(predictions(tokens=((0, 1, 0), ())))
    assert found.tokens == ((2, 1, 2), ())
    with pytest.raises(LabelError, match="other targets"):
        translation(schema(Task.REGRESSION, "a"), ours, where="")


# ---- validation ---------------------------------------------------------------------------------


COMMON = {"split": "validation", "n": 5, "loss": 0.5, "samples_per_second": 1.0, "device": "cpu"}
ZERO = (0.0, 0.0)
FOUND: list[tuple[Scores, str, float | None]] = [
    (
        MultilabelScores(
            **COMMON, macro_auc=None, macro_auc_ci95=None, macro_average_precision=None,
            macro_f1=None, exact_match=0.0, exact_match_ci95=ZERO, labels=(),
        ), "auc", None,
    ),
    (RegressionScores(**COMMON, r2=-0.25, r2_ci95=ZERO, quantities=()), "r2", -0.25),
    (
        SequenceScores(
            **COMMON, token_error_rate=1.25, token_error_rate_ci95=ZERO, word_error_rate=None,
            word_error_rate_ci95=None, substitutions=0, insertions=0, deletions=0, tokens=4,
            exact_match=0.0, exact_match_ci95=ZERO, beam=0,
        ), "token_accuracy", -0.25,
    ),
]  # fmt: skip


@pytest.mark.parametrize(("found", "name", "value"), FOUND, ids=["labels", "numbers", "text"])
def test_the_loop_hears_a_score_of_which_more_is_better(
    found: Scores, name: str, value: float | None
) -> None:
    scores = validation_scores(found)
    assert (scores.name, scores.score, scores.loss, scores.n) == (name, value, 0.5, 5)
    if isinstance(found, SequenceScores):
        better = replace(found, token_error_rate=0.5)
        assert validation_scores(better).score > scores.score
