import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from residua.batch import Batch
from residua.data.choose import evaluation_form, training_form
from residua.data.choose_image import choose_image
from residua.data.config import DataConfig
from residua.data.image_preprocess import ImagePreprocess
from residua.data.open import open_dataset
from residua.errors import FormatError, UnreadableSampleError, UsageError

GRAY = {"channels": 1, "mean": (0.5,), "std": (0.5,)}


def batch_of(inputs):
    ids = torch.arange(len(inputs))
    return Batch(inputs=inputs, targets=ids, ids=ids)


def noise(height: int, width: int, channels: int = 3, seed: int = 0) -> Image.Image:
    shape = (height, width) if channels == 1 else (height, width, channels)
    pixels = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    return Image.fromarray(pixels)


def as_array(image: Image.Image) -> np.ndarray:
    return np.asarray(image).transpose(2, 0, 1)


sides = st.integers(5, 90)


@given(
    height=sides,
    width=sides,
    resize=st.integers(20, 40),
    cut=st.integers(0, 12),
    interpolation=st.sampled_from(["nearest", "bilinear", "bicubic"]),
)
@settings(max_examples=60, deadline=None)
def test_crop_is_torchvisions_resize_and_centre_crop(height, width, resize, cut, interpolation):
    from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Resize

    image = noise(height, width)
    size = (resize - cut, resize - cut)
    ours = ImagePreprocess(size=size, resize=(resize, resize), interpolation=interpolation)
    theirs = Compose([Resize(resize, InterpolationMode(interpolation)), CenterCrop(size)])
    np.testing.assert_array_equal(ours.fitted(image), as_array(theirs(image)))


def test_crop_to_a_box_that_is_not_square_keeps_the_aspect_ratio():
    # 60 x 40 must cover 20 x 30: the width decides, to 45 x 30, of which 20 rows stay.
    image = noise(60, 40)
    ours = ImagePreprocess(size=(20, 30), resize=(20, 30)).fitted(image)
    whole = as_array(image.resize((30, 45), Image.Resampling.BILINEAR))
    np.testing.assert_array_equal(ours, whole[:, 12:32])


def test_squash_is_torchvisions_resize_to_both_sides():
    from torchvision.transforms import Resize

    image = noise(37, 61)
    ours = ImagePreprocess(size=(24, 32), resize=(24, 32), fit="squash")
    np.testing.assert_array_equal(ours.fitted(image), as_array(Resize((24, 32))(image)))


@pytest.mark.parametrize(
    ("source", "inside"),
    [((40, 80), (slice(8, 24), slice(0, 32))), ((80, 40), (slice(0, 32), slice(8, 24)))],
)
def test_pad_keeps_the_whole_picture_between_black_bars(source, inside):
    image = Image.fromarray(np.full((*source, 3), 200, dtype=np.uint8))
    ours = ImagePreprocess(size=(32, 32), resize=(32, 32), fit="pad").fitted(image)
    expected = np.zeros((3, 32, 32), dtype=np.uint8)
    expected[:, *inside] = 200
    np.testing.assert_array_equal(ours, expected)


@pytest.mark.parametrize("fit", ["crop", "squash", "pad"])
def test_a_picture_that_has_the_size_keeps_its_pixels(fit):
    image = noise(28, 20)
    ours = ImagePreprocess(size=(28, 20), resize=(28, 20), fit=fit).fitted(image)
    np.testing.assert_array_equal(ours, as_array(image))


@given(height=sides, width=sides, fit=st.sampled_from(["crop", "squash", "pad"]))
@settings(max_examples=60, deadline=None)
def test_every_picture_gets_the_shape(height, width, fit):
    ours = ImagePreprocess(size=(17, 23), resize=(19, 24), fit=fit)
    pixels = ours.fitted(noise(height, width))
    assert (pixels.shape, pixels.dtype) == ((3, 17, 23), np.uint8)
    assert pixels.flags.c_contiguous


def test_gray_and_colour_are_converted_to_what_the_network_takes():
    colour, gray = noise(9, 9), noise(9, 9, channels=1)
    to_gray = ImagePreprocess(size=(9, 9), resize=(9, 9), **GRAY).fitted(colour)
    to_colour = ImagePreprocess(size=(9, 9), resize=(9, 9)).fitted(gray)
    np.testing.assert_array_equal(to_gray[0], np.asarray(colour.convert("L")))
    np.testing.assert_array_equal(to_colour, np.repeat(np.asarray(gray)[None], 3, axis=0))


def test_on_device_is_torchvisions_normalize():
    from torchvision.transforms.functional import normalize

    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    ours = ImagePreprocess(size=(8, 8), resize=(8, 8), mean=mean, std=std)
    inputs = torch.randint(0, 256, (4, 3, 8, 8), dtype=torch.uint8)
    inputs = inputs.to(memory_format=torch.channels_last)
    views = ours.on_device(batch_of(inputs)).inputs
    assert views.dtype == torch.float32
    assert views.is_contiguous(memory_format=torch.channels_last)
    np.testing.assert_allclose(views, normalize(inputs.float() / 255, mean, std), atol=1e-6)
    assert torch.equal(ours.normalise(inputs.float() / 255), views)


def test_json_and_back():
    ours = ImagePreprocess(size=(224, 192), resize=(256, 200), fit="pad", **GRAY)
    assert ImagePreprocess.from_json(json.loads(json.dumps(ours.to_json()))) == ours


@pytest.mark.parametrize(
    "change",
    [
        {"fit": "stretch"},
        {"size": [5]},
        {"size": None},
        {"channels": 2},
        {"std": [0.0]},
        {"mean": [0.1, 0.2]},
        {"surprise": 1},
        {"resize": [1, 1]},
    ],
)
def test_json_that_is_no_preprocessing_is_refused(change):
    good = ImagePreprocess(size=(8, 8), resize=(8, 8), **GRAY).to_json()
    with pytest.raises(FormatError, match="preprocessing"):
        ImagePreprocess.from_json(good | change)


