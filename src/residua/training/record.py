"""What is written down after each epoch: metrics.jsonl, and TensorBoard where it is installed."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import cattrs
import torch

from residua.errors import FormatError, MissingExtraError
from residua.files import naming_full_disk, write_atomically
from residua.training.meter import Scores


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochRecord:
    """One line of metrics.jsonl.

    Attributes:
        epoch: From 1.
        step: Updates done so far.
        lr: Learning rate of the last update.
        train: Means over the epoch's augmented samples, while the weights changed.
        validation: With the weights (or their average) at its end; None without validation data.
        seconds: In training steps, without validation.
        samples_per_second: Of the training steps, over all ranks.
        peak_memory_bytes: Of the device's memory on a GPU, of the process on a CPU.
        measures: What else the method watches, by name.
    """

    epoch: int
    step: int
    lr: float
    train: Scores
    validation: Scores | None
    seconds: float
    samples_per_second: float
    peak_memory_bytes: int
    measures: dict[str, float] = field(default_factory=dict[str, float])

    def to_json(self) -> dict[str, Any]:
        """What `json.dumps` takes."""
        validation = None if self.validation is None else self.validation.to_json()
        return asdict(self) | {"train": self.train.to_json(), "validation": validation}


def peak_memory(device: torch.device) -> int:
    """Bytes that ``device`` held at most; on a processor, that the process was resident with."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    import resource  # not on Windows

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


class MetricsFile:
    """metrics.jsonl: one JSON object an epoch, appended and flushed as it happens."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, record: EpochRecord) -> None:
        with naming_full_disk(self.path), self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record.to_json()) + "\n")

    def read(self) -> list[EpochRecord]:
        """All records; a last line that a kill cut short is left out.

        Raises:
            FormatError: If any other line is not a record.
        """
        if not self.path.exists():
            return []
        lines = self.path.read_text(encoding="utf-8").splitlines()
        records: list[EpochRecord] = []
        for number, line in enumerate(lines, 1):
            try:
                records.append(_CONVERTER.structure(json.loads(line), EpochRecord))
            except (ValueError, cattrs.BaseValidationError) as error:
                if number == len(lines):
                    break
                raise FormatError(
                    "not a metrics record", where=f"{self.path}, line {number}"
                ) from error
        return records

    def keep_until(self, step: int) -> None:
        """Drops what came after ``step``, which a resumed run does again."""
        records = [record for record in self.read() if record.step <= step]
        write_atomically(self.path, "".join(json.dumps(r.to_json()) + "\n" for r in records))


class TensorBoard:
    """The same records as TensorBoard events.

    Raises:
        MissingExtraError: Without the package tensorboard.
    """

    def __init__(self, folder: Path, *, resumed_at: int) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise MissingExtraError("tensorboard", "tensorboard", "TensorBoard output") from error
        self._writer: Any = SummaryWriter(str(folder), purge_step=resumed_at + 1)

    def append(self, record: EpochRecord) -> None:
        values = {"lr": record.lr, "samples_per_second": record.samples_per_second}
        for name, scores in (("train", record.train), ("validation", record.validation)):
            if scores is not None:
                values |= {f"loss/{name}": scores.loss, f"{scores.name}/{name}": scores.score}
        for tag, value in values.items():
            self._writer.add_scalar(tag, value, record.step)
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()


def _make_converter() -> cattrs.Converter:
    converter = cattrs.Converter()
    converter.register_structure_hook(Scores, lambda value, _: Scores.from_json(value))
    return converter


_CONVERTER = _make_converter()
