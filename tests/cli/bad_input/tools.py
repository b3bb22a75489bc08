"""Commands that must fail or work, and data that cannot be used."""

import io
import json
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from residua.cli.main import run_command

FAST = ["--network", "resnet20", "--threads", "1", "--quiet", "--batch-size", "16", "--epochs", "1"]
CLASSES = ("columns", "dots", "rows")

Capture = pytest.CaptureFixture[str]


def fails(capsys: Capture, code: int, words: str, *arguments: object) -> str:
    """Runs a command that must fail, and returns its one line. ``words`` are separated by |."""
    capsys.readouterr()
    assert run_command([str(argument) for argument in arguments]) == code
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    assert len(err.splitlines()) == 1, err
    assert err.startswith("residua: ")
    assert out == ""
    for word in words.split("|"):
        assert word in err
    return err


def succeeds(capsys: Capture, *arguments: object) -> tuple[str, str]:
    """Runs a command that must work, and returns what it wrote."""
    capsys.readouterr()
    assert run_command([str(argument) for argument in arguments]) == 0
    out, err = capsys.readouterr()
    return out, err


def train(data: Path, run: Path, *options: object) -> list[object]:
    return ["train", data, "--run", run, *FAST, *options]


def png_header(width: int, height: int) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        crc = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + crc

    size = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(bytes(100)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + pixels + chunk(b"IEND", b"")


def jpeg(size: tuple[int, int] = (16, 16)) -> bytes:
    file = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 255, (*size, 3), dtype=np.uint8)
    Image.fromarray(noise).save(file, "JPEG")
    return file.getvalue()


def huge_jpeg() -> bytes:
    content = bytearray(jpeg())
    start = content.find(b"\xff\xc0") + 5
    content[start : start + 4] = struct.pack(">HH", 65_000, 65_000)
    return bytes(content)


def nothing(folder: Path) -> Path:
    return folder / "nowhere" / "at" / "all"


def empty_folder(folder: Path) -> Path:
    folder.mkdir()
    return folder


def texts_only(folder: Path) -> Path:
    folder.mkdir()
    (folder / "readme.txt").write_text("hello")
    return folder


def with_classes(folder: Path, **classes: int) -> Path:
    for name, count in classes.items():
        (folder / name).mkdir(parents=True)
        for number in range(count):
            (folder / name / f"{number}.jpg").write_bytes(jpeg())
    return folder


def pictures_without_classes(folder: Path) -> Path:
    return with_classes(folder, cats=2) / "cats"


def class_only_in_test(folder: Path) -> Path:
    with_classes(folder / "train", cat=2, dog=2)
    with_classes(folder / "test", cat=2, fox=2)
    return folder


def table(folder: Path, text: str) -> Path:
    with_classes(folder, cat=4, dog=4)
    (folder / "table.csv").write_text(text)
    return folder / "table.csv"


def parquet(folder: Path, labels: list[int]) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder.mkdir()
    kinds = {"image": {"_type": "Image"}, "label": {"_type": "ClassLabel", "names": ["cat", "dog"]}}
    cells = [{"bytes": jpeg(), "path": None} for _ in labels]
    rows = pa.table({"image": cells, "label": labels}).replace_schema_metadata(
        {"huggingface": json.dumps({"info": {"features": kinds}})}
    )
    pq.write_table(rows, folder / "animals.parquet")
    return folder / "animals.parquet"


def file(folder: Path, name: str, content: bytes) -> Path:
    folder.mkdir()
    (folder / name).write_bytes(content)
    return folder / name
