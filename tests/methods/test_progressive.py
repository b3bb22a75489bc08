"""Pictures that grow: sizes as a function of the epoch, and what becomes of the pixels."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from residua.augment.config import AugmentConfig
from residua.augment.draws import draws_for
from residua.augment.signal_config import SignalAugmentConfig
from residua.augment.sound_config import SoundAugmentConfig
from residua.batch import Batch, Modality
from residua.data.image_preprocess import ImagePreprocess
from residua.errors import UsageError
from residua.methods.progressive import GrownViews, Growth
from residua.methods.views import make_views
from residua.random import Draws
from residua.recipes.recipe import Recipe
from residua.run.growth import growth_of
from residua.run.options import check_options
from residua.training.config import TrainingConfig


def plain(batch: Batch, draws: Draws) -> Batch:
    del draws
    return batch


def batch_of(inputs: torch.Tensor) -> Batch:
    n = len(inputs)
    return Batch(inputs=inputs, targets=torch.zeros(n, dtype=torch.int64), ids=torch.arange(n))


def grown(inputs: torch.Tensor, growth: Growth, epoch: int) -> torch.Tensor:
    batch = batch_of(inputs)
    return GrownViews(views=plain, growth=growth)(
        batch, draws_for(batch, seed=0, epoch=epoch)
    ).inputs


growths = st.builds(
    Growth,
    low=st.floats(0.05, 1),
    end=st.floats(0.05, 1),
    epochs=st.integers(1, 60),
    smallest=st.integers(1, 40),
)


@given(growth=growths, full=st.tuples(st.integers(40, 300), st.integers(40, 300)))
def test_sizes_never_shrink_and_end_at_the_last_one(growth: Growth, full: tuple[int, int]) -> None:
    sizes = [growth.size(full, epoch) for epoch in range(growth.epochs)]
    for axis in (0, 1):
        sides = [size[axis] for size in sizes]
        assert sides == sorted(sides)
        assert growth.smallest <= sides[0]
        assert abs(sides[-1] - full[axis] * growth.end) <= max(2, growth.smallest)
        assert all(side % 4 == 0 or side in (growth.smallest, full[axis]) for side in sides)
    if growth.end == 1:
        assert sizes[-1] == full
    assert growth.size(full, growth.epochs + 5) == sizes[-1]


def test_growth_is_even_over_three_quarters_of_the_epochs() -> None:
    growth = Growth(low=0.5, epochs=8)
    shares = [growth.share(epoch) for epoch in range(8)]
    assert shares == pytest.approx([0.5 + 0.5 * epoch / 6 for epoch in range(6)] + [1, 1])
    assert growth.size((32, 64), 0) == (16, 32)
    assert growth.size((30, 30), 7) == (30, 30)


def test_a_single_epoch_has_the_full_size() -> None:
    assert Growth(low=0.3, epochs=1).size((32, 32), 0) == (32, 32)


@pytest.mark.parametrize(("end", "size"), [(160 / 224, 160), (176 / 224, 176), (1.0, 224)])
def test_the_published_training_sizes_are_met(end: float, size: int) -> None:
    growth = Growth(end=end, epochs=100)
    assert {growth.size((224, 224), epoch) for epoch in range(100)} == {(size, size)}


def test_pixels_are_those_of_an_antialiased_resize() -> None:
    values = np.random.default_rng(0).random((32, 32)).astype(np.float32)
    found = grown(torch.from_numpy(values)[None, None], Growth(low=0.5, epochs=4), 0)[0, 0]
    expected = Image.fromarray(values).resize((16, 16), Image.Resampling.BILINEAR)
    np.testing.assert_allclose(found.numpy(), np.asarray(expected), atol=1e-5)


@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
def test_the_memory_format_stays(layout: torch.memory_format) -> None:
    inputs = torch.rand(2, 3, 32, 32).contiguous(memory_format=layout)
    found = grown(inputs, Growth(low=0.5, epochs=4), 0)
    assert found.shape == (2, 3, 16, 16)
    assert found.is_contiguous(memory_format=layout)


def test_views_of_the_full_size_are_not_touched() -> None:
    inputs = torch.rand(2, 3, 32, 32)
    assert grown(inputs, Growth(low=0.5, epochs=4), 3) is inputs


def test_views_of_a_run_grow_and_are_those_of_the_full_size_made_smaller() -> None:
    preprocess = ImagePreprocess(size=(32, 32), resize=(32, 32))

    def make(growth: Growth | None):
        return make_views(
            preprocess,
            augment=AugmentConfig(mixup=0.2),
            signal=SignalAugmentConfig(),
            sound=SoundAugmentConfig(),
            num_classes=2,
            growth=growth,
        )

    batch = batch_of(torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8))
    draws = draws_for(batch, seed=0, epoch=1)
    whole, small = make(None)(batch, draws), make(Growth(low=0.5, epochs=8))(batch, draws)
    assert whole.inputs.shape[-2:] == (32, 32)
    assert small.inputs.shape[-2:] == (20, 20)  # 0.583 of 32 is 18.7, to the nearest 4
    assert small.targets.equal(whole.targets)
    means = whole.inputs.mean((2, 3)), small.inputs.mean((2, 3))
    torch.testing.assert_close(*means, atol=0.05, rtol=0)


def test_a_run_says_how_its_pictures_grow() -> None:
    assert growth_of(TrainingConfig(epochs=9), smallest=7) is None
    found = growth_of(TrainingConfig(epochs=9, progressive=0.5, train_scale=0.75), smallest=7)
    assert found == Growth(low=0.5, end=0.75, epochs=9, smallest=7)


@pytest.mark.parametrize("name", ["progressive", "train_scale"])
@pytest.mark.parametrize("value", [0.0, 1.5])
def test_wrong_shares_are_named(name: str, value: float) -> None:
    with pytest.raises(UsageError, match=f"wrong {name}"):
        replace(TrainingConfig(), **{name: value}).check()


@pytest.mark.parametrize("modality", [Modality.SIGNAL, Modality.SOUND, Modality.TEXT])
def test_growing_means_nothing_without_pictures(modality: Modality) -> None:
    recipe = Recipe(training=TrainingConfig(progressive=0.5))
    check_options(recipe, Modality.IMAGE)
    with pytest.raises(UsageError, match="--progressive means nothing") as caught:
        check_options(recipe, modality)
    assert "\n" not in str(caught.value)
