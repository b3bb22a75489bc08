"""Which columns of a Parquet file hold the pictures and the labels."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from residua.data.readers.shared import shorten
from residua.errors import FormatError

_IMAGE_NAMES = ("image", "img", "picture", "pixels", "file_name", "path")
_LABEL_NAMES = ("label", "labels", "fine_label", "class", "target")


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Which columns matter, and the class names if the metadata has them."""

    image: str
    label: str
    classes: tuple[str, ...] | None


def find_columns(schema: Any, where: Path) -> Columns:
    """Found by what `datasets` wrote into the metadata, else by type, else by name.

    Args:
        schema: A `pyarrow.Schema`.
        where: Its file, for the error.

    Raises:
        FormatError: None, or more than one, could be the picture or the label.
    """
    from pyarrow import types

    features = _features(schema)

    def declared(kind: str) -> list[str]:
        return [name for name in schema.names if features.get(name, {}).get("_type") == kind]

    def typed(*tests: Any) -> list[str]:
        return [f.name for f in schema if any(test(f.type) for test in tests)]

    texts = typed(types.is_string, types.is_large_string)
    images = (
        declared("Image")
        or typed(_is_picture)
        or typed(types.is_binary, types.is_large_binary)
        or [name for name in texts if name.lower() in _IMAGE_NAMES]
    )
    image = _only(images, _IMAGE_NAMES, "picture", schema, where)
    kinds = (types.is_integer, types.is_boolean, types.is_dictionary)
    labels = declared("ClassLabel") or [n for n in (*typed(*kinds), *texts) if n != image]
    label = _only(labels, _LABEL_NAMES, "label", schema, where)
    names = cast("list[str] | None", features.get(label, {}).get("names"))
    return Columns(image=image, label=label, classes=tuple(names) if names else None)


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
