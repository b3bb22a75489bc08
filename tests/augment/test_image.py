"""ImageAugment: a sample's view is its own, whatever stands beside it and wherever it runs."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from residua.augment import erasing, geometry, policies, recolour
from residua.augment.config import AugmentConfig
from residua.augment.draws import draws_for
from residua.augment.image import ImageAugment
from residua.augment.where import apply_to_all
from residua.batch import Batch

few = settings(max_examples=12, deadline=None)
EVERYTHING = {"jitter": (0.4, 0.4, 0.4, 0.1), "erasing": 0.5, "policy": "rand", "rand_count": 3}
UNMIXED = [
    {"crop": "pad"},
    {"crop": "resized"},
    {"crop": "none", "policy": "trivial"},
    {"crop": "resized", **EVERYTHING},
    {"crop": "pad", "erasing": 1.0, "erasing_fill": "zero"},
    {"crop": "pad", "policy": "augmix", "square_cutout": 0.5},
    {
        "crop": "resized",
        "jitter": (0.8, 0.8, 0.8, 0.2),
        "jitter_probability": 0.8,
        "grayscale": 0.2,
        "blur": 0.5,
        "solarize": 0.2,
    },
]


def make_batch(b: int, c: int, H: int, W: int, *, last: bool = False, seed: int = 0) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (b, c, H, W), dtype=torch.uint8, generator=generator)
    layout = torch.channels_last if last else torch.contiguous_format
    return Batch(
        inputs=images.contiguous(memory_format=layout),
        targets=torch.arange(b) % 4,
        ids=torch.arange(b) * 104729 + seed,
        aspects=torch.linspace(0.5, 2.0, b),
    )


def select(batch: Batch, rows: list[int]) -> Batch:
    picked = torch.tensor(rows)
    assert batch.aspects is not None
    return replace(
        batch,
        inputs=batch.inputs[picked],
        targets=batch.targets[picked],
        ids=batch.ids[picked],
        aspects=batch.aspects[picked],
        repeats=None if batch.repeats is None else batch.repeats[picked],
    )


def view(batch: Batch, size: tuple[int, int], *, seed: int = 0, epoch: int = 0, **options) -> Batch:
    augment = ImageAugment(config=AugmentConfig(**options), size=size, num_classes=4)
    return augment(batch, draws_for(batch, seed=seed, epoch=epoch))


@pytest.mark.parametrize("options", UNMIXED, ids=str)
@given(
    b=st.integers(1, 24),
    c=st.sampled_from([1, 3]),
    H=st.integers(5, 24),
    W=st.integers(5, 24),
    last=st.booleans(),
    data=st.data(),
)
@few
def test_a_view_is_the_same_to_the_bit_in_any_company(options, b, c, H, W, last, data) -> None:
    batch, size = make_batch(b, c, H, W, last=last), (12, 9)
    whole = view(batch, size, **options)
    assert whole.inputs.shape == (b, c, *size)
    assert whole.inputs.dtype == torch.float32
    assert whole.inputs.min() >= 0
    assert whole.inputs.max() <= 1
    assert torch.equal(whole.targets, batch.targets)
    if last:
        assert whole.inputs.is_contiguous(memory_format=torch.channels_last)
    i = data.draw(st.integers(0, b - 1))
    assert torch.equal(view(select(batch, [i]), size, **options).inputs[0], whole.inputs[i])
    order = data.draw(st.permutations(range(b)))
    shuffled = view(select(batch, list(order)), size, **options)
    assert torch.equal(shuffled.inputs, whole.inputs[torch.tensor(order)])


@pytest.mark.parametrize("options", UNMIXED, ids=str)
def test_epoch_seed_and_repetition_change_the_view(options) -> None:
    batch, size = make_batch(32, 3, 20, 20), (16, 16)
    first = view(batch, size, **options).inputs
    again = replace(batch, repeats=torch.ones(32, dtype=torch.int64))
    never = replace(batch, repeats=torch.zeros(32, dtype=torch.int64))
    assert torch.equal(view(batch, size, **options).inputs, first)
    assert torch.equal(view(never, size, **options).inputs, first)
    for other in (
        view(batch, size, epoch=1, **options),
        view(batch, size, seed=1, **options),
        view(again, size, **options),
    ):
        same = (other.inputs == first).all(dim=3).all(dim=2).all(dim=1)
        assert same.float().mean() < 0.2


@given(b=st.integers(1, 16), data=st.data())
@few
def test_mixtures_depend_on_the_members_and_not_on_their_order(b: int, data) -> None:
    options = {"mixup": 0.4, "cutmix": 1.0, "mix_probability": 0.9}
    batch = make_batch(b, 3, 10, 14)
    whole = view(batch, (10, 14), **options)
    torch.testing.assert_close(whole.targets.sum(dim=1), torch.ones(b))
    order = torch.tensor(data.draw(st.permutations(range(b))))
    shuffled = view(select(batch, order.tolist()), (10, 14), **options)
    assert torch.equal(shuffled.inputs, whole.inputs[order])
    assert torch.equal(shuffled.targets, whole.targets[order])


def test_the_input_is_left_as_it_was() -> None:
    for options in ({"crop": "none", "flip": 0.0}, {"crop": "none", **EVERYTHING, "mixup": 1.0}):
        batch = make_batch(8, 3, 12, 12)
        before = batch.inputs.clone()
        view(batch, (12, 12), **options)
        assert torch.equal(batch.inputs, before)


def test_nothing_asked_is_nothing_done() -> None:
    batch = make_batch(4, 3, 11, 7)
    result = view(batch, (11, 7), crop="none", flip=0.0)
    assert torch.equal(result.inputs, batch.inputs.float() / 255)


@pytest.mark.parametrize("crop", ["none", "pad", "resized"])
def test_a_batch_whose_samples_all_went_missing_stays_empty(crop: str) -> None:
    result = view(make_batch(0, 3, 10, 10), (8, 8), crop=crop, mixup=1.0, cutmix=1.0, **EVERYTHING)
    assert result.inputs.shape == (0, 3, 8, 8)
    assert result.targets.shape == (0, 4)


def test_auto_shifts_small_pictures_and_crops_large_ones() -> None:
    for size, crop in (((28, 28), "pad"), ((64, 64), "pad"), ((64, 65), "resized")):
        assert ImageAugment(config=AugmentConfig(), size=size, num_classes=2).crop == crop


def test_an_off_device_run_never_asks_the_device_for_a_value() -> None:
    """Meta tensors have no values, so whatever made the host wait would fail here."""
    batch = make_batch(6, 3, 40, 30, last=True)
    assert batch.aspects is not None
    meta = replace(
        batch,
        inputs=batch.inputs.to("meta"),
        targets=batch.targets.to("meta"),
        ids=batch.ids.to("meta"),
        aspects=batch.aspects.to("meta"),
        repeats=torch.zeros(6, dtype=torch.int64, device="meta"),
    )
    options = {**EVERYTHING, "mixup": 0.2, "cutmix": 1.0}
    for crop in ("pad", "resized"):
        result = view(meta, (33, 29), crop=crop, **options)
        assert result.inputs.shape == (6, 3, 33, 29)
        assert result.inputs.is_contiguous(memory_format=torch.channels_last)
        assert result.targets.shape == (6, 4)
    assert view(meta, (33, 29), crop="resized", policy="trivial").inputs.shape == (6, 3, 33, 29)


@pytest.mark.parametrize("options", UNMIXED, ids=str)
def test_what_runs_off_the_processor_gives_the_same_views(monkeypatch, options) -> None:
    """Its two differences, run here: all samples computed, and boxes read by matrices."""
    batch = make_batch(40, 3, 30, 26, last=True)
    for operation in ({}, {"policy": "none"}):
        expected = view(batch, (24, 20), **{**options, **operation}).inputs
        with monkeypatch.context() as patch:
            patch.setattr(erasing, "apply_where", apply_to_all)
            patch.setattr(policies, "apply_where", apply_to_all)
            patch.setattr(recolour, "apply_where", apply_to_all)
            patch.setattr(geometry, "resample_each", geometry.resample_by_matrices)
            received = view(batch, (24, 20), **{**options, **operation}).inputs
        # A level that rounds to its neighbour can cross a threshold of solarize or equalize.
        close = (received - expected).abs() < (3 / 255 if options["crop"] == "resized" else 1e-6)
        assert close.float().mean() > (0.97 if options["crop"] == "resized" else 0.9999)
