import hashlib
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from residua.batch import Split
from residua.data import loader as loader_module
from residua.data.choose import evaluation_form, training_form
from residua.data.config import DataConfig
from residua.data.image_preprocess import ImagePreprocess
from residua.data.loader import Loader
from residua.data.open import open_dataset
from residua.data.prefetch import prefetch
from residua.errors import DataError, LabelError, UnreadableSampleError, UsageError

PREPROCESS = ImagePreprocess(size=(12, 10), resize=(12, 10))
WHOLE = training_form(ImagePreprocess(size=(70, 66), resize=(70, 66)), crop="resized")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """61 pictures of two classes, 41 and 20; of different sizes, each of another content."""
    folder = tmp_path_factory.mktemp("set")
    draw = np.random.default_rng(0)
    for label, count in (("cat", 41), ("dog", 20)):
        (folder / "train" / label).mkdir(parents=True)
        for number in range(count):
            shape = (int(draw.integers(8, 30)), int(draw.integers(8, 30)), 3)
            image = Image.fromarray(draw.integers(0, 256, shape, dtype=np.uint8))
            image.save(folder / "train" / label / f"{number:02d}.png")
    return folder


@pytest.fixture(autouse=True)
def cache_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("RESIDUA_CACHE", str(tmp_path / "cache"))


def config_of(folder, **changes):
    return DataConfig(path=str(folder), validation_fraction=0.0, test_fraction=0.0, **changes)


def make(folder, *, form=WHOLE, batch_size=8, data=None, **changes):
    config = config_of(folder, **(data or {}))
    return Loader(
        open_dataset(config), Split.TRAIN, form, config, batch_size=batch_size, seed=7, **changes
    )


def bits(batch) -> tuple[bytes, ...]:
    tensors = (batch.inputs, batch.targets, batch.ids, batch.aspects, batch.repeats)
    return tuple(b"" if t is None else t.numpy().tobytes() for t in tensors)


def epoch_bits(loader, epoch, start_step=0):
    return [
        (step.total, *(bits(part) for part in step.parts))
        for step in loader.epoch(epoch, start_step)
    ]


STREAMED = {"cache": "never"}


@pytest.fixture
def reference(folder):
    return [epoch_bits(make(folder), epoch) for epoch in range(2)]


def test_an_epoch_holds_each_sample_once_with_its_own_label(folder):
    loader = make(folder, form=evaluation_form(PREPROCESS))
    table = open_dataset(config_of(folder)).table
    row_of = {int(id): row for row, id in enumerate(table.ids)}
    seen = []
    for step in loader.epoch(0):
        (part,) = step.parts
        assert step.total == len(part)
        assert part.inputs.dtype == torch.uint8
        assert part.targets.dtype == part.ids.dtype == torch.int64
        for pixels, target, id in zip(part.inputs, part.targets, part.ids, strict=True):
            row = row_of[int(id)]
            seen.append(row)
            image = Image.open(folder / table.keys[row]).convert("RGB")
            np.testing.assert_array_equal(pixels.numpy(), PREPROCESS.fitted(image))
            assert table.labels[row] == target
    assert sorted(seen) == list(range(61))
    assert loader.steps_per_epoch == 8


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_streamed_batches_are_those_of_the_cache_for_any_worker_count(folder, reference, workers):
    loader = make(folder, data=STREAMED | {"workers": workers})
    assert [epoch_bits(loader, epoch) for epoch in range(2)] == reference


@pytest.mark.parametrize("data", [{}, STREAMED | {"workers": 2}])
@pytest.mark.parametrize("start", [0, 1, 5, 7, 8])
def test_an_epoch_taken_up_again_goes_on_with_the_same_bits(folder, reference, data, start):
    assert epoch_bits(make(folder, data=data), 1, start) == reference[1][start:]


def test_steps_that_were_done_before_are_not_decoded_again(folder, monkeypatch):
    loader = make(folder, data=STREAMED | {"workers": 0})
    rows = []
    gather = loader._storage.gather
    monkeypatch.setattr(
        loader._storage, "gather", lambda wanted: (rows.extend(wanted), gather(wanted))[1]
    )
    list(loader.epoch(0, start_step=6))
    assert len(rows) == 61 - 6 * 61 // 8


@pytest.mark.parametrize(("world", "accumulate"), [(2, 1), (3, 1), (1, 3), (2, 3)])
def test_ranks_and_parts_put_together_are_the_batch(folder, world, accumulate):
    whole = list(make(folder).epoch(0))
    shares = [
        list(make(folder, rank=rank, world=world, accumulate=accumulate).epoch(0))
        for rank in range(world)
    ]
    for number, step in enumerate(whole):
        parts = [part for share in shares for part in share[number].parts]
        assert len(parts) == world * accumulate
        assert {share[number].total for share in shares} == {step.total}
        for name in ("inputs", "targets", "ids", "aspects"):
            joined = torch.cat([getattr(part, name) for part in parts])
            assert torch.equal(joined, getattr(step.parts[0], name))


