"""Which columns of a Parquet file hold the samples and the labels."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from residua.batch import Modality
from residua.data.readers.shared import shorten
from residua.data.readers.table_columns import GROUP_NAMES, TARGET_NAMES, TEXT_NAMES
from residua.errors import FormatError

_IMAGE_NAMES = ("image", "img", "picture", "pixels", "file_name", "path")
_LABEL_NAMES = ("label", "labels", "fine_label", "class", "target", "y")
_SERIES_NAMES = ("series", "signal", "values", "x", "data", "input")


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Which columns matter, and the class names if the metadata has them.

    Attributes:
        content: Pictures, series or texts.
        quantities: The label's name, if it is called a target.
    """

    content: str
    modality: Modality = Modality.IMAGE
    label: str
    classes: tuple[str, ...] | None
    quantities: tuple[str, ...] = ()
    group: str | None = None


def find_columns(schema: Any, where: Path) -> Columns:
    """Found by what `datasets` wrote into the metadata, else by type, else by name.

    Args:
        schema: A `pyarrow.Schema`.
        where: Its file, for the error.

    Raises:
        FormatError: None, or more than one, could be the sample or the label.
    """
    from pyarrow import types

    features = _features(schema)

    def declared(kind: str) -> list[str]:
        return [name for name in schema.names if features.get(name, {}).get("_type") == kind]

    def typed(*tests: Any) -> list[str]:
        return [f.name for f in schema if any(test(f.type) for test in tests)]

    texts = typed(types.is_string, types.is_large_string)
    images = (
        declared("Image") or typed(_is_picture) or typed(types.is_binary, types.is_large_binary)
    )
    series = [name for name in typed(_is_series) if name.lower() not in _LABEL_NAMES]
    if images or not (series or any(name.lower() in TEXT_NAMES for name in texts)):
        images = images or [name for name in texts if name.lower() in _IMAGE_NAMES]
        content, modality = _only(images, _IMAGE_NAMES, "picture", schema, where), Modality.IMAGE
    elif series:
        content, modality = _only(series, _SERIES_NAMES, "series", schema, where), Modality.SIGNAL
    else:
        words = [name for name in texts if name.lower() in TEXT_NAMES]
        content, modality = _only(words, TEXT_NAMES, "text", schema, where), Modality.TEXT
    kinds = (types.is_integer, types.is_boolean, types.is_dictionary)
    labels = declared("ClassLabel") or [n for n in (*typed(*kinds), *texts) if n != content]
    if modality is not Modality.IMAGE:
        named = typed(types.is_floating, types.is_list)
        labels = [*labels, *(n for n in named if n.lower() in _LABEL_NAMES and n != content)]
    label = _only(labels, _LABEL_NAMES, "label", schema, where)
    names = cast("list[str] | None", features.get(label, {}).get("names"))
    groups = [name for name in schema.names if name.lower() in GROUP_NAMES]
    return Columns(
        content=content,
        modality=modality,
        label=label,
        classes=tuple(names) if names else None,
        quantities=(label,) if label.lower() in TARGET_NAMES else (),
        group=groups[0] if groups and modality is not Modality.IMAGE else None,
    )


def _is_series(kind: Any) -> bool:
    """Lists of numbers, or lists of such lists."""
    from pyarrow import types

    lists = (types.is_list, types.is_large_list, types.is_fixed_size_list)
    for _ in range(2):
        if any(test(kind) for test in lists):
            kind = kind.value_type
            if types.is_floating(kind) or types.is_integer(kind):
                return True
    return False


def _is_picture(kind: Any) -> bool:
    from pyarrow import types

    return types.is_struct(kind) and kind.get_field_index("bytes") >= 0


def _only(
    candidates: Sequence[str], preferred: Sequence[str], what: str, schema: Any, where: Path
) -> str:
    if len(candidates) == 1:
        return candidates[0]
    for name in preferred:
        if name in candidates:
            return name
    columns = shorten((f"{field.name} ({field.type})" for field in schema), at_most=12)
    raise FormatError(
        f"several columns could be the {what}" if candidates else f"there is no {what} column",
        expected=f"one, named {preferred[0]} for example",
        received=columns,
        where=where,
    )


def _features(schema: Any) -> dict[str, dict[str, Any]]:
    """What `datasets` says of the columns; empty if it did not write the file."""
    text = (schema.metadata or {}).get(b"huggingface", b"{}")
    try:
        features = json.loads(text)["info"]["features"]
    except (ValueError, KeyError, TypeError):
        return {}
    return {name: entry for name, entry in features.items() if isinstance(entry, dict)}
