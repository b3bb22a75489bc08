"""Sound files of all kinds, whole and broken, and waveforms at another rate."""

import io
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from residua.data import sound
from residua.data.sound import decode_sound, resample, sound_header
from residua.errors import UnreadableSampleError


def tone(rate: int = 8000, seconds: float = 0.5, hertz: float = 440.0) -> np.ndarray:
    return 0.4 * np.sin(2 * np.pi * hertz * np.arange(int(rate * seconds)) / rate)


def encode(values: np.ndarray, rate: int = 8000, kind: str = "WAV", subtype: str = "") -> bytes:
    file = io.BytesIO()
    soundfile.write(file, values, rate, format=kind, subtype=subtype or None)
    return file.getvalue()


def refused(raw: bytes) -> str:
    with pytest.raises(UnreadableSampleError, match=r"in a/b\.wav") as caught:
        decode_sound(raw, where="a/b.wav")
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("kind", "subtype", "error"),
    [
        ("WAV", "PCM_16", 2**-15),
        ("WAV", "PCM_24", 2**-23),
        ("WAV", "PCM_32", 2**-23),
        ("WAV", "PCM_U8", 2**-7),
        ("WAV", "FLOAT", 1e-7),
        ("WAV", "DOUBLE", 1e-7),
        ("WAV", "ULAW", 0.02),
        ("WAV", "ALAW", 0.02),
        ("WAV", "MS_ADPCM", 0.02),
        ("WAVEX", "PCM_24", 2**-23),
        ("AIFF", "PCM_16", 2**-15),
        ("AU", "PCM_16", 2**-15),
        ("CAF", "PCM_16", 2**-15),
        ("FLAC", "PCM_16", 2**-15),
        ("OGG", "VORBIS", 0.1),
        ("OGG", "OPUS", 0.1),
        ("MP3", "MPEG_LAYER_III", 0.1),
    ],
)
def test_every_kind_gives_the_waveform(kind: str, subtype: str, error: float) -> None:
    values = tone()
    wave = decode_sound(encode(values, kind=kind, subtype=subtype), where="x")
    assert wave.values.dtype == np.float32
    assert wave.values.shape == (1, len(values))
    assert wave.values.flags.c_contiguous
    assert wave.rate == 8000
    assert np.abs(wave.values[0] - values).max() <= error


def test_channels_stay_apart() -> None:
    values = np.stack([tone(hertz=300), tone(hertz=500)], axis=1)
    wave = decode_sound(encode(values, 44100, subtype="FLOAT"), where="x")
    assert np.array_equal(wave.values, values.T.astype(np.float32))


def test_long_files_are_read_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = encode(tone(), subtype="FLOAT")
    whole = decode_sound(raw, where="x").values
    monkeypatch.setattr(sound, "_BLOCK", 300)
    assert np.array_equal(decode_sound(raw, where="x").values, whole)
    monkeypatch.setattr(sound, "MAX_VALUES", 3000)
    assert "more than 3,000 values" in refused(raw)


@pytest.mark.parametrize(
    ("kind", "subtype"),
    [
        ("WAV", "PCM_16"),
        ("WAV", "FLOAT"),
        ("WAV", "ULAW"),
        ("WAVEX", "PCM_24"),
        ("AIFF", "PCM_16"),
        ("FLAC", "PCM_16"),
        ("OGG", "VORBIS"),
        ("MP3", "MPEG_LAYER_III"),
    ],
)
@pytest.mark.parametrize("share", [0.02, 0.6])
def test_cut_off_files_are_named(kind: str, subtype: str, share: float) -> None:
    raw = encode(tone(seconds=2), kind=kind, subtype=subtype)
    message = refused(raw[: int(len(raw) * share)])
    assert "cannot decode the sound" in message
    assert kind in ("OGG", "MP3") or "cut off" in message


