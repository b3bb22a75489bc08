"""kNN and linear probes, against loops in float64 and scikit-learn."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from residua.errors import LabelError, NetworkError
from residua.evaluation import probes
from residua.evaluation.embed import Features
from residua.evaluation.probes import STRENGTHS, knn_probe, linear_probe, usual_neighbours

CPU = torch.device("cpu")


def make(n, *, d=12, k=4, seed=0, labels=None, values=None):
    """Features in clouds, one a class, with channels of very different size."""
    generator = np.random.default_rng(seed)
    if labels is None:
        labels = generator.integers(0, k, n)
    centres = np.random.default_rng(99).normal(size=(max(k, 1), d))
    clouds = 0.6 * centres[labels] + generator.normal(size=(n, d))
    if values is None:
        values = (clouds * np.geomspace(0.1, 10, d) + 1).astype(np.float32)
    return Features(
        keys=tuple(f"{i}.png" for i in range(n)),
        rows=np.arange(n) + 5,
        labels=np.asarray(labels, dtype=np.int64),
        values=values,
        seconds=1.5,
        device="cpu",
    )


def shares(logits):
    return torch.from_numpy(logits).double().softmax(dim=1).numpy()


def knn(bank, queries, k=4, **options):
    return knn_probe(bank, queries, num_classes=k, device=CPU, **options)


# ---- nearest neighbours -------------------------------------------------------------------------


def expected_votes(bank, queries, k, neighbours, temperature):
    """Wu et al. (2018), section 3.4, and one neighbour of which nothing is known."""
    votes = np.full((len(queries.values), k), 1 / k)
    for i, query in enumerate(queries.values.astype(np.float64)):
        similar = [
            float(query @ x / np.linalg.norm(query) / np.linalg.norm(x))
            for x in bank.values.astype(np.float64)
        ]
        for j in sorted(range(len(similar)), key=lambda j: -similar[j])[:neighbours]:
            votes[i, bank.labels[j]] += math.exp(similar[j] / temperature)
    return votes / votes.sum(axis=1, keepdims=True)


@pytest.mark.parametrize(("neighbours", "temperature"), [(200, 0.1), (7, 0.1), (1, 0.5), (30, 2)])
def test_votes_are_those_of_a_plain_loop(neighbours, temperature):
    bank, queries = make(90), make(25, seed=1)
    found = knn(bank, queries, neighbours=neighbours, temperature=temperature)
    expected = expected_votes(bank, queries, 4, neighbours, temperature)
    np.testing.assert_allclose(shares(found.logits), expected, atol=1e-4)
    assert found.logits.dtype == np.float32
    assert found.keys == queries.keys
    np.testing.assert_array_equal(found.rows, queries.rows)
    np.testing.assert_array_equal(found.labels, queries.labels)
    assert (found.seconds, found.device) == (1.5, "cpu")


def test_answers_are_those_of_scikit_learn():
    bank, queries = make(300), make(80, seed=1)
    reference = KNeighborsClassifier(
        n_neighbors=20, metric="cosine", weights=lambda distance: np.exp((1 - distance) / 0.1)
    )
    reference.fit(bank.values.astype(np.float64), bank.labels)
    theirs = reference.predict_proba(queries.values.astype(np.float64))
    ours = shares(knn(bank, queries, neighbours=20).logits)
    clear = np.sort(theirs, axis=1)[:, -1] - np.sort(theirs, axis=1)[:, -2] > 0.01
    assert clear.sum() > 60
    np.testing.assert_array_equal(ours.argmax(axis=1)[clear], theirs.argmax(axis=1)[clear])


def test_a_low_temperature_leaves_the_nearest_alone():
    """Its votes would overflow and all others vanish if they were not logarithms."""
    bank, queries = make(50), make(20, seed=1)
    found = knn(bank, queries, temperature=1e-4)
    assert np.isfinite(found.logits).all()
    nearest = knn(bank, queries, neighbours=1)
    np.testing.assert_array_equal(found.logits.argmax(axis=1), nearest.logits.argmax(axis=1))


@settings(max_examples=20, deadline=None)
@given(block=st.integers(1, 400), scale=st.floats(1e-3, 1e3), seed=st.integers(0, 99))
def test_neither_blocks_nor_the_size_of_features_nor_unlabelled_samples_matter(block, scale, seed):
    bank, queries = make(40, seed=seed), make(11, seed=seed + 1)
    plain = knn(bank, queries)
    hidden = make(
        60,
        labels=np.append(bank.labels, np.full(20, -1)),
        values=np.append(bank.values, make(20, seed=3).values, axis=0),
    )
    larger = make(11, labels=queries.labels, values=queries.values * np.float32(scale))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(probes, "_BLOCK", block)
        found = knn(hidden, larger)
    np.testing.assert_allclose(shares(found.logits), shares(plain.logits), atol=1e-3)


def test_classes_without_neighbours_are_possible():
    found = knn(make(30, k=2), make(5, k=2, seed=1), k=6)
    assert np.isfinite(found.logits).all()
    rest = shares(found.logits)[:, 2:]
    np.testing.assert_allclose(rest, rest[:, :1].repeat(4, axis=1), rtol=1e-5)
    assert (rest > 0).all()


def test_small_banks_have_no_more_neighbours_than_samples_of_a_class():
    labels = [0] * 30 + [1] * 10 + [2] * 5 + [-1] * 40
    assert usual_neighbours(make(85, labels=np.array(labels))) == 15
    assert usual_neighbours(make(3, labels=np.array([0, 1, 3]))) == 1
    assert usual_neighbours(make(5000)) == 200


# ---- linear -------------------------------------------------------------------------------------


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
    found = linear_probe(bank, validation=None, num_classes=5, device=CPU).predict(queries)
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


def test_without_labelled_validation_samples_the_middle_strength():
    bank = make(40)
    for judges in (None, make(10, labels=np.full(10, -1))):
        fitted = linear_probe(bank, validation=judges, num_classes=4, device=CPU)
        assert (fitted.strength, fitted.chosen_on) == (0.01, 0)


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


# ---- bad input ----------------------------------------------------------------------------------


def linear(bank, queries):
    return linear_probe(bank, validation=queries, num_classes=4, device=CPU).predict(queries)


@pytest.mark.parametrize("probe", [knn, linear])
def test_bad_input_is_one_line(probe):
    good = make(20)
    broken = make(20)
    broken.values[3, 2] = np.nan
    cases = [
        (make(20, labels=np.full(20, -1)), good, LabelError, "no labels to probe with"),
        (make(20, labels=np.full(20, 2)), good, LabelError, "labels of at least two classes"),
        (broken, good, NetworkError, r"not numbers for 1 of 20 samples: .* in 3\.png"),
        (good, broken, NetworkError, r"not numbers for 1 of 20 samples: .* in 3\.png"),
    ]
    for bank, queries, kind, words in cases:
        with pytest.raises(kind, match=words) as caught:
            probe(bank, queries)
        assert "\n" not in str(caught.value)
