"""What a run learns by: its method with the views that it sees."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from torch import Tensor

from residua.batch import Schema
from residua.data.image_preprocess import ImagePreprocess
from residua.data.preprocess import Preprocess
from residua.methods.choose import method_for
from residua.methods.method import Method
from residua.methods.pretrain import pretrain_method_for
from residua.methods.semi import semi_method_for
from residua.methods.views import Views, make_views
from residua.networks.network import Network
from residua.recipes.recipe import Recipe
from residua.recipes.views import ViewConfigs, contrastive_views, strong_views, weak_views
from residua.run.growth import growth_of
from residua.run.resolve import is_small


def learning_method(
    recipe: Recipe,
    schema: Schema,
    preprocess: Preprocess,
    network: Network,
    *,
    class_weights: Tensor | None,
    smallest: int,
) -> Method:
    """The training step that ``recipe`` asks for.

    Args:
        recipe: Resolved.
        schema: Of the data, with the units of the targets.
        preprocess: Of the run.
        network: In training layout; for pre-training without classifier.
        class_weights: float32 ``[k]``, for classification.
        smallest: Pixels along each side that the network needs to see.
    """
    usual = ViewConfigs(augment=recipe.augment, signal=recipe.signal, sound=recipe.sound)
    views = _maker(recipe, schema, preprocess, smallest)
    if recipe.pretrain.active:
        pair = views(usual), views(_second_view(usual, recipe, preprocess))
        return pretrain_method_for(network, views=pair, config=recipe.pretrain)
    if recipe.semi.active:
        return semi_method_for(
            schema,
            network,
            weak=views(weak_views(usual)),
            strong=views(strong_views(weak_views(usual))),
            config=recipe.semi,
            supervised=recipe.method,
            class_weights=class_weights,
        )
    return method_for(
        schema, network, views=views(usual), config=recipe.method, class_weights=class_weights
    )


def _second_view(first: ViewConfigs, recipe: Recipe, preprocess: Preprocess) -> ViewConfigs:
    """As the first, but for what a method's usual two views of a picture differ in."""
    objective = recipe.pretrain.pretrain
    if objective == "none" or not isinstance(preprocess, ImagePreprocess):
        return first
    usual = contrastive_views(objective, small=is_small(preprocess), channels=preprocess.channels)
    one, other = (view.augment for view in usual)
    if (one.blur, one.solarize) == (other.blur, other.solarize):
        return first
    return replace(first, augment=replace(first.augment, blur=other.blur, solarize=other.solarize))


def _maker(
    recipe: Recipe, schema: Schema, preprocess: Preprocess, smallest: int
) -> Callable[[ViewConfigs], Views]:
    growth = growth_of(recipe.training, smallest=smallest)

    def make(configs: ViewConfigs) -> Views:
        return make_views(
            preprocess,
            augment=configs.augment,
            signal=configs.signal,
            sound=configs.sound,
            num_classes=schema.num_classes,
            growth=growth,
        )

    return make
