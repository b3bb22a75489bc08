import json

import numpy as np
import pytest
import torch

from residua.batch import Batch
from residua.data.config import SeriesConfig
from residua.data.text_preprocess import TextPreprocess, choose_text
from residua.errors import FormatError, UnreadableSampleError, UsageError


def bytes_of(text: str) -> np.ndarray:
    return np.frombuffer(text.encode(), dtype=np.uint8)


def test_the_first_bytes_are_kept() -> None:
    stored = TextPreprocess(length=5).on_host(bytes_of("über alles"), "a.txt")
    assert (stored.dtype, stored.shape) == (np.uint8, (1, 5))
    assert stored[0].tobytes() == "über".encode()
    assert TextPreprocess(length=5).on_host(b"ab", "a.txt").tolist() == [[97, 98]]


def test_ids_are_bytes_plus_one_and_padding_is_zero() -> None:
    inputs = torch.tensor([[[0, 255, 7]], [[9, 200, 200]]], dtype=torch.uint8)
    batch = Batch(
        inputs=inputs,
        targets=torch.zeros(2, dtype=torch.int64),
        ids=torch.arange(2),
        lengths=torch.tensor([3, 1]),
    )
    result = TextPreprocess().on_device(batch)
    assert result.inputs.dtype == torch.int64
    assert result.inputs.tolist() == [[1, 256, 8], [10, 0, 0]]
    assert result.lengths is batch.lengths
    assert int(result.inputs.max()) < TextPreprocess.vocabulary


def test_all_full_texts_need_no_lengths() -> None:
    batch = Batch(
        inputs=torch.full((1, 1, 2), 65, dtype=torch.uint8),
        targets=torch.zeros(1, dtype=torch.int64),
        ids=torch.arange(1),
    )
    assert TextPreprocess().on_device(batch).inputs.tolist() == [[66, 66]]


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (np.empty(0, dtype=np.uint8), "empty text"),
        (b"", "empty text"),
        (np.zeros((1, 4), dtype=np.uint8), "not a text"),
        (np.zeros(4, dtype=np.float32), "float32"),
    ],
)
def test_what_is_no_text_is_named(raw, says: str) -> None:
    with pytest.raises(UnreadableSampleError, match=says) as caught:
        TextPreprocess().on_host(raw, "notes.csv#7")
    assert "notes.csv#7" in str(caught.value)


def test_json_and_back() -> None:
    ours = TextPreprocess(length=77)
    assert TextPreprocess.from_json(json.loads(json.dumps(ours.to_json()))) == ours
    for bad in ({}, {"length": 0}, {"length": "x"}, {"length": 3, "more": 1}, {"length": None}):
        with pytest.raises(FormatError, match="not a description"):
            TextPreprocess.from_json(bad)


def test_choice() -> None:
    assert choose_text(None, SeriesConfig()).length == 1014
    assert choose_text(None, SeriesConfig(length=12)).length == 12
    with pytest.raises(UsageError, match="length"):
        TextPreprocess(length=0)
