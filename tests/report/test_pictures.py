import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from residua.report.pictures import LARGEST, picture_png, shown_size


def opened(png: bytes) -> Image.Image:
    return Image.open(io.BytesIO(png))


@pytest.mark.parametrize("shape", [(1, 1), (28, 28), (32, 20, 3), (96, 96, 3), (160, 160)])
def test_small_pictures_are_exact(shape):
    values = np.random.default_rng(0).integers(256, size=shape, dtype=np.uint8)
    assert (np.asarray(opened(picture_png(values))) == values).all()


@pytest.mark.parametrize(("shape", "size"), [((400, 200, 3), (80, 160)), ((10, 3200), (160, 1))])
def test_large_pictures_shrink_and_keep_their_form(shape, size):
    values = np.full(shape, 200, dtype=np.uint8)
    image = opened(picture_png(values))
    assert image.size == size
    assert np.asarray(image.convert("L")) == pytest.approx(200, abs=1)


def test_colours_of_large_pictures_stay_close():
    y, x = np.mgrid[0:150, 0:150]
    values = np.stack([x, y, 150 - x], axis=-1).astype(np.uint8)
    image = np.asarray(opened(picture_png(values)).convert("RGB")).astype(int)
    assert np.abs(image - values).mean() < 6


def test_views_that_are_not_contiguous():
    values = np.arange(12, dtype=np.uint8).reshape(3, 4)[:, ::-1]
    assert (np.asarray(opened(picture_png(values))) == values).all()


@given(st.integers(1, 3000), st.integers(1, 3000))
def test_shown_size_fits_and_enlarges_by_whole_factors(height, width):
    shown_height, shown_width, enlarged = shown_size(height, width)
    assert max(shown_height, shown_width) <= LARGEST
    if max(height, width) <= LARGEST:
        assert shown_height % height == 0
        assert shown_width // width == shown_height // height
        assert enlarged == (shown_height > height)
