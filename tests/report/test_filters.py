"""Filters and feature maps as pixels, as plots and on the page."""

import base64
import dataclasses
import io
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from residua.evaluation.features import Filters, StageMaps
from residua.report.contents import Response
from residua.report.filters import TILE, filter_pictures, map_pictures, strip_pixels
from residua.report.html import write_report
from residua.report.samples import Signal

finite = st.floats(-1e6, 1e6, width=32)


@settings(max_examples=30, deadline=None)
@given(arrays.arrays(np.float32, (2, 1, 3, 3), elements=finite))
def test_grey_filters_are_their_weights_around_mid_grey(values):
    for picture, weights in zip(filter_pictures(values), values[:, 0].astype(float), strict=True):
        assert (picture.shape, picture.dtype) == ((3, 3), np.uint8)
        largest = np.abs(weights).max()
        expected = 127.5 + 127.5 * (weights / largest if largest else weights)
        assert np.abs(picture - expected).max() <= 0.5 + 1e-4


def test_three_channels_are_colours_and_others_their_mean():
    values = np.zeros((1, 3, 2, 2), dtype=np.float32)
    values[0, 0, 0, 1], values[0, 2, 1, 0] = 2.0, -1.0
    (colour,) = filter_pictures(values)
    assert colour[0, 1].tolist() == [255, 128, 128]
    assert colour[1, 0].tolist() == [128, 128, 64]
    (mean,) = filter_pictures(np.concatenate([values, values[:, :1]], axis=1))
    assert mean.tolist() == [[128, 255], [96, 128]]


def test_maps_rise_from_zero_and_signed_ones_lie_around_mid_grey():
    rising, signed = map_pictures(np.float32([[[0, 1], [2, 4]], [[-4, 0], [2, 4]]]))
    assert rising.tolist() == [[0, 64], [128, 255]]
    assert signed.tolist() == [[0, 128], [191, 255]]


def test_large_maps_shrink_and_signals_become_strips():
    (large,) = map_pictures(np.ones((1, 2 * TILE, TILE), dtype=np.float32))
    assert large.shape == (TILE, TILE // 2)
    assert (large == 255).all()
    strips = strip_pixels(np.float32([np.arange(8), -np.arange(8)]))
    assert strips.shape == (2, 8)
    assert (strips[0, 7], strips[1, 0], strips[1, 7]) == (255, 128, 0)
    assert strip_pixels(np.ones((3, 1000), dtype=np.float32)).shape == (3, 160)


def test_dead_channels_are_black():
    (dead,) = map_pictures(np.zeros((1, 4, 4), dtype=np.float32))
    assert (dead == 0).all()


def filters(channels=3, kernel=(7, 7), n=20, total=20):
    values = np.random.default_rng(0).normal(size=(n, channels, *kernel)).astype(np.float32)
    return Filters(layer="conv1", total=total, shown=tuple(range(n)), values=values)


def stage(name, side, total=32):
    values = np.random.default_rng(1).random((8, side, side)).astype(np.float32)
    return StageMaps(stage=name, total=total, shown=tuple(range(3, 11)), values=values)


def learnt(contents, *, bank=None):
    stages = [stage("stem", 100), stage("layer1", 14), stage("layer2", 7)]
    shown = (contents.correct[0], contents.mistakes[0])
    return dataclasses.replace(
        contents,
        history=(),
        test=None,
        validation=None,
        filters=bank or filters(),
        responses=[Response(sample=sample, stages=stages) for sample in shown],
    )


def section(path):
    return re.search(r'<section id="learnt">.*?</section>', path.read_text(), re.S).group()


def test_the_page_names_filters_stages_and_channels(make_contents, tmp_path):
    text = section(write_report(learnt(make_contents()), tmp_path))
    for words in (
        "The 20 filters of the first convolution (conv1): 7 × 7 weights",
        *("A right answer", "A mistake", "layer1", "14 × 14, 32 channels", "layer2, channel 10"),
    ):
        assert words in text
    assert text.count('alt="filter ') == 20
    assert len(re.findall(r'alt="[^"]+, channel ', text)) == 2 * 3 * 8
    assert len(text) < 300_000
    for source in re.findall(r'src="data:image/png;base64,([^"]+)"', text):
        with Image.open(io.BytesIO(base64.b64decode(source))) as image:
            image.verify()


def test_the_same_contents_give_the_same_bytes(make_contents, tmp_path):
    for name in ("a", "b"):
        write_report(learnt(make_contents()), tmp_path / name)
    for file in ("report.html", "plots/filters.png", "plots/features.png"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_plots_lie_beside_the_page(make_contents, tmp_path):
    write_report(learnt(make_contents()), tmp_path)
    for name in ("filters", "features"):
        with Image.open(tmp_path / "plots" / f"{name}.png") as image:
            assert len(image.convert("RGB").getcolors(1 << 24)) > 16


def test_of_many_filters_the_page_says_which(make_contents, tmp_path):
    text = section(write_report(learnt(make_contents(), bank=filters(total=96)), tmp_path))
    assert "Of the 96 filters of the first convolution the 20 with the largest weights" in text


def test_signals_have_filters_as_lines(make_contents, tmp_path):
    bank = filters(channels=2, kernel=(9,), n=12, total=12)
    text = section(write_report(learnt(make_contents(), bank=bank), tmp_path))
    assert "9 weights for each of 2 channels" in text
    assert text.count("<svg") == 12
    assert text.count("<path d=") == 12 * 2


@pytest.mark.parametrize(
    ("channels", "kernel", "form"), [(32, (9,), "9/32"), (4, (1,), "1/4"), (1, (41, 11), "11/41")]
)
def test_filters_of_many_channels_are_pictures_of_their_own_form(
    channels, kernel, form, make_contents, tmp_path
):
    bank = filters(channels=channels, kernel=kernel, n=12, total=12)
    text = section(write_report(learnt(make_contents(), bank=bank), tmp_path))
    assert f"--form:{form}" in text
    assert text.count('alt="filter ') == 12


def test_maps_along_time_are_strips(make_contents, tmp_path):
    values = np.random.default_rng(1).random((8, 75)).astype(np.float32)
    strips = StageMaps(stage="layer9", total=64, shown=tuple(range(8)), values=values)
    content = Signal(values=values[:2])
    sample = dataclasses.replace(make_contents().mistakes[0], content=content)
    contents = learnt(make_contents())
    contents = dataclasses.replace(
        contents, responses=[Response(sample=sample, stages=[strips, stage("layer1", 14)])]
    )
    text = section(write_report(contents, tmp_path))
    assert "layer9, channels 0, 1, 2, 3, 4, 5, 6, 7" in text
    assert "75, 64 channels" in text
    assert text.count("<img") == 20 + 1 + 8


def test_without_them_there_is_no_section(make_contents, tmp_path):
    contents = dataclasses.replace(make_contents(), history=(), test=None, validation=None)
    page = write_report(contents, tmp_path)
    assert "learnt" not in re.sub("<style>.*?</style>", "", page.read_text(), flags=re.S)


@pytest.mark.parametrize("only", ["filters", "responses"])
def test_either_part_stands_alone(only, make_contents, tmp_path):
    contents = learnt(make_contents())
    without = {"filters": {"responses": ()}, "responses": {"filters": None}}[only]
    text = section(write_report(dataclasses.replace(contents, **without), tmp_path))
    assert ("First filters" in text, "Feature maps" in text) == (
        only == "filters",
        only == "responses",
    )
