"""Every kind of picture that Pillow can write, against the pixels that were written."""

import io
import random
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image, ImageFile

from residua.data.decode import IMAGE_SUFFIXES, MAX_PIXELS, decode, decoded_mode, image_header
from residua.errors import UnreadableSampleError


def encode(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


@pytest.fixture
def colour() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (9, 13, 3), dtype=np.uint8)


@pytest.fixture
def grey(colour: np.ndarray) -> np.ndarray:
    return colour[..., 0]


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM"])
def test_lossless_formats_give_back_their_pixels(
    kind: str, colour: np.ndarray, grey: np.ndarray
) -> None:
    for pixels, mode in ((colour, "RGB"), (grey, "L")):
        image = decode(encode(Image.fromarray(pixels), kind), where="x")
        assert image.mode == mode
        np.testing.assert_array_equal(np.asarray(image), pixels)


@pytest.mark.parametrize(
    ("kind", "options"), [("WEBP", {"lossless": True}), ("GIF", {}), ("JPEG2000", {})]
)
def test_other_lossless_formats(kind: str, options: dict[str, object], colour: np.ndarray) -> None:
    image = decode(encode(Image.fromarray(colour), kind, **options), where="x")
    assert image.mode == "RGB"
    np.testing.assert_array_equal(np.asarray(image), colour)


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_jpeg_keeps_flat_colours(mode: str) -> None:
    source = Image.new("RGB", (40, 24), (200, 120, 40)).convert(mode)
    image = decode(encode(source, "JPEG", quality=95), where="x")
    assert image.mode == ("L" if mode == "L" else "RGB")
    assert image.size == (40, 24)
    expected = np.asarray(source.convert(image.mode), dtype=int)
    assert np.abs(np.asarray(image, dtype=int) - expected).max() <= 3


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bit_grey_is_scaled_and_not_clipped(kind: str) -> None:
    values = np.array([[0, 128, 129, 257], [32768, 65279, 65407, 65535]], dtype=np.uint16)
    image = decode(encode(Image.fromarray(values), kind), where="x")
    assert image.mode == "L"
    np.testing.assert_array_equal(
        np.asarray(image), np.rint(values.astype(np.float64) * 255 / 65535).astype(np.uint8)
    )


def test_16_bit_big_endian_grey() -> None:
    values = np.array([[0, 257, 65535]], dtype=np.uint16)
    image = Image.frombytes("I;16B", (3, 1), values.astype(">u2").tobytes())
    np.testing.assert_array_equal(decode(encode(image, "TIFF"), where="x"), [[0, 1, 255]])


def test_16_bit_colour_png() -> None:
    """Pillow cannot write one, so it is put together by hand (PNG specification, section 11)."""
    values = np.array([[[0, 65535, 32768], [257, 514, 65535]]], dtype=np.uint16)

    def chunk(name: bytes, data: bytes) -> bytes:
        check = zlib.crc32(name + data).to_bytes(4, "big")
        return len(data).to_bytes(4, "big") + name + data + check

    header = (2).to_bytes(4, "big") + (1).to_bytes(4, "big") + bytes([16, 2, 0, 0, 0])
    rows = b"\0" + values.astype(">u2").tobytes()
    raw = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
    raw += chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    image = decode(raw, where="x")
    assert image.mode == "RGB"
    np.testing.assert_allclose(np.asarray(image, dtype=float), values / 257, atol=1)


def test_32_bit_integers_count_as_16_bit() -> None:
    values = np.array([[0, 257 * 7, 65535]], dtype=np.int32)
    raw = encode(Image.fromarray(values), "TIFF")
    np.testing.assert_array_equal(decode(raw, where="x"), [[0, 7, 255]])
    with pytest.raises(UnreadableSampleError, match=r"65536.*0 to 65535.*in deep\.tif"):
        decode(encode(Image.fromarray(values + 1), "TIFF"), where="deep.tif")


@pytest.mark.parametrize(
    ("values", "expected"),
    [([0.0, 0.5, 1.0], [0, 128, 255]), ([0.0, 1.4, 254.6], [0, 1, 255])],
)
def test_floats(values: list[float], expected: list[int]) -> None:
    raw = encode(Image.fromarray(np.array([values], dtype=np.float32)), "TIFF")
    np.testing.assert_array_equal(decode(raw, where="x"), [expected])


