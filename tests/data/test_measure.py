"""Moments against numpy over all values at once, and which samples are asked."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from residua.batch import Modality, Schema, Split
from residua.data.dataset import Dataset, Table
from residua.data.measure import Moments, training_sample
from residua.errors import UsageError


@given(
    sizes=st.lists(st.integers(1, 40), min_size=1, max_size=8),
    offset=st.floats(-1e5, 1e5),
    scale=st.floats(1e-3, 1e3),
    seed=st.integers(0, 1000),
)
@settings(max_examples=40, deadline=None)
def test_moments_are_those_of_all_values_that_are_known(sizes, offset, scale, seed) -> None:
    generator = np.random.default_rng(seed)
    pieces = [offset + scale * generator.normal(size=(3, n)) for n in sizes]
    pieces = [piece.astype(np.float32) for piece in pieces]
    pieces[0][1, : sizes[0] // 2] = np.nan
    pieces[-1][2] = np.nan
    moments = Moments(3)
    for piece in pieces:
        moments.add(piece)
    whole = np.concatenate(pieces, axis=1).astype(np.float64)
    for channel, values in enumerate(whole):
        known = values[~np.isnan(values)]
        assert moments.count[channel] == len(known)
        if not len(known):
            assert (moments.mean[channel], moments.std[channel]) == (0, 1)
            continue
        assert moments.mean[channel] == pytest.approx(known.mean(), rel=1e-12)
        if known.std() > 1e-5 * abs(known.mean()):
            assert moments.std[channel] == pytest.approx(known.std(), rel=1e-9)


def test_a_constant_channel_deviates_by_one() -> None:
    moments = Moments(2)
    moments.add(np.full((2, 9), 0.1, dtype=np.float32))
    moments.add(np.array([[0.1, 0.1], [0.1, 0.2]], dtype=np.float32))
    assert moments.std[0] == 1
    assert 0 < moments.std[1] < 0.1


class Names:
    """A reader of which only names are asked."""

    def __init__(self, keys: list[str]) -> None:
        n = len(keys)
        self.name = "names"
        self.schema = Schema(modality=Modality.SIGNAL, channels=1, classes=("a", "b"))
        self.table = Table(keys=keys, labels=np.zeros(n, dtype=np.int64), splits=[None] * n)


def dataset(keys: list[str]) -> Dataset:
    rows = np.arange(len(keys))
    return Dataset(reader=Names(keys), assignment={Split.TRAIN: rows})


def test_who_is_asked_depends_on_names_and_not_on_their_order() -> None:
    keys = [f"sample-{i}" for i in range(200)]
    forward, backward = dataset(keys), dataset(keys[::-1])
    chosen = [keys[row] for row in training_sample(forward, most=20)]
    assert chosen == [keys[::-1][row] for row in training_sample(backward, most=20)]
    assert chosen != keys[:20]
    assert len(training_sample(forward)) == 200


def test_no_training_samples() -> None:
    with pytest.raises(UsageError, match="train split is empty"):
        training_sample(dataset([]))
