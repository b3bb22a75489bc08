"""Milliseconds a batch of the usual augmentation, on one thread, beside torchvision's transforms.

torchvision is called the way its own references call it: picture by picture, on uint8 tensors.
Both are timed in turn, in processor time, and the median of the repetitions is printed.

    python benchmarks/augmentation.py
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch
from torchvision.transforms import v2

from residua.augment.config import AugmentConfig
from residua.augment.draws import draws_for
from residua.augment.image import ImageAugment
from residua.batch import Batch
from residua.recipes.views import ViewConfigs, contrastive_views, strong_views, weak_views

TO_FLOAT = v2.ToDtype(torch.float32, scale=True)
SMALL = [v2.RandomCrop(32, padding=4), v2.RandomHorizontalFlip()]
LARGE = [v2.RandomResizedCrop(224, scale=(0.25, 1.0)), v2.RandomHorizontalFlip()]
JITTER = (0.4, 0.4, 0.4, 0.1)
SIMCLR = contrastive_views("simclr", small=True)[0].augment
GREY = contrastive_views("simclr", small=True, channels=1)[0].augment
STRONG = strong_views(weak_views(ViewConfigs())).augment
CASES: list[tuple[str, tuple[int, int, int, int], int, AugmentConfig, list[torch.nn.Module]]] = [
    (
        "shift, flip",
        (128, 1, 28, 28),
        28,
        AugmentConfig(),
        [v2.RandomCrop(28, padding=4), v2.RandomHorizontalFlip(), TO_FLOAT],
    ),
    ("shift, flip", (128, 3, 32, 32), 32, AugmentConfig(), [*SMALL, TO_FLOAT]),
    (
        "shift, flip, trivial",
        (128, 3, 32, 32),
        32,
        AugmentConfig(policy="trivial"),
        [*SMALL, v2.TrivialAugmentWide(interpolation=v2.InterpolationMode.BILINEAR), TO_FLOAT],
    ),
    (
        "shift, flip, erasing .25",
        (128, 3, 32, 32),
        32,
        AugmentConfig(erasing=0.25),
        [*SMALL, TO_FLOAT, v2.RandomErasing(0.25, value="random")],
    ),
    ("shift, flip, mixup", (128, 3, 32, 32), 32, AugmentConfig(mixup=0.2), []),
    ("shift, flip, mixup or cutmix", (128, 3, 32, 32), 32, AugmentConfig(mixup=0.2, cutmix=1), []),
    (
        "shift, flip, augmix",
        (128, 3, 32, 32),
        32,
        AugmentConfig(policy="augmix"),
        [*SMALL, v2.AugMix(all_ops=False), TO_FLOAT],
    ),
    (
        "a view of simclr",
        (256, 3, 32, 32),
        32,
        SIMCLR,
        [
            v2.RandomResizedCrop(32, scale=(0.08, 1.0)),
            v2.RandomHorizontalFlip(),
            v2.RandomApply([v2.ColorJitter(*SIMCLR.jitter)], 0.8),
            v2.RandomGrayscale(0.2),
            TO_FLOAT,
        ],
    ),
    (
        "a view of simclr",
        (256, 1, 28, 28),
        28,
        GREY,
        [
            v2.RandomResizedCrop(28, scale=(0.2, 1.0)),
            v2.RandomHorizontalFlip(),
            v2.RandomApply([v2.ColorJitter(*GREY.jitter)], 0.8),
            TO_FLOAT,
        ],
    ),
    ("a strong view of fixmatch", (256, 3, 32, 32), 32, STRONG, []),
    ("a strong view of fixmatch", (256, 1, 28, 28), 28, STRONG, []),
    ("resized crop, flip", (32, 3, 256, 256), 224, AugmentConfig(), [*LARGE, TO_FLOAT]),
    (
        "resized crop, flip, trivial",
        (32, 3, 256, 256),
        224,
        AugmentConfig(policy="trivial"),
        [*LARGE, v2.TrivialAugmentWide(interpolation=v2.InterpolationMode.BILINEAR), TO_FLOAT],
    ),
    (
        "resized crop, flip, jitter",
        (32, 3, 256, 256),
        224,
        AugmentConfig(jitter=JITTER),
        [*LARGE, v2.ColorJitter(*JITTER), TO_FLOAT],
    ),
]


def make_batch(shape: tuple[int, int, int, int]) -> Batch:
    images = torch.randint(0, 256, shape, dtype=torch.uint8)
    return Batch(
        inputs=images.contiguous(memory_format=torch.channels_last),
        targets=torch.arange(shape[0]) % 10,
        ids=torch.arange(shape[0]) * 104729,
    )


def milliseconds(functions: list[Callable[[int], object]], repetitions: int) -> list[float]:
    """Medians of interleaved calls, so that a busy machine slows all of them alike."""
    seconds: list[list[float]] = [[] for _ in functions]
    for repetition in range(repetitions + 1):
        for function, times in zip(functions, seconds, strict=True):
            start = time.process_time()
            function(repetition)
            times.append(time.process_time() - start)
    return [1000 * statistics.median(times[1:]) for times in seconds]


def main(repetitions: int = 15) -> None:
    torch.set_num_threads(1)
    print(f"{'augmentation':30} {'batch':>16} {'residua ms':>11} {'torchvision ms':>15}")
    for name, shape, size, config, theirs in CASES:
        batch = make_batch(shape)
        augment = ImageAugment(config=config, size=(size, size), num_classes=10)

        def residua(epoch: int, batch: Batch = batch, augment: ImageAugment = augment) -> Batch:
            return augment(batch, draws_for(batch, seed=0, epoch=epoch))

        functions: list[Callable[[int], object]] = [residua]
        if theirs:
            transform, images = v2.Compose(theirs), batch.inputs.contiguous()
            functions.append(lambda _, t=transform, x=images: torch.stack([t(i) for i in x]))
        times = [f"{ms:.1f}" for ms in milliseconds(functions, repetitions)]
        shown = "x".join(str(n) for n in shape)
        print(f"{name:30} {shown:>16} {times[0]:>11} {times[1] if theirs else '-':>15}")


if __name__ == "__main__":
    main()
