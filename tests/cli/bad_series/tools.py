"""Commands that must fail or work, and series, clips and texts to spoil."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from residua.cli.main import run_command

FAST = ["--network", "resnet20", "--threads", "1", "--quiet", "--batch-size", "8", "--epochs", "1"]
WHOLE = ["--validation-fraction", "0"]
RATE = 8000

Capture = pytest.CaptureFixture[str]


def call(capsys: Capture, *arguments: object) -> tuple[int, str, str]:
    capsys.readouterr()
    code = run_command([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    return code, out, err


def fails(capsys: Capture, code: int, words: str, *arguments: object) -> None:
    """Runs a command that must say in one line what is wrong. ``words`` are separated by |."""
    found, out, err = call(capsys, *arguments)
    assert found == code, err
    assert len(err.splitlines()) == 1, err
    assert err.startswith("residua: ")
    assert out == ""
    for word in words.split("|"):
        assert word in err


def train(data: Path, run: Path, *options: object) -> list[object]:
    return ["train", data, "--run", run, *FAST, *options]


def wave(k: int, i: int, steps: int = 40) -> str:
    rng = np.random.default_rng(2 * i + k)
    values = np.sin(np.arange(steps) * (0.3 + 0.6 * k) + rng.uniform(0, 6))
    return ",".join(f"{v:.4f}" for v in values + rng.normal(0, 0.1, steps))


def cases(n: int, first: int = 0, steps: int = 40) -> list[str]:
    return [f"{wave(k, first + i, steps)}:{'ab'[k]}" for i in range(n) for k in (0, 1)]


def ts(path: Path, lines: Sequence[str], univariate: bool = True) -> Path:
    head = f"@problemName x\n@timeStamps false\n@univariate {str(univariate).lower()}\n"
    path.write_text(head + "@classLabel true a b\n@data\n" + "\n".join(lines) + "\n")
    return path


def pair(folder: Path, train: Sequence[str] = (), test: Sequence[str] = ()) -> Path:
    """A problem with sound lines, then ``train`` and ``test``; its first line of data is 6."""
    folder.mkdir()
    ts(folder / f"{folder.name}_TRAIN.ts", [*cases(8), *train])
    ts(folder / f"{folder.name}_TEST.ts", [*cases(4, 100), *test])
    return folder


def wav(path: Path, values: np.ndarray, rate: int = RATE, **options: str) -> Path:
    import soundfile

    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, values, rate, **options)
    return path


def tone(k: int, i: int, rate: int = RATE) -> np.ndarray:
    t = np.arange(int(0.3 * rate)) / rate
    noise = np.random.default_rng(2 * i + k).normal(0, 0.02, len(t))
    return 0.3 * np.sin(2 * np.pi * (400 + 900 * k) * t) + noise


def clips(folder: Path, n: int = 8) -> Path:
    for k in (0, 1):
        for i in range(n):
            wav(folder / "ab"[k] / f"{i}.wav", tone(k, i))
    return folder


def texts(path: Path, extra: str = "") -> Path:
    fruits = ("apple", "car")
    lines = [f"the {fruits[k]} number {i} is here,{'ab'[k]}" for i in range(8) for k in (0, 1)]
    path.write_text("text,label\n" + "\n".join(lines) + "\n" + extra)
    return path


def empty(folder: Path) -> Path:
    (folder / "empty.ts").write_text("")
    return folder / "empty.ts"


NAN, FLAT = ",".join("?" * 40), ",".join(["3"] * 40)
BAD_LINES = {  # line 22 is the first behind 16 good ones
    f"{NAN}:a": "without a single value|x_TRAIN.ts:22",
    f"inf,{wave(0, 50)}:a": "infinite|inf|x_TRAIN.ts:22",
    f"oops,{wave(0, 50)}:b": "no number|'oops'|x_TRAIN.ts:22",
    "1,2:3,4,5:a": "channels|2 and 3 values|x_TRAIN.ts:22",
    "1,2,3": "no label|x_TRAIN.ts:22",
}


def bad_clips(folder: Path) -> dict[str, str]:
    """Damaged clips beside good ones: name, and what is said of it."""
    whole = (folder / "a" / "0.wav").read_bytes()
    (folder / "a" / "cut.wav").write_bytes(whole[:1000])
    (folder / "a" / "text.wav").write_text("hello, I am text")
    (folder / "a" / "empty.wav").write_bytes(b"")
    wav(folder / "b" / "zero.wav", np.zeros(0))
    wav(folder / "b" / "nan.wav", np.full(2400, np.nan, dtype=np.float32), subtype="FLOAT")
    return {
        "a/cut.wav": "cut off (956 of 4,800 bytes",
        "a/text.wav": "a text file",
        "a/empty.wav": "an empty file",
        "b/zero.wav": "a clip of no length",
        "b/nan.wav": "NaN or infinity",
    }
