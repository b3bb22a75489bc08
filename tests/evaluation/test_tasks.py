"""Scores of several labels, quantities and transcripts, against scikit-learn and plain formulas."""

import dataclasses
import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from residua.batch import Modality, Schema, Task
from residua.errors import FormatError, LabelError, NetworkError
from residua.evaluation.answers import answer
from residua.evaluation.describe import score_table, summary_lines
from residua.evaluation.multilabel import evaluate_multilabel
from residua.evaluation.ranking import average_precision, macro_auc, roc_auc
from residua.evaluation.regression import evaluate_regression
from residua.evaluation.results import Predictions
from residua.evaluation.scores import scores_from_json
from residua.evaluation.scoring import score
from residua.evaluation.transcription import evaluate_sequences

NAMES = ("a", "b [x]", "c")
QUANTITIES = Schema(
    modality=Modality.SIGNAL, task=Task.REGRESSION, channels=1, classes=("flow", "speed"),
    offsets=(100.0, -3.0), scales=(20.0, 0.5),
)  # fmt: skip
LETTERS = Schema(modality=Modality.SOUND, task=Task.CTC, channels=1, classes=(" ", "a", "b"))


def predictions(logits: np.ndarray, **targets: object) -> Predictions:
    n = len(logits)
    return Predictions(
        keys=tuple(f"{i}.wav" for i in range(n)),
        rows=np.arange(n),
        labels=np.full(n, -1),
        logits=logits.astype(np.float32),
        seconds=2.0,
        device="cpu, 1 threads, float32",
        **targets,  # pyright: ignore
    )


def labelled(n: int = 200, seed: int = 0) -> Predictions:
    rng = np.random.default_rng(seed)
    values = (rng.random((n, 3)) < (0.5, 0.2, 0.7)).astype(np.float32)
    logits = np.round(rng.normal(size=(n, 3)) + 1.5 * values - 0.7, 1)  # with ties
    return predictions(logits, values=values)


def quantities(n: int = 150) -> Predictions:
    rng = np.random.default_rng(1)
    values = np.stack([rng.normal(100, 20, n), rng.normal(-3, 0.5, n)], 1).astype(np.float32)
    logits = (values - (100, -3)) / (20, 0.5) + rng.normal(0, 0.4, (n, 2))
    return predictions(logits, values=values)


def transcripts() -> Predictions:
    """Two said as they are, one with a token too many, one empty."""
    spoken = [(1, 0, 2), (2, 2), (1, 2), ()]
    meant = ((1, 0, 2), (2, 2), (1,), (1, 1))
    logits = np.full((4, 4, 12), -9.0)
    logits[:, 0] = 0.0
    for row, tokens in enumerate(spoken):
        for place, token in enumerate(tokens):
            logits[row, :, 2 * place] = -9.0
            logits[row, token + 1, 2 * place] = 9.0
    logits[3, :, 9:] = np.nan  # behind its end
    return predictions(logits, tokens=meant, lengths=np.array([12, 12, 12, 9]))


# ---- several labels -----------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=2, max_size=30))
def test_rankings_agree_with_scikit_learn(pairs: list[tuple[int, bool]]) -> None:
    from sklearn import metrics as sk

    scores = np.array([s for s, _ in pairs], dtype=np.float32)
    positive = np.array([p for _, p in pairs])
    area, precision = roc_auc(scores, positive), average_precision(scores, positive)
    if positive.any() and not positive.all():
        assert area == pytest.approx(sk.roc_auc_score(positive, scores))
    else:
        assert area is None
    if positive.any():
        assert precision == pytest.approx(sk.average_precision_score(positive, scores))
    else:
        assert precision is None


def test_labels_agree_with_scikit_learn() -> None:
    from sklearn import metrics as sk

    p = labelled()
    found = evaluate_multilabel(p, NAMES, "test")
    said = p.logits > 0
    assert found.macro_auc == pytest.approx(sk.roc_auc_score(p.values, p.logits))
    expected = sk.average_precision_score(p.values, p.logits)
    assert found.macro_average_precision == pytest.approx(expected)
    assert found.macro_f1 == pytest.approx(sk.f1_score(p.values, said, average="macro"))
    assert found.exact_match == pytest.approx(sk.accuracy_score(p.values, said))
    probabilities = 1 / (1 + np.exp(-p.logits.astype(np.float64)))
    each = [sk.log_loss(p.values[:, j], probabilities[:, j]) for j in range(3)]
    assert found.loss == pytest.approx(np.mean(each))
    assert [row.n for row in found.labels] == p.values.sum(0).tolist()
    recall = sk.recall_score(p.values, said, average=None)
    assert [row.recall for row in found.labels] == pytest.approx(recall.tolist())
    assert (found.n, found.samples_per_second, found.headline.percent) == (200, 100.0, False)