def test_a_box_smaller_than_the_size_is_refused():
    with pytest.raises(UsageError, match="size <= resize"):
        ImagePreprocess(size=(32, 32), resize=(31, 32))


def test_training_keeps_whole_large_pictures_and_their_aspect():
    preprocess = ImagePreprocess(size=(100, 200), resize=(100, 200))
    form = training_form(preprocess, crop="auto")
    assert form.shape == (3, 115, 230)
    image = noise(300, 150)
    kept = form.stored(np.asarray(image), "a")
    whole = as_array(image.resize((230, 115), Image.Resampling.BILINEAR))
    np.testing.assert_array_equal(kept.values, whole)
    # A stored pixel is 150/230 source pixels wide and 300/115 high.
    assert kept.aspect == pytest.approx((150 / 230) / (300 / 115))


def test_squashed_pictures_have_no_aspect_to_undo():
    form = training_form(
        ImagePreprocess(size=(100, 100), resize=(100, 100), fit="squash"), crop="auto"
    )
    assert form.keeps_aspect
    assert form.stored(np.asarray(noise(300, 150)), "a").aspect == 1.0


@pytest.mark.parametrize(
    ("size", "crop", "whole"),
    [(64, "auto", False), (65, "auto", True), (224, "pad", False), (224, "none", False)],
)
def test_what_is_stored_follows_the_crop(size, crop, whole):
    preprocess = ImagePreprocess(size=(size, size), resize=(size, size))
    form = training_form(preprocess, crop=crop)
    assert (form.whole is not None) == whole
    assert whole or form == evaluation_form(preprocess)


def save(folder: Path, sizes: list[tuple[int, int]], channels: int = 3) -> Path:
    for label in ("cat", "dog"):
        (folder / label).mkdir(parents=True)
        for number, (height, width) in enumerate(sizes):
            image = noise(height, width, channels, seed=hash((label == "cat", number)) % 1000)
            image.save(folder / label / f"{number}.png")
    return folder


def test_small_pictures_of_one_size_are_seen_as_they_are(tmp_path):
    config = DataConfig(path=str(save(tmp_path / "set", [(20, 12)] * 10, channels=1)))
    dataset = open_dataset(config)
    ours = choose_image(dataset, config)
    assert (ours.size, ours.resize, ours.channels) == ((20, 12), (20, 12), 1)
    rows = dataset.assignment["train"]
    paths = [tmp_path / "set" / dataset.table.keys[row] for row in rows]
    pixels = np.stack([np.asarray(Image.open(path)) for path in paths]).astype(np.float64) / 255
    assert ours.mean == pytest.approx((pixels.mean(),), abs=1e-6)
    assert ours.std == pytest.approx((pixels.std(),), abs=1e-6)


@pytest.mark.parametrize("sizes", [[(20, 12)] * 9 + [(20, 13)], [(65, 65)] * 10])
def test_other_pictures_are_seen_at_224(tmp_path, sizes):
    config = DataConfig(path=str(save(tmp_path / "set", sizes)), validation_fraction=0.0)
    assert choose_image(open_dataset(config), config).size == (224, 224)


def test_what_the_user_says_comes_first(tmp_path):
    path = str(save(tmp_path / "set", [(20, 12)] * 10))
    config = DataConfig(path=path, size=(16, 8), channels=1, fit="pad")
    ours = choose_image(open_dataset(config), config, resize=(18, 9))
    assert (ours.size, ours.resize, ours.channels, ours.fit) == ((16, 8), (18, 9), 1, "pad")


def test_values_stay_from_0_to_1_where_asked(tmp_path):
    path = str(save(tmp_path / "set", [(20, 12)] * 10, channels=1))
    config = DataConfig(path=path, normalise=False)
    ours = choose_image(open_dataset(config), config)
    assert (ours.size, ours.mean, ours.std) == ((20, 12), (0.0,), (1.0,))
    inputs = torch.arange(240, dtype=torch.uint8).view(1, 1, 20, 12)
    assert ours.on_device(batch_of(inputs)).inputs.equal(inputs / 255)


def test_pictures_of_one_colour_still_have_a_deviation(tmp_path):
    folder = save(tmp_path / "set", [(8, 8)] * 10)
    for path in folder.glob("*/*.png"):
        Image.new("RGB", (8, 8), (10, 20, 30)).save(path)
    config = DataConfig(path=str(folder))
    ours = choose_image(open_dataset(config), config)
    assert ours.mean == pytest.approx((10 / 255, 20 / 255, 30 / 255), abs=1e-6)
    assert min(ours.std) > 0


def test_pictures_that_cannot_be_read_have_no_say_until_none_is_left(tmp_path):
    folder = save(tmp_path / "set", [(8, 8)] * 10)
    config = DataConfig(path=str(folder))
    paths = sorted(folder.glob("*/*.png"))
    for path in paths[::2]:
        path.write_bytes(b"no picture")
    assert choose_image(open_dataset(config), config).size == (8, 8)
    for path in paths:
        path.write_bytes(b"no picture")
    with pytest.raises(UnreadableSampleError, match="not one"):
        choose_image(open_dataset(config), config)


def test_fashion_mnist_gets_its_published_mean_and_deviation(shared_data):
    config = DataConfig(path=str(shared_data / "fashion-mnist"))
    ours = choose_image(open_dataset(config), config)
    assert (ours.size, ours.channels) == ((28, 28), 1)
    assert ours.mean == pytest.approx((0.286,), abs=0.002)
    assert ours.std == pytest.approx((0.353,), abs=0.002)
