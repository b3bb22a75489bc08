import io

import numpy as np
from PIL import Image

from residua.report.heat import AMBER, heat_strip, heated, spectrogram_png, tinted


def opened(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGBA")).astype(int)


def test_strips_are_as_opaque_as_hot():
    heat = np.float32([0, 0.5, 1])
    pixels = opened(heat_strip(heat))
    assert pixels.shape == (1, 3, 4)
    assert (pixels[0, :, :3] == AMBER).all()
    alpha = pixels[0, :, 3]
    assert alpha[0] == 0
    assert abs(alpha[2] - 2 * alpha[1]) <= 1


def test_long_heat_keeps_its_place():
    heat = np.zeros(10_000, dtype=np.float32)
    heat[7000:7500] = 1
    alpha = opened(heat_strip(heat))[0, :, 3]
    hot = np.flatnonzero(alpha > alpha.max() / 2)
    assert len(alpha) <= 160
    np.testing.assert_allclose(hot[[0, -1]] / len(alpha), [0.7, 0.75], atol=0.01)


def test_low_bands_lie_below_and_louder_is_brighter():
    bands = np.zeros((4, 6), dtype=np.float32)
    bands[0, 2:] = 5
    pixels = opened(spectrogram_png(bands))[..., 0]
    assert pixels.shape == (4, 6)
    assert (pixels[3, 2:] == 255).all()
    assert (pixels[:3] == 0).all()


def test_long_and_constant_spectrograms():
    assert opened(spectrogram_png(np.random.default_rng(0).normal(size=(8, 4000)))).shape[1] == 320
    assert opened(spectrogram_png(np.full((8, 40), 3.0, dtype=np.float32))).shape == (8, 40, 4)


def test_without_heat_grey_stays_grey_and_with_it_turns_amber():
    level = np.linspace(0, 1, 5, dtype=np.float32)[None]
    cold = tinted(level, np.zeros_like(level)).astype(int)
    assert (cold == np.rint(255 * level)[..., None]).all()
    hot = tinted(level, np.ones_like(level)).astype(int)
    assert hot[0, -1].tolist() == list(AMBER)
    assert (np.diff(hot.sum(axis=-1)[0]) > 0).all()  # the sample stays visible


def test_pictures_in_colour_and_in_grey():
    rng = np.random.default_rng(0)
    heat = rng.random((6, 7)).astype(np.float32)
    for shape in ((6, 7), (6, 7, 3)):
        values = rng.integers(256, size=shape, dtype=np.uint8)
        assert heated(values, heat).shape == (6, 7, 3)
