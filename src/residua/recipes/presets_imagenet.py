"""Ready recipes for ImageNet and data sets like it. Free of torch."""

from __future__ import annotations

from residua.augment.config import AugmentConfig
from residua.data.config import DataConfig
from residua.methods.config import SupervisedConfig
from residua.recipes.recipe import NetworkConfig, Recipe
from residua.training.config import OptimizerConfig, ScheduleConfig, TrainingConfig


def torchvision_v1() -> Recipe:
    """ImageNet networks as torchvision's first weights were trained.

    SGD 0.1, batch 256, 90 epochs, a tenth of the rate every 30, weight decay 1e-4 on all
    parameters, random-resized crops to 224, flips.

    Command: ``residua train path/to/imagenet --recipe torchvision_v1 --network resnet50``
    Published: top-1 69.76 % (resnet18), 76.13 % (resnet50), 77.62 % (resnext50_32x4d).
    Cost: 90 epochs of 1.28 million pictures, for GPUs. Not run in full.
    """
    return Recipe(
        data=DataConfig(size=(224, 224)),
        augment=AugmentConfig(crop="resized", scale=(0.08, 1.0), flip=0.5),
        training=TrainingConfig(
            epochs=90,
            batch_size=256,
            keep="last",
            optimizer=OptimizerConfig(
                optimizer="sgd", lr=0.1, nesterov=False, weight_decay=1e-4, decay_norms=True
            ),
            schedule=ScheduleConfig(schedule="step", warmup_epochs=0, milestones=(1 / 3, 2 / 3)),
        ),
    )


def torchvision_v2() -> Recipe:
    """ImageNet networks as torchvision's second weights were trained.

    Vryniotis, "How to Train State-Of-The-Art Models Using TorchVision's Latest Primitives", PyTorch
    blog, 2021, and torchvision's references: SGD .5, batch 1024, 600 epochs, 5 of warm-up, cosine,
    weight decay 2e-5 but not on norms, label smoothing, TrivialAugment, erasing, Mixup .2 and
    CutMix, repeated augmentation (4 times), averaged weights, training at 176 pixels and evaluation
    at 224. Their average moves each 32 updates by as much as this one in 32 steps; erased pixels
    are black here and grey there; they cut the 224 pixels out of 232, not 256.

    Command: ``residua train path/to/imagenet --recipe torchvision_v2 --network resnet50``
    Published: top-1 80.86 % (resnet50), 81.89 % (resnet101), 82.28 % (resnet152), 81.20 %
    (resnext50_32x4d).
    Cost: 600 epochs of 1.28 million pictures, for GPUs. Not run in full.
    """
    return Recipe(
        network=NetworkConfig(network="resnet50"),
        data=DataConfig(size=(224, 224)),
        augment=AugmentConfig(
            crop="resized",
            scale=(0.08, 1.0),
            policy="trivial",
            erasing=0.1,
            erasing_fill="zero",
            mixup=0.2,
            cutmix=1.0,
        ),
        method=SupervisedConfig(label_smoothing=0.1),
        training=TrainingConfig(
            epochs=600,
            batch_size=1024,
            repeated=4,
            train_scale=176 / 224,
            ema=0.99997,  # 1 - (1 - .99998) * 8 * 128 * 32 / 600 a step of 32 updates
            keep="last",
            optimizer=OptimizerConfig(optimizer="sgd", lr=0.5, nesterov=False, weight_decay=2e-5),
            schedule=ScheduleConfig(schedule="cosine", warmup_epochs=5, warmup_start=0.01),
        ),
    )


def rsb_a1() -> Recipe:
    """ "ResNet strikes back" A1: 600 epochs for the best accuracy (Wightman et al., 2021).

    arXiv 2110.00476, table 2. `rsb_a2` says what A1 and A2 have in common; A1 has label smoothing,
    more Mixup and less weight decay.

    Command: ``residua train path/to/imagenet --recipe rsb_a1 --network resnet50``
    Published: top-1 71.50 % (resnet18), 80.38 % (resnet50), 81.49 % (resnet101), 82.00 %
    (resnet152), 80.53 % (resnext50_32x4d).
    Cost: 600 epochs of 1.28 million pictures: 110 hours of four V100 (the paper). Not run in full.
    """
    return _rsb(epochs=600, lr=5e-3, magnitude=7, mixup=0.2, decay=0.01, smoothing=0.1, repeated=3)


def rsb_a2() -> Recipe:
    """ "ResNet strikes back" A2: 300 epochs, nearly as good as A1 (Wightman et al., 2021).

    arXiv 2110.00476, table 2: LAMB .005, batch 2048, 5 epochs of warm-up, cosine, binary
    cross-entropy of each class with what is mixed in by a fifth or more counting as present,
    RandAugment, Mixup or CutMix, repeated augmentation (3 times), stochastic depth .05.
    timm's magnitude 7 of 10 is 21 of 30 here, without its noise, and timm leaves out each operation
    half of the time; the pictures of evaluation are 224 pixels out of 256, in the paper out of 236.

    Command: ``residua train path/to/imagenet --recipe rsb_a2 --network resnet50``
    Published: top-1 79.8 % (resnet50).
    Cost: 300 epochs of 1.28 million pictures: 55 hours of four V100 (the paper). Not run in full.
    """
    return _rsb(epochs=300, lr=5e-3, magnitude=7, mixup=0.1, decay=0.02, smoothing=0.0, repeated=3)


def rsb_a3() -> Recipe:
    """ "ResNet strikes back" A3: 100 epochs at 160 pixels, tested at 224 (Wightman et al., 2021).

    arXiv 2110.00476, table 2: as `rsb_a2`, with LAMB .008, weaker RandAugment, and neither repeated
    augmentation nor stochastic depth.

    Command: ``residua train path/to/imagenet --recipe rsb_a3 --network resnet50``
    Published: top-1 68.25 % (resnet18), 78.05 % (resnet50), 79.84 % (resnet101), 80.55 %
    (resnet152), 79.26 % (resnext50_32x4d).
    Cost: 100 epochs of 1.28 million pictures: 15 hours of four V100 (the paper). Not run in full.
    """
    return _rsb(
        epochs=100,
        lr=8e-3,
        magnitude=6,
        mixup=0.1,
        decay=0.02,
        smoothing=0.0,
        depth=0.0,
        train_scale=160 / 224,
    )


def _rsb(
    *,
    epochs: int,
    lr: float,
    magnitude: float,
    mixup: float,
    decay: float,
    smoothing: float,
    repeated: int = 1,
    depth: float = 0.05,
    train_scale: float = 1.0,
) -> Recipe:
    """What the three procedures share; ``magnitude`` is timm's, from 0 to 10."""
    return Recipe(
        network=NetworkConfig(network="auto", drop_path_rate=depth),
        data=DataConfig(size=(224, 224)),
        augment=AugmentConfig(
            crop="resized",
            scale=(0.08, 1.0),
            flip=0.5,
            policy="rand",
            rand_magnitude=3 * magnitude,
            mixup=mixup,
            cutmix=1.0,
        ),
        method=SupervisedConfig(loss="bce", bce_threshold=0.2, label_smoothing=smoothing),
        training=TrainingConfig(
            epochs=epochs,
            batch_size=2048,
            repeated=repeated,
            train_scale=train_scale,
            keep="last",
            optimizer=OptimizerConfig(optimizer="lamb", lr=lr, weight_decay=decay),
            schedule=ScheduleConfig(schedule="cosine", warmup_epochs=5, warmup_start=1e-4 / lr),
        ),
    )
