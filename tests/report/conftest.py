"""A run with invented but plausible numbers, of any number of classes."""

from collections.abc import Callable

import numpy as np
import pytest

from residua.data.dataset import Problem
from residua.evaluation.results import ClassScores, Evaluation, ReliabilityBin
from residua.report.contents import EpochRecord, Fact, ReportContents, SplitCounts
from residua.report.samples import Picture, Shown

CLOTHES = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)


def class_names(k: int) -> tuple[str, ...]:
    return CLOTHES if k == 10 else tuple(f"species {i:03d}" for i in range(k))


def evaluation(split: str, classes: tuple[str, ...], n: int, seed: int = 0) -> Evaluation:
    """Scores that follow from one drawn confusion matrix."""
    rng = np.random.default_rng(seed)
    k = len(classes)
    truth = rng.integers(k, size=n)
    wrong = rng.random(n) < 0.08
    neighbour = (truth + rng.choice([-1, 1, 2], size=n)) % k
    answer = np.where(wrong, neighbour, truth)
    confusion = np.zeros((k, k), dtype=int)
    np.add.at(confusion, (truth, answer), 1)
    hits, rows, columns = confusion.diagonal(), confusion.sum(1), confusion.sum(0)
    accuracy = float(hits.sum() / n)
    spread = 1.96 * np.sqrt(accuracy * (1 - accuracy) / n)
    edges = np.linspace(0, 1, 16)
    sizes = np.maximum(0, (n * np.exp(np.linspace(-9, -0.3, 15))).astype(int))
    middle = (edges[1:] + edges[:-1]) / 2

    def ratio(a: int, b: int) -> float:
        return float(a / b) if b else float("nan")

    return Evaluation(
        split=split,
        n=n,
        loss=0.2031,
        accuracy=accuracy,
        accuracy_ci95=(accuracy - spread, min(1.0, accuracy + spread)),
        top5=0.9987 if k > 5 else None,
        macro_precision=accuracy - 0.001,
        macro_recall=accuracy,
        macro_f1=accuracy - 0.002,
        calibration_error=0.0312,
        temperature=1.41,
        calibrated_error=0.0084,
        reliability=tuple(
            ReliabilityBin(
                low=float(edges[i]),
                high=float(edges[i + 1]),
                n=int(sizes[i]),
                confidence=float(middle[i]),
                accuracy=float(middle[i] ** 1.3),
            )
            for i in range(15)
        ),
        classes=tuple(
            ClassScores(
                name=name,
                n=int(rows[i]),
                precision=ratio(hits[i], columns[i]),
                recall=ratio(hits[i], rows[i]),
                f1=ratio(2 * hits[i], rows[i] + columns[i]),
            )
            for i, name in enumerate(classes)
        ),
        confusion=tuple(tuple(int(c) for c in row) for row in confusion),
        samples_per_second=8123.4,
        device="cpu, 2 threads, bf16",
    )


def history(epochs: int, validation: bool) -> tuple[EpochRecord, ...]:
    rng = np.random.default_rng(1)
    records: list[EpochRecord] = []
    for epoch in range(1, epochs + 1):
        done = epoch / epochs
        fit = 1 - np.exp(-4 * done)
        records.append(
            EpochRecord(
                epoch=epoch,
                step=422 * epoch,
                lr=float(0.05 * (1 + np.cos(np.pi * done))),
                train_loss=float(1.1 - 0.95 * fit + 0.01 * rng.normal()),
                train_accuracy=float(0.62 + 0.335 * fit),
                validation_loss=float(0.9 - 0.68 * fit + 0.03 * rng.normal())
                if validation
                else None,
                validation_accuracy=float(0.68 + 0.25 * fit + 0.008 * rng.normal())
                if validation
                else None,
                seconds=41.7,
            )
        )
    return tuple(records)