@pytest.mark.parametrize("bad", [-0.5, 300.0, float("nan"), float("inf")])
def test_floats_out_of_range_are_refused(bad: float) -> None:
    raw = encode(Image.fromarray(np.array([[0.5, bad]], dtype=np.float32)), "TIFF")
    with pytest.raises(UnreadableSampleError, match=r"float\.tif"):
        decode(raw, where="float.tif")


def test_one_bit_and_palette(colour: np.ndarray) -> None:
    bits = Image.fromarray(np.array([[0, 255], [255, 0]], dtype=np.uint8)).convert("1")
    image = decode(encode(bits, "PNG"), where="x")
    assert image.mode == "L"
    np.testing.assert_array_equal(image, [[0, 255], [255, 0]])
    palette = Image.fromarray(colour).quantize(16)
    image = decode(encode(palette, "PNG"), where="x")
    assert image.mode == "RGB"
    np.testing.assert_array_equal(image, palette.convert("RGB"))


def test_alpha_is_composited_on_white() -> None:
    pixels = np.array([[[10, 20, 30, 255], [10, 20, 30, 0], [0, 100, 200, 51]]], dtype=np.uint8)
    image = decode(encode(Image.fromarray(pixels), "PNG"), where="x")
    expected = [[[10, 20, 30], [255, 255, 255], [204, 224, 244]]]  # 0.2 x + 0.8 * 255
    np.testing.assert_allclose(np.asarray(image, dtype=int), expected, atol=1)
    grey = np.ascontiguousarray(pixels[..., [0, 3]])
    image = decode(encode(Image.fromarray(grey), "PNG"), where="x")
    assert image.mode == "L"
    np.testing.assert_allclose(np.asarray(image, dtype=int), [[10, 255, 204]], atol=1)


def test_transparent_palette_entry_becomes_white() -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putpixel((1, 0), 1)
    for kind in ("PNG", "GIF"):
        pixels = np.asarray(decode(encode(image, kind, transparency=0), where="x"))
        np.testing.assert_array_equal(pixels, [[[255, 255, 255], [0, 0, 255]]])


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_first_frame_of_many(kind: str) -> None:
    red, blue = (Image.new("RGB", (4, 4), name) for name in ("red", "blue"))
    raw = encode(red, kind, save_all=True, append_images=[blue])
    pixels = np.asarray(decode(raw, where="x"), dtype=int)
    np.testing.assert_allclose(pixels, np.asarray(red, dtype=int), atol=2)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(orientation: int, colour: np.ndarray) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    raw = encode(Image.fromarray(colour), "PNG", exif=exif)
    upright = {  # EXIF 2.3, 4.6.4: what row 0 and column 0 of the stored picture are
        1: colour,
        2: colour[:, ::-1],
        3: colour[::-1, ::-1],
        4: colour[::-1],
        5: colour.swapaxes(0, 1),
        6: colour[::-1].swapaxes(0, 1),
        7: colour[::-1, ::-1].swapaxes(0, 1),
        8: colour[:, ::-1].swapaxes(0, 1),
    }[orientation]
    np.testing.assert_array_equal(decode(raw, where="x"), upright)
    assert image_header(raw) == (upright.shape[1], upright.shape[0], "RGB")


def test_damaged_exif_does_not_cost_the_picture() -> None:
    raw = encode(Image.new("RGB", (4, 3), "red"), "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\xffgarbage")
    assert decode(raw, where="x").size == (4, 3)


def test_raw_pixels_pass_through(colour: np.ndarray, grey: np.ndarray) -> None:
    np.testing.assert_array_equal(decode(colour, where="x"), colour)
    assert decode(np.ascontiguousarray(grey), where="x").mode == "L"
    assert image_header(colour) == (13, 9, "RGB")
    assert image_header(np.ascontiguousarray(grey)) == (13, 9, "L")


def huge_png(width: int, height: int) -> bytes:
    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([8, 2, 0, 0, 0])
    chunk = b"IHDR" + header
    idat = b"IDAT" + zlib.compress(b"\0" * 100)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        (len(part) - 4).to_bytes(4, "big") + part + zlib.crc32(part).to_bytes(4, "big")
        for part in (chunk, idat, b"IEND")
    )


