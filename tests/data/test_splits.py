"""What a split promises: nothing lost, nothing doubled, nothing moved, no group torn."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from residua.batch import Split
from residua.data.dataset import Table
from residua.data.splits import assign_splits, limited
from residua.errors import LabelError, UsageError


def table(
    labels: Sequence[int],
    *,
    splits: Sequence[Split | None] | None = None,
    groups: Sequence[str] | None = None,
    keys: Sequence[str] | None = None,
) -> Table:
    count = len(labels)
    return Table(
        keys=keys or [f"{row}.jpg" for row in range(count)],
        labels=np.array(labels, dtype=np.int64),
        splits=splits or [None] * count,
        groups=groups,
    )


def places(source: Table, *, validation: float = 0.1, test: float = 0.1, seed: int = 0):
    """Key -> split."""
    assignment, _ = assign_splits(
        source, validation_fraction=validation, test_fraction=test, seed=seed
    )
    return {source.keys[row]: split for split, rows in assignment.items() for row in rows}


fractions = st.one_of(st.just(0.0), st.floats(0.01, 0.95))
some_splits = st.sampled_from([None, *Split])


@st.composite
def tables(draw: st.DrawFn) -> Table:
    labels = draw(st.lists(st.integers(0, 4), min_size=1, max_size=80))
    splits = groups = None
    if draw(st.booleans()):
        splits = draw(st.lists(some_splits, min_size=len(labels), max_size=len(labels)))
    elif draw(st.booleans()):
        numbers = st.lists(st.integers(0, 9), min_size=len(labels), max_size=len(labels))
        groups = [f"patient {number}" for number in draw(numbers)]
    return table(labels, splits=splits, groups=groups)


@settings(max_examples=150, deadline=None)
@given(tables(), fractions, fractions, st.integers(0, 5))
def test_partition(source: Table, validation: float, test: float, seed: int) -> None:
    assignment, official = assign_splits(
        source, validation_fraction=validation, test_fraction=test, seed=seed
    )
    together = np.concatenate(list(assignment.values()))
    assert sorted(together) == list(range(len(source)))
    for split, rows in assignment.items():
        assert len(rows)
        assert list(rows) == sorted(rows)
        for row in rows:
            named = source.splits[row]
            assert named in (None, split) or (named is Split.TRAIN and split not in official)
    assert official == {split for split in source.splits if split}
    for split, share in ((Split.VALIDATION, validation), (Split.TEST, test)):
        if share == 0 and split not in official:
            assert split not in assignment


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.integers(1, 12), min_size=1, max_size=6), fractions, fractions, st.integers(0, 9)
)
def test_each_class_everywhere(sizes: list[int], validation: float, test: float, seed: int) -> None:
    source = table([label for label, size in enumerate(sizes) for _ in range(size)])
    found = places(source, validation=validation, test=test, seed=seed)
    wanted = {Split.TRAIN}
    wanted |= {Split.VALIDATION} if validation else set()
    wanted |= {Split.TEST} if test else set()
    for label, size in enumerate(sizes):
        got = {found[source.keys[row]] for row in np.flatnonzero(source.labels == label)}
        assert Split.TRAIN in got
        if size >= 3:
            assert got == wanted


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(min_size=1, max_size=3), min_size=3, max_size=60), fractions, fractions)
def test_groups_are_never_torn(names: list[str], validation: float, test: float) -> None:
    source = table([0] * len(names), groups=names)
    found = places(source, validation=validation, test=test)
    homes: dict[str, set[Split]] = {}
    for key, group in zip(source.keys, names, strict=True):
        homes.setdefault(group, set()).add(found[key])
    assert all(len(splits) == 1 for splits in homes.values())
    if len(homes) >= 3:
        wanted = 1 + (validation > 0) + (test > 0)
        assert len({split for splits in homes.values() for split in splits}) == wanted


def test_added_and_removed_samples_move_no_other() -> None:
    """Classes large enough that the threshold alone decides (see the module's docstring)."""
    keys = [f"c{i % 3}/{i}.jpg" for i in range(900)]
    labels = [i % 3 for i in range(900)]
    before = places(table(labels[:600], keys=keys[:600]))
    after = places(table(labels, keys=keys))
    assert all(after[key] is split for key, split in before.items())
    order = np.random.default_rng(0).permutation(900)
    shuffled = places(table([labels[i] for i in order], keys=[keys[i] for i in order]))
    assert shuffled == after
    assert len(set(after.values())) == 3


@settings(max_examples=60, deadline=None)
@given(st.integers(3, 30), st.integers(0, 30), st.integers(0, 20))
def test_a_small_class_moves_at_most_what_the_guarantee_had_placed(
    size: int, added: int, seed: int
) -> None:
    keys = [f"{i}.jpg" for i in range(size + added)]
    before = places(table([0] * size, keys=keys[:size]), seed=seed)
    after = places(table([0] * (size + added), keys=keys), seed=seed)
    moved = [key for key in before if before[key] is not after[key]]
    assert len(moved) <= 2, "one for each drawn split"


def test_another_class_does_not_matter() -> None:
    keys = [f"a/{i}" for i in range(50)]
    alone = places(table([0] * 50, keys=keys))
    beside = places(table([0] * 50 + [1] * 70, keys=keys + [f"b/{i}" for i in range(70)]))
    assert all(beside[key] is split for key, split in alone.items())


def test_proportions() -> None:
    """Within 5 standard deviations of a binomial, in each of four classes."""
    labels = [i % 4 for i in range(40_000)]
    found = places(table(labels), validation=0.2, test=0.1)
    for label in range(4):
        counts = Counter(found[f"{row}.jpg"] for row in range(label, 40_000, 4))
        for split, share in ((Split.TEST, 0.1), (Split.VALIDATION, 0.9 * 0.2)):
            deviation = (10_000 * share * (1 - share)) ** 0.5
            assert abs(counts[split] - 10_000 * share) < 5 * deviation


def test_groups_are_drawn_in_proportion() -> None:
    groups = [f"p{i // 5}" for i in range(20_000)]
    found = Counter(places(table([0] * 20_000, groups=groups)).values())
    assert abs(found[Split.TEST] / 20_000 - 0.1) < 5 * (0.09 / 4_000) ** 0.5


def test_every_class_reaches_drawn_splits_although_groups_stay_whole() -> None:
    """Of sixty patients six have the rare class, and no split may miss it."""
    labels, groups = list[int](), list[str]()
    for patient in range(60):
        own = [0] * 50 + [1] * 2 * (patient % 10 == 3)
        labels += own
        groups += [f"p{patient}"] * len(own)
    source = table(labels, groups=groups)
    for seed in range(20):
        found = places(source, seed=seed)
        rare = [found[key] for key, label in zip(source.keys, labels, strict=True) if label == 1]
        assert set(rare) == {Split.TRAIN, Split.VALIDATION, Split.TEST}, seed


def test_seeds_give_independent_splits() -> None:
    source = table([0] * 5000)
    held = [
        {key for key, split in places(source, seed=seed).items() if split is Split.TEST}
        for seed in (0, 1)
    ]
    assert held[0] != held[1]
    assert abs(len(held[0] & held[1]) - 50) < 40, "a tenth of a tenth in both"
    assert places(source, seed=1) == places(source, seed=1)


def test_a_known_assignment() -> None:
    """Frozen: another version of residua must not move a sample into the test split."""
    found = places(table([i % 2 for i in range(40)]), validation=0.2, test=0.2, seed=3)
    held = {split: sorted(int(k[:-4]) for k, s in found.items() if s is split) for split in Split}
    assert held[Split.TEST] == FROZEN_TEST
    assert held[Split.VALIDATION] == FROZEN_VALIDATION


FROZEN_TEST = [1, 7, 17, 18, 20, 33, 34, 36]
FROZEN_VALIDATION = [0, 2, 10, 11, 12, 15, 27, 39]


def test_official_splits_stay() -> None:
    names = [Split.TRAIN] * 80 + [Split.TEST] * 20
    found = places(table([i % 2 for i in range(100)], splits=names), test=0.5)
    assert {key for key, split in found.items() if split is Split.TEST} == {
        f"{i}.jpg" for i in range(80, 100)
    }
    assert 2 <= list(found.values()).count(Split.VALIDATION) <= 20
    names = [Split.TRAIN] * 80 + [Split.VALIDATION] * 20
    counts = Counter(places(table([i % 2 for i in range(100)], splits=names)).values())
    assert counts[Split.VALIDATION] == 20
    assert counts[Split.TEST] >= 2
    assert set(places(table([0, 1], splits=[Split.TEST] * 2)).values()) == {Split.TEST}


def test_a_group_with_and_without_a_named_split() -> None:
    source = table([0, 1, 0], splits=[Split.TEST, None, None], groups=["p1", "p2", "p1"])
    with pytest.raises(LabelError, match=r"'p1'.*split test.*without a split.*2\.jpg"):
        places(source)


@pytest.mark.parametrize("bad", [-0.1, 1.0, float("nan")])
def test_fractions_are_checked(bad: float) -> None:
    with pytest.raises(UsageError, match=r"validation fraction.*0 <= share < 1"):
        places(table([0, 1]), validation=bad)
    with pytest.raises(UsageError, match="test fraction"):
        places(table([0, 1]), test=bad)


# ---- a part of the training data ----------------------------------------------------------------


@given(
    labels=st.lists(st.integers(0, 4), min_size=1, max_size=60),
    per_class=st.integers(1, 12),
    seed=st.integers(0, 99),
)
def test_a_limit_keeps_so_many_of_each_class(labels: list[int], per_class: int, seed: int) -> None:
    source = table(labels)
    rows = np.arange(0, len(labels), 2)
    kept = limited(source, rows, per_class=per_class, seed=seed)
    assert set(kept) <= set(rows)
    assert kept.tolist() == sorted(set(kept))
    whole = Counter(labels[row] for row in rows)
    assert Counter(labels[row] for row in kept) == {
        label: min(count, per_class) for label, count in whole.items()
    }
    more = limited(source, rows, per_class=per_class + 1, seed=seed)
    assert set(kept) <= set(more)


def test_what_a_limit_keeps_depends_on_names_not_on_places() -> None:
    labels, keys = [i % 3 for i in range(90)], [f"{i}.jpg" for i in range(90)]
    forwards, backwards = table(labels, keys=keys), table(labels[::-1], keys=keys[::-1])
    rows = np.arange(90)
    kept = {keys[row] for row in limited(forwards, rows, per_class=5, seed=1)}
    assert kept == {keys[::-1][row] for row in limited(backwards, rows, per_class=5, seed=1)}
    assert kept != {keys[row] for row in limited(forwards, rows, per_class=5, seed=2)}
    assert kept != set(keys[:15])
