"""The fixed way from a sample to the network's input: one description for each modality.

Every one has the same interface: ``on_host`` makes what is kept of one sample, ``on_device`` makes
the network's input of a batch, ``identity`` says what the former depends on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from residua.batch import Modality
from residua.data.image_preprocess import ImagePreprocess
from residua.data.signal_preprocess import SignalPreprocess
from residua.data.sound_preprocess import SoundPreprocess
from residua.data.text_preprocess import TextPreprocess
from residua.errors import FormatError

SeriesPreprocess = SignalPreprocess | SoundPreprocess | TextPreprocess
"""Of what runs along time."""

Preprocess = ImagePreprocess | SeriesPreprocess

_KINDS: tuple[type[Preprocess], ...] = (
    ImagePreprocess,
    SignalPreprocess,
    SoundPreprocess,
    TextPreprocess,
)


def preprocess_to_json(preprocess: Preprocess) -> dict[str, Any]:
    """Plain values, tagged with the modality."""
    return {"modality": preprocess.modality.value, **preprocess.to_json()}


def preprocess_from_json(value: Mapping[str, Any]) -> Preprocess:
    """The inverse of `preprocess_to_json`.

    Raises:
        FormatError: Values that are missing, unknown or of another kind.
    """
    modality = value.get("modality", Modality.IMAGE.value)
    fields = {name: item for name, item in value.items() if name != "modality"}
    for kind in _KINDS:
        if kind.modality == modality:
            return kind.from_json(fields)
    expected = ", ".join(kind.modality.value for kind in _KINDS)
    raise FormatError("a preprocessing of unknown modality", expected=expected, received=modality)
