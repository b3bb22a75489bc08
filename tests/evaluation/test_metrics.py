"""Against scikit-learn, and against the formulas written out in float64."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from residua.evaluation import metrics


def random_case(seed: int, n: int = 300, k: int = 7, absent: int | None = None):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, k, n)
    if absent is not None:
        labels = np.where(labels == absent, (absent + 1) % k, labels)
    logits = rng.normal(size=(n, k)).astype(np.float32) * 3
    logits[np.arange(n), labels] += 2
    return logits, labels.astype(np.int64)


@pytest.mark.parametrize("absent", [None, 3])
def test_confusion_and_macro_scores_agree_with_scikit_learn(absent):
    from sklearn import metrics as sk

    logits, labels = random_case(0, absent=absent)
    predicted = logits.argmax(1)
    if absent is None:
        predicted[predicted == 5] = 4  # a class that is never predicted has no precision
    confusion = metrics.confusion_matrix(labels, predicted, 7)
    assert (confusion == sk.confusion_matrix(labels, predicted, labels=range(7))).all()
    ours = metrics.precision_recall_f1(confusion)
    theirs = sk.precision_recall_fscore_support(labels, predicted, labels=range(7), zero_division=0)
    for mine, other in zip(ours, theirs[:3], strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-12)


@pytest.mark.parametrize("top", [1, 2, 5])
def test_top_k_agrees_with_scikit_learn(top):
    from sklearn.metrics import top_k_accuracy_score

    logits, labels = random_case(1)
    expected = top_k_accuracy_score(labels, logits, k=top, labels=range(7))
    assert metrics.top_k_accuracy(logits, labels, top) == pytest.approx(expected, abs=1e-15)


def test_equal_logits_go_to_the_first_class_in_every_score():
    logits, labels = np.zeros((4, 3), np.float32), np.array([0, 1, 2, 2])
    assert metrics.top_k_accuracy(logits, labels, 1) == (logits.argmax(1) == labels).mean() == 0.25
    assert metrics.top_k_accuracy(logits, labels, 2) == 0.5


def test_log_loss_agrees_with_scikit_learn():
    from sklearn.metrics import log_loss

    logits, labels = random_case(2)
    z = logits.astype(np.float64)
    p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
    assert metrics.log_loss(logits, labels) == pytest.approx(log_loss(labels, p), rel=1e-12)


def test_log_loss_of_huge_logits_is_their_gap():
    logits = np.array([[3e30, -3e30], [1e4, 0.0]], dtype=np.float32)
    expected = (2 * float(np.float32(3e30)) + 0.0) / 2
    assert metrics.log_loss(logits, np.array([1, 0])) == pytest.approx(expected, rel=1e-12)


def test_scores_do_not_depend_on_the_block_size(monkeypatch):
    logits, labels = random_case(3)

    def scores():
        confidence, correct = metrics.confidences(logits, labels, 1.3)
        return (
            metrics.log_loss(logits, labels),
            metrics.top_k_accuracy(logits, labels, 3),
            confidence.sum(),
            correct.sum(),
        )

    whole = scores()
    monkeypatch.setattr(metrics, "_BLOCK", 20)
    assert scores() == pytest.approx(whole, rel=1e-13)


@given(st.integers(1, 10**6).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_interval_contains_the_share_and_solves_its_equation(case):
    hits, n = case
    low, high = metrics.wilson_interval(hits, n)
    share = hits / n
    assert 0 <= low <= share <= high <= 1
    for end in (low, high):
        # Both ends are as far from the share as 1.96 of their own standard errors.
        gap, error = abs(end - share), math.sqrt(end * (1 - end) / n)
        assert gap == pytest.approx(1.959963984540054 * error, rel=1e-5, abs=1e-7)


def test_wilson_interval_agrees_with_scipy():
    from scipy.stats import binomtest

    for hits, n in [(0, 10), (10, 10), (931, 1000), (1, 3)]:
        expected = binomtest(hits, n).proportion_ci(0.95, method="wilson")
        assert metrics.wilson_interval(hits, n) == pytest.approx(
            (expected.low, expected.high), abs=1e-12
        )


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1))
def test_confusion_counts_every_pair(pairs):
    labels, predicted = np.array(pairs, dtype=np.int64).T
    confusion = metrics.confusion_matrix(labels, predicted, 5)
    for true in range(5):
        for guess in range(5):
            assert confusion[true, guess] == pairs.count((true, guess))


def test_calibration_error_is_the_formula_of_the_paper():
    logits, labels = random_case(4, n=500)
    z = logits.astype(np.float64)
    p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
    confidence, correct = p.max(1), p.argmax(1) == labels
    expected = 0.0
    for i in range(15):
        inside = (confidence > i / 15) & (confidence <= (i + 1) / 15)
        if inside.any():
            gap = abs(correct[inside].mean() - confidence[inside].mean())
            expected += inside.mean() * gap
    bins = metrics.reliability_bins(*metrics.confidences(logits, labels))
    assert metrics.expected_calibration_error(bins) == pytest.approx(expected, abs=1e-12)
    assert sum(bin.n for bin in bins) == 500


def test_edges_of_bins_belong_to_the_lower_bin():
    edges = np.arange(1, 16) / 15
    bins = metrics.reliability_bins(edges, np.ones(15, dtype=bool))
    assert [bin.n for bin in bins] == [1] * 15
    assert [bin.high for bin in bins] == pytest.approx(edges)


def test_a_sure_and_right_network_is_calibrated():
    logits = np.eye(4, dtype=np.float32) * 1e4
    bins = metrics.reliability_bins(*metrics.confidences(logits, np.arange(4)))
    assert metrics.expected_calibration_error(bins) == 0
    assert bins[-1].n == 4
    assert bins[0].confidence == bins[0].accuracy == 0
