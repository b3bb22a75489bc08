"""What a training configuration makes of the number of samples."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from residua.errors import UsageError
from residua.training.config import TrainingConfig


@pytest.mark.parametrize(
    ("samples", "batch", "updates"), [(36, 4, 400), (67, 6, 327), (100, 10, 253), (270, 16, 200)]
)
def test_small_sets_come_in_small_batches(samples: int, batch: int, updates: int) -> None:
    config = TrainingConfig(batch_size=16, batch_share=0.1, updates=200, updates_growth=0.5).shared(
        samples
    )
    assert (config.batch_size, config.updates) == (batch, updates)


@given(
    samples=st.integers(1, 10_000),
    size=st.integers(1, 300),
    share=st.floats(0.01, 1.0),
    updates=st.none() | st.integers(1, 5000),
    growth=st.floats(0.0, 1.0),
)
def test_batches_shrink_and_updates_grow(
    samples: int, size: int, share: float, updates: int | None, growth: float
) -> None:
    before = TrainingConfig(
        batch_size=size, batch_share=share, updates=updates, updates_growth=growth
    )
    after = before.shared(samples)
    assert after.shared(samples) == after
    assert min(size, 4) <= after.batch_size <= size
    assert (after.updates is None) == (updates is None)
    assert (after.updates or 0) >= (updates or 0)
    assert growth or after.updates == updates


@pytest.mark.parametrize("parts", [{"repeated": 8}, {"accumulate": 8}])
def test_batches_hold_what_they_are_made_of(parts: dict[str, int]) -> None:
    config = TrainingConfig(batch_size=64, batch_share=0.1, **parts)
    assert config.shared(20).batch_size == 8


@pytest.mark.parametrize("share", [0, -0.1, 1.1])
def test_shares_out_of_range(share: float) -> None:
    with pytest.raises(UsageError, match="batch_share"):
        TrainingConfig(batch_share=share).check()


def test_what_is_asked_for_is_taken_as_it_is() -> None:
    recipe = TrainingConfig(updates=2000, updates_growth=0.5, batch_size=16, batch_share=0.1)
    assert recipe.asked() == recipe
    assert recipe.asked(epochs=True).updates is None
    assert recipe.asked(updates=True).shared(20).updates == 2000
    assert recipe.asked(batch_size=True).shared(20).batch_size == 16