def test_batches_too_small_for_the_ranks_are_refused(folder):
    with pytest.raises(UsageError, match="at least 9"):
        next(make(folder, rank=2, world=9).epoch(0))


def test_balanced_sampling_counts_repeats(folder):
    steps = list(make(folder, balance=True).epoch(0))
    targets = torch.cat([part.targets for step in steps for part in step.parts])
    ids = torch.cat([part.ids for step in steps for part in step.parts])
    repeats = torch.cat([part.repeats for step in steps for part in step.parts])
    assert sorted(targets.bincount().tolist()) == [30, 31]
    assert repeats.max() == 1  # 20 dogs fill 30 or 31 draws
    assert len(set(zip(ids.tolist(), repeats.tolist(), strict=True))) == 61


@pytest.mark.parametrize("data", [{}, STREAMED | {"workers": 2}])
@pytest.mark.parametrize("world", [1, 2, 3])
def test_evaluation_is_in_table_order_over_ranks(folder, data, world):
    rows, targets = [], []
    for rank in range(world):
        loader = make(folder, data=data, rank=rank, world=world)
        for item in loader.evaluation(9):
            assert len(item.batch) == len(item.rows) <= 9
            rows += item.rows.tolist()
            targets += item.batch.targets.tolist()
    assert rows == list(range(61))
    assert targets == [0] * 41 + [1] * 20


def test_evaluation_with_more_ranks_than_samples(folder):
    shares = [
        sum(len(item.batch) for item in make(folder, rank=rank, world=70).evaluation(9))
        for rank in range(70)
    ]
    assert sum(shares) == 61
    assert min(shares) == 0


# ---- samples that cannot be read ---------------------------------------------------------------


@pytest.fixture
def spoiled(folder, tmp_path):
    """The folder with two pictures replaced by text."""
    import shutil

    copy = tmp_path / "spoiled"
    shutil.copytree(folder, copy)
    keys = ["train/cat/03.png", "train/dog/11.png"]
    for key in keys:
        (copy / key).write_text("no picture")
    return copy, keys


@pytest.mark.parametrize("workers", [0, 2])
def test_unreadable_samples_are_left_out_alike_from_cache_and_stream(spoiled, workers):
    folder, keys = spoiled
    told = []
    cached = make(folder, on_problem=told.append)
    assert sorted(problem.key for problem in told) == keys
    streamed = make(folder, data=STREAMED | {"workers": workers}, on_problem=told.append)
    del told[:]
    assert streamed.problems == ()
    for epoch in range(2):
        assert epoch_bits(streamed, epoch) == epoch_bits(cached, epoch)
    assert sorted(problem.key for problem in told) == keys
    assert sorted(streamed.problems, key=lambda p: p.key) == sorted(
        cached.problems, key=lambda p: p.key
    )
    steps = list(cached.epoch(0))
    assert sum(step.total for step in steps) == 61
    assert sum(len(part) for step in steps for part in step.parts) == 59
    rows = np.concatenate([item.rows for item in cached.evaluation(10)])
    assert len(rows) == 59


@pytest.mark.parametrize("workers", [0, 2])
def test_strict_stops_with_the_name(spoiled, workers):
    folder, keys = spoiled
    with pytest.raises(UnreadableSampleError, match="cat/03"):
        make(folder, data={"strict": True})
    streamed = make(folder, data=STREAMED | {"strict": True, "workers": workers})
    with pytest.raises(UnreadableSampleError, match="|".join(keys)) as caught:
        list(streamed.epoch(0))
    assert "\n" not in str(caught.value)
    assert multiprocessing.active_children() == []  # although the traceback is still there


def test_a_batch_of_which_nothing_can_be_read_stops(spoiled):
    folder, _ = spoiled
    for path in (folder / "train").glob("*/*.png"):
        path.write_text("no picture")
    with pytest.raises(UnreadableSampleError, match="epoch 0, step 0"):
        next(make(folder).epoch(0))


def test_an_empty_split_is_refused(folder):
    config = config_of(folder)
    with pytest.raises(LabelError, match="test split is empty"):
        Loader(open_dataset(config), Split.TEST, WHOLE, config, batch_size=8)


# ---- threads and processes ---------------------------------------------------------------------


def loading() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name in ("prefetch", "decode")]


