"""Ready recipes: functions that return a `Recipe`. Free of torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from residua.augment.config import AugmentConfig
from residua.batch import Modality
from residua.data.config import DataConfig
from residua.errors import UnknownNameError
from residua.methods.config import SupervisedConfig
from residua.recipes.recipe import NetworkConfig, Recipe
from residua.training.config import OptimizerConfig, ScheduleConfig, TrainingConfig


def fast() -> Recipe:
    """The default: good accuracy within minutes on a processor, for pictures of any size.

    SGD with Nesterov momentum, one cycle of warm-up and cosine, label smoothing, averaged weights,
    shifts and flips for small pictures, random-resized crops for larger ones.

    Command: ``residua train fashion-mnist --network resnet20 --epochs 12 --padding 2``
    Cost: about 15 minutes on two cores of an AMD EPYC (72 s an epoch, bf16).
    Expected: 93 % on the test split (docs/tutorial-textbook.md).
    """
    return Recipe(
        method=SupervisedConfig(label_smoothing=0.1),
        training=TrainingConfig(ema=0.98),
    )


def he2015_cifar() -> Recipe:
    """CIFAR networks as He et al. train them (arXiv 1512.03385, section 4.2).

    SGD 0.1, momentum 0.9 (not Nesterov's), weight decay 1e-4 on all parameters, batch 128, 64k
    updates, a tenth of the rate at 32k and 48k, shifts by up to 4 pixels, flips.

    Command: ``residua train cifar10 --recipe he2015_cifar --network resnet20``
    Published: error 8.75 % (resnet20), 6.97 % (resnet56), 6.43 % (resnet110).
    Cost: 182 epochs of the 45,000 pictures that validation leaves; for resnet20 about 4 hours on
    two cores, going by the 750 pictures/s measured at 28x28. Not run in full.
    """
    return Recipe(
        network=NetworkConfig(network="resnet20"),
        data=DataConfig(validation_fraction=0.1),
        augment=AugmentConfig(crop="pad", padding=4, flip=0.5),
        training=TrainingConfig(
            epochs=182,  # 64k updates of 128 from the 45,000 pictures that validation leaves
            batch_size=128,
            keep="last",
            optimizer=OptimizerConfig(
                optimizer="sgd", lr=0.1, nesterov=False, weight_decay=1e-4, decay_norms=True
            ),
            schedule=ScheduleConfig(schedule="step", warmup_epochs=0, milestones=(0.5, 0.75)),
        ),
    )


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


def d2l() -> Recipe:
    """The text-book run on Fashion-MNIST: "Dive into Deep Learning", one setting for all networks.

    Plain SGD at a constant 0.05, batch 256, 10 epochs, Xavier-uniform weights, pictures enlarged to
    96 pixels with values from 0 to 1, and nothing else: no momentum, no weight decay, no
    augmentation. The book's networks as the catalog has them: alexnet, vgg11, nin, googlenet,
    resnet18, densenet121. It trains on all 60,000 pictures and watches the test split; here a
    tenth is held out for validation and the test split is read once (--validation-fraction 0
    trains on all).

    Command: ``residua train fashion-mnist --recipe d2l --network resnet18``
    Published: resnet18 after 10 epochs: training .997, test .89 to .92.
    Cost: 2,110 updates of 256; meant for a GPU. On two cores add ``--size 48 48 --epochs 2
    --limit 1000``, which trains on 1,000 of each class: resnet18 then takes 2.6 minutes of one
    core (AMD EPYC, bf16) and reaches .787 on test (one seed; alexnet needs ``--size 63 63``).
    """
    return Recipe(
        network=NetworkConfig(network="resnet18", initialisation="xavier", aux=False),
        data=DataConfig(size=(96, 96), normalise=False),
        augment=AugmentConfig(crop="none", flip=0.0),
        training=TrainingConfig(
            epochs=10,
            batch_size=256,
            keep="last",
            optimizer=OptimizerConfig(
                optimizer="sgd", lr=0.05, momentum=0.0, nesterov=False, weight_decay=0.0
            ),
            schedule=ScheduleConfig(schedule="constant", warmup_epochs=0),
        ),
    )


def series() -> Recipe:
    """The default for signals and text: good accuracy within minutes on a processor.

    AdamW with one cycle of warm-up and cosine, 1,500 updates of 16 samples however few there are,
    the weights of the last epoch.

    Command: ``residua train path/to/GunPoint``
    Cost and expected result: docs/series.md, which `benchmarks/ucr.py` measures.
    """
    return Recipe(
        method=SupervisedConfig(label_smoothing=0.1),
        training=TrainingConfig(
            updates=1500,
            batch_size=16,
            ema=0.98,
            keep="last",
            optimizer=OptimizerConfig(optimizer="adamw", lr=2e-3, weight_decay=0.01),
        ),
    )


def audio() -> Recipe:
    """The default for sound: log-mel spectrograms, light changes of sound and spectrogram.

    AdamW with one cycle of warm-up and cosine, 2,000 updates of 32 clips.

    Command: ``residua train path/to/spoken-digits``
    Cost and expected result: docs/series.md, which `benchmarks/spoken_digits.py` measures.
    """
    return Recipe(
        method=SupervisedConfig(label_smoothing=0.1),
        training=TrainingConfig(
            updates=2000,
            batch_size=32,
            ema=0.98,
            optimizer=OptimizerConfig(optimizer="adamw", lr=1e-3, weight_decay=0.01, clip=5.0),
        ),
    )


PRESETS: Mapping[str, Callable[[], Recipe]] = {
    recipe.__name__: recipe for recipe in (fast, series, audio, he2015_cifar, torchvision_v1, d2l)
}


AUTO = "auto"
"""The recipe that `usual_recipe` gives for the data at hand."""


def usual_recipe(modality: Modality) -> Recipe:
    """What is trained where no recipe is named."""
    if modality is Modality.IMAGE:
        return fast()
    return audio() if modality is Modality.SOUND else series()


def preset(name: str) -> Recipe:
    """The recipe of that name.

    Raises:
        UnknownNameError: There is none; near names are suggested.
    """
    if name not in PRESETS:
        raise UnknownNameError("recipe", name, PRESETS)
    return PRESETS[name]()
