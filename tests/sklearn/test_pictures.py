"""What X of pictures may be."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from residua.sklearn.pictures import read_pictures

GREY = np.random.default_rng(0).integers(0, 256, (2, 5, 6), dtype=np.uint8)
COLOUR = np.random.default_rng(1).integers(0, 256, (2, 5, 6, 3), dtype=np.uint8)


@pytest.mark.parametrize("pixels", [GREY, COLOUR])
def test_bytes_whole_numbers_and_pillow_are_the_same(pixels: np.ndarray) -> None:
    pictures = [Image.fromarray(each) for each in pixels]
    for given in (pixels, pixels.astype(np.int64), list(pixels), pictures, pixels / 255):
        np.testing.assert_array_equal(np.stack(read_pictures(given)), pixels)


def test_a_channel_of_its_own_is_grey() -> None:
    np.testing.assert_array_equal(np.stack(read_pictures(GREY[..., None])), GREY)


def test_floats_go_from_black_to_white() -> None:
    (found,) = read_pictures(np.array([[[0.0, 0.5, 1.0]]]))
    np.testing.assert_array_equal(found, [[0, 128, 255]])  # 127.5 is rounded to even


def test_paths_are_not_read_yet() -> None:
    assert read_pictures(["a.png", Path("b.png")]) == [Path("a.png"), Path("b.png")]


@pytest.mark.parametrize(
    ("X", "said"),
    [
        (np.zeros((4, 64)), r"no array of pictures.*received \(4, 64\)"),
        (np.zeros((2, 5, 6, 4)), r"not a picture.*\(5, 6, 4\), in X#0"),
        ([GREY[0], np.full((4, 4), 16.0)], "float64 from 16 to 16, in X#1"),
        ([GREY[0], np.full((4, 4), -1)], "int64 from -1 to -1, in X#1"),
        ([np.full((4, 4), np.nan)], "out of range"),
        ([np.full((4, 4), "a")], "expected numbers"),
        ("picture.png", "no collection of pictures"),
        ([], "X is empty"),
    ],
)
def test_other_values_are_named(X: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read_pictures(X)
