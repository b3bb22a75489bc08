"""Error rates against the recursive definition of the edit distance."""

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from residua.errors import LabelError
from residua.evaluation.sequences import Edits, edits, error_rate, word_error_rate, words

SEQUENCES = st.lists(st.integers(0, 2), max_size=6).map(tuple)


@cache
def ways(a, b):
    """All (substitutions, insertions, deletions) that turn a into b and leave nothing to undo."""
    if not a or not b:
        return frozenset({(0, len(b), len(a))})
    found = {(s + (a[0] != b[0]), i, d) for s, i, d in ways(a[1:], b[1:])}
    found |= {(s, i, d + 1) for s, i, d in ways(a[1:], b)}
    found |= {(s, i + 1, d) for s, i, d in ways(a, b[1:])}
    return frozenset(found)


@settings(max_examples=150, deadline=None)
@given(reference=SEQUENCES, hypothesis=SEQUENCES)
def test_edits_are_the_fewest_and_of_those_the_most_substitutions(reference, hypothesis):
    found = edits(reference, hypothesis)
    best = min(ways(reference, hypothesis), key=lambda way: (sum(way), -way[0]))
    assert (found.substitutions, found.insertions, found.deletions) == best
    assert found.distance == sum(best)
    assert found.length == len(reference)


def test_textbook_pairs():
    assert edits("kitten", "sitting") == Edits(substitutions=2, insertions=1, length=6)
    assert edits("saturday", "sunday").distance == 3
    assert edits([], [1, 2]) == Edits(insertions=2)
    assert edits([1, 2], []) == Edits(deletions=2, length=2)


@settings(max_examples=40, deadline=None)
@given(pairs=st.lists(st.tuples(SEQUENCES, SEQUENCES), min_size=1, max_size=6))
def test_rates_add_up_over_the_corpus(pairs):
    references, hypotheses = zip(*pairs, strict=True)
    length = sum(map(len, references))
    if not length:
        with pytest.raises(LabelError, match="at least one token"):
            error_rate(references, hypotheses)
        return
    found = error_rate(references, hypotheses)
    distances = [min(map(sum, ways(*pair))) for pair in pairs]
    assert found.rate == pytest.approx(sum(distances) / length)
    assert found.exact == distances.count(0) / len(pairs)
    assert 0 <= found.low <= found.rate <= found.high
    assert found.edits.length == length
    assert found.n == len(pairs)


def test_the_interval_covers_what_sampling_does_to_the_rate():
    import numpy as np

    generator = np.random.default_rng(1)
    covered = 0
    for _ in range(40):  # each token is wrong with probability 0.2
        wrong = generator.random((60, 5)) < 0.2
        found = error_rate(np.zeros_like(wrong, dtype=int).tolist(), wrong.astype(int).tolist())
        covered += found.low <= 0.2 <= found.high
        assert 0.03 < found.high - found.low < 0.15
    assert covered >= 34  # of 38 expected


def test_no_errors_still_leave_doubt():
    found = error_rate([(0, 1)] * 20, [(0, 1)] * 20)
    assert found.rate == found.low == 0
    assert found.high == pytest.approx(0.161, abs=0.001)  # Wilson's, of 0 in 20
    assert found.exact == 1


def test_it_is_the_same_each_time():
    pairs = [(0, 1, 2)] * 9, [(0, 1), (0, 1, 2), (2,)] * 3
    assert error_rate(*pairs) == error_rate(*pairs)


def test_words():
    assert words((0, 1, 9, 9, 2, 9), space=9) == [(0, 1), (2,)]
    assert words((9,), space=9) == words((), space=9) == []
    references = [(0, 1, 9, 2), (3, 9, 4)]
    hypotheses = [(0, 9, 2), (3, 9, 4, 9, 4)]
    found = word_error_rate(references, hypotheses, space=9)
    assert found.edits == Edits(substitutions=1, insertions=1, length=4)
    assert found.rate == 0.5