def test_a_cut_of_one_sample_is_seen_and_what_follows_the_sound_is_not_sound() -> None:
    raw = encode(tone(), subtype="PCM_16")
    assert "(7,998 of 8,000 bytes" in refused(raw[:-2])
    tagged = raw + b"LIST" + struct.pack("<I", 4) + b"INFO"
    assert decode_sound(tagged, where="x").values.shape == (1, 4000)


@pytest.mark.parametrize("claim", [0xFFFF_FFFF, 0x7FFF_FFFF])
def test_a_wav_written_to_a_pipe_is_as_long_as_it_is(claim: int) -> None:
    raw = bytearray(encode(tone(), subtype="PCM_16"))
    at = raw.index(b"data") + 4
    raw[at : at + 4] = struct.pack("<I", claim)
    raw[4:8] = struct.pack("<I", 0xFFFF_FFFF)
    assert decode_sound(bytes(raw), where="x").values.shape == (1, 4000)


def test_a_header_that_claims_hours_costs_no_memory() -> None:
    raw = bytearray(encode(tone(), kind="FLAC"))
    # STREAMINFO: 36 bits of total samples, from the last four bits of its byte 13 on
    start = 8 + 13
    raw[start] |= 0x0F
    raw[start + 1 : start + 5] = b"\xff\xff\xff\xff"
    assert sound_header(bytes(raw)).frames == 2**36 - 1
    assert "cut off" in refused(bytes(raw))


@pytest.mark.parametrize(
    ("raw", "received"),
    [
        (b"", "an empty file"),
        (b"not a sound at all", "a text file"),
        (b"<!DOCTYPE html><html>404</html>", "a text file"),
        (b"RIFF", "a text file"),
        (b"RIFF\0\0\0\0WAVE", "cut off or damaged"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), r"no known sound format (it starts with 89 50 4e 47"),
        (b"\0\0\0\x20ftypM4A " + bytes(100), "an MP4 file"),
        (bytes(1000), "no known sound format"),
    ],
)
def test_what_is_no_sound_is_named(raw: bytes, received: str) -> None:
    assert received in refused(raw)


def test_a_clip_of_no_length() -> None:
    assert "a clip of no length" in refused(encode(np.zeros(0)))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_no_numbers(bad: float) -> None:
    values = tone()
    values[800:803] = bad
    message = refused(encode(values, subtype="FLOAT"))
    assert "NaN or infinity: received 3 of 4000 steps, the first at 0.100 s" in message


def test_headers(tmp_path: Path) -> None:
    file = tmp_path / "a.flac"
    file.write_bytes(encode(np.zeros((10, 2)), 48000, kind="FLAC"))
    header = sound_header(file)
    assert (header.rate, header.channels, header.frames, header.format) == (48000, 2, 10, "FLAC")
    file.write_text("no sound")
    with pytest.raises(UnreadableSampleError, match=r"header: received a text file, in .*a\.flac"):
        sound_header(file)


@pytest.mark.parametrize("source", [4000, 11025, 16000, 44100])
def test_a_tone_is_the_same_tone_at_another_rate(source: int) -> None:
    got = resample(tone(source)[None].astype(np.float32), source, 8000)
    want = tone(8000)
    assert abs(got.shape[1] - len(want)) <= 1
    inner = slice(400, 3600)  # the ends ring, as the tone starts at once
    assert np.abs(got[0, inner] - want[inner]).max() < 1e-4


def test_nothing_above_half_the_rate_comes_back_as_something_else() -> None:
    high = tone(16000, hertz=5000)[None].astype(np.float32)
    assert np.abs(resample(high, 16000, 8000)[:, 400:3600]).max() < 1e-4


def test_resampling_keeps_what_it_need_not_change() -> None:
    values = np.ones((1, 5), dtype=np.float32)
    assert resample(values, 8000, 8000) is values
    for steps in (1, 2, 3):
        got = resample(values[:, :steps], 44100, 8000)
        assert got.shape == (1, 1)
        assert np.isfinite(got).all()