def test_the_interval_of_one_area_is_that_of_delong() -> None:
    """Their equation 5 with all pairs written out."""
    p = labelled()
    x, y = (p.logits[p.values[:, 0] == kind, 0].astype(np.float64) for kind in (1, 0))
    pairs = (x[:, None] > y) + 0.5 * (x[:, None] == y)
    variance = pairs.mean(1).var(ddof=1) / len(x) + pairs.mean(0).var(ddof=1) / len(y)
    positive = p.values > 0.5
    found = macro_auc(p.logits[:, :1], positive[:, :1], np.ones((200, 1), dtype=bool))
    assert found is not None
    area, (low, high) = found
    assert area == pytest.approx(pairs.mean())
    assert high - low == pytest.approx(2 * 1.959964 * variance**0.5)


def test_labels_that_agree_give_no_more_certainty_than_one() -> None:
    p = labelled()
    thrice = np.repeat(p.logits[:, :1], 3, 1), np.repeat(p.values[:, :1] > 0.5, 3, 1)
    known = np.ones((200, 3), dtype=bool)
    one = macro_auc(thrice[0][:, :1], thrice[1][:, :1], known[:, :1])
    three = macro_auc(*thrice, known)
    assert one is not None
    assert three is not None
    assert three[1] == pytest.approx(one[1])


def test_perfect_order_is_not_certainty() -> None:
    values = np.array([[1], [1], [0], [0]], dtype=np.float32)
    found = evaluate_multilabel(predictions(values * 2 - 1, values=values), ("a",), "test")
    assert found.macro_auc == 1
    assert found.macro_auc_ci95 is not None
    assert 0.3 < found.macro_auc_ci95[0] < 0.5  # Wilson of 2 of 2: .342
    assert found.macro_auc_ci95[1] == 1


def test_unknown_labels_count_nothing() -> None:
    p = labelled()
    assert p.values is not None
    holes = p.values.copy()
    holes[:50, 1] = np.nan
    holes[7] = np.nan
    found = evaluate_multilabel(dataclasses.replace(p, values=holes), NAMES, "test")
    rows = np.flatnonzero(np.isfinite(holes[:, 1]))
    assert found.labels[1].auc == roc_auc(p.logits[rows, 1], holes[rows, 1] > 0.5)
    assert found.n == 199
    kept = np.isfinite(holes).all(1)
    assert found.exact_match == ((p.logits > 0) == (p.values > 0.5))[kept].all(1).mean()


def test_a_label_that_all_or_none_have() -> None:
    values = np.array([[1, 0], [1, 0]], dtype=np.float32)
    found = evaluate_multilabel(predictions(np.ones((2, 2)), values=values), ("a", "b"), "test")
    assert found.macro_auc is found.macro_auc_ci95 is None
    assert [row.average_precision for row in found.labels] == [1.0, None]
    assert "not defined" in summary_lines(found)[0]


# ---- quantities ---------------------------------------------------------------------------------


def test_errors_agree_with_scikit_learn() -> None:
    from sklearn import metrics as sk

    p = quantities()
    found = evaluate_regression(p, QUANTITIES, "test")
    said = p.logits.astype(np.float64) * (20, 0.5) + (100, -3)
    for j, row in enumerate(found.quantities):
        truth = p.values[:, j].astype(np.float64)
        assert row.mae == pytest.approx(sk.mean_absolute_error(truth, said[:, j]))
        assert row.rmse == pytest.approx(sk.root_mean_squared_error(truth, said[:, j]))
        assert row.r2 == pytest.approx(sk.r2_score(truth, said[:, j]))
        for value, (low, high) in (
            (row.mae, row.mae_ci95), (row.rmse, row.rmse_ci95), (row.r2, row.r2_ci95),
        ):  # fmt: skip
            assert low < value < high
    assert found.r2 == pytest.approx(sk.r2_score(p.values, said))
    standard = (said - p.values) / (20, 0.5)
    assert found.loss == pytest.approx((standard**2).mean())


def test_the_interval_of_a_mean_is_near_that_of_its_formula() -> None:
    p = quantities()
    row = evaluate_regression(p, QUANTITIES, "test", resamples=4000).quantities[0]
    errors = np.abs(p.logits[:, 0].astype(np.float64) * 20 + 100 - p.values[:, 0])
    spread = 2 * 1.96 * errors.std() / len(errors) ** 0.5
    assert row.mae_ci95[1] - row.mae_ci95[0] == pytest.approx(spread, rel=0.1)
    again = evaluate_regression(p, QUANTITIES, "test", resamples=4000).quantities[0]
    assert again == row


def test_a_large_offset_does_not_spoil_the_variance() -> None:
    values = np.float32(2**23) + np.arange(6, dtype=np.float32)[:, None]
    schema = dataclasses.replace(QUANTITIES, classes=("x",), offsets=(2.0**23,), scales=(1.0,))
    logits = np.arange(6.0)[:, None] + 0.5
    found = evaluate_regression(predictions(logits, values=values), schema, "test")
    assert found.r2 == pytest.approx(1 - 6 * 0.25 / 17.5)


