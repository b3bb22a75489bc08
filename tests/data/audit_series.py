"""Signals, sound, texts and targets in memory, to be audited."""

import io
from collections.abc import Sequence

import numpy as np
from tests.data.memory_reader import MemoryReader

from residua.batch import Modality, Schema, Split
from residua.data.audit import audit
from residua.data.dataset import Dataset, Problem, Raw, Table

RATE = 8000
SMALL = "small-test"  # these data sets all have small test splits


def make(
    schema: Schema,
    train: Sequence[Raw],
    test: Sequence[Raw],
    *,
    labels: Sequence[int] | None = None,
    values: np.ndarray | None = None,
    tokens: Sequence[tuple[int, ...]] | None = None,
    groups: Sequence[str] | None = None,
    problems: Sequence[Problem] = (),
) -> Dataset:
    n, samples = len(train) + len(test), [*train, *test]
    none = values is not None or tokens is not None
    usual = [-1] * n if none else [i % 2 for i in range(n)]
    splits = [Split.TRAIN] * len(train) + [Split.TEST] * len(test)
    keys = [f"train/{i}" for i in range(len(train))] + [f"test/{i}" for i in range(len(test))]
    table = Table(
        keys=keys,
        labels=np.array(labels or usual, dtype=np.int64),
        splits=splits,
        groups=groups,
        values=values,
        tokens=tokens,
    )
    rows = np.arange(n)
    return Dataset(
        reader=MemoryReader(samples=samples, table=table, schema=schema, problems=problems),
        assignment={Split.TRAIN: rows[: len(train)], Split.TEST: rows[len(train) :]},
        official=frozenset({Split.TRAIN, Split.TEST}),
    )


def signal_schema(channels: int = 1, **more) -> Schema:
    return Schema(modality=Modality.SIGNAL, channels=channels, classes=("a", "b"), **more)


SOUND = Schema(modality=Modality.SOUND, channels=1, classes=("a", "b"), rate=float(RATE))
TEXT = Schema(modality=Modality.TEXT, channels=1, classes=("a", "b"))


def course(seed: int, steps: int = 120, channels: int = 1) -> np.ndarray:
    """A smooth random course: as different from another seed's as two recordings are."""
    rng = np.random.default_rng(seed)
    coarse = rng.normal(0, 1, (channels, 20))
    places = np.linspace(0, 19, steps)
    return np.stack([np.interp(places, np.arange(20), row) for row in coarse]).astype(np.float32)


def several(n: int, first: int = 0, **more) -> list[np.ndarray]:
    return [course(first + i, **more) for i in range(n)]


def clip(seed: int, rate: int = RATE, seconds: float = 0.4) -> np.ndarray:
    """Three notes, each at its own time and pitch."""
    rng, t = np.random.default_rng(seed), np.arange(int(rate * seconds)) / rate
    values = rng.normal(0, 1e-3, len(t))
    for _ in range(3):
        note = np.sin(2 * np.pi * rng.uniform(150, 3000) * t)
        values += 0.2 * note * np.exp(-(((t - rng.uniform(0, seconds)) / 0.05) ** 2))
    return values


def encoded(values: np.ndarray, rate: int = RATE, kind: str = "WAV", **more) -> bytes:
    import soundfile

    file = io.BytesIO()
    soundfile.write(file, values, rate, format=kind, **more)
    return file.getvalue()


def text(seed: int, words: int = 60) -> np.ndarray:
    rng = np.random.default_rng(seed)
    letters = rng.choice(list("abcdefghijklmnopqrstuvwxyz"), (words, 6))
    return as_bytes(" ".join("".join(word) for word in letters))


def as_bytes(content: str) -> np.ndarray:
    return np.frombuffer(content.encode(), dtype=np.uint8)


def findings(dataset: Dataset, **options) -> dict:
    """By code, without the remark that the test split is small."""
    found = audit(dataset, threads=1, **options)
    assert found.ok == all(each.severity != "error" for each in found.findings)
    return {each.code: each for each in found.findings if each.code != SMALL}
