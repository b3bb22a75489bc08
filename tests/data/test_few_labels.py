"""Few labels: which are kept, and that the others cannot be reached."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from residua.batch import Split, Task
from residua.data.choose import choose_preprocess
from residua.data.config import DataConfig, SeriesConfig
from residua.data.few_labels import choose_labelled, hide_all_but, hide_labels
from residua.data.open import open_dataset
from residua.data.open_unlabelled import open_with_few_labels, pretraining_dataset
from residua.data.retabled import RetabledReader
from residua.errors import LabelError, UsageError


@pytest.fixture(scope="module")
def digits():
    return open_dataset(DataConfig(path="digits"))


def labels_of(dataset, split):
    return dataset.table.labels[dataset.rows(split)]


@pytest.mark.parametrize("per_class", [1, 4, 25])
def test_each_class_keeps_so_many_labels_and_nothing_is_lost(digits, per_class):
    few, hidden = hide_labels(digits, per_class=per_class, seed=0)
    assert np.bincount(labels_of(few, Split.TRAIN)).tolist() == [per_class] * 10
    assert (labels_of(few, Split.UNLABELLED) == -1).all()
    np.testing.assert_array_equal(few.learning_rows, digits.rows(Split.TRAIN))
    for split in (Split.VALIDATION, Split.TEST):
        np.testing.assert_array_equal(few.rows(split), digits.rows(split))
        np.testing.assert_array_equal(labels_of(few, split), labels_of(digits, split))
    assert few.reader.identity() == digits.reader.identity()
    assert len(hidden) == len(few.rows(Split.UNLABELLED))
    assert (np.diff(hidden.ids) > 0).all()
    true = dict(zip(digits.table.ids.tolist(), digits.table.labels.tolist(), strict=True))
    assert [true[id] for id in hidden.ids.tolist()] == hidden.labels.tolist()


def test_a_larger_number_adds_labels_and_a_seed_chooses_others(digits):
    kept = [
        set(choose_labelled(digits, per_class=count, seed=0).tolist()) for count in (1, 4, 10, 25)
    ]
    for fewer, more in pairwise(kept):
        assert fewer < more
    assert set(choose_labelled(digits, per_class=10, seed=1).tolist()) != kept[2]


def test_the_choice_follows_names_and_not_the_other_samples(digits):
    """A sample that goes away changes nothing but its own place."""
    kept = choose_labelled(digits, per_class=5, seed=0)
    spared = np.setdiff1d(digits.rows(Split.TRAIN), kept)[::2]
    fewer = replace(
        digits,
        assignment={
            **digits.assignment,
            Split.TRAIN: np.setdiff1d(digits.rows(Split.TRAIN), spared),
        },
    )
    np.testing.assert_array_equal(choose_labelled(fewer, per_class=5, seed=0), kept)


def test_whatever_the_hidden_labels_are_the_data_set_is_the_same(digits):
    kept = choose_labelled(digits, per_class=5, seed=0)
    hidden = np.setdiff1d(digits.rows(Split.TRAIN), kept)
    labels = digits.table.labels.copy()
    labels[hidden] = np.random.default_rng(0).permutation(labels[hidden])
    other = replace(
        digits,
        reader=RetabledReader(
            source=digits.reader,
            schema=digits.schema,
            table=replace(digits.table, labels=labels),
        ),
    )
    (one, known), (two, permuted) = hide_all_but(digits, kept), hide_all_but(other, kept)
    np.testing.assert_array_equal(one.table.labels, two.table.labels)
    np.testing.assert_array_equal(known.ids, permuted.ids)
    assert (known.labels != permuted.labels).any()
    for split in Split:
        np.testing.assert_array_equal(one.rows(split), two.rows(split))


def test_preprocessing_does_not_depend_on_the_number_of_labels(digits):
    def fitted(dataset):
        return choose_preprocess(dataset, DataConfig(path="digits"), SeriesConfig())

    few, _ = hide_labels(digits, per_class=1, seed=0)
    assert fitted(few) == fitted(digits) == fitted(pretraining_dataset(few))


def test_pretraining_sees_all_samples_and_no_label(digits):
    few, _ = hide_labels(digits, per_class=4, seed=0)
    for dataset in (few, digits):
        bare = pretraining_dataset(dataset)
        np.testing.assert_array_equal(bare.rows(Split.TRAIN), digits.rows(Split.TRAIN))
        np.testing.assert_array_equal(bare.rows(Split.VALIDATION), digits.rows(Split.VALIDATION))
        assert not len(bare.rows(Split.UNLABELLED))
        assert (bare.table.labels == -1).all()
        assert bare.table.values is None
        np.testing.assert_array_equal(bare.table.ids, digits.table.ids)


def test_opening_with_few_labels(digits):
    config = DataConfig(path="digits", labels_per_class=3, label_seed=2)
    few, hidden = open_with_few_labels(config)
    expected, _ = hide_labels(digits, per_class=3, seed=2)
    np.testing.assert_array_equal(few.table.labels, expected.table.labels)
    assert len(hidden) == len(few.rows(Split.UNLABELLED))
    whole, nothing = open_with_few_labels(DataConfig(path="digits"))
    np.testing.assert_array_equal(whole.rows(Split.TRAIN), digits.rows(Split.TRAIN))
    assert not len(nothing)


def test_real_data(shared_data):
    path = shared_data / "fashion-mnist"
    few, hidden = open_with_few_labels(DataConfig(path=str(path), labels_per_class=25))
    assert np.bincount(labels_of(few, Split.TRAIN)).tolist() == [25] * 10
    assert len(few.learning_rows) + len(few.rows(Split.VALIDATION)) == 60_000
    assert np.bincount(hidden.labels).sum() == len(few.rows(Split.UNLABELLED))


def test_too_few_samples_and_other_tasks_are_named(digits):
    with pytest.raises(LabelError) as error:
        hide_labels(digits, per_class=10_000, seed=0)
    assert "\n" not in str(error.value)
    counts = np.bincount(labels_of(digits, Split.TRAIN))
    assert f"received {counts.min()}" in str(error.value)
    assert "at least 10000" in str(error.value)
    assert f"class '{counts.argmin()}'" in str(error.value)
    schema = replace(digits.schema, task=Task.REGRESSION)
    other = RetabledReader(source=digits.reader, schema=schema, table=digits.table)
    with pytest.raises(UsageError, match=r"only labels of classes can be hidden.*regression"):
        hide_labels(replace(digits, reader=other), per_class=1, seed=0)