def picture(side: tuple[int, ...], seed: int, classes: tuple[str, ...], kind: str) -> Shown:
    """A smooth blob with some noise; ``kind``: mistake, correct or augmented."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0 : side[0], 0 : side[1]]
    x, y = x / side[1] - rng.uniform(0.3, 0.7), y / side[0] - rng.uniform(0.3, 0.7)
    blob = np.exp(-(x**2 + y**2) / rng.uniform(0.02, 0.1))
    values = blob if len(side) == 2 else np.stack([blob * rng.random() for _ in range(3)], axis=-1)
    noisy = np.clip(255 * values + rng.normal(0, 8, values.shape), 0, 255).astype(np.uint8)
    true = classes[seed % len(classes)]
    key = f"{kind}/{true}/{seed:05d}.png"
    if kind == "augmented":
        return Shown(content=Picture(values=noisy), key=key, true=true)
    first = true if kind == "correct" else classes[(seed + 1) % len(classes)]
    others = [name for name in dict.fromkeys((true, *classes)) if name != first]
    top = ((first, 0.91), *((name, p) for name, p in zip(others, (0.06, 0.02), strict=False)))
    content = Picture(values=noisy)
    return Shown(content=content, key=key, true=true, predicted=first, probability=0.91, top=top)


def example(
    k: int = 10,
    *,
    epochs: int = 20,
    validation: bool = True,
    test: bool = True,
    side: tuple[int, ...] = (28, 28),
    shown: int = 6,
    classes: tuple[str, ...] | None = None,
) -> ReportContents:
    names = classes or class_names(k)
    n = 10_000 if k <= 20 else 2_000
    return ReportContents(
        title="resnet20 on fashion-mnist",
        data="fashion-mnist",
        classes=names,
        date="2026-03-14 15:09 UTC",
        command="residua train fashion-mnist --network resnet20 --epochs 20 --seed 0",
        selection="The weights are those of the epoch with the best validation accuracy; the test "
        "split was read once, after training.",
        selected_epoch=max(1, epochs - 2),
        facts=tuple(
            Fact(label=label, value=value)
            for label, value in (
                *(("Network", "resnet20"), ("Data", "fashion-mnist"), ("Task", "classification")),
                *(("Parameters", "269,434"), ("Seed", "0"), ("Epochs", f"{epochs}")),
                *(("Steps", f"{422 * epochs:,}"), ("Duration", "13 min 54 s")),
                *(("Training speed", "1,295 pictures/s"), ("Peak memory", "612 MiB")),
            )
        ),
        environment=tuple(
            Fact(label=label, value=value)
            for label, value in (
                *(("Device", "cpu, 2 threads"), ("Precision", "bf16 autocast")),
                *(("Processor", "Intel Xeon Platinum 8480+"), ("residua", "0.1.0")),
                *(("torch", "2.15.0"), ("Python", "3.11.9"), ("Platform", "Linux 6.8 x86_64")),
            )
        ),
        recipe={
            "data": {
                "path": "fashion-mnist",
                "size": None,
                "validation_share": 0.1,
                "strict": False,
            },
            "network": {"name": "resnet20", "shortcut": "A", "rank": 2},
            "augment": {"crop": "pad", "flip": True, "mean": [0.286], "std": [0.353]},
            "training": {
                "epochs": epochs,
                "batch_size": 128,
                "seed": 0,
                "optimizer": {"optimizer": "sgd", "lr": 0.1, "momentum": 0.9, "clip": None},
                "schedule": {"schedule": "cosine", "warmup_epochs": 1.0, "milestones": []},
            },
        },
        history=history(epochs, validation),
        validation=evaluation("validation", names, n // 2, 1) if validation else None,
        test=evaluation("test", names, n, 2) if test else None,
        mistakes=tuple(picture(side, i, names, "mistake") for i in range(shown)),
        correct=tuple(picture(side, 100 + i, names, "correct") for i in range(shown)),
        augmented=tuple(picture(side, 200 + i, names, "augmented") for i in range(shown)),
        splits=tuple(
            SplitCounts(
                split=split, origin=origin, counts=tuple(size + i for i in range(len(names)))
            )
            for split, origin, size in (
                ("train", "official, less validation", 540),
                ("validation", "drawn", 60),
                ("test", "official", 100),
            )
        ),
        problems=(Problem(key="train/Coat/broken.jpg", reason="truncated JPEG"),),
    )


@pytest.fixture(scope="session")
def make_contents() -> Callable[..., ReportContents]:
    return example
