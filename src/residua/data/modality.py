"""What kind of samples a path or a name means, before the data set is opened as a whole."""

from __future__ import annotations

from pathlib import Path

from residua.batch import Modality
from residua.data.open import open_reader
from residua.data.readers.folder import kind_of_files
from residua.data.readers.kinds import PICTURES


def modality_of(name: str) -> Modality:
    """The modality of what `residua.data.open.open_reader` would open.

    Image folders, which may be large, are known by the first files that are met.

    Raises:
        DataError, UnknownNameError: There is no such data set.
    """
    path = Path(name).expanduser()
    if path.is_dir() and kind_of_files(path) is PICTURES:
        return Modality.IMAGE
    return open_reader(name).schema.modality
