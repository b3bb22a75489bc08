"""Linear probes, against scikit-learn."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from tests.evaluation.probe_cases import broken_cases, make, shares

from residua.evaluation import linear_probe as module
from residua.evaluation.linear_probe import STRENGTHS, linear_probe

CPU = torch.device("cpu")


def reference_shares(bank, queries, k, strength):
    """scikit-learn's minimum of the same sum, one unknown sample included."""
    mean, std = bank.values.mean(axis=0, dtype=np.float64), bank.values.std(axis=0, dtype="f8")
    x = np.append((bank.values - mean) / std, np.zeros((k, bank.values.shape[1])), axis=0)
    y = np.append(bank.labels, np.arange(k))
    counts = np.append(np.ones(len(bank.labels)), np.full(k, 1 / k))
    model = LogisticRegression(C=1 / ((len(bank.labels) + 1) * strength), tol=1e-9, max_iter=9999)
    model.fit(x, y, sample_weight=counts)
    return model.predict_proba((queries.values - mean) / std)


@pytest.mark.parametrize("strength", [1.0, 0.01, 0.001])
def test_probabilities_are_those_of_scikit_learn(strength):
    bank, queries = make(200), make(40, seed=1)
    fitted = linear_probe(bank, validation=None, num_classes=4, device=CPU, strengths=(strength,))
    found = fitted.predict(queries)
    expected = reference_shares(bank, queries, 4, strength)
    np.testing.assert_allclose(shares(found.logits), expected, atol=1e-3)
    assert found.keys == queries.keys
    assert fitted.strength == strength


def test_a_class_without_samples_is_unlikely_and_finite():
    bank, queries = make(100, k=3), make(20, k=3, seed=1)
    fitted = linear_probe(bank, validation=None, num_classes=5, device=CPU, strengths=(0.01,))
    found = fitted.predict(queries)
    np.testing.assert_allclose(
        shares(found.logits), reference_shares(bank, queries, 5, 0.01), atol=1e-3
    )
    assert shares(found.logits)[:, 3:].max() < 0.05


def test_the_strength_is_right_most_often_on_validation():
    """Many channels and few labels of a simple problem: neither end of the list is best."""
    bank, judges = make(40, d=60, seed=4), make(150, d=60, seed=5)

    def right(strength):
        one = linear_probe(bank, validation=None, num_classes=4, device=CPU, strengths=(strength,))
        return int((one.predict(judges).logits.argmax(axis=1) == judges.labels).sum())

    counts = {strength: right(strength) for strength in STRENGTHS}
    assert len(set(counts.values())) > 1
    chosen = linear_probe(bank, validation=judges, num_classes=4, device=CPU)
    assert counts[chosen.strength] >= max(counts.values()) - 1  # the start of the search differs
    assert chosen.chosen_on == 150


def test_without_validation_samples_folds_of_the_bank_choose():
    """scikit-learn's folds, fits and loss choose the same strength."""
    bank = make(90, d=30, seed=4, labels=np.arange(90) // 5 % 4)
    losses = dict.fromkeys(STRENGTHS, 0.0)
    ranks = np.array([(bank.labels[:i] == label).sum() for i, label in enumerate(bank.labels)])
    for fold in range(5):
        rest, out = part(bank, ranks % 5 != fold), part(bank, ranks % 5 == fold)
        for strength in STRENGTHS:
            answers = reference_shares(rest, out, 4, strength)
            losses[strength] += log_loss(out.labels, answers, labels=range(4), normalize=False)
    assert len(set(losses.values())) > 1
    for judges in (None, make(10, labels=np.full(10, -1))):
        fitted = linear_probe(bank, validation=judges, num_classes=4, device=CPU)
        assert fitted.strength == min(losses, key=lambda strength: losses[strength])
        assert (fitted.chosen_by, fitted.chosen_on) == ("folds", 90)


def part(bank, chosen):
    return make(int(chosen.sum()), labels=bank.labels[chosen], values=bank.values[chosen])


def test_of_a_large_bank_one_fold_judges(monkeypatch):
    monkeypatch.setattr(module, "MOST_IN_FOLDS", 50)
    fitted = linear_probe(make(60), validation=None, num_classes=4, device=CPU)
    assert fitted.chosen_by == "folds"
    assert 12 <= fitted.chosen_on <= 15


@pytest.mark.parametrize("labels", [[0, 1, 2, 3], [2, 1]])
def test_one_label_a_class_takes_the_strongest(labels):
    bank = make(len(labels), labels=np.array(labels))
    fitted = linear_probe(bank, validation=None, num_classes=4, device=CPU)
    assert (fitted.strength, fitted.chosen_by, fitted.chosen_on) == (STRENGTHS[0], "none", 0)
    assert np.isfinite(fitted.logits(make(9).values)).all()


def test_a_constant_feature_changes_nothing():
    bank, queries = make(60), make(20, seed=1)
    wider = [
        make(len(each.labels), labels=each.labels, values=np.pad(each.values, ((0, 0), (0, 1))))
        for each in (bank, queries)
    ]
    plain = linear_probe(bank, validation=None, num_classes=4, device=CPU).predict(queries)
    found = linear_probe(wider[0], validation=None, num_classes=4, device=CPU).predict(wider[1])
    np.testing.assert_allclose(shares(found.logits), shares(plain.logits), atol=1e-4)


def test_gradients_may_be_off():
    bank, queries = make(60), make(20, seed=1)
    outside = linear_probe(bank, validation=None, num_classes=4, device=CPU).predict(queries)
    with torch.inference_mode():
        inside = linear_probe(bank, validation=None, num_classes=4, device=CPU).predict(queries)
    np.testing.assert_array_equal(inside.logits, outside.logits)


@pytest.mark.parametrize(("bank", "queries", "kind", "words"), broken_cases())
def test_bad_input_is_one_line(bank, queries, kind, words):
    with pytest.raises(kind, match=words) as caught:
        linear_probe(bank, validation=queries, num_classes=4, device=CPU).predict(queries)
    assert "\n" not in str(caught.value)
