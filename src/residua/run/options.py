"""Options that mean nothing for a kind of data: said, not ignored."""

from __future__ import annotations

from dataclasses import fields

from residua.batch import Modality
from residua.errors import UsageError
from residua.recipes.recipe import Recipe

_PICTURES = frozenset({"size", "channels", "fit", "normalise"})
_SOUND = frozenset({"mels", "window_ms", "hop_ms", "frequencies"})
_SIZES = frozenset({"train_scale", "progressive"})
_LENGTH = frozenset({"length"})  # all that can be said about text
_MIXING = frozenset({"mixup", "cutmix", "mix_probability", "cutmix_share"})


def check_options(recipe: Recipe, modality: Modality) -> None:
    """Raises a `UsageError` for the first option that was set and that ``modality`` has not, and
    for options that contradict each other."""
    _check_repetition(recipe)
    pictures, sound = modality is Modality.IMAGE, modality is Modality.SOUND
    if not pictures:
        _refuse(recipe.data, _PICTURES, modality)
        _refuse(recipe.augment, _names(recipe.augment) - _MIXING, modality)
        _refuse(recipe.training, _SIZES, modality)
    else:
        _refuse(recipe.series, _names(recipe.series), modality)
    if modality is Modality.SIGNAL:
        _refuse(recipe.series, _SOUND, modality)
    if sound:
        _refuse(recipe.series, frozenset({"missing"}), modality)
    if modality is Modality.TEXT:
        _refuse(recipe.series, _names(recipe.series) - _LENGTH, modality)
    if modality is not Modality.SIGNAL:
        _refuse(recipe.signal, _names(recipe.signal), modality)
    if not sound:
        _refuse(recipe.sound, _names(recipe.sound), modality)


def _check_repetition(recipe: Recipe) -> None:
    """Other ways to say how often samples come leave nothing to repeat."""
    others = {
        "--balance sampling": recipe.method.balance == "sampling",
        f"--method {recipe.semi.semi}": recipe.semi.active,
    }
    for option, used in others.items():
        if used and recipe.training.repeated > 1:
            raise UsageError(
                f"--repeated does not go with {option}, which draws samples its own way",
                expected="one of them",
                received=f"--repeated {recipe.training.repeated}",
            )


def _names(config: object) -> frozenset[str]:
    return frozenset(field.name for field in fields(config))  # pyright: ignore[reportArgumentType]


def _refuse(config: object, names: frozenset[str], modality: Modality) -> None:
    usual = type(config)()
    for name in sorted(names):
        value = getattr(config, name)
        if value != getattr(usual, name):
            raise UsageError(
                f"--{name.replace('_', '-')} means nothing for this data",
                expected=f"options for {modality.value} data",
                received=value,
            )
