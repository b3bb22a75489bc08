"""kNN probes, against loops in float64 and scikit-learn."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import KNeighborsClassifier
from tests.evaluation.probe_cases import broken_cases, make, shares

from residua.evaluation import probes
from residua.evaluation.probes import knn_probe, usual_neighbours

CPU = torch.device("cpu")


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


@pytest.mark.parametrize(("bank", "queries", "kind", "words"), broken_cases())
def test_bad_input_is_one_line(bank, queries, kind, words):
    with pytest.raises(kind, match=words) as caught:
        knn(bank, queries)
    assert "\n" not in str(caught.value)
