"""Ready recipes for small pictures, as the papers of the networks for CIFAR have them. No torch."""

from __future__ import annotations

from residua.augment.config import AugmentConfig
from residua.data.config import DataConfig
from residua.recipes.recipe import NetworkConfig, Recipe
from residua.training.config import OptimizerConfig, ScheduleConfig, TrainingConfig


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


def wrn() -> Recipe:
    """Wide ResNets on small pictures as Zagoruyko & Komodakis train them (arXiv 1605.07146).

    Section 3: SGD with Nesterov momentum .9 at .1, weight decay 5e-4 on all parameters, batch 128,
    200 epochs, a fifth of the rate at epochs 60, 120 and 160, shifts by up to 4 pixels, flips.
    They shift mirrored pictures, here what comes in is black. They train on all 50,000 pictures of
    CIFAR-10 (``--validation-fraction 0``).

    Command: ``residua train fashion-mnist --recipe wrn --network wrn_40_4``
    Published: CIFAR-10 error 4.00 % (wrn_28_10); Fashion-MNIST .967 (wrn_40_4), .959 (wrn_28_10),
    .963 with ``--erasing 0.5`` (wrn_28_10), all from the data set's README.
    Cost: 200 epochs, for a GPU. Not run in full.
    """
    return Recipe(
        network=NetworkConfig(network="wrn_28_10"),
        augment=AugmentConfig(crop="pad", padding=4),
        training=TrainingConfig(
            epochs=200,
            batch_size=128,
            keep="last",
            optimizer=OptimizerConfig(
                optimizer="sgd", lr=0.1, nesterov=True, weight_decay=5e-4, decay_norms=True
            ),
            schedule=ScheduleConfig(
                schedule="step", warmup_epochs=0, milestones=(0.3, 0.6, 0.8), gamma=0.2
            ),
        ),
    )


def densenet() -> Recipe:
    """DenseNets on small pictures as Huang et al. train them (arXiv 1608.06993, section 4.2).

    SGD with Nesterov momentum .9 at .1, weight decay 1e-4 on all parameters, batch 64, 300 epochs,
    a tenth of the rate at 50 % and 75 % of them, shifts by up to 4 pixels, flips. Their final
    models are trained on all 50,000 pictures of CIFAR-10 (``--validation-fraction 0``).

    Command: ``residua train fashion-mnist --recipe densenet --network densenet_bc_100_12``
    Published: CIFAR-10 error 4.51 % (densenet_bc_100_12), 3.46 % (densenet_bc_190_40);
    Fashion-MNIST .954 (DenseNet-BC of 0.77 million parameters, from the data set's README).
    Cost: 300 epochs, for a GPU; ``--recompute layers`` saves memory. Not run in full.
    """
    return Recipe(
        network=NetworkConfig(network="densenet_bc_100_12"),
        augment=AugmentConfig(crop="pad", padding=4),
        training=TrainingConfig(
            epochs=300,
            batch_size=64,
            keep="last",
            optimizer=OptimizerConfig(
                optimizer="sgd", lr=0.1, nesterov=True, weight_decay=1e-4, decay_norms=True
            ),
            schedule=ScheduleConfig(schedule="step", warmup_epochs=0, milestones=(0.5, 0.75)),
        ),
    )
