import dataclasses
import json

import numpy as np
import pytest

from residua.errors import FormatError, LabelError, NetworkError
from residua.evaluation.evaluate import class_table, evaluate, summary_lines
from residua.evaluation.results import Evaluation, Predictions


def make_predictions(n: int = 400, k: int = 6, seed: int = 0) -> Predictions:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, k, n)
    logits = rng.normal(size=(n, k)).astype(np.float32)
    logits[np.arange(n), labels] += 1.5
    return Predictions(
        keys=tuple(f"{i}.png" for i in range(n)),
        rows=np.arange(n),
        labels=labels,
        logits=logits,
        seconds=2.0,
        device="cpu, 1 threads, float32",
    )


def names(k: int) -> tuple[str, ...]:
    return tuple(f"class [{i}]" for i in range(k))


def test_scores_agree_with_scikit_learn():
    from sklearn import metrics as sk

    p = make_predictions()
    guess = p.logits.argmax(1)
    result = evaluate(p, names(6), "test", temperature=1.7)
    macro = {"average": "macro", "zero_division": 0}
    assert result.accuracy == pytest.approx(sk.accuracy_score(p.labels, guess))
    assert result.macro_precision == pytest.approx(sk.precision_score(p.labels, guess, **macro))
    assert result.macro_recall == pytest.approx(sk.recall_score(p.labels, guess, **macro))
    assert result.macro_f1 == pytest.approx(sk.f1_score(p.labels, guess, **macro))
    assert result.top5 == pytest.approx(sk.top_k_accuracy_score(p.labels, p.logits, k=5))
    assert np.array(result.confusion).tolist() == sk.confusion_matrix(p.labels, guess).tolist()
    assert (result.n, result.split, result.samples_per_second) == (400, "test", 200.0)
    assert result.temperature == 1.7
    assert result.calibrated_error != result.calibration_error


def test_unlabelled_samples_do_not_count_but_for_speed():
    p = make_predictions()
    labels = p.labels.copy()
    labels[::2] = -1
    hidden = evaluate(dataclasses.replace(p, labels=labels), names(6), "test")
    kept = dataclasses.replace(
        p, keys=p.keys[1::2], rows=p.rows[1::2], labels=p.labels[1::2], logits=p.logits[1::2]
    )
    alone = evaluate(kept, names(6), "test")
    assert hidden == dataclasses.replace(alone, samples_per_second=hidden.samples_per_second)
    assert hidden.samples_per_second == 2 * alone.samples_per_second


def test_an_absent_class_has_no_part_in_the_means():
    from sklearn import metrics as sk

    p = make_predictions()
    labels = np.where(p.labels == 2, 3, p.labels)
    result = evaluate(dataclasses.replace(p, labels=labels), names(6), "test")
    guess = p.logits.argmax(1)
    assert (guess == 2).any()
    kwargs = {"labels": [0, 1, 3, 4, 5], "average": "macro", "zero_division": 0}
    assert result.macro_recall == pytest.approx(sk.recall_score(labels, guess, **kwargs))
    assert result.macro_precision == pytest.approx(sk.precision_score(labels, guess, **kwargs))
    assert result.classes[2].n == 0
    assert result.classes[2].name == "class [2]"


@pytest.mark.parametrize(("k", "temperature"), [(6, 0.7), (3, None)])
def test_json_gives_back_an_equal_value(k, temperature):
    result = evaluate(make_predictions(k=k), names(k), "validation", temperature)
    text = json.dumps(result.to_json(), allow_nan=False)
    assert Evaluation.from_json(json.loads(text)) == result
    assert (result.top5 is None) == (k <= 5)


def test_json_of_something_else_is_refused():
    with pytest.raises(FormatError, match="not the scores of an evaluation"):
        Evaluation.from_json({"accuracy": 1.0})


def test_what_cannot_be_scored_is_refused_in_one_line():
    p = make_predictions()
    with pytest.raises(LabelError, match="400 without labels"):
        evaluate(dataclasses.replace(p, labels=np.full(400, -1)), names(6), "test")
    with pytest.raises(LabelError, match="expected 7 outputs"):
        evaluate(p, names(7), "test")
    with pytest.raises(LabelError, match="labels up to 9"):
        evaluate(dataclasses.replace(p, labels=np.full(400, 9)), names(6), "test")
    logits = p.logits.copy()
    logits[7, 2] = np.nan
    with pytest.raises(NetworkError, match=r"1 of 400 samples.*7\.png"):
        evaluate(dataclasses.replace(p, logits=logits), names(6), "test")


def test_summary_says_accuracy_interval_and_count():
    p = make_predictions(n=1000)
    first, second, third = summary_lines(evaluate(p, names(6), "test", temperature=2.0))
    hits = int((p.logits.argmax(1) == p.labels).sum())
    assert first.startswith(f"test accuracy {hits / 10:.1f}% [")
    assert first.endswith("n=1,000")
    assert "at temperature 2.00" in second
    assert third == "500 samples/s on cpu, 1 threads, float32"


def test_table_shows_the_worst_classes_first_when_there_are_many():
    from rich.console import Console

    p = make_predictions(n=2000, k=30)
    result = evaluate(p, names(30), "test")
    console = Console(width=100)
    with console.capture() as capture:
        console.print(class_table(result))
    lines = capture.get().splitlines()
    worst = min(result.classes, key=lambda row: row.f1)
    assert len(lines) == 22
    assert "lowest F1" in lines[0]
    assert lines[2].startswith(worst.name)
    assert class_table(evaluate(make_predictions(), names(6), "test")).row_count == 6
