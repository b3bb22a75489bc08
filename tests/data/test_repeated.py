"""Repeated augmentation: each sample several times in its batch, epochs as long as before."""

from dataclasses import replace
from itertools import groupby
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from residua.augment.draws import draws_for
from residua.batch import Batch, Modality, Split
from residua.data.choose import evaluation_form
from residua.data.config import DataConfig
from residua.data.image_preprocess import ImagePreprocess
from residua.data.loader import Loader
from residua.data.open import open_dataset
from residua.data.sampling import EpochPlan, epoch_plan, steps_per_epoch
from residua.errors import UsageError
from residua.methods.config import SemiConfig, SupervisedConfig
from residua.recipes.recipe import Recipe
from residua.run.options import check_options
from residua.training.config import TrainingConfig


def plan(n: int, batch_size: int, times: int, *, seed: int = 0, epoch: int = 0) -> EpochPlan:
    rows = np.arange(n, dtype=np.int64) * 3 + 1
    ids = np.random.default_rng(7).integers(0, 2**62, n)
    labels = np.arange(n, dtype=np.int64) % 2
    return epoch_plan(
        rows, ids, labels, seed=seed, epoch=epoch, batch_size=batch_size, repeated=times
    )


sizes = {
    "n": st.integers(1, 150),
    "batch_size": st.integers(1, 40),
    "times": st.integers(2, 6),
    "seed": st.integers(0, 1000),
    "epoch": st.integers(0, 50),
}


@given(**sizes)
@settings(max_examples=100, deadline=None)
def test_batches_hold_each_sample_as_often_as_they_can(n, batch_size, times, seed, epoch):
    found = plan(n, batch_size, times, seed=seed, epoch=epoch)
    assert len(found.rows) == len(found.repeats) == n
    assert found.steps == steps_per_epoch(n, batch_size)
    seen: set[int] = set()
    for step in range(found.steps):
        part = found.batch(step)
        rows, repeats = found.rows[part].tolist(), found.repeats[part].tolist()
        counts = [rows.count(row) for row in set(rows)]
        assert len(counts) == -(-len(rows) // times)
        assert max(counts) <= times
        for row in set(rows):  # the first time, the second time ... of the epoch
            of_row = [r for other, r in zip(rows, repeats, strict=True) if other == row]
            assert of_row == list(range(len(of_row)))
        assert [key for key, _ in groupby(repeats)] == sorted(set(repeats))  # a round at a time
        assert not seen & set(rows)
        seen |= set(rows)
    assert seen <= {3 * i + 1 for i in range(n)}


@given(**{**sizes, "epoch": st.integers(0, 5)})
@settings(max_examples=60, deadline=None)
def test_as_many_epochs_have_every_sample(n, batch_size, times, seed, epoch):
    rounds = range(epoch * times, (epoch + 1) * times)
    seen = {
        row
        for each in rounds
        for row in plan(n, batch_size, times, seed=seed, epoch=each).rows.tolist()
    }
    assert seen == {3 * i + 1 for i in range(n)}


def test_once_is_the_plain_order():
    plain = plan(50, 8, 1)
    assert plain.repeats is None
    assert sorted(plain.rows.tolist()) == [3 * i + 1 for i in range(50)]


def test_the_order_follows_from_seed_and_epoch():
    assert plan(90, 9, 3, seed=1).rows.tolist() == plan(90, 9, 3, seed=1).rows.tolist()
    orders = {tuple(plan(90, 9, 3, seed=s, epoch=e).rows) for s in (1, 2) for e in range(6)}
    assert len(orders) == 12


def test_an_epoch_of_full_batches_has_one_part_of_the_samples():
    found = plan(120, 12, 4)
    assert len(set(found.rows.tolist())) == 30
    first = found.rows[found.batch(0)].reshape(4, 3)
    assert (first == first[0]).all()


def test_each_time_draws_other_numbers():
    found = plan(24, 8, 2)
    part = found.batch(0)
    batch = Batch(
        inputs=torch.zeros(8, 1),
        targets=torch.zeros(8, dtype=torch.int64),
        ids=torch.from_numpy(found.rows[part]),
        repeats=torch.from_numpy(found.repeats[part]),
    )
    drawn = draws_for(batch, seed=0, epoch=0).uniform("flip").tolist()
    assert len(set(drawn)) == 8


def test_it_does_not_go_with_balanced_drawing():
    rows = np.arange(10, dtype=np.int64)
    with pytest.raises(UsageError, match=r"--repeated 2") as caught:
        epoch_plan(rows, rows, rows % 2, seed=0, epoch=0, batch_size=4, balance=True, repeated=2)
    assert "\n" not in str(caught.value)


def test_a_loader_hands_out_views_of_the_same_samples(tmp_path: Path) -> None:
    for number in range(12):
        (tmp_path / "ab"[number % 2]).mkdir(exist_ok=True)
        picture = Image.new("L", (8, 8), 20 * number)
        picture.save(tmp_path / "ab"[number % 2] / f"{number}.png")
    config = DataConfig(path=str(tmp_path), validation_fraction=0, test_fraction=0, cache="never")
    dataset = open_dataset(config)
    form = evaluation_form(
        ImagePreprocess(size=(8, 8), resize=(8, 8), channels=1, mean=(0.5,), std=(0.5,)), shortest=1
    )
    loader = Loader(dataset, Split.TRAIN, form, config, batch_size=6, repeated=3, accumulate=3)
    steps = list(loader.epoch(0))
    assert len(steps) == loader.steps_per_epoch == 2
    for step in steps:
        assert [part.repeats.tolist() for part in step.parts] == [[0, 0], [1, 1], [2, 2]]
        first, *others = step.parts
        for part in others:
            assert part.ids.equal(first.ids)
            assert part.inputs.equal(first.inputs)
            assert part.targets.equal(first.targets)


@pytest.mark.parametrize(
    ("recipe", "option"),
    [
        (Recipe(method=SupervisedConfig(balance="sampling")), "--balance sampling"),
        (Recipe(semi=SemiConfig(semi="fixmatch")), "--method fixmatch"),
    ],
)
def test_other_ways_of_drawing_are_told_before_the_run(recipe: Recipe, option: str) -> None:
    check_options(recipe, Modality.IMAGE)
    with pytest.raises(UsageError, match=option) as caught:
        check_options(replace(recipe, training=TrainingConfig(repeated=2)), Modality.IMAGE)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("repeated", [0, 9])
def test_wrong_numbers_are_named(repeated):
    with pytest.raises(UsageError, match="wrong repeated"):
        TrainingConfig(batch_size=8, repeated=repeated).check()