def jpeg() -> bytes:
    noise = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    return encode(Image.fromarray(noise), "JPEG")


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "an empty file"),
        (b"this is not a picture\n", "a text file"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "a text file"),
        (b"\x00\x01\x02\x03" * 20, "no known picture format"),
        (jpeg()[:1500], "cut off"),
        (jpeg()[:20], ""),
        (huge_png(100_000, 100_000), "claims more than 178,956,970 pixels"),
        (huge_png(20_000, 10_000), "claims more than 178,956,970 pixels"),
        (encode(Image.new("RGB", (64, 64)), "PNG")[:60], ""),
    ],
)
def test_what_cannot_be_read_is_named_in_one_line(raw: bytes, reason: str) -> None:
    with pytest.raises(UnreadableSampleError) as caught:
        decode(raw, where="train/cat/1.jpg")
    assert reason in str(caught.value)
    assert "train/cat/1.jpg" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_huge_header_is_refused_without_its_pixels() -> None:
    import tracemalloc

    raw = huge_png(100_000, 100_000)
    tracemalloc.start()
    with pytest.raises(UnreadableSampleError):
        decode(raw, where="x")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 << 20


def test_own_limit_holds_even_if_pillows_is_lifted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    with pytest.raises(UnreadableSampleError, match=f"{MAX_PIXELS:,}"):
        decode(huge_png(100_000, 100_000), where="x")


def test_damaged_files_raise_nothing_else() -> None:
    """Flipped bytes anywhere give a picture or an `UnreadableSampleError`."""
    draw = random.Random(0)
    exif = Image.Exif()
    exif[0x0112] = 6
    source = Image.fromarray(np.random.default_rng(2).integers(0, 256, (16, 16, 3), dtype=np.uint8))
    refused = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for kind in ("JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP"):
            whole = encode(source, kind, **({"exif": exif} if kind in ("JPEG", "PNG") else {}))
            for _ in range(60):
                raw = bytearray(whole)
                for _ in range(draw.randint(1, 8)):
                    raw[draw.randrange(len(raw))] = draw.randrange(256)
                cut = bytes(raw[: draw.randint(1, len(raw))] if draw.random() < 0.5 else raw)
                try:
                    assert decode(cut, where="x").mode in ("L", "RGB")
                except UnreadableSampleError:
                    refused += 1
    assert refused > 50


def test_headers_say_what_decoding_gives(colour: np.ndarray) -> None:
    image = Image.fromarray(colour)
    for mode in ("1", "L", "LA", "I", "F", "P", "RGB", "RGBA", "CMYK", "I;16"):
        source = image.convert("L").convert("I;16") if mode == "I;16" else image.convert(mode)
        raw = encode(source, "TIFF")
        width, height, stored = image_header(raw)
        assert (width, height, stored) == (13, 9, mode)
        if mode not in ("I", "F"):
            assert decode(raw, where="x").mode == decoded_mode(stored)


def test_header_of_a_file(tmp_path, colour: np.ndarray) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(colour).save(path)
    assert image_header(path) == (13, 9, "RGB")
    (tmp_path / "b.jpg").write_text("hello")
    with pytest.raises(UnreadableSampleError, match=r"text file.*b\.jpg"):
        image_header(tmp_path / "b.jpg")
    with pytest.raises(UnreadableSampleError, match=r"c\.jpg"):
        image_header(tmp_path / "c.jpg")


def test_no_global_state_is_touched(colour: np.ndarray) -> None:
    def state() -> tuple[object, ...]:
        return Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, tuple(warnings.filters)

    before = state()
    decode(encode(Image.fromarray(colour), "PNG"), where="x")
    with pytest.raises(UnreadableSampleError):
        decode(jpeg()[:1500], where="x")
    assert state() == before


def test_every_format_that_is_read_has_its_suffix() -> None:
    Image.init()
    readable = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF")
    suffixes = {
        suffix for suffix, kind in Image.registered_extensions().items() if kind in readable
    }
    assert suffixes - {".apng"} <= IMAGE_SUFFIXES
