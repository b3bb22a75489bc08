"""Flips, shifts, boxes and resampling against slices, Pillow and a plain loop."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from residua.augment import geometry
from residua.augment.geometry import Boxes
from residua.random import Draws

few = settings(max_examples=15, deadline=None)
sizes = st.integers(1, 20)


def pictures(b: int, c: int, h: int, w: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (b, c, h, w), dtype=torch.uint8, generator=generator)


def draws(b: int, seed: int = 0) -> Draws:
    return Draws(seed=seed, epoch=0, ids=torch.arange(b) * 7919)


@given(b=st.integers(1, 5), c=st.sampled_from([1, 3]), h=sizes, w=sizes)
@few
def test_flip_is_an_involution_and_mirrors(b: int, c: int, h: int, w: int) -> None:
    images = pictures(b, c, h, w)
    flipped = draws(b).bernoulli("x", 0.5)
    once = geometry.flip(images, flipped)
    assert torch.equal(geometry.flip(once, flipped), images)
    for image, result, mirrored in zip(images.numpy(), once.numpy(), flipped, strict=True):
        assert np.array_equal(result, image[:, :, ::-1] if mirrored else image)


@given(
    c=st.sampled_from([1, 3, 5]),
    h=sizes,
    w=sizes,
    padding=st.integers(1, 6),
    last=st.booleans(),
    data=st.data(),
)
@few
def test_shift_is_the_slice_of_a_padded_picture(c, h, w, padding, last, data) -> None:
    layout = torch.channels_last if last else torch.contiguous_format
    images = pictures(4, c, h, w).contiguous(memory_format=layout)
    offset = st.integers(-padding, padding)
    moves = data.draw(st.lists(st.tuples(offset, offset), min_size=4, max_size=4))
    down, right = torch.tensor(moves).T
    moved = geometry.shift(images, down, right, padding=padding)
    assert moved.is_contiguous(memory_format=layout)
    edges = ((0, 0), (padding, padding), (padding, padding))
    for image, result, (y, x) in zip(images.numpy(), moved.numpy(), moves, strict=True):
        top, left = padding - y, padding - x
        assert np.array_equal(result, np.pad(image, edges)[:, top : top + h, left : left + w])


def test_pad_crop_reaches_every_offset_equally_and_nothing_beyond() -> None:
    image = torch.zeros(1, 1, 9, 9, dtype=torch.uint8)
    image[0, 0, 4, 4] = 255
    moved = geometry.pad_crop(image.expand(5000, -1, -1, -1), draws(5000), padding=2)
    rows, columns = moved[:, 0].nonzero()[:, 1:].T - 4
    counts = torch.bincount((rows + 2) * 5 + columns + 2, minlength=25)
    assert len(counts) == 25
    assert counts.min() > 150
    assert counts.max() < 250


def szegedy(size, areas, ratios, aspect, ratio):
    """Height and width of one sample's box, in plain Python, as torchvision's loop draws it."""
    H, W = size
    for area, shape in zip(areas, ratios, strict=True):
        width = round(math.sqrt(area * H * W * shape / aspect))
        height = round(math.sqrt(area * H * W / shape * aspect))
        if 0 < width <= W and 0 < height <= H:
            return height, width
    if W * aspect / H < ratio[0]:
        return round(W * aspect / ratio[0]), W
    if W * aspect / H > ratio[1]:
        return H, round(H * ratio[1] / aspect)
    return H, W


@pytest.mark.parametrize("size", [(32, 32), (40, 96), (120, 30)])
@pytest.mark.parametrize("squashed", [False, True])
def test_boxes_follow_szegedy(size: tuple[int, int], squashed: bool) -> None:
    b, scale, ratio = 200, (0.3, 1.0), (3 / 4, 4 / 3)
    aspects = draws(b).uniform("aspect", low=0.5, high=2.0) if squashed else torch.ones(b)
    boxes = geometry.draw_boxes(
        size, draws(b), scale=scale, ratio=ratio, aspects=aspects if squashed else None
    )
    areas = draws(b).uniform("crop.area", 10, low=scale[0], high=scale[1]).double()
    logs = draws(b).uniform("crop.ratio", 10, low=math.log(ratio[0]), high=math.log(ratio[1]))
    expected = [
        szegedy(size, areas[i].tolist(), logs[i].double().exp().tolist(), float(aspects[i]), ratio)
        for i in range(b)
    ]
    received = torch.stack([boxes.height, boxes.width], dim=1)
    assert (received - torch.tensor(expected)).abs().max() <= 1  # float32 may round to a neighbour
    assert (received != torch.tensor(expected)).float().mean() < 0.01
    assert (boxes.top >= 0).all()
    assert (boxes.left >= 0).all()
    assert (boxes.top + boxes.height <= size[0]).all()
    assert (boxes.left + boxes.width <= size[1]).all()


def test_boxes_keep_the_ratio_of_the_true_picture() -> None:
    """A 2:1 picture squashed into a square: its boxes are half as wide as they are high."""
    aspects = torch.full((500,), 2.0)
    boxes = geometry.draw_boxes(
        (200, 200), draws(500), scale=(0.1, 0.2), ratio=(0.9, 1.1), aspects=aspects
    )
    true_ratio = boxes.width * 2.0 / boxes.height
    assert true_ratio.min() > 0.88
    assert true_ratio.max() < 1.12
    area = boxes.width * boxes.height / 200**2
    assert area.min() > 0.095
    assert area.max() < 0.205


def test_boxes_that_never_fit_are_the_largest_centred() -> None:
    boxes = geometry.draw_boxes((64, 64), draws(3), scale=(1.0, 1.0), ratio=(2.0, 2.0))
    assert boxes.height.tolist() == [32] * 3
    assert boxes.width.tolist() == [64] * 3
    assert boxes.top.tolist() == [16] * 3
    assert boxes.left.tolist() == [0] * 3


def pillow(image: torch.Tensor, box: tuple[int, int, int, int], size: tuple[int, int]):
    """A crop and a resize of one picture by Pillow, channel by channel."""
    top, left, height, width = box
    channels = [
        Image.fromarray(channel)
        .crop((left, top, left + width, top + height))
        .resize(size[::-1], Image.Resampling.BILINEAR)
        for channel in image.numpy()
    ]
    return torch.from_numpy(np.stack([np.asarray(channel) for channel in channels]))


@pytest.mark.parametrize("resample", [geometry.resample_each, geometry.resample_by_matrices])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@given(c=st.sampled_from([1, 3, 5]), h=sizes, w=sizes, data=st.data())
@few
def test_resample_reads_as_pillow_does(resample, layout, c, h, w, data) -> None:
    images = pictures(3, c, 40, 50).contiguous(memory_format=layout)
    corner = st.tuples(st.integers(0, 39), st.integers(0, 49))
    boxes = []
    for top, left in data.draw(st.lists(corner, min_size=3, max_size=3)):
        height, width = data.draw(st.integers(1, 40 - top)), data.draw(st.integers(1, 50 - left))
        boxes.append((top, left, height, width))
    top, left, height, width = torch.tensor(boxes).T
    views = resample(images, Boxes(top=top, left=left, height=height, width=width), (h, w))
    assert views.dtype == torch.uint8
    assert views.is_contiguous(memory_format=layout)
    for image, view, box in zip(images, views, boxes, strict=True):
        expected = pillow(image, box, (h, w))
        assert (view.int() - expected.int()).abs().max() <= 1


def test_resample_does_not_alias() -> None:
    """A fine checkerboard shrinks to grey; reading single pixels would leave black or white."""
    board = (torch.arange(64)[:, None] + torch.arange(64)) % 2 * 255
    images = board.to(torch.uint8)[None, None]
    whole = torch.tensor([64])
    boxes = Boxes(top=whole - 64, left=whole - 64, height=whole, width=whole)
    for resample in (geometry.resample_each, geometry.resample_by_matrices):
        view = resample(images, boxes, (8, 8)).int()
        assert (view - 127).abs().max() <= 2


def test_resize_reads_as_pillow_does_and_leaves_the_right_size() -> None:
    images = pictures(2, 3, 30, 41)
    resized = geometry.resize(images, (17, 50))
    for image, view in zip(images, resized, strict=True):
        assert (view.int() - pillow(image, (0, 0, 30, 41), (17, 50)).int()).abs().max() <= 1
    assert geometry.resize(images, (30, 41)) is images


def test_warp_by_whole_pixels_is_a_shift() -> None:
    images = pictures(2, 3, 9, 14)
    matrices = torch.tensor([[[1.0, 0, 3], [0, 1, -2]], [[1, 0, 0], [0, 1, 0]]])
    warped = geometry.warp(images.float(), matrices)
    down, right = torch.tensor([2, 0]), torch.tensor([-3, 0])
    expected = geometry.shift(images, down, right, padding=4).float()
    torch.testing.assert_close(warped, expected, rtol=0, atol=1e-3)