def test_batches_say_of_which_group_their_samples_are(folder, tmp_path):
    rows = [f"{path},{path.parent.name},{path.stem[0]}" for path in folder.rglob("*.png")]
    table = tmp_path / "table.csv"
    table.write_text("\n".join(["path,label,group", *rows]))
    dataset = open_dataset(config_of(table))
    names = dict(zip(dataset.table.ids.tolist(), dataset.table.groups, strict=True))
    loader = Loader(dataset, Split.TRAIN, WHOLE, config_of(table), batch_size=8, seed=0)
    found = {}
    for step in loader.epoch(0):
        for batch in step.parts:
            for id, group in zip(batch.ids.tolist(), batch.groups.tolist(), strict=True):
                assert found.setdefault(names[id], group) == group
    assert len(set(found.values())) == len(found) == 5


@pytest.mark.parametrize("data", [{}, STREAMED | {"workers": 0}])
def test_an_epoch_that_is_left_takes_its_thread_along(folder, data):
    epoch = make(folder, data=data).epoch(0)
    next(epoch)
    assert len(loading()) == 1
    epoch.close()
    assert loading() == []


def test_an_epoch_that_is_left_takes_its_processes_along(folder):
    epoch = make(folder, data=STREAMED | {"workers": 2}).epoch(0)
    next(epoch)
    assert len(multiprocessing.active_children()) == 2
    epoch.close()
    assert multiprocessing.active_children() == []


def test_a_worker_that_dies_is_one_line(folder, monkeypatch):
    class Deadly:
        problems = ()

        def gather(self, rows):
            os.kill(os.getpid(), signal.SIGKILL)

    loader = make(folder, data=STREAMED | {"workers": 1})
    loader._storage = Deadly()
    with pytest.raises(DataError, match="has died") as caught:
        list(loader.epoch(0))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("data", [{}, STREAMED | {"workers": 2}])
def test_loading_leaves_the_global_generators_alone(folder, data):
    torch.manual_seed(3)
    np.random.seed(3)
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    list(make(folder, data=data).epoch(0))
    assert torch.equal(torch.get_rng_state(), before[0])
    np.testing.assert_array_equal(np.random.get_state()[1], before[1])


def test_workers_are_cores_shared_by_the_ranks_of_the_machine(monkeypatch):
    monkeypatch.setattr(loader_module, "cores", lambda: 12)
    config = DataConfig()
    assert loader_module._workers(config) == 8
    assert loader_module._workers(replace(config, workers=3)) == 3
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    assert loader_module._workers(config) == 3
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "48")
    assert loader_module._workers(config) == 1


def test_prefetch_gives_items_then_the_error():
    def source():
        yield from range(5)
        raise ValueError("six")

    found = []
    with pytest.raises(ValueError, match="six"):
        found.extend(prefetch(source()))
    items = prefetch(source(), depth=1)
    assert [next(items) for _ in range(5)] == list(range(5))
    with pytest.raises(ValueError, match="six"):
        next(items)
    assert loading() == []


def test_prefetch_works_ahead_and_no_further_than_its_depth():
    made = []

    def source():
        for number in range(100):
            made.append(number)
            yield number

    items = prefetch(source(), depth=3)
    next(items)
    deadline = time.monotonic() + 5
    while len(made) < 5 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.1)
    assert len(made) == 5  # one taken, three waiting, one in the thread's hand
    items.close()
    assert loading() == []


def test_an_open_epoch_does_not_keep_the_interpreter_alive():
    code = (
        "import itertools, sys\n"
        "from residua.data.prefetch import prefetch\n"
        "items = prefetch(itertools.count())\n"
        "next(items)\n"
        "print('out')\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert (run.returncode, run.stdout, run.stderr) == (0, "out\n", "")


def test_fashion_mnist_in_a_known_order(shared_data):
    config = DataConfig(path=str(shared_data / "fashion-mnist"))
    preprocess = ImagePreprocess(
        size=(28, 28), resize=(28, 28), channels=1, mean=(0.5,), std=(0.5,)
    )
    loader = Loader(
        open_dataset(config), Split.TEST, evaluation_form(preprocess), config, batch_size=128
    )
    assert loader.steps_per_epoch == 79
    digest = hashlib.sha256()
    for item in loader.evaluation(1000):
        digest.update(item.batch.inputs.numpy().tobytes())
    import gzip

    with gzip.open(shared_data / "fashion-mnist" / "t10k-images-idx3-ubyte.gz") as file:
        assert digest.digest() == hashlib.sha256(file.read()[16:]).digest()


@pytest.mark.gpu
@pytest.mark.parametrize("data", [{}, STREAMED | {"workers": 2}])
def test_pinned_batches_are_the_same_bits(folder, reference, data):
    loader = make(folder, data=data, pin=True)
    for step, expected in zip(loader.epoch(0), reference[0], strict=True):
        (part,) = step.parts
        assert all(t.is_pinned() for t in (part.inputs, part.targets, part.ids, part.aspects))
        assert (step.total, bits(part)) == expected
