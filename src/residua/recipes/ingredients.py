"""What a recipe is made of, and the recipe without it. Free of torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from residua.augment.config import AugmentConfig
from residua.augment.signal_config import SignalAugmentConfig
from residua.augment.sound_config import SoundAugmentConfig
from residua.batch import Modality
from residua.errors import UnknownNameError, UsageError
from residua.methods.config import SemiConfig
from residua.recipes.recipe import Recipe

Change = Callable[[Recipe], Recipe]

_PICTURES = frozenset({Modality.IMAGE})
_SIGNALS = frozenset({Modality.SIGNAL})
_SOUND = frozenset({Modality.SOUND})


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingredient:
    """One part of a recipe.

    Attributes:
        without: The recipe with this part left out; an equal one where it has no such part.
        modalities: Kinds of data that it is for.
    """

    name: str
    without: Change
    modalities: frozenset[Modality] = frozenset(Modality)

    def is_in(self, recipe: Recipe, modality: Modality) -> bool:
        """Whether ``recipe`` uses it on such data."""
        return modality in self.modalities and self.without(recipe) != recipe


def _augment(change: Callable[[AugmentConfig], AugmentConfig]) -> Change:
    return lambda recipe: replace(recipe, augment=change(recipe.augment))


def _signal(change: Callable[[SignalAugmentConfig], SignalAugmentConfig]) -> Change:
    return lambda recipe: replace(recipe, signal=change(recipe.signal))


def _sound(change: Callable[[SoundAugmentConfig], SoundAugmentConfig]) -> Change:
    return lambda recipe: replace(recipe, sound=change(recipe.sound))


def _without_ema(recipe: Recipe) -> Recipe:
    return replace(recipe, training=replace(recipe.training, ema=0.0))


def _without_smoothing(recipe: Recipe) -> Recipe:
    return replace(recipe, method=replace(recipe.method, label_smoothing=0.0))


def _without_balance(recipe: Recipe) -> Recipe:
    return replace(recipe, method=replace(recipe.method, balance="none"))


def _without_unlabelled(recipe: Recipe) -> Recipe:
    return replace(recipe, semi=SemiConfig()) if recipe.semi.active else recipe


def _without_start(recipe: Recipe) -> Recipe:
    return replace(recipe, network=replace(recipe.network, start=None))


def _without_dropout(recipe: Recipe) -> Recipe:
    return replace(recipe, network=replace(recipe.network, drop_rate=0.0))


def _without_drop_path(recipe: Recipe) -> Recipe:
    return replace(recipe, network=replace(recipe.network, drop_path_rate=0.0))


def _without_warm_up(recipe: Recipe) -> Recipe:
    schedule = recipe.training.schedule
    if schedule.schedule == "onecycle":  # which has its own
        return recipe
    schedule = replace(schedule, warmup_epochs=0.0)
    return replace(recipe, training=replace(recipe.training, schedule=schedule))


def _without_schedule(recipe: Recipe) -> Recipe:
    schedule = replace(recipe.training.schedule, schedule="constant")
    return replace(recipe, training=replace(recipe.training, schedule=schedule))


def _without_weight_decay(recipe: Recipe) -> Recipe:
    if not recipe.training.optimizer.decay:
        return recipe
    optimizer = replace(recipe.training.optimizer, weight_decay=0.0)
    return replace(recipe, training=replace(recipe.training, optimizer=optimizer))


def _without_nesterov(recipe: Recipe) -> Recipe:
    optimizer = recipe.training.optimizer
    if optimizer.optimizer != "sgd" or not optimizer.momentum:
        return recipe
    optimizer = replace(optimizer, nesterov=False)
    return replace(recipe, training=replace(recipe.training, optimizer=optimizer))


def _without_clipping(recipe: Recipe) -> Recipe:
    optimizer = replace(recipe.training.optimizer, clip=None)
    return replace(recipe, training=replace(recipe.training, optimizer=optimizer))


def _without_layer_decay(recipe: Recipe) -> Recipe:
    optimizer = replace(recipe.training.optimizer, layer_decay=1.0)
    return replace(recipe, training=replace(recipe.training, optimizer=optimizer))


def _without_sam(recipe: Recipe) -> Recipe:
    optimizer = replace(recipe.training.optimizer, sam=0.0)
    return replace(recipe, training=replace(recipe.training, optimizer=optimizer))


def _without_repeats(recipe: Recipe) -> Recipe:
    return replace(recipe, training=replace(recipe.training, repeated=1))


def _pictures(name: str, change: Callable[[AugmentConfig], AugmentConfig]) -> Ingredient:
    return Ingredient(name=name, without=_augment(change), modalities=_PICTURES)


def _signals(name: str, change: Callable[[SignalAugmentConfig], SignalAugmentConfig]) -> Ingredient:
    return Ingredient(name=name, without=_signal(change), modalities=_SIGNALS)


def _clips(name: str, change: Callable[[SoundAugmentConfig], SoundAugmentConfig]) -> Ingredient:
    return Ingredient(name=name, without=_sound(change), modalities=_SOUND)


INGREDIENTS: tuple[Ingredient, ...] = (
    Ingredient(name="unlabelled", without=_without_unlabelled),
    Ingredient(name="start", without=_without_start),
    Ingredient(name="ema", without=_without_ema),
    Ingredient(name="label_smoothing", without=_without_smoothing),
    Ingredient(name="balance", without=_without_balance),
    Ingredient(name="mixup", without=_augment(lambda each: replace(each, mixup=0.0))),
    Ingredient(name="cutmix", without=_augment(lambda each: replace(each, cutmix=0.0))),
    _pictures("crop", lambda each: replace(each, crop="none", padding=None)),
    _pictures("flip", lambda each: replace(each, flip=0.0)),
    _pictures("jitter", lambda each: replace(each, jitter=(0.0, 0.0, 0.0, 0.0))),
    _pictures("grayscale", lambda each: replace(each, grayscale=0.0)),
    _pictures("blur", lambda each: replace(each, blur=0.0)),
    _pictures("solarize", lambda each: replace(each, solarize=0.0)),
    _pictures("policy", lambda each: replace(each, policy="none")),
    _pictures("erasing", lambda each: replace(each, erasing=0.0)),
    _pictures("square_cutout", lambda each: replace(each, square_cutout=0.0)),
    _signals("slice", lambda each: replace(each, slice=0.0)),
    _signals("time_warp", lambda each: replace(each, time_warp=0.0)),
    _signals("magnitude", lambda each: replace(each, magnitude=0.0)),
    _signals("noise", lambda each: replace(each, noise=0.0)),
    _signals("channel_dropout", lambda each: replace(each, channel_dropout=0.0)),
    _signals("cutout", lambda each: replace(each, cutout=0.0)),
    _clips("gain", lambda each: replace(each, gain_db=(0.0, 0.0))),
    _clips("shift", lambda each: replace(each, sound_shift=0.0)),
    _clips("added_noise", lambda each: replace(each, snr=None)),
    _clips("speed", lambda each: replace(each, speed=(1.0, 1.0))),
    _clips("background", lambda each: replace(each, background=0.0)),
    _clips("time_masks", lambda each: replace(each, time_masks=0)),
    _clips("frequency_masks", lambda each: replace(each, frequency_masks=0)),
    Ingredient(name="dropout", without=_without_dropout),
    Ingredient(name="drop_path", without=_without_drop_path),
    Ingredient(name="warm_up", without=_without_warm_up),
    Ingredient(name="schedule", without=_without_schedule),
    Ingredient(name="weight_decay", without=_without_weight_decay),
    Ingredient(name="nesterov", without=_without_nesterov),
    Ingredient(name="clipping", without=_without_clipping),
    Ingredient(name="layer_decay", without=_without_layer_decay),
    Ingredient(name="sam", without=_without_sam),
    Ingredient(name="repeated", without=_without_repeats),
)
"""All that can be left out; a schedule that is left out becomes a constant rate."""


def ingredients_of(
    recipe: Recipe, modality: Modality, names: Sequence[str] = ()
) -> list[Ingredient]:
    """Those that ``recipe`` uses on such data, in the order of `INGREDIENTS`.

    Args:
        recipe: The whole recipe.
        modality: Of the data.
        names: Only these; empty takes all.

    Raises:
        UnknownNameError: A name is none of `INGREDIENTS`.
        UsageError: The recipe does not use one of ``names``, or nothing at all.
    """
    known = {each.name: each for each in INGREDIENTS}
    used = [each for each in INGREDIENTS if each.is_in(recipe, modality)]
    said = ", ".join(each.name for each in used) or "none"
    for name in names:
        if name not in known:
            raise UnknownNameError("ingredient", name, known)
        if known[name] not in used:
            raise UsageError(
                f"the recipe has no {name} to leave out", expected=f"of {said}", received=name
            )
    if not used:
        raise UsageError("the recipe has nothing to leave out", received=said)
    return [each for each in used if not names or each.name in names]
