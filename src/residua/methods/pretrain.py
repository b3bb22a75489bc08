"""The method that learns from samples alone."""

from __future__ import annotations

from residua.errors import UsageError
from residua.methods.byol import Byol
from residua.methods.config import PretrainConfig
from residua.methods.method import Method
from residua.methods.simclr import SimClr
from residua.methods.vicreg import VicReg
from residua.methods.views import Views
from residua.networks.network import Network


def pretrain_method_for(
    network: Network, *, views: tuple[Views, Views], config: PretrainConfig
) -> Method:
    """The training step that ``config`` names.

    Args:
        network: Without classifier (``reset_classifier(0)``), on its device; heads are added.
        views: From loaded samples to what the network sees, one for each view.
        config: Its ``pretrain`` is not "none".

    Raises:
        UsageError: A value out of its range, no method, or a network that gives no features.
    """
    config.check()
    if network.spec.num_classes:
        raise UsageError(
            "pre-training learns features, not classes",
            expected="a network without classifier",
            received=f"'{network.spec.name}' with {network.spec.num_classes} classes",
            fix="Call reset_classifier(0)",
        )
    match config.pretrain:
        case "simclr":
            return SimClr(
                network,
                views=views,
                projection=config.projection or (512, 128),
                temperature=config.temperature,
                decoupled=config.decoupled,
                negatives=config.negatives,
            )
        case "byol":
            return Byol(
                network,
                views=views,
                projection=config.projection or (1024, 256),
                decay=config.teacher_decay,
            )
        case "vicreg":
            return VicReg(
                network,
                views=views,
                projection=config.projection or (2048, 2048),
                weight=config.variance_weight,
            )
        case "none":
            raise UsageError(
                "no pre-training method is named",
                expected="simclr, byol or vicreg",
                received="none",
            )


def check_batch(config: PretrainConfig, *, samples: int, accumulate: int, ranks: int) -> None:
    """Whether an update can be divided as asked; to be called before training.

    Args:
        config: The method.
        samples: Of the smallest update, over all ranks.
        accumulate: Parts in which each rank computes its share.
        ranks: How many there are.

    Raises:
        UsageError: A part would have a single sample, which batch normalisation and comparisons
            cannot learn from; or a loss that compares the samples of an update with one another
            would see a part of them at a time.
    """
    if not config.active:
        return
    if config.pretrain != "byol" and accumulate > 1:
        raise UsageError(
            f"{config.pretrain} compares all samples of an update with one another",
            expected="--accumulate 1",
            received=accumulate,
            fix="Use a smaller --batch-size, more ranks, or --method byol",
        )
    smallest = samples // (accumulate * ranks)
    if smallest < 2:
        raise UsageError(
            "pre-training compares samples and cannot learn from one alone",
            expected=f"at least {2 * accumulate * ranks} samples an update "
            f"({ranks} ranks x {accumulate} accumulation steps x 2)",
            received=samples,
            fix="Use a larger --batch-size, fewer ranks or less --accumulate",
        )
