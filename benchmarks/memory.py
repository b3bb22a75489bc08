"""Peak memory of an epoch with N pictures and with ten times as many: it must not grow.

    python benchmarks/memory.py [--pictures 1000] [--side 96]

Each line is a process of its own that opens the data, chooses the preprocessing and goes through
one training epoch. "main" is the largest resident size of that process, "worker" that of the
largest of its decoding processes (which shares most of its pages with the main one). The cache
folder is new each time, so that "cached" includes the building of the cache.
"""

from __future__ import annotations

import argparse
import io
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

BATCH = 64
CLASSES = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Peak:
    """MiB, and what they were spent on."""

    main: float
    worker: float
    decoded: float
    pictures: int


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--pictures", type=int, default=1000, help="N")
    parser.add_argument("--side", type=int, default=96, help="height and width of a picture")
    parser.add_argument("--measure", nargs=2, metavar=("DATA", "MODE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(asdict(measure(*options.measure, side=options.side))))
        return
    print(
        f"{'source':8} {'mode':9} {'pictures':>8} {'decoded':>9} {'main':>9} {'worker':>9}  (MiB)"
    )
    with tempfile.TemporaryDirectory() as scratch:
        for source in ("folder", "parquet"):
            data = [Path(scratch, f"{source}-{factor}") for factor in (1, 10)]
            for folder, factor in zip(data, (1, 10), strict=True):
                write(source, folder, options.pictures * factor, options.side)
            for mode in ("cached", "streamed"):
                peaks = [run(folder, mode, options.side) for folder in data]
                report(source, mode, peaks)


def write(source: str, folder: Path, count: int, side: int) -> None:
    """A data set of smooth random pictures, as JPEG."""
    if source == "folder":
        for number, content in enumerate(jpegs(count, side)):
            path = folder / "train" / f"class{number % CLASSES}" / f"{number}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder.mkdir()
    kind = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    schema = pa.schema({"image": kind, "label": pa.int64()})
    with pq.ParquetWriter(folder / "train-00000-of-00001.parquet", schema) as writer:
        for number, content in enumerate(jpegs(count, side)):
            if number % 100 == 0:
                rows: list[dict[str, object]] = []
            rows.append({"image": {"bytes": content, "path": None}, "label": number % CLASSES})
            if number % 100 == 99 or number == count - 1:
                writer.write_table(pa.Table.from_pylist(rows, schema=schema))


def jpegs(count: int, side: int) -> Iterator[bytes]:
    import numpy as np
    from PIL import Image

    draw = np.random.default_rng(0)
    for _ in range(count):
        small = Image.fromarray(draw.integers(0, 256, (8, 8, 3), dtype=np.uint8))
        buffer = io.BytesIO()
        small.resize((side, side), Image.Resampling.BICUBIC).save(buffer, "JPEG")
        yield buffer.getvalue()


def run(folder: Path, mode: str, side: int) -> Peak:
    with tempfile.TemporaryDirectory() as cache:
        command = [sys.executable, __file__, "--measure", str(folder), mode, "--side", str(side)]
        environment = os.environ | {"RESIDUA_CACHE": cache}
        output = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE)
        return Peak(**json.loads(output.stdout))


def measure(data: str, mode: str, *, side: int) -> Peak:
    from residua.batch import Split
    from residua.data.choose import choose_preprocess, training_form
    from residua.data.config import DataConfig
    from residua.data.loader import Loader
    from residua.data.open import open_dataset

    config = DataConfig(
        path=data, size=(side, side), cache="always" if mode == "cached" else "never", workers=2
    )
    dataset = open_dataset(config)
    form = training_form(choose_preprocess(dataset, config), crop="auto")
    loader = Loader(dataset, Split.TRAIN, form, config, batch_size=BATCH)
    pictures = decoded = 0
    worker = 0.0
    for step in loader.epoch(0):
        pids = [str(child.pid) for child in multiprocessing.active_children()]
        worker = max([worker, *map(resident_peak, pids)])
        pictures += step.total
        decoded += sum(part.inputs.nbytes for part in step.parts)
    return Peak(
        main=resident_peak("self"),
        worker=worker,
        decoded=decoded / 2**20,
        pictures=pictures,
    )


def resident_peak(process: str) -> float:
    """MiB. Not from getrusage, which counts pages of the process that started this one."""
    for line in Path("/proc", process, "status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0.0  # a process that has just ended


def report(source: str, mode: str, peaks: list[Peak]) -> None:
    for peak in peaks:
        print(
            f"{source:8} {mode:9} {peak.pictures:8} {peak.decoded:9.1f} {peak.main:9.1f} "
            f"{peak.worker:9.1f}"
        )
    few, many = peaks
    print(
        f"{'':8} ten times the data: {many.main - few.main:+.1f} MiB, "
        f"of {many.decoded - few.decoded:.1f} MiB more pictures",
        flush=True,
    )


if __name__ == "__main__":
    main()