def test_targets_without_variance_have_no_r2() -> None:
    values = np.array([[1, 2], [1, 3], [np.nan, 4]], dtype=np.float32)
    found = evaluate_regression(predictions(np.zeros((3, 2)), values=values), QUANTITIES, "test")
    assert found.quantities[0].r2 is None
    assert found.quantities[0].n == 2
    assert found.r2 == found.quantities[1].r2


# ---- transcripts --------------------------------------------------------------------------------


def test_transcripts_count_what_must_change() -> None:
    found = evaluate_sequences(transcripts(), LETTERS.classes, "test")
    assert (found.substitutions, found.insertions, found.deletions, found.tokens) == (0, 1, 2, 8)
    assert found.token_error_rate == 3 / 8
    assert found.exact_match == 0.5
    assert found.word_error_rate == 2 / 5  # "a b", "bb", "a", "aa": "ab" for "a", nothing for "aa"
    greedy = evaluate_sequences(transcripts(), LETTERS.classes, "test", beam=0)
    assert greedy == dataclasses.replace(found, beam=0)
    assert not found.headline.higher_is_better


def test_the_loss_is_that_of_torch_where_the_output_can_say_it() -> None:
    p = transcripts()
    losses = [
        F.ctc_loss(
            torch.from_numpy(p.logits[i, :, :n]).double().log_softmax(0).T[:, None],
            torch.tensor([[token + 1 for token in p.tokens[i]]]),
            (n,),
            (len(p.tokens[i]),),
            reduction="sum",
        ).item()
        for i, n in enumerate(p.lengths.tolist())
    ]
    found = evaluate_sequences(p, LETTERS.classes, "test")
    assert found.loss == pytest.approx(np.mean(losses))
    long = dataclasses.replace(p, tokens=(*p.tokens[:3], (1,) * 9))
    assert evaluate_sequences(long, LETTERS.classes, "test").loss == pytest.approx(
        np.mean(losses[:3])
    )


# ---- all of them --------------------------------------------------------------------------------


LABELS = Schema(modality=Modality.SIGNAL, task=Task.MULTILABEL, channels=1, classes=NAMES)
ALL = [(labelled(), LABELS), (quantities(), QUANTITIES), (transcripts(), LETTERS)]


@pytest.mark.parametrize(("p", "schema"), ALL, ids=[schema.task for _, schema in ALL])
def test_scores_travel_and_are_said(p: Predictions, schema: Schema) -> None:
    from rich.console import Console

    found = score(p, schema, "validation")
    assert found.task is schema.task
    assert scores_from_json(json.loads(json.dumps(found.to_json(), allow_nan=False))) == found
    assert json.dumps(found.short(), allow_nan=False)
    quick = score(p, schema, "validation", quick=True)
    assert (quick.loss, quick.headline.value) == (found.loss, found.headline.value)
    first, second, _ = summary_lines(found)
    assert first.startswith(f"validation {found.headline.name} {found.headline.text}")
    assert "loss" in second
    table = score_table(found)
    if table is not None:
        console = Console(width=120)
        with console.capture() as capture:
            console.print(table)
        assert all(name in capture.get() for name in schema.classes)


def test_other_json_is_refused() -> None:
    for value in ({"task": "regression"}, {"task": "cooking"}, {}):
        with pytest.raises(FormatError, match="not the scores"):
            scores_from_json(value)


@pytest.mark.parametrize(("p", "schema"), ALL, ids=[schema.task for _, schema in ALL])
def test_what_cannot_be_scored_is_refused(p: Predictions, schema: Schema) -> None:
    broken = p.logits.copy()
    broken[1, 0] = np.nan
    with pytest.raises(NetworkError, match=r"1 of .* samples.*1\.wav"):
        score(dataclasses.replace(p, logits=broken), schema, "test")
    with pytest.raises(LabelError, match="without labels"):
        score(dataclasses.replace(p, values=None, tokens=None), schema, "test")
    more = dataclasses.replace(schema, classes=(*schema.classes, "z"))
    with pytest.raises(LabelError, match="disagree"):
        score(p, more, "test")


def test_answers_are_in_words_and_units() -> None:
    said = answer(np.array([2.0, -1.0, 0.5]), LABELS, temperature=1.0, top=2)
    assert [name for name, _ in said.labels] == ["a", "c"]
    assert said.labels[0][1] == pytest.approx(1 / (1 + np.exp(-2.0)))
    assert said.line == "a=0.8808\tc=0.6225"
    assert answer(np.full(3, -1.0), LABELS, temperature=1.0, top=2).line == "-"
    value = answer(np.array([0.5, 2.0]), QUANTITIES, temperature=1.0, top=5)
    assert value.line == "flow=110\tspeed=-2"
    assert value.to_json()["values"] == {"flow": 110.0, "speed": -2.0}
    p = transcripts()
    text = answer(p.logits[0].astype(np.float64), LETTERS, temperature=1.0, top=5)
    assert (text.text, text.tokens) == ("a b", ("a", " ", "b"))
    assert 0.9 < text.probability <= 1
    words = dataclasses.replace(LETTERS, classes=("zero", "one", "two"))
    assert answer(p.logits[1].astype(np.float64), words, temperature=1.0, top=5).text == "two two"
