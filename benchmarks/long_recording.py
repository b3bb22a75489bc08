"""Time and peak memory of predicting a long recording in windows: memory must not grow.

    python benchmarks/long_recording.py [--hours 1 24] [--seconds 10]

Writes a synthetic ECG of two channels at 360 Hz as a WFDB record (format 16), and predicts it in a
process of its own, window by window, with a ResNet-18 of random weights; events go to a CSV file
as they come. "peak" is the largest resident size of that process. 24 hours are 31,104,000 steps,
or 237 MiB as float32.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

RATE = 360
CLASSES = ("N", "S", "V", "F", "Q")


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Seconds, MiB, and what came out."""

    seconds: float
    before: float
    peak: float
    windows: int
    events: int


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--hours", type=float, nargs="+", default=[1, 24])
    parser.add_argument("--seconds", type=float, default=10, help="length of a window")
    parser.add_argument("--network", default="resnet18")
    parser.add_argument("--batch", type=int, default=16, help="windows at once")
    parser.add_argument("--measure", metavar="RECORD", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        found = measure(Path(options.measure), options.seconds, options.network, options.batch)
        print(json.dumps(asdict(found)))
        return
    print(
        f"{'hours':>6} {'MiB on disk':>12} {'windows':>8} {'events':>7} {'seconds':>8}"
        f" {'MiB before':>11} {'MiB peak':>9}"
    )
    for hours in options.hours:
        with tempfile.TemporaryDirectory() as scratch:
            record = write(Path(scratch), hours)
            command = [sys.executable, __file__, "--measure", str(record)]
            command += ["--seconds", str(options.seconds), "--batch", str(options.batch)]
            command += ["--network", options.network]
            output = subprocess.run(command, check=True, stdout=subprocess.PIPE)
            found = Measured(**json.loads(output.stdout))
            size = record.with_suffix(".dat").stat().st_size / 2**20
        print(
            f"{hours:6g} {size:12.1f} {found.windows:8} {found.events:7} {found.seconds:8.1f}"
            f" {found.before:11.1f} {found.peak:9.1f}",
            flush=True,
        )


def write(folder: Path, hours: float) -> Path:
    """A record of two channels: a train of narrow pulses at a wandering rate, and noise."""
    import numpy as np

    steps = round(hours * 3600 * RATE)
    draw = np.random.default_rng(0)
    (folder / "long.hea").write_text(
        f"long 2 {RATE} {steps}\n" + "".join(f"long.dat 16 200 16 0 0 0 0 {n}\n" for n in "AB")
    )
    with (folder / "long.dat").open("wb") as file:
        for start in range(0, steps, 2**20):
            at = np.arange(start, min(start + 2**20, steps)) / RATE
            pulse = np.exp(-(((1.2 * at + np.sin(at / 60)) % 1 - 0.5) ** 2) / 2e-4)
            noise = draw.normal(0, 0.05, (len(at), 2))
            file.write(((np.stack([pulse, -pulse], axis=1) + noise) * 200).astype("<i2").tobytes())
    return folder / "long"


def measure(record: Path, seconds: float, name: str, batch: int) -> Measured:
    import torch

    from residua.batch import Task
    from residua.data.open_recording import open_recording
    from residua.data.signal_preprocess import SignalPreprocess
    from residua.evaluation.events import EventRules, find_events, write_events
    from residua.evaluation.windows import predict_windows
    from residua.networks.catalog import create_model

    torch.manual_seed(0)
    network = create_model(name, rank=1, in_chans=2, num_classes=len(CLASSES))
    recording = open_recording(record)
    length = round(seconds * RATE)
    count = 0
    before, start = resident("VmRSS"), time.perf_counter()

    def counted():
        nonlocal count
        for answer in predict_windows(
            network,
            recording,
            preprocess=SignalPreprocess(channels=2, rate=RATE),
            task=Task.CLASSIFICATION,
            length=length,
            step=length,
            device=torch.device("cpu"),
            batch_size=batch,
        ):
            count += 1
            yield answer

    events = find_events(
        counted(),
        classes=CLASSES,
        rate=RATE,
        length=length,
        steps=recording.steps,
        rules=EventRules(threshold=1e-6),
    )
    with record.with_name("events.csv").open("w", encoding="utf-8", newline="") as file:
        found = write_events(events, file)
    return Measured(
        seconds=time.perf_counter() - start,
        before=before,
        peak=resident("VmHWM"),
        windows=count,
        events=found,
    )


def resident(what: str) -> float:
    """MiB. Not from getrusage, which counts pages of the process that started this one."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{what}:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("no such line in /proc/self/status")


if __name__ == "__main__":
    main()
