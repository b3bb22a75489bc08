import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from residua.data.sampling import epoch_plan, shard, steps_per_epoch
from residua.errors import LabelError, UsageError
from residua.files import hash64


def make(n: int, classes: int = 3):
    rows = np.arange(n, dtype=np.int64) * 2 + 5
    ids = np.array([hash64(f"sample {row}") for row in rows], dtype=np.int64)
    return rows, ids, np.arange(n, dtype=np.int64) % classes


def batches(plan):
    return [plan.rows[plan.batch(step)] for step in range(plan.steps)]


@given(
    n=st.integers(1, 300),
    batch_size=st.integers(1, 80),
    seed=st.integers(0, 2**40),
    epoch=st.integers(0, 99),
)
@settings(max_examples=80, deadline=None)
def test_each_sample_comes_once_in_even_batches(n, batch_size, seed, epoch):
    rows, ids, labels = make(n)
    plan = epoch_plan(rows, ids, labels, seed=seed, epoch=epoch, batch_size=batch_size)
    found = batches(plan)
    sizes = [len(batch) for batch in found]
    assert plan.steps == steps_per_epoch(n, batch_size) == -(-n // batch_size)
    assert max(sizes) <= batch_size
    assert max(sizes) - min(sizes) <= 1
    assert sorted(np.concatenate(found)) == sorted(rows)
    assert plan.repeats is None


def test_order_changes_with_seed_and_epoch_and_nothing_else():
    rows, ids, labels = make(200)

    def order(seed, epoch):
        return epoch_plan(rows, ids, labels, seed=seed, epoch=epoch, batch_size=32).rows.tolist()

    assert order(1, 0) == order(1, 0)
    assert len({tuple(order(seed, epoch)) for seed in (1, 2) for epoch in (0, 1, 2)}) == 6
    assert abs(np.corrcoef(order(1, 0), order(1, 1))[0, 1]) < 0.25


def test_order_does_not_depend_on_where_samples_lie_in_the_table():
    rows, ids, labels = make(100)
    names = dict(zip(rows.tolist(), ids.tolist(), strict=True))
    plan = epoch_plan(rows, ids, labels, seed=3, epoch=1, batch_size=10)
    turned = epoch_plan(rows, ids[::-1].copy(), labels, seed=3, epoch=1, batch_size=10)
    turned_names = dict(zip(rows.tolist(), ids[::-1].tolist(), strict=True))
    assert [names[row] for row in plan.rows] == [turned_names[row] for row in turned.rows]


@given(counts=st.lists(st.integers(1, 60), min_size=2, max_size=6), seed=st.integers(0, 1000))
@settings(max_examples=60, deadline=None)
def test_balanced_epochs_draw_classes_equally_and_samples_evenly(counts, seed):
    n, k = sum(counts), len(counts)
    rows, ids, _ = make(n)
    labels = np.repeat(np.arange(k, dtype=np.int64), counts)
    of_row = dict(zip(rows.tolist(), labels.tolist(), strict=True))
    in_all = np.zeros(k, dtype=int)
    for epoch in range(k):
        plan = epoch_plan(rows, ids, labels, seed=seed, epoch=epoch, batch_size=7, balance=True)
        assert len(plan.rows) == n
        drawn = np.bincount([of_row[row] for row in plan.rows.tolist()], minlength=k)
        assert drawn.max() - drawn.min() <= 1
        in_all += drawn
        pairs = list(zip(plan.rows.tolist(), plan.repeats.tolist(), strict=True))
        assert len(set(pairs)) == n
        for label in range(k):
            times = [plan.rows.tolist().count(row) for row in rows[labels == label].tolist()]
            assert max(times) - min(times) <= 1
        for row in set(plan.rows.tolist()):
            repeats = sorted(repeat for other, repeat in pairs if other == row)
            assert repeats == list(range(len(repeats)))
    assert (in_all == n).all()


def test_balanced_epochs_mix_the_classes():
    rows, ids, _ = make(400)
    labels = np.repeat(np.arange(4, dtype=np.int64), [370, 10, 10, 10])
    plan = epoch_plan(rows, ids, labels, seed=0, epoch=0, batch_size=100, balance=True)
    for step in range(plan.steps):
        drawn = np.bincount(labels[(plan.rows[plan.batch(step)] - 5) // 2], minlength=4)
        assert drawn.min() > 10


def test_balancing_needs_labels():
    rows, ids, labels = make(10)
    labels[3] = -1
    with pytest.raises(LabelError, match="label"):
        epoch_plan(rows, ids, labels, seed=0, epoch=0, batch_size=4, balance=True)


@given(count=st.integers(1, 200), world=st.integers(1, 8), accumulate=st.integers(1, 5))
def test_shards_put_together_are_the_batch(count, world, accumulate):
    if count < world * accumulate:
        with pytest.raises(UsageError, match="at least"):
            shard(count, rank=0, world=world, accumulate=accumulate)
        return
    parts = [
        part
        for rank in range(world)
        for part in shard(count, rank=rank, world=world, accumulate=accumulate)
    ]
    sizes = [len(range(count)[part]) for part in parts]
    assert [i for part in parts for i in range(count)[part]] == list(range(count))
    assert max(sizes) - min(sizes) <= 1
    assert len(parts) == world * accumulate
