"""One encoded sound file -> its waveform, through libsndfile; and waveforms at another rate.

What becomes of the many kinds of file:

=======================================  =======================================================
stored                                   decoded
=======================================  =======================================================
8, 16, 24, 32 bit, A-law, mu-law, ADPCM  float32 from -1 to 1, never stretched clip by clip
float, double                            as they are, also beyond 1; NaN and infinity are refused
FLAC, Ogg (Vorbis, Opus), MP3            decoded in blocks, until nothing comes any more
several channels                         all of them; `SoundPreprocess` takes their mean
a WAV written to a pipe (no length)      what is there
=======================================  =======================================================

Memory grows with what is decoded, never with what a header claims, and more than `MAX_VALUES` are
refused. A file that holds less than its header claims is refused as cut off; of MP3 files this
shows only where their first frame says how long they are.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from residua.errors import UnreadableSampleError

MAX_VALUES = 2**28
"""Steps times channels of one decoded file: 1 GiB as float32, or 101 minutes of 44.1 kHz mono."""

# fmt: off
SOUND_SUFFIXES = frozenset({
    ".wav", ".wave", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".aifc", ".au",
    ".snd", ".caf", ".w64", ".rf64", ".sph", ".m4a", ".aac", ".wma",
})
# fmt: on
"""Lower-case endings of files that claim to be sound. M4A, AAC and WMA are among them although
libsndfile cannot decode them, so that such files are named instead of overlooked."""

# libsndfile knows formats with hardly any signature as well; other files must not pass for them
_FORMATS = ("WAV", "WAVEX", "RF64", "W64", "FLAC", "OGG", "MP3", "AIFF", "AU", "CAF", "NIST")
_BLOCK = 2**20  # values that are decoded at once
_UNKNOWN_LENGTH = 0x7FFF_0000  # what writes to a pipe leaves this or more as the length of the data
_MP3_FRAME = 1152


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Waveform:
    """A decoded clip.

    Attributes:
        values: float32 ``[c, t]``, finite.
        rate: Steps per second.
    """

    values: npt.NDArray[np.float32]
    rate: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundHeader:
    """What a file says about itself; the number of steps is a claim."""

    rate: int
    channels: int
    frames: int
    format: str


def decode_sound(raw: bytes, *, where: str) -> Waveform:
    """The whole clip.

    Args:
        raw: An encoded file.
        where: The sample's key, for the error.

    Raises:
        UnreadableSampleError: It is empty, no sound file, cut off, damaged, without a single step,
            larger than `MAX_VALUES`, or holds values that are not finite.
    """
    try:
        values, rate = _read(raw)
        _check_whole(raw)
    except Exception as error:  # libsndfile's and our own; each becomes one line
        received = str(error) if isinstance(error, _RefusedError) else _reason(raw, error)
        raise UnreadableSampleError(
            "cannot decode the sound", received=received, where=where
        ) from error
    check_finite(values, rate, where=where)
    return Waveform(values=values, rate=rate)


def sound_header(raw: bytes | Path) -> SoundHeader:
    """What the header says, without decoding.

    Raises:
        UnreadableSampleError: There is no header that is known.
    """
    import soundfile

    try:
        with soundfile.SoundFile(io.BytesIO(raw) if isinstance(raw, bytes) else raw) as file:
            _check_format(file.format)
            return SoundHeader(
                rate=file.samplerate,
                channels=file.channels,
                frames=file.frames,
                format=file.format,
            )
    except Exception as error:
        start = raw if isinstance(raw, bytes) else _start(raw)
        received = str(error) if isinstance(error, _RefusedError) else _reason(start, error)
        where = raw if isinstance(raw, Path) else None
        raise UnreadableSampleError(
            "cannot read the sound's header", received=received, where=where
        ) from error


def resample(
    values: npt.NDArray[np.float32], source: float, target: float
) -> npt.NDArray[np.float32]:
    """``[c, t]`` at rate ``source`` as ``[c, round(t * target / source)]``, one step at least.

    By libsoxr at its high quality: flat up to 91% of the lower of the two half rates.
    """
    if source == target:
        return values
    import soxr

    steps = soxr.resample(values.T, source, target, quality="HQ").T
    if not steps.shape[1]:  # less than half a step long
        steps = values.mean(axis=1, keepdims=True)
    return np.ascontiguousarray(steps, dtype=np.float32)


def check_finite(values: npt.NDArray[np.float32], rate: float, *, where: str) -> None:
    """Raises `UnreadableSampleError` if ``[c, t]`` ``values`` hold NaN or infinity."""
    if np.isfinite(values).all():
        return
    bad = np.flatnonzero(~np.isfinite(values).all(axis=0))
    raise UnreadableSampleError(
        "the sound holds NaN or infinity",
        received=f"{len(bad)} of {values.shape[1]} steps, the first at {bad[0] / rate:.3f} s",
        where=where,
    )


class _RefusedError(Exception):
    """A reason that is a noun already."""


def _read(raw: bytes) -> tuple[npt.NDArray[np.float32], float]:
    import soundfile

    with soundfile.SoundFile(io.BytesIO(raw)) as file:
        _check_format(file.format)
        blocks: list[npt.NDArray[np.float32]] = []
        size = max(1, _BLOCK // file.channels)
        steps = 0
        while len(block := file.read(size, dtype="float32", always_2d=True)):
            blocks.append(block.astype(np.float32, copy=False))
            steps += len(block)
            if steps * file.channels > MAX_VALUES:
                raise _RefusedError(f"more than {MAX_VALUES:,} values; cut it into shorter clips")
        if steps + (_MP3_FRAME if file.format == "MP3" else 0) < file.frames:
            raise _RefusedError(f"a file that is cut off ({steps} of {file.frames} steps)")
        if not steps:
            raise _RefusedError("a clip of no length")
        values = np.concatenate(blocks) if len(blocks) > 1 else blocks[0]
        return np.ascontiguousarray(values.T), float(file.samplerate)


def _check_format(name: str) -> None:
    if name not in _FORMATS:
        raise _RefusedError(f"no known sound format (it may be {name})")


def _check_whole(raw: bytes) -> None:
    """WAV and AIFF say how long their data is; libsndfile takes what there is without a word."""
    found = _data_chunk(raw)
    if found is None:
        return
    start, claimed = found
    there = len(raw) - start
    if there < claimed < _UNKNOWN_LENGTH:
        raise _RefusedError(f"a file that is cut off ({there:,} of {claimed:,} bytes of sound)")


def _data_chunk(raw: bytes) -> tuple[int, int] | None:
    """Where the sound of a RIFF or AIFF file starts, and how many bytes it claims."""
    if raw[:4] == b"RIFF" and raw[8:12] == b"WAVE":
        order, name = "<u4", b"data"
    elif raw[:4] == b"FORM" and raw[8:12] in (b"AIFF", b"AIFC"):
        order, name = ">u4", b"SSND"
    else:
        return None
    position = 12
    while position + 8 <= len(raw):
        size = int(np.frombuffer(raw, order, count=1, offset=position + 4)[0])
        if raw[position : position + 4] == name:
            return position + 8, size
        position += 8 + size + size % 2
    return None


def _start(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(64)
    except OSError:
        return b"?"


def _reason(data: bytes, error: Exception) -> str:
    """What the user would say is wrong with the file, as a noun."""
    if not data:
        return "an empty file"
    if all(byte in b"\t\n\r\f" or 32 <= byte < 127 for byte in data[:64]):
        return "a text file"
    if data[4:8] == b"ftyp":
        return "an MP4 file, which is not supported; convert it to WAV or FLAC"
    if data[:4] in (b"RIFF", b"RF64", b"FORM", b"fLaC", b"OggS", b".snd", b"caff"):
        return f"a file that is cut off or damaged{_detail(error)}"
    return f"no known sound format (it starts with {data[:8].hex(' ')}){_detail(error)}"


def _detail(error: Exception) -> str:
    """libsndfile's own words, without the object that they name."""
    text = str(error).rpartition(">: ")[2].strip().rstrip(".")
    return f" ({text})" if text else ""
