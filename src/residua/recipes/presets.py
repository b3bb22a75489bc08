"""Ready recipes: functions that return a `Recipe`. Free of torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from residua.augment.config import AugmentConfig
from residua.augment.signal_config import SignalAugmentConfig
from residua.batch import Modality
from residua.data.config import DataConfig
from residua.errors import UnknownNameError
from residua.methods.config import SupervisedConfig
from residua.recipes.presets_cifar import densenet, he2015_cifar, wrn
from residua.recipes.presets_imagenet import (
    rsb_a1,
    rsb_a2,
    rsb_a3,
    torchvision_v1,
    torchvision_v2,
)
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
    nin needs ``--initialisation paper``: Xavier's weights shrink the signal on its way through
    twelve layers without norms, and 1,250 updates at rates of .05 to .4 stay at chance; with
    Kaiming's it learns at once.
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
    the weights of the last epoch. Of fewer than 160 training samples a batch is a tenth, 4 at
    least, as in the code of Ismail Fawaz et al., "Deep learning for time series classification: a
    review", 2019, and there are more updates, up to 3,000 (`TrainingConfig.batch_share` and
    `updates_growth`).

    Command: ``residua train path/to/GunPoint``
    Cost and expected result: docs/series.md, which `benchmarks/ucr.py` measures.
    """
    return Recipe(
        method=SupervisedConfig(label_smoothing=0.1),
        training=TrainingConfig(
            updates=1500,
            batch_size=16,
            batch_share=0.1,
            updates_growth=0.5,
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


def ecg() -> Recipe:
    """Electrocardiograms of several leads: one cycle of AdamW, as PTB-XL's benchmark trains.

    Strodthoff et al., "Deep Learning for ECG Analysis: Benchmarks and Insights from PTB-XL", 2021
    (arXiv 2004.13701), with their code: AdamW, one cycle up to .01, weight decay .01, batches of
    128, 50 epochs, the weights of the last. They learn from random crops of 2.5 s out of 10 s and
    take the maximum over the windows of a record; here a record is cut to a random 25 to 100 % of
    its length in training, and answered as a whole.

    Command: ``residua train path/to/ptb-xl.csv --recipe ecg --rate 100``. For segments around one
    beat, which cuts would lose, add ``--slice 0``.
    Published: macro-AUC .925 (PTB-XL, all 71 statements, xresnet1d101).
    Cost: 50 epochs of 17,400 records, for a GPU. Not run in full.
    """
    return Recipe(
        network=NetworkConfig(network="xresnet1d101"),
        signal=SignalAugmentConfig(slice=0.75),
        training=TrainingConfig(
            epochs=50,
            batch_size=128,
            keep="last",
            optimizer=OptimizerConfig(
                optimizer="adamw", lr=0.01, beta2=0.99, weight_decay=0.01, decay_norms=True
            ),
            schedule=ScheduleConfig(schedule="onecycle"),
        ),
    )


def finetune() -> Recipe:
    """From weights that were learnt elsewhere to new classes: small rates, smaller near the input.

    AdamW with one cycle of warm-up and cosine, each stage at .7 of the rate of the next deeper one
    (Clark et al., "ELECTRA", 2020, section 3, who take .8 or .9 a layer; a stage has several), 15
    epochs in batches of 64, label smoothing. Name the weights with --start; without them
    everything would be learnt from nothing at these small rates.

    Command: ``residua train path/to/birds --recipe finetune --start torchvision/resnet50``
    Cost: 15 passes over the data. Neither cost nor result has been measured.
    """
    return Recipe(
        method=SupervisedConfig(label_smoothing=0.1),
        training=TrainingConfig(
            epochs=15,
            batch_size=64,
            optimizer=OptimizerConfig(
                optimizer="adamw", lr=5e-4, weight_decay=0.05, layer_decay=0.7, clip=1.0
            ),
        ),
    )


PRESETS: Mapping[str, Callable[[], Recipe]] = {
    recipe.__name__: recipe
    for recipe in (
        *(fast, series, audio, ecg, finetune),
        *(d2l, he2015_cifar, wrn, densenet),
        *(torchvision_v1, torchvision_v2, rsb_a1, rsb_a2, rsb_a3),
    )
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
