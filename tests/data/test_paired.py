"""Labelled and unlabelled samples of an update: exact sizes, passes, ranks, resuming."""

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from residua.batch import Split
from residua.data.choose import evaluation_form
from residua.data.config import DataConfig
from residua.data.few_labels import hide_labels
from residua.data.image_preprocess import ImagePreprocess
from residua.data.loader import Loader
from residua.data.open import open_dataset
from residua.data.paired import PairedLoader, occurrences, passes
from residua.errors import LabelError, UnreadableSampleError, UsageError
from residua.random import permutation

FORM = evaluation_form(ImagePreprocess(size=(4, 4), resize=(4, 4)))
CLASSES, OF_EACH = 3, 11

sizes = st.integers(1, 40)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("few")
    draw = np.random.default_rng(0)
    for label in range(CLASSES):
        (folder / f"class{label}").mkdir()
        for number in range(OF_EACH):
            pixels = draw.integers(0, 256, (4, 4, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"class{label}" / f"{number}.png")
    return folder


def config_of(folder, **changes):
    return DataConfig(path=str(folder), validation_fraction=0.0, test_fraction=0.0, **changes)


def paired(folder, *, per_class=2, batch_size=5, ratio=3, data=None, seed=3, **changes):
    config = config_of(folder, **(data or {}))
    dataset, _ = hide_labels(open_dataset(config), per_class=per_class, seed=0)
    loaders = [
        Loader(
            dataset,
            split,
            FORM,
            config,
            batch_size=batch_size,
            seed=seed,
            stored=dataset.learning_rows,
            **changes,
        )
        for split in (Split.TRAIN, Split.UNLABELLED)
    ]
    return PairedLoader(*loaders, ratio=ratio)


def tensors(batch):
    repeats = torch.zeros_like(batch.ids) if batch.repeats is None else batch.repeats
    return [each.numpy().tobytes() for each in (batch.inputs, batch.targets, batch.ids, repeats)]


def bits(step):
    return step.total, [(tensors(part), tensors(part.unlabelled)) for part in step.parts]


def drawn(batches):
    """(id, repeat, target) of each sample."""
    found = []
    for batch in batches:
        repeats = torch.zeros_like(batch.ids) if batch.repeats is None else batch.repeats
        found += zip(batch.ids.tolist(), repeats.tolist(), batch.targets.tolist(), strict=True)
    return found


@given(n=sizes, batch_size=st.integers(1, 12), unit=st.integers(1, 4), steps=st.integers(1, 9))
@settings(deadline=None, max_examples=40)
def test_epochs_are_stretches_of_one_row_of_passes(n, batch_size, unit, steps):
    rows = np.arange(n) * 3 + 1
    ids = np.random.default_rng(n).integers(0, 2**62, n)
    plans = [
        passes(rows, ids, seed=5, epoch=epoch, steps=steps, batch_size=batch_size, unit=unit)
        for epoch in range(3)
    ]
    count = steps * batch_size * unit
    endless = [
        rows[int(place)]
        for number in range(3 * count // n + 1)
        for place in permutation(5, number, torch.from_numpy(ids))
    ]
    assert [int(row) for plan in plans for row in plan.rows] == endless[: 3 * count]
    for plan in plans:
        widths = {plan.batch(step).stop - plan.batch(step).start for step in range(steps)}
        assert widths == {batch_size * unit}


@given(n=sizes, batch_size=st.integers(1, 12), steps=st.integers(1, 9), epochs=st.integers(1, 4))
@settings(deadline=None, max_examples=40)
def test_no_sample_is_ahead_of_another_by_more_than_once(n, batch_size, steps, epochs):
    ids = np.arange(n) + 10
    counts = np.zeros(n, dtype=int)
    for epoch in range(epochs):
        plan = passes(np.arange(n), ids, seed=1, epoch=epoch, steps=steps, batch_size=batch_size)
        for step in range(steps):
            np.add.at(counts, plan.rows[plan.batch(step)], 1)
            assert counts.max() - counts.min() <= 1


@given(st.lists(st.integers(0, 5), max_size=30))
def test_occurrences_count_from_zero(values):
    seen = Counter()
    expected = []
    for value in values:
        expected.append(seen[value])
        seen[value] += 1
    assert occurrences(np.array(values, dtype=np.int64)).tolist() == expected


@pytest.mark.parametrize(("batch_size", "ratio", "per_class"), [(5, 3, 2), (8, 7, 1), (2, 1, 4)])
def test_every_update_has_exactly_its_samples(folder, batch_size, ratio, per_class):
    loader = paired(folder, batch_size=batch_size, ratio=ratio, per_class=per_class)
    unlabelled = CLASSES * (OF_EACH - per_class)
    assert loader.steps_per_epoch == int(np.ceil(unlabelled / (ratio * batch_size)))
    assert loader.num_samples == CLASSES * per_class
    for epoch in range(2):
        steps = list(loader.epoch(epoch))
        assert len(steps) == loader.steps_per_epoch
        for step in steps:
            (part,) = step.parts
            assert step.total == len(part) == batch_size
            assert len(part.unlabelled) == ratio * batch_size
            assert (part.targets >= 0).all()
            assert (part.unlabelled.targets == -1).all()


def test_a_sample_never_draws_twice_the_same_in_an_epoch(folder):
    for epoch in range(2):
        steps = list(paired(folder, per_class=1, batch_size=8).epoch(epoch))
        for kind in (
            [p for s in steps for p in s.parts],
            [p.unlabelled for s in steps for p in s.parts],
        ):
            found = drawn(kind)
            assert len(set(found)) == len(found)


def test_labelled_samples_go_on_with_their_round_in_the_next_epoch(folder):
    loader = paired(folder, per_class=3, batch_size=4, ratio=7)  # one update of 4 of 9 samples
    ids = [part.ids.tolist() for epoch in range(9) for s in loader.epoch(epoch) for part in s.parts]
    flat = [each for part in ids for each in part]
    assert len(flat) == 36
    for start in range(0, 36, 9):
        assert len(set(flat[start : start + 9])) == 9


@given(
    batch_size=st.integers(4, 9),
    ratio=st.integers(1, 4),
    world=st.integers(1, 2),
    accumulate=st.integers(1, 2),
    epoch=st.integers(0, 2),
)
@settings(deadline=None, max_examples=15)
def test_ranks_and_parts_together_make_the_whole(
    folder, batch_size, ratio, world, accumulate, epoch
):
    def steps(**changes):
        return list(paired(folder, batch_size=batch_size, ratio=ratio, **changes).epoch(epoch))

    whole = steps()
    ranks = [steps(rank=rank, world=world, accumulate=accumulate) for rank in range(world)]
    for number, one in enumerate(whole):
        parts = [part for rank in ranks for part in rank[number].parts]
        assert {rank[number].total for rank in ranks} == {one.total}
        assert len(parts) == world * accumulate
        assert drawn(parts) == drawn(one.parts)
        assert drawn(p.unlabelled for p in parts) == drawn(p.unlabelled for p in one.parts)
        assert all(len(part.unlabelled) == ratio * len(part) for part in parts)


@pytest.mark.parametrize("data", [{}, {"cache": "never", "workers": 0}])
@pytest.mark.parametrize("start", [0, 1, 2])
def test_an_epoch_taken_up_again_goes_on_with_the_same_bits(folder, data, start):
    whole = [bits(step) for step in paired(folder).epoch(1)]
    assert len(whole) == 2
    assert [bits(step) for step in paired(folder, data=data).epoch(1, start)] == whole[start:]


def test_seed_and_epoch_change_the_order(folder):
    def ids(epoch, seed=3):
        steps = paired(folder, seed=seed).epoch(epoch)
        return [part.unlabelled.ids.tolist() for step in steps for part in step.parts]

    assert ids(0) == ids(0)
    assert len({str(each) for each in (ids(0), ids(1), ids(0, seed=4))}) == 3


def test_one_storage_serves_any_number_of_labels(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("RESIDUA_CACHE", str(tmp_path))
    for per_class in (1, 2, 5):
        list(paired(folder, per_class=per_class).epoch(0))
    assert len(list(tmp_path.glob("*.decoded"))) == 1


def test_unreadable_samples_of_either_kind_are_left_out(folder, tmp_path):
    places = {}
    for label in range(CLASSES):
        (tmp_path / f"class{label}").mkdir()
        for number in range(4):
            file = tmp_path / f"class{label}" / f"{number}.png"
            file.write_bytes((folder / f"class{label}" / f"{number}.png").read_bytes())
            places[f"class{label}/{number}.png"] = file
    config = config_of(tmp_path)
    dataset, _ = hide_labels(open_dataset(config), per_class=1, seed=0)
    keys = dataset.table.keys
    lost = [keys[dataset.rows(split)[0]] for split in (Split.TRAIN, Split.UNLABELLED)]
    for key in lost:
        places[key].write_bytes(b"no picture")
    told = []
    loader = paired(
        tmp_path, per_class=1, batch_size=3, ratio=3, on_problem=lambda p: told.append(p.key)
    )
    (step,) = loader.epoch(0)
    assert (len(step.parts[0]), len(step.parts[0].unlabelled), step.total) == (2, 8, 3)
    assert sorted(told) == sorted(lost)
    assert sorted(problem.key for problem in loader.problems) == sorted(lost)


def test_a_part_without_a_readable_sample_of_one_kind_is_left_out_as_a_pair(folder, tmp_path):
    for label in range(2):
        (tmp_path / f"class{label}").mkdir()
        for number in range(2):
            file = tmp_path / f"class{label}" / f"{number}.png"
            file.write_bytes((folder / f"class{label}" / f"{number}.png").read_bytes())
    config = config_of(tmp_path)
    dataset, _ = hide_labels(open_dataset(config), per_class=1, seed=0)
    for row in dataset.rows(Split.UNLABELLED):
        (tmp_path / dataset.table.keys[row]).write_bytes(b"no picture")
    loader = paired(tmp_path, per_class=1, batch_size=2, ratio=1)
    with pytest.raises(UnreadableSampleError, match="none of the samples of a batch"):
        list(loader.epoch(0))


def test_bad_input_is_named(folder):
    with pytest.raises(LabelError, match="the unlabelled split is empty"):
        paired(folder, per_class=OF_EACH)
    with pytest.raises(UsageError, match=r"cannot be drawn by class.*--balance loss"):
        paired(folder, balance=True)
    with pytest.raises(UsageError, match="too small to be divided"):
        list(paired(folder, batch_size=2, world=3).epoch(0))
