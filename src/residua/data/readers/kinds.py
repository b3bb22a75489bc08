"""Kinds of files that are samples: how they are known, and what their headers say of a data set."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from residua.batch import Modality, Schema
from residua.data.dataset import Problem
from residua.data.decode import IMAGE_SUFFIXES
from residua.data.readers.edf import RECORDING_SUFFIXES, describe_recordings
from residua.data.readers.shared import count_channels
from residua.data.readers.sound import describe_sounds
from residua.data.sound import SOUND_SUFFIXES

Describe = Callable[[Sequence[Path], tuple[str, ...]], tuple[Schema, Sequence[Problem]]]
"""From some of the files and the class names to the schema, and what deserves a warning."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileKind:
    """One file, one sample.

    Attributes:
        noun: What people call a sample: "picture".
        nouns: More than one of them.
        usual: The ending that examples show.
        suffixes: Lower-case endings by which the files are known.
        describe: Looks at headers.
    """

    noun: str
    nouns: str
    usual: str
    suffixes: frozenset[str]
    describe: Describe

    def has(self, name: str) -> bool:
        """Whether a file of this name is one; hidden files are not."""
        return not name.startswith(".") and os.path.splitext(name)[1].lower() in self.suffixes  # noqa: PTH122


def _describe_pictures(
    files: Sequence[Path], classes: tuple[str, ...]
) -> tuple[Schema, Sequence[Problem]]:
    channels = count_channels(files)
    return Schema(modality=Modality.IMAGE, channels=channels, classes=classes), ()


PICTURES = FileKind(
    noun="picture",
    nouns="pictures",
    usual=".jpg",
    suffixes=IMAGE_SUFFIXES,
    describe=_describe_pictures,
)

SOUNDS = FileKind(
    noun="sound clip",
    nouns="sound clips",
    usual=".wav",
    suffixes=SOUND_SUFFIXES,
    describe=describe_sounds,
)

RECORDINGS = FileKind(
    noun="recording",
    nouns="recordings",
    usual=".edf",
    suffixes=RECORDING_SUFFIXES,
    describe=describe_recordings,
)

KINDS = (PICTURES, SOUNDS, RECORDINGS)
"""What class folders and manifests may hold."""
