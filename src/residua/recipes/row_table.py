"""Every row of the reproduction table. Free of torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from residua.recipes import row_recipes as recipes
from residua.recipes.presets import d2l, densenet, series, wrn
from residua.recipes.recipe import Recipe
from residua.recipes.row_recipes import Pretrain, Semi, of
from residua.recipes.rows import Row, Short

ZALANDO = "zalandoresearch/fashion-mnist README"
BOOK = "Dive into Deep Learning (d2l.ai)"
ARCHIVE = "MSD-IRIMAS/LITE and hfawaz/dl-4-tsc, UCR default split"
USB = "microsoft/Semi-supervised-learning"
OURS = "The published recipe is not known in full: optimizer, schedule and epochs are ours."
AMONG = "No figure was published: compared with the rows of the same data and labels."

CLOTHES, CLOTHES_INPUT = 60_000, (1, 28, 28)
OBJECTS, OBJECTS_INPUT = 50_000, (3, 32, 32)
FEW_EPOCHS = Short(epochs=2, limit=1000)
FEW_SAMPLES = Short(epochs=2, limit=100)
"""Of wide networks, of which two passes over ten thousand pictures take hours."""

# ---- Fashion-MNIST ------------------------------------------------------------------------------


def _clothes(
    network: str,
    recipe: Recipe,
    published: float,
    *,
    size: tuple[int, int] | None = None,
    name: str = "",
    note: str = "",
    short: Short = FEW_EPOCHS,
) -> Row:
    return Row(
        name=f"fashion-{name or network}",
        recipe=of(recipe, "fashion-mnist", network, size=size),
        samples=CLOTHES,
        input=(1, *(size or (28, 28))),
        short=short,
        published=(published,),
        source=ZALANDO,
        note=note,
    )


def _erasing(recipe: Recipe) -> Recipe:
    """Zhong et al. (AAAI 2020): every other picture loses a rectangle."""
    return replace(recipe, augment=replace(recipe.augment, erasing=0.5))


def _book(network: str, published: tuple[float, ...] = (), size: int = 48) -> Row:
    recipe = recipes.on_all(of(d2l(), "fashion-mnist", network))
    if network == "nin":  # which does not learn from Xavier's weights: see `d2l`
        recipe = replace(recipe, network=replace(recipe.network, initialisation="paper"))
    return Row(
        name=f"d2l-{network}",
        recipe=recipe,
        samples=CLOTHES,
        input=(1, 96, 96),
        short=Short(epochs=2, limit=1000, size=(size, size)),
        published=published,
        source=BOOK,
        note="The book's one setting for all of its networks.",
    )


_WIDE_CLOTHES = "The recipe of the network's paper; the published one is not known in full."

FASHION: Sequence[Row] = (
    _clothes("wrn_40_4", recipes.on_all(wrn()), 0.967, note=_WIDE_CLOTHES, short=FEW_SAMPLES),
    _clothes("wrn_28_10", recipes.on_all(wrn()), 0.959, note=_WIDE_CLOTHES, short=FEW_SAMPLES),
    _clothes(
        "wrn_28_10",
        _erasing(recipes.on_all(wrn())),
        0.963,
        name="wrn_28_10-erasing",
        note=_WIDE_CLOTHES,
        short=FEW_SAMPLES,
    ),
    _clothes("densenet_bc_100_12", recipes.on_all(densenet()), 0.954, note=_WIDE_CLOTHES),
    _clothes(
        "resnet18_cifar",
        recipes.usual(epochs=60, augmented=True),
        0.949,
        name="resnet18",
        note=f"{OURS} The stem keeps small pictures large.",
    ),
    _clothes(
        "googlenet", recipes.usual(epochs=60, augmented=False), 0.937, size=(64, 64), note=OURS
    ),
    _clothes(
        "vgg16_bn", recipes.usual(epochs=60, augmented=False), 0.935, size=(32, 32), note=OURS
    ),
    _clothes(
        "alexnet",
        recipes.usual(epochs=60, augmented=False),
        0.899,
        size=(64, 64),
        note=f"{OURS} The published network learnt with a triplet loss.",
    ),
)

TEXT_BOOK: Sequence[Row] = (
    _book("alexnet", size=63),
    _book("vgg11"),
    _book("nin"),
    _book("googlenet"),
    _book("resnet18", published=(0.89, 0.92)),
    _book("densenet121"),
)

# ---- series -------------------------------------------------------------------------------------

SERIES: dict[str, tuple[int, tuple[int, int], float, float]] = {
    "GunPoint": (50, (1, 150), 0.991, 1.0),
    "ItalyPowerDemand": (67, (1, 24), 0.962, 0.965),
    "ArrowHead": (36, (1, 251), 0.838, 0.851),
    "OSULeaf": (200, (1, 427), 0.980, 0.934),
    "ACSF1": (100, (1, 1460), 0.916, 0.940),
    "BasicMotions": (40, (6, 100), 1.0, 1.0),
}
"""Training samples, channels and steps, published accuracies of ResNet and InceptionTime."""

_COSINE = "The rate falls along a cosine; the published runs lower it by the training loss."


def _of_problem(problem: str) -> list[Row]:
    samples, shape, resnet, inception = SERIES[problem]
    plan = (
        ("resnet1d_wang", recipes.adam_of_series(batch_size=16), (resnet,), _COSINE),
        ("inception_time_x5", recipes.adam_of_series(batch_size=64), (inception,), _COSINE),
        ("multiscale_resnet1d", recipes.on_all(series()), (), "No figure was published."),
    )
    return [
        Row(
            name=f"ucr-{problem.lower()}-{network}",
            recipe=of(recipe, problem, network),
            samples=samples,
            input=shape,
            short=Short(epochs=20 if network.endswith("_x5") and shape[1] > 300 else 100),
            published=published,
            source=ARCHIVE if published else "",
            note=note,
        )
        for network, recipe, published, note in plan
    ]


# ---- CIFAR-10 -----------------------------------------------------------------------------------


def _objects(
    network: str,
    recipe: Recipe,
    error: float | None,
    *,
    source: str = "",
    note: str = "",
    short: Short = FEW_EPOCHS,
) -> Row:
    return Row(
        name=f"cifar10-{network}",
        recipe=of(recipe, "cifar10", network),
        samples=OBJECTS,
        input=OBJECTS_INPUT,
        short=short,
        published=() if error is None else (round(1 - error / 100, 4),),
        source=source,
        note=note,
    )


HE, HE_2 = "arXiv 1512.03385, table 6", "arXiv 1603.05027"
_PLAIN = "Without shortcuts: compared with the residual network of the same depth."

CIFAR: Sequence[Row] = (
    _objects("resnet20", recipes.he("resnet20"), 8.75, source=HE),
    _objects("resnet56", recipes.he("resnet56"), 6.97, source=HE),
    _objects("resnet110", recipes.he("resnet110"), 6.43, source=HE),
    _objects("plain20", recipes.he("plain20"), None, note=_PLAIN),
    _objects("plain56", recipes.he("plain56"), None, note=_PLAIN),
    _objects("preact_resnet164", recipes.he("preact_resnet164"), 5.46, source=HE_2),
    _objects(
        "wrn_28_10",
        recipes.on_all(wrn()),
        4.00,
        source="arXiv 1605.07146",
        note="With dropout 0.3, which the published network is without.",
        short=FEW_SAMPLES,
    ),
    _objects("densenet_bc_100_12", recipes.on_all(densenet()), 4.51, source="arXiv 1608.06993"),
    _objects(
        "resnext29_8x64d",
        recipes.on_all(recipes.resnext()),
        3.65,
        source="arXiv 1611.05431",
        short=FEW_SAMPLES,
    ),
    _objects(
        "nin_cifar",
        recipes.usual(epochs=200, augmented=True),
        8.81,
        source="arXiv 1312.4400",
        note=OURS,
    ),
)

# ---- few labels and none ------------------------------------------------------------------------

SEMI_ERRORS: dict[Semi, tuple[float, float, float]] = {
    "none": (77.6, 56.0, 15.5),
    "fixmatch": (8.33, 4.97, 4.29),
    "adamatch": (5.05, 5.01, 4.29),
    "softmatch": (5.06, 4.84, 4.27),
}
"""Published errors in % at 40, 250 and 4,000 labels in all."""

_SEMI_NOTE = (
    "The rate falls along half a cosine instead of 7/16 of one, and shifts fill with black "
    "instead of mirroring."
)


def _semi(semi: Semi, labels: int, error: float) -> Row:
    method = "supervised" if semi == "none" else semi
    # without unlabelled samples the few are learnt by heart long before a million updates
    updates = 2**20 if semi != "none" else 2**15
    recipe = recipes.few_labels(semi, labels_per_class=labels // 10, updates=updates)
    return Row(
        name=f"cifar10-{method}-{labels}",
        recipe=of(recipe, "cifar10", "wrn_28_2"),
        samples=OBJECTS,
        input=OBJECTS_INPUT,
        short=Short(updates=100, size=(16, 16)),
        published=(round(1 - error / 100, 4),),
        source=USB,
        note=_SEMI_NOTE + (" 32,768 updates." if semi == "none" else ""),
    )


def _few_clothes(semi: Semi) -> Row:
    method = "supervised" if semi == "none" else semi
    recipe = recipes.few_labels(semi, labels_per_class=10, updates=20_000)
    return Row(
        name=f"fashion-{method}-100",
        recipe=of(recipe, "fashion-mnist", "wrn_28_2"),
        samples=CLOTHES,
        input=CLOTHES_INPUT,
        short=Short(updates=100, limit=2000, size=(16, 16)),
        note=AMONG,
    )


KNN: dict[Pretrain, tuple[float, ...]] = {"simclr": (0.847,), "byol": (0.869,), "vicreg": ()}
"""Published kNN accuracy on CIFAR-10 after 200 epochs (lightly)."""

_KNN_NOTE = "kNN on a tenth that is held out of training; the published one is of the test split."


def _pretrained(method: Pretrain) -> list[Row]:
    recipe = recipes.no_labels(method, epochs=200)
    objects = Row(
        name=f"cifar10-{method}-knn",
        recipe=of(recipe, "cifar10", "resnet18_cifar"),
        samples=OBJECTS,
        input=OBJECTS_INPUT,
        short=replace(FEW_EPOCHS, size=(16, 16)),
        published=KNN[method],
        metric="validation",
        source="lightly" if KNN[method] else "",
        note=_KNN_NOTE if KNN[method] else "kNN on a tenth that is held out of training.",
    )
    clothes = replace(
        objects,
        name=f"fashion-{method}-knn",
        recipe=of(recipe, "fashion-mnist", "resnet18_cifar"),
        samples=CLOTHES,
        input=CLOTHES_INPUT,
        published=(),
        source="",
        note=f"kNN on a tenth that is held out of training. {AMONG}",
    )
    return [objects, clothes]


ROWS: tuple[Row, ...] = (
    *FASHION,
    *TEXT_BOOK,
    *(row for problem in SERIES for row in _of_problem(problem)),
    *CIFAR,
    *(
        _semi(semi, labels, error)
        for semi, errors in SEMI_ERRORS.items()
        for labels, error in zip((40, 250, 4000), errors, strict=True)
    ),
    *map(_few_clothes, ("none", "fixmatch", "adamatch", "softmatch")),
    *(row for method in KNN for row in _pretrained(method)),
)
"""In the order of `residua reproduce --list`."""
